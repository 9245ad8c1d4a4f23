"""Lists as PostgreSQL's binary arrays, packed whole.

The form is that of `array_send`: dimensions, a flag for nulls, the element's
type, length, lower bound, and each element behind its length (-1: null).
"""

import struct
from collections.abc import Sequence
from itertools import chain
from typing import Any

from postroom.store.statement import ColumnKind

_INT8, _TEXT, _BYTEA = 20, 25, 17
_NULL = b"\xff\xff\xff\xff"
_HEAD = struct.Struct(">iiIii")
_LENGTH = struct.Struct(">i")
_INT = struct.Struct(">iq")


class Array:
    """A packed array. Its subclass tells the type."""

    __slots__ = ("packed",)

    def __init__(self, packed: bytes) -> None:
        self.packed = packed


class Int8Array(Array):
    """bigint[]"""

    __slots__ = ()


class TextArray(Array):
    """text[]"""

    __slots__ = ()


class ByteaArray(Array):
    """bytea[]"""

    __slots__ = ()


def array_of(values: Sequence[int | str | bytes | None]) -> Array:
    """Return a list of one kind as an array; an empty one or one of nulls is taken for ints."""
    kind = next((type(value) for value in values if value is not None), int)
    if issubclass(kind, str):
        return column_array("text", values)
    return column_array("blob" if issubclass(kind, bytes) else "int", values)


def column_array(kind: ColumnKind, values: Sequence[Any]) -> Array:
    """Return the values of one column as an array. None is null."""
    if kind == "int":
        return Int8Array(_ints(values))
    if kind == "text":
        return TextArray(_lengths(_TEXT, values, [None if value is None else value.encode() for value in values]))
    return ByteaArray(_lengths(_BYTEA, values, values))


def _head(element: int, count: int, *, has_null: bool) -> bytes:
    if not count:
        return struct.pack(">iiI", 0, 0, element)
    return _HEAD.pack(1, int(has_null), element, count, 1)


def _ints(values: Sequence[int | None]) -> bytes:
    count = len(values)
    if None not in values:
        flat: list[Any] = [8] * (2 * count)
        flat[1::2] = values
        return _head(_INT8, count, has_null=False) + struct.pack(">" + "iq" * count, *flat)
    if values.count(None) == count:
        return _head(_INT8, count, has_null=True) + _NULL * count
    elements = [_NULL if value is None else _INT.pack(8, value) for value in values]
    return _head(_INT8, count, has_null=True) + b"".join(elements)


def _lengths(element: int, values: Sequence[Any], encoded: Sequence[bytes | None]) -> bytes:
    count = len(encoded)
    if count and values.count(values[0]) == count:
        # A column often holds the same in all rows of a group.
        one = encoded[0]
        packed = _NULL if one is None else _LENGTH.pack(len(one)) + one
        return _head(element, count, has_null=one is None) + packed * count
    has_null = None in encoded
    pairs = [(_NULL, b"") if value is None else (_LENGTH.pack(len(value)), value) for value in encoded]
    return _head(element, count, has_null=has_null) + b"".join(chain.from_iterable(pairs))
