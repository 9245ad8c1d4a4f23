"""Encoded words in header fields: read any, write UTF-8 (RFC 2047, with the language tag of RFC 2231 5)."""

import base64
import binascii
import re
from collections.abc import Iterable

_WORD = re.compile(r"=\?([A-Za-z0-9!#$%&'*+^_`{}~.:()/-]{1,64})\?([BbQq])\?([^?\s]*)\?=")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST_WORD = 75  # RFC 2047 2
_LONGEST_READ = 65_536
_LINE = 76
_LONGEST_PLAIN = 900  # a longer one would not fit into a line of 998 (RFC 5322 2.1.1)
# Codecs that are no charset of mail: slow on long input, or they run escapes.
_NO_CHARSETS = frozenset({"idna", "punycode", "unicode_escape", "unicode-escape", "raw_unicode_escape", "undefined"})


def text_of(raw: bytes) -> str:
    """Return raw header bytes as text: UTF-8 (RFC 6532), or Latin-1 where they are none."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def decode_words(raw: bytes | str) -> str:
    """Return an unfolded field body for display, its encoded words decoded.

    What cannot be decoded stays as written or becomes U+FFFD; control characters become spaces.
    """
    text = text_of(raw[:_LONGEST_READ]) if isinstance(raw, bytes) else raw[:_LONGEST_READ]
    if "=?" in text:
        text = "".join(_decoded_runs(text))
    return "".join(letter if letter.isprintable() else _shown(letter) for letter in text)


def encode_words(text: str, *, taken: int = 0) -> list[str]:
    """Return `text` as encoded words in UTF-8, each at most 75 octets, base64 or Q, whichever is shorter.

    No letter is cut in two (RFC 2047 5). Between the words belongs white space, which a reader drops.
    `taken` octets of the first line are the field's name.
    """
    raw = text.encode("utf-8", "replace")
    quoted = sum(len(_q(bytes((byte,)))) for byte in raw)
    base64_is_shorter = -(-len(raw) // 3) * 4 < quoted
    longest = _LONGEST_WORD - len("=?utf-8?q??=")
    room = longest - min(taken, longest - 12)
    words: list[str] = []
    piece = b""
    for letter in text:
        more = piece + letter.encode("utf-8", "replace")
        length = -(-len(more) // 3) * 4 if base64_is_shorter else len(_q(more))
        if length > room:
            words.append(_word(piece, base64_is_shorter))
            more = more[len(piece) :]
            room = longest
        piece = more
    words.append(_word(piece, base64_is_shorter))
    return words


def fold_text(name: str, text: str) -> bytes:
    """Return the whole field `name` with unstructured `text` (Subject, Comments), folded at 78, with its CRLF.

    What is not ASCII, looks like an encoded word or could not be folded is encoded; the words around stay as they are.
    """
    words = text.strip(" ").split(" ")
    plain = [not word or _is_plain(word) for word in words]
    if all(plain):
        return _fold(name, words)
    first = plain.index(False)
    last = len(plain) - 1 - plain[::-1].index(False)
    middle = encode_words(" ".join(words[first : last + 1]), taken=0 if first else len(name) + 2)
    return _fold(name, [*words[:first], *middle, *words[last + 1 :]])


def fold_items(name: str, items: Iterable[str]) -> bytes:
    """Return the whole field `name` with `items` joined by commas, a line break before an item that would not fit.

    Items are written as they are, in UTF-8 (RFC 6532 where one is not ASCII).
    """
    listed = list(items)
    pieces = [item + "," for item in listed[:-1]] + listed[-1:]
    return _fold(name, [word for piece in pieces for word in piece.split(" ")])


def _fold(name: str, words: list[str]) -> bytes:
    lines: list[str] = []
    line = f"{name}: {words[0] if words else ''}"
    for word in words[1:]:
        # No line break before an empty word: a line of white space alone is obsolete (RFC 5322 4.2).
        if word and len(line) + 1 + len(word) > _LINE:
            lines.append(line)
            line = ""
        line += " " + word
    lines.append(line)
    # Whatever a caller let through: no value opens a line of its own.
    clean = (_CONTROL.sub(" ", line) for line in lines)
    return ("\r\n".join(clean) + "\r\n").encode("utf-8", "replace")


def _is_plain(word: str) -> bool:
    return word.isascii() and word.isprintable() and len(word) <= _LONGEST_PLAIN and "=?" not in word


def _word(piece: bytes, as_base64: bool) -> str:
    if as_base64:
        return f"=?utf-8?b?{base64.b64encode(piece).decode('ascii')}?="
    return f"=?utf-8?q?{_q(piece)}?="


def _q(piece: bytes) -> str:
    # Only what RFC 2047 5 (3) allows in a phrase stays as it is, so a word fits everywhere.
    out = []
    for byte in piece:
        letter = chr(byte)
        if letter.isascii() and (letter.isalnum() or letter in "!*+-/"):
            out.append(letter)
        else:
            out.append("_" if letter == " " else f"={byte:02X}")
    return "".join(out)


def _decoded_runs(text: str) -> Iterable[str]:
    """Yield plain and decoded pieces; neighbours of one charset are joined as bytes, as senders cut letters in two."""
    at = 0
    charset, pending = "", b""
    for match in _WORD.finditer(text):
        between = text[at : match.start()]
        raw = _bytes_of(match[2], match[3])
        word_charset = match[1].partition("*")[0].lower()
        if raw is None or not _is_charset(word_charset):
            continue
        glued = bool(charset) and not between.strip(" \t\r\n")
        if not glued:
            yield _decode(pending, charset)
            pending = b""
            yield between
        elif word_charset != charset:
            yield _decode(pending, charset)
            pending = b""
        charset, pending = word_charset, pending + raw
        at = match.end()
    yield _decode(pending, charset)
    yield text[at:]


def _bytes_of(encoding: str, encoded: str) -> bytes | None:
    data = encoded.encode("ascii", "replace")
    if encoding in "Qq":
        return binascii.a2b_qp(data, header=True)
    data = data.rstrip(b"=")
    try:
        return base64.b64decode(data + b"=" * (-len(data) % 4))
    except (binascii.Error, ValueError):
        return None


def _is_charset(name: str) -> bool:
    if name in _NO_CHARSETS:
        return False
    try:
        b"x".decode(name, "replace")  # an empty value would not be looked up
    except (LookupError, ValueError):
        return False
    return True


def _decode(raw: bytes, charset: str) -> str:
    if not raw:
        return ""
    try:
        return raw.decode(charset, "replace")
    except (LookupError, ValueError):
        return raw.decode("latin-1")


def _shown(letter: str) -> str:
    """Keep joiners, marks and odd spaces, which scripts and emoji need; the rest could forge lines or directions."""
    if letter in "\u200c\u200d":
        return letter
    if letter in "\r\n\t" or ord(letter) < 0xA0 or letter.isspace():
        return " "
    return "\ufffd"
