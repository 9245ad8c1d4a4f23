"""JSON and query strings into msgspec structs, naming every field that is wrong.

msgspec's own decoding stops at the first wrong field. This pass walks the
type and the value side by side, keeps what is right and collects an error for
all else, also for unknown fields. Text never holds NUL: PostgreSQL stores none.
"""

import binascii
import difflib
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import UNSET, Struct, inspect

from postroom.doors.http.long_texts import Base64Text, LongText
from postroom.doors.http.problems import FieldError, Problem, wrong_fields
from postroom.doors.http.words import NO_TIME, read_time
from postroom.mail.pieces import Content

MODEL = TypeVar("MODEL", bound=Struct)

MAX_ERRORS: Final = 1000
"""An answer lists no more; beyond that a list is wrong as a whole."""
NOT_JSON: Final = (RecursionError, UnicodeDecodeError, msgspec.MsgspecError)
"""What decoding raises."""
_MAX_TEXT: Final = 100_000
"""Letters of a text that says no limit itself, such as an address."""
_ESCAPED_BYTES: Final = 12
"""What a letter takes in JSON at most: two escapes of six."""
_ID_PATTERN: Final = re.compile(r"\^([a-z]{2,4})_\[")
_BASE64_LETTERS: Final = 4 * 65_536


_TAKES_LONG: Final = (
    inspect.StrType, inspect.CustomType, inspect.AnyType, inspect.UnionType, inspect.Metadata,
)  # fmt: skip


class FileBytes:
    """The bytes of a file, in base64 in JSON: the type of such a field."""

    def __init__(self, content: Content) -> None:
        self.content = content

    @staticmethod
    def schema(asked: type) -> dict[str, object]:
        """Return the JSON schema of a custom type of our models."""
        if asked is not FileBytes:
            raise NotImplementedError(asked)
        return {"type": "string", "format": "byte", "contentEncoding": "base64"}


class Errors:
    """The wrong fields of one request."""

    def __init__(self) -> None:
        self.items: list[FieldError] = []

    def add(self, field: str, code: str, message: str) -> None:
        """Note a wrong field."""
        if len(self.items) < MAX_ERRORS:
            self.items.append(FieldError(field, code, message))

    def __contains__(self, field: str) -> bool:
        """Tell whether the field or a part of it is wrong already; its value then means nothing."""
        return any(item.field == field or item.field.startswith((field + ".", field + "[")) for item in self.items)

    def end(self) -> None:
        """Raise Problem where a field is wrong."""
        if self.items:
            raise wrong_fields(self.items)


def parse_json(raw: bytes | bytearray) -> object:
    """Return the JSON value of a request body. Raises Problem 400."""
    try:
        return msgspec.json.decode(raw)
    except NOT_JSON as error:
        raise not_json(error) from None


def not_json(error: Exception) -> Problem:
    """Return the answer to one of NOT_JSON."""
    match error:
        case RecursionError():
            reason = "it is nested too deeply"
        case UnicodeDecodeError():
            reason = "it is not UTF-8"
        case _:
            reason = str(error)
    return Problem(400, "not-json", f"The body is no JSON (RFC 8259): {reason}.")


def read_object(value: object, model: type[MODEL], errors: Errors) -> MODEL:
    """Return `value` as a `model`; what is wrong goes to `errors`, and such fields hold nothing of use.

    The dicts in `value` are emptied on the way.
    Raises Problem 422 where `value` is no object.
    """
    if not isinstance(value, dict):
        raise wrong_fields([FieldError("body", "type", f"must be an object, not {_kind(value)}")])
    try:
        read: MODEL = _struct(_node(model), value, "", errors)
    except NOT_JSON as error:
        # A long text is read only now.
        raise not_json(error) from None
    return read


def read_query(query: bytes, model: type[MODEL]) -> MODEL:
    """Return the parameters of a query string as a `model`. Raises Problem 422, naming every wrong one."""
    errors = Errors()
    values: dict[str, object] = {}
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=100, errors="strict")
    except ValueError:
        raise Problem(
            400, "not-query", "The query is not percent-encoded UTF-8, or has more than 100 parameters."
        ) from None
    nodes = {field.encode_name: field.type for field in _node(model).fields}
    for name, text in pairs:
        if name in values:
            errors.add(name, "twice", "is given twice; give it once")
        values[name] = _from_text(nodes.get(name), text)
    read: MODEL = _struct(_node(model), values, "", errors)
    errors.end()
    return read


@lru_cache(maxsize=256)
def _node(model: type[Struct]) -> inspect.StructType:
    node = inspect.type_info(model)
    if not isinstance(node, inspect.StructType):
        raise TypeError(f"{model} is no struct")
    return node


