"""JSON whose long strings stay in a file says the same as JSON that is decoded whole."""

import base64
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from postroom.doors.http import long_texts
from postroom.doors.http.fields import NOT_JSON
from postroom.doors.http.long_texts import Base64Text, LongText, Spool, TooMuchElse, decode_but_long


@pytest.fixture(autouse=True)
def _short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_texts, "PIECE_BYTES", 16)
    monkeypatch.setattr(long_texts, "LONG_BYTES", 8)


@contextmanager
def spooled(raw: bytes) -> Iterator[Spool]:
    with tempfile.TemporaryFile() as file:
        file.write(raw)
        file.flush()
        yield Spool(file.fileno(), len(raw))


def read(value: Any) -> Any:
    """Return a value with its long texts read."""
    if isinstance(value, LongText):
        return value.text()
    if isinstance(value, list):
        return [read(item) for item in value]
    return {name: read(item) for name, item in value.items()} if isinstance(value, dict) else value


letters = st.text(st.sampled_from('ab"\\/\n\té€😀\0'), max_size=60)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | letters,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(letters, inner, max_size=4),
)


@given(values, st.booleans(), st.sampled_from([None, 1]))
def test_it_says_what_the_json_says_with_all_kinds_of_escapes(value: Any, ascii_only: bool, indent: int | None) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    with spooled(raw.replace(b"/", b"\\/")) as spool:
        assert read(decode_but_long(spool)) == value


scraps = st.sampled_from([
    b'"', b"\\", b"u", b"ud83d", b"\\ude00", b"00e9", b"{", b"}", b"[", b"]", b",", b":", b"\xc3", b"\xa9", b"a" * 9,
    b"1", b" ", b"\\n",
])  # fmt: skip


@given(st.lists(scraps, max_size=40).map(b"".join))
@example(b'"aaaaaaaaaaaaaaaaaaaaaaaaaaaa\\')
@example(b'["\\ud83d\\ude00\\ud83d\\ude00\\ud83d\\ude00","\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\"]')
def test_any_bytes_mean_the_same_or_are_refused_by_both(raw: bytes) -> None:
    try:
        expected = msgspec.json.decode(raw)
    except NOT_JSON:
        with spooled(raw) as spool, pytest.raises(NOT_JSON):
            read(decode_but_long(spool))
        return
    with spooled(raw) as spool:
        assert read(decode_but_long(spool)) == expected


def test_only_long_texts_stay_in_the_file_and_names_never_do() -> None:
    with spooled(b'{"short": "12345678", "long": "123456789", "a long name of a field": ["x"]}') as spool:
        value: Any = decode_but_long(spool)
    assert value["short"] == "12345678"
    assert isinstance(value["long"], LongText)
    assert value["a long name of a field"] == ["x"]


def test_a_client_cannot_write_a_mark() -> None:
    with spooled(
        b'["a long text comes first", "\\u0000", "\\u00000", "\\u0000deadbeefdeadbeefdeadbeefdeadbeef0"]'
    ) as spool:
        assert read(decode_but_long(spool))[1:] == ["\0", "\x000", "\0deadbeefdeadbeefdeadbeefdeadbeef0"]


def test_what_is_not_long_text_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_texts, "MAX_REST_BYTES", 100)
    with spooled(b'["' + b"x" * 1000 + b'"]') as spool:
        assert read(decode_but_long(spool)) == ["x" * 1000]
    with spooled(b"[" + b"[]," * 100 + b"1]") as spool, pytest.raises(TooMuchElse):
        decode_but_long(spool)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 11, 12, 13, 100, 1000])
def test_base64_is_decoded_in_pieces_again_and_again(size: int) -> None:
    data = os.urandom(size)
    raw = base64.b64encode(data).replace(b"/", b"\\/")
    with spooled(b"x" * 20 + raw) as spool:
        decoded = Base64Text(LongText(spool, 20, 20 + len(raw)))
        assert len(decoded) == size
        assert b"".join(decoded) == b"".join(decoded) == data


@pytest.mark.parametrize("text", [
    "QUJD" * 10 + "Q", "QUJD" * 10 + "QQ=", "QQ==" * 10, "QUJD" * 4 + "\\n" + "QUJD" * 4, "QUJD" * 5 + "é" * 4,
    "QQ==" + "QUJD" * 10, "QUJD" * 3 + "QQ==QUJD", "QUJD" * 10 + "QQ===",
])  # fmt: skip
def test_what_is_no_base64_is_refused(text: str) -> None:
    raw = text.encode()
    with spooled(raw) as spool, pytest.raises(ValueError, match=r"."):
        Base64Text(LongText(spool, 0, len(raw)))


def test_the_beginning_names_a_long_text() -> None:
    with spooled(b"abcdefgh" * 100) as spool:
        assert LongText(spool, 0, 800).beginning() == ("abcdefgh" * 100)[:300]
