"""A text part's charset, as far as finding and replacing URLs needs it.

`view` gives the text as characters whose offsets map to bytes. In charsets
that contain ASCII each byte is one character of the view; in ISO-2022 the bytes
behind a shift are masked, because they look like ASCII (RFC 1468); UTF-16 and
UTF-32 are decoded. UTF-7, HZ and EBCDIC are left alone: there ASCII letters
do not stand for themselves.
"""

import codecs
import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache


class CharsetKind(Enum):
    """How bytes and characters belong together."""

    ASCII_BASED = "ascii"
    ISO_2022 = "iso-2022"
    WIDE = "wide"
    """UTF-16 and UTF-32."""
    LEFT_ALONE = "left alone"


@dataclass(frozen=True, slots=True)
class Charset:
    """A charset by its kind and Python's codec for it."""

    kind: CharsetKind
    codec: str
    """Empty where the label is unknown: ASCII is then all that can be read."""


@dataclass(frozen=True, slots=True)
class View:
    """A text part's content as characters: CR as LF, nothing else changed in length."""

    text: str
    codec: str
    """How characters of ours are written into it: `ascii`, `utf-16-le`, …"""
    _prefix_codec: str = ""
    """Set where an offset is found by encoding what stands before it."""
    _width: int = 1

    def offset(self, index: int) -> int:
        """Return the byte offset of the character `index`."""
        if self._prefix_codec:
            return len(self.text[:index].encode(self._prefix_codec))
        return index * self._width


_WIDE = {"utf_16", "utf_16_le", "utf_16_be", "utf_32", "utf_32_le", "utf_32_be"}
_LEFT_ALONE = re.compile(r"utf_7|hz|cp(037|1140|273|424|500|875|1026)|idna|punycode|.*escape|undefined")
# ESC ( B and ESC ( J shift back to (nearly) ASCII; ESC $ ) and ESC . only say what a later shift means.
_SHIFTED = re.compile(rb"\x1b(?!\([BJ]|\$[)*+]|[.N])[^\x1b]*")
_MAX_PAIRED = 200_000
"""Letters of UTF-16 with surrogate pairs: each offset costs an encoding of what stands before it."""
_SHIFT_OUT = re.compile(rb"\x0e[^\x0f]*")


@lru_cache(maxsize=256)
def charset(label: bytes) -> Charset:
    """Return what a charset label (any letter case) means. No label means US-ASCII or UTF-8."""
    name = label.strip().decode("ascii", "replace").lower()
    if name in ("", "us-ascii", "ascii", "unknown-8bit"):
        return Charset(CharsetKind.ASCII_BASED, "utf-8")
    if name in ("iso-8859-1", "latin1", "latin-1", "l1"):
        # What browsers and mail programs read it as (WHATWG Encoding 4.2).
        return Charset(CharsetKind.ASCII_BASED, "cp1252")
    if "utf-7" in name or name.startswith(("hz", "ebcdic", "x-utf-7")):
        return Charset(CharsetKind.LEFT_ALONE, "")
    try:
        codec = codecs.lookup(name)
        b"".decode(name)  # raises LookupError for codecs that are no charset
    except (LookupError, ValueError):
        is_wide = name.startswith(("utf-16", "utf-32", "ucs-", "iso-10646"))
        return Charset(CharsetKind.LEFT_ALONE if is_wide else CharsetKind.ASCII_BASED, "")
    canonical = codec.name.replace("-", "_")
    if _LEFT_ALONE.fullmatch(canonical):
        return Charset(CharsetKind.LEFT_ALONE, "")
    if canonical in _WIDE:
        return Charset(CharsetKind.WIDE, canonical)
    if canonical.startswith("iso2022"):
        return Charset(CharsetKind.ISO_2022, codec.name)
    return Charset(CharsetKind.ASCII_BASED, codec.name)


def view(content: bytes, its_charset: Charset) -> View | None:
    """Return the view of a transfer-decoded text part; None where it cannot be read and is left alone."""
    if its_charset.kind is CharsetKind.LEFT_ALONE:
        return None
    if its_charset.kind is CharsetKind.WIDE:
        return _wide_view(content, its_charset.codec)
    if its_charset.kind is CharsetKind.ISO_2022 and (b"\x1b" in content or b"\x0e" in content):
        content = _SHIFTED.sub(_mask, content)
        if b"\x0e" in content:
            content = _SHIFT_OUT.sub(_mask, content)
    return View(content.replace(b"\r", b"\n").decode("latin-1"), "ascii")


def _mask(match: re.Match[bytes]) -> bytes:
    return b"x" * (match.end() - match.start())


def _wide_view(content: bytes, codec: str) -> View | None:
    codec = codec.replace("_", "-")
    if codec in ("utf-16", "utf-32"):
        codec += _byte_order(content, 2 if codec == "utf-16" else 4)
    try:
        text = content.decode(codec)
    except UnicodeDecodeError:
        return None
    text = text.replace("\r", "\n")
    width = 4 if codec.startswith("utf-32") else 2
    has_pairs = len(text) * width != len(content)
    if has_pairs and len(text) > _MAX_PAIRED:
        return None
    return View(text, codec, codec if has_pairs else "", width)


def _byte_order(content: bytes, width: int) -> str:
    """Tell the byte order by the mark in front or by where the zeros of ASCII stand; big endian else (RFC 2781 4.3)."""
    begin = content[:width]
    if begin[:2] == b"\xff\xfe" or (begin[:1] != b"\x00" and begin[-1:] == b"\x00"):
        return "-le"
    return "-be"