def _struct(node: inspect.StructType, value: dict[str, object], at: str, errors: Errors) -> Any:
    prefix = at + "." if at else ""
    fields = {field.encode_name: field for field in node.fields}
    found: dict[str, object] = {}
    given = set(value)
    for name in list(value):
        field = fields.get(name)
        # Taken out, so that a large text does not live beside what is made of it.
        item = value.pop(name)
        if field is None:
            _unknown(prefix + name, name, list(fields), errors)
        else:
            found[field.name] = _value(field.type, item, prefix + name, errors)
        del item
    for name, field in fields.items():
        if field.required and name not in given:
            errors.add(prefix + name, "missing", "is needed")
            found[field.name] = UNSET
    return node.cls(**found)


def _unknown(path: str, name: str, known: Sequence[str], errors: Errors) -> None:
    near = difflib.get_close_matches(name[:100], known, 1)
    remedy = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(f'`{word}`' for word in known)}"
    errors.add(path[:200], "unknown", f"is no field here; {remedy}")


def _value(node: inspect.Type, value: object, at: str, errors: Errors) -> object:
    if isinstance(node, inspect.Metadata):
        before = len(errors.items)
        read = _value(node.type, value, at, errors)
        extra = node.extra or {}
        if "is_time" in extra and isinstance(read, str) and read_time(read) is None:
            errors.add(at, "invalid_time", NO_TIME)
        remedy = extra.get("remedy")
        if remedy and len(errors.items) == before + 1 and errors.items[-1].code == "form":
            errors.items[-1] = FieldError(at, "form", remedy)
        return read
    if isinstance(value, LongText) and not isinstance(node, _TAKES_LONG):
        value = value.beginning()
    if isinstance(value, float) and value.is_integer() and not isinstance(node, inspect.AnyType):
        # To JSON Schema 7.0 is a whole number, and some languages write every number so.
        value = int(value)
    match node:
        case inspect.UnionType():
            return _union(node, value, at, errors)
        case inspect.StructType() if isinstance(value, dict):
            return _struct(node, value, at, errors)
        case inspect.ListType() | inspect.VarTupleType() if isinstance(value, list):
            return _list(node, value, at, errors)
        case inspect.DictType() if isinstance(value, dict):
            return _dict(node, value, at, errors)
        case inspect.StrType() if isinstance(value, str):
            return _text(node, value, at, errors)
        case inspect.StrType() if isinstance(value, LongText):
            return _long_text(node, value, at, errors)
        case inspect.CustomType() if isinstance(value, str | LongText):
            return _base64(value, at, errors)
        case inspect.EnumType() if isinstance(value, str):
            return _enum(node, value, at, errors)
        case inspect.BoolType() if isinstance(value, bool):
            return value
        case inspect.IntType() if isinstance(value, int) and not isinstance(value, bool):
            return _int(node, value, at, errors)
        case inspect.NoneType() if value is None:
            return None
        case inspect.AnyType():
            return value
    errors.add(at, "type", f"must be {_wanted(node)}, not {_kind(value)}")
    return UNSET


def _union(node: inspect.UnionType, value: object, at: str, errors: Errors) -> object:
    for member in node.types:
        bare = member.type if isinstance(member, inspect.Metadata) else member
        if _fits(bare, value):
            return _value(member, value, at, errors)
    errors.add(at, "type", f"must be {' or '.join(_wanted(member) for member in node.types)}, not {_kind(value)}")
    return UNSET


def _fits(node: inspect.Type, value: object) -> bool:
    match value:
        case None:
            return isinstance(node, inspect.NoneType)
        case bool():
            return isinstance(node, inspect.BoolType)
        case int():
            return isinstance(node, inspect.IntType)
        case str() | LongText():
            return isinstance(node, inspect.StrType | inspect.CustomType | inspect.EnumType)
        case list():
            return isinstance(node, inspect.ListType | inspect.VarTupleType)
        case dict():
            return isinstance(node, inspect.StructType | inspect.DictType)
    return False


def _list(node: inspect.ListType | inspect.VarTupleType, value: list[object], at: str, errors: Errors) -> object:
    if node.min_length is not None and len(value) < node.min_length:
        errors.add(at, "too_few", f"needs at least {node.min_length}")
    if node.max_length is not None and len(value) > node.max_length:
        errors.add(at, "too_many", f"takes at most {node.max_length}, not {len(value)}")
        return UNSET
    return [_value(node.item_type, item, f"{at}[{index}]", errors) for index, item in enumerate(value)]


