"""Response codes: what stands in brackets before the words of OK, NO, BAD, BYE. RFC 3501 7.1, 5530; pure."""

import re
from dataclasses import dataclass
from functools import lru_cache

from postroom.net.imap.sequence_sets import SequenceSet, read_set
from postroom.net.imap.values import MAX_NUMBER, Malformed, read_values, words_of
from postroom.net.imap.wire import Frame

# A list may hold brackets: flags may.
_CODE = re.compile(rb"\[([^\s\]\[()]++)(?: ++(?:(\([^()]*+\)) *+|([^\]]*+)))?\] ?")
_LONGEST_SHARED = 2_000
"""Longer ones are not kept: a hostile server would have us keep what it likes."""
_NUMBER = re.compile(rb"[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Code:
    """A code without a type of its own: ALERT, AUTHENTICATIONFAILED, NOMODSEQ, TRYCREATE, THROTTLED …"""

    name: str
    """In capitals, as in all codes."""
    argument: str = ""
    """What stands behind the name, as it came."""


@dataclass(frozen=True, slots=True)
class NumberCode:
    """UIDVALIDITY, UIDNEXT, UNSEEN, HIGHESTMODSEQ and whatever else has one number."""

    name: str
    number: int


@dataclass(frozen=True, slots=True)
class WordsCode:
    r"""PERMANENTFLAGS (with `\*`: more may be made), BADCHARSET: words in brackets of their own."""

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CapabilityCode:
    """CAPABILITY: what the server can do, in capitals. Void after LOGIN and STARTTLS."""

    name: str
    capabilities: frozenset[str]


@dataclass(frozen=True, slots=True)
class AppendUid:
    """APPENDUID: the UIDs of what was appended (RFC 4315 3)."""

    name: str
    uid_validity: int
    uids: SequenceSet


@dataclass(frozen=True, slots=True)
class CopyUid:
    """COPYUID: the UIDs of what was copied or moved, old and new in the same order (RFC 4315 3)."""

    name: str
    uid_validity: int
    from_uids: SequenceSet
    to_uids: SequenceSet


ResponseCode = Code | NumberCode | WordsCode | CapabilityCode | AppendUid | CopyUid


def split_code(text: bytes) -> tuple[ResponseCode | None, bytes]:
    """Return the code at the beginning of a status response's text, and the words behind it.

    What begins with a bracket and is no code stays in the words.
    """
    match = _CODE.match(text) if text.startswith(b"[") else None
    if match is None:
        return None, text
    return _typed(match[1].decode("latin-1").upper(), match[2] or (match[3] or b"").strip()), text[match.end() :]


def capabilities_in(text: bytes) -> frozenset[str]:
    """Return the words of a CAPABILITY. Servers of one kind say the same to everybody: it is shared."""
    return _shared_capabilities(text) if len(text) <= _LONGEST_SHARED else _capabilities(text)


def _capabilities(text: bytes) -> frozenset[str]:
    return frozenset(text.decode("latin-1").upper().split())


_shared_capabilities = lru_cache(maxsize=64)(_capabilities)


def _typed(name: str, argument: bytes) -> ResponseCode:
    if name == "CAPABILITY":
        return CapabilityCode(name, capabilities_in(argument))
    if _NUMBER.fullmatch(argument) and int(argument) <= MAX_NUMBER:
        return NumberCode(name, int(argument))
    if argument.startswith(b"("):
        words = _words(argument)
        if words is not None:
            return WordsCode(name, words)
    parts = argument.split()
    sets = [read_set(part) for part in parts[1:]]
    if parts and _NUMBER.fullmatch(parts[0]) and int(parts[0]) <= MAX_NUMBER:
        match name, sets:
            case "APPENDUID", [SequenceSet() as uids]:
                return AppendUid(name, int(parts[0]), uids)
            case "COPYUID", [SequenceSet() as old, SequenceSet() as new]:
                return CopyUid(name, int(parts[0]), old, new)
    return Code(name, argument.decode("latin-1"))


def _words(argument: bytes) -> tuple[str, ...] | None:
    try:
        return words_of(read_values(Frame((argument[1:-1],)), depth=1))
    except Malformed:
        return None