def _dict(node: inspect.DictType, value: dict[str, object], at: str, errors: Errors) -> object:
    if node.max_length is not None and len(value) > node.max_length:
        errors.add(at, "too_many", f"takes at most {node.max_length}, not {len(value)}")
        return UNSET
    read = {}
    for name, item in value.items():
        path = f"{at}.{name[:100]}"
        before = len(errors.items)
        key = _value(node.key_type, name, path, errors)
        if len(errors.items) == before:
            read[key] = _value(node.value_type, item, path, errors)
    return read


def _text(node: inspect.StrType, value: str, at: str, errors: Errors) -> object:
    if node.min_length is not None and len(value) < node.min_length:
        errors.add(at, "empty", "must not be empty" if node.min_length == 1 else f"needs {node.min_length} characters")
    elif node.max_length is not None and len(value) > node.max_length:
        errors.add(at, "too_long", f"takes at most {node.max_length} characters, not {len(value)}")
    elif "\x00" in value:
        errors.add(at, "characters", "must not hold the character U+0000")
    elif node.pattern is not None and re.fullmatch(node.pattern, value) is None:
        errors.add(at, "form", _formed(node.pattern))
    else:
        return value
    return UNSET


def _formed(pattern: str) -> str:
    kind = _ID_PATTERN.match(pattern)
    return f"must be an id of the form {kind[1]}_…, as an answer gives it" if kind else f"must have the form {pattern}"


def _long_text(node: inspect.StrType, value: LongText, at: str, errors: Errors) -> object:
    most = _MAX_TEXT if node.max_length is None else node.max_length
    if value.size_bytes <= most * _ESCAPED_BYTES:
        text = value.text()
        if len(text) <= most:
            return _text(node, text, at, errors)
    errors.add(at, "too_long", f"takes at most {most} characters")
    return UNSET


def _base64(value: str | LongText, at: str, errors: Errors) -> object:
    try:
        return FileBytes(_decoded(value) if isinstance(value, str) else Base64Text(value))
    except ValueError:
        errors.add(at, "base64", "must be base64 (RFC 4648 4) with padding and without line breaks")
        return UNSET


def _decoded(value: str) -> bytes:
    decoded = bytearray()
    # In pieces: one call for a large file would hold the interpreter for long.
    for start in range(0, len(value), _BASE64_LETTERS):
        piece = value[start : start + _BASE64_LETTERS]
        decoded += binascii.a2b_base64(piece, strict_mode=True)
        if piece.endswith("=") and start + len(piece) < len(value):
            raise binascii.Error("padding before the end")
    return bytes(decoded)


def _enum(node: inspect.EnumType, value: str, at: str, errors: Errors) -> object:
    try:
        return node.cls(value)
    except ValueError:
        words = [str(member.value) for member in node.cls]
        near = difflib.get_close_matches(value[:100], words, 1)
        hint = f"; did you mean `{near[0]}`?" if near else ""
        errors.add(at, "unknown_value", f"must be one of {', '.join(words)}{hint}")
        return UNSET


def _int(node: inspect.IntType, value: int, at: str, errors: Errors) -> object:
    least, most = node.ge, node.le
    if (least is not None and value < least) or (most is not None and value > most):
        errors.add(at, "range", f"must be a whole number from {least} to {most}")
        return UNSET
    return value


def _from_text(node: inspect.Type | None, text: str) -> object:
    bare = node.type if isinstance(node, inspect.Metadata) else node
    if isinstance(bare, inspect.IntType) and re.fullmatch(r"-?[0-9]{1,18}", text, re.ASCII):
        return int(text)
    if isinstance(bare, inspect.BoolType) and text in ("true", "false"):
        return text == "true"
    return text


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int():
            return "a number"
        case float():
            return "a fraction"
        case str() | LongText():
            return "text"
        case list():
            return "a list"
    return "an object"


def _wanted(node: inspect.Type) -> str:
    words: list[tuple[type[inspect.Type], str]] = [
        (inspect.NoneType, "null"),
        (inspect.BoolType, "true or false"),
        (inspect.IntType, "a whole number"),
        (inspect.StrType, "text"),
        (inspect.EnumType, "text"),
        (inspect.CustomType, "text in base64"),
        (inspect.ListType, "a list"),
        (inspect.VarTupleType, "a list"),
        (inspect.StructType, "an object"),
        (inspect.DictType, "an object"),
    ]
    bare = node.type if isinstance(node, inspect.Metadata) else node
    if isinstance(bare, inspect.UnionType):
        return " or ".join(_wanted(member) for member in bare.types)
    return next((word for kind, word in words if isinstance(bare, kind)), "another value")
