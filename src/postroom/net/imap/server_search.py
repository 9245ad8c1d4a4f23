"""SEARCH on the server's side: criteria to a test of one mail. RFC 3501 6.4.4, RFC 7162 3.1.5."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from postroom.base.errors import WrongInput
from postroom.net.imap.mailstore import StoredMail
from postroom.net.imap.sequence_sets import SequenceSet, read_set

Argument = bytes | tuple["Argument", ...]
"""An atom or string as its bytes, or a list."""

Test = Callable[[int, StoredMail], bool]
"""Tells whether a mail, with its sequence number, matches."""

_DAY_MS = 86_400_000
_FLAGS = {
    "ANSWERED": ("\\Answered", True),
    "DELETED": ("\\Deleted", True),
    "DRAFT": ("\\Draft", True),
    "FLAGGED": ("\\Flagged", True),
    "SEEN": ("\\Seen", True),
    "UNANSWERED": ("\\Answered", False),
    "UNDELETED": ("\\Deleted", False),
    "UNDRAFT": ("\\Draft", False),
    "UNFLAGGED": ("\\Flagged", False),
    "UNSEEN": ("\\Seen", False),
}
_FIELDS = ("BCC", "CC", "FROM", "SUBJECT", "TO")
_DAYS = {"BEFORE": (-1,), "ON": (0,), "SINCE": (0, 1)}
"""Where the mail's day may stand to the day that is given."""


def parse_set(text: bytes, largest: int) -> SequenceSet:
    """Return a sequence set with `*` as `largest`, which is the highest number there is. Raises WrongInput."""
    found = read_set(text)
    if found is None:
        raise WrongInput("set", "no set of numbers")
    return found.up_to(largest)


def parse_criteria(arguments: Sequence[Argument], largest_uid: int, largest_sequence: int) -> Test:
    """Return the test for all of the criteria together. Raises WrongInput for what is not known."""
    reader = _Criteria(iter(arguments), largest_uid, largest_sequence)
    tests = list(reader.tests())
    if not tests:
        raise WrongInput("search", "criteria are missing")
    return lambda sequence, mail: all(test(sequence, mail) for test in tests)


def header_of(mail: StoredMail) -> bytes:
    """Return the header of a mail with the empty line behind it."""
    end = mail.body.find(b"\r\n\r\n")
    return mail.body if end < 0 else mail.body[: end + 4]


def header_fields(mail: StoredMail) -> Iterator[tuple[str, bytes]]:
    """Return the header fields: the name in capitals, and the whole raw field."""
    for field in re.split(rb"\r\n(?![ \t])", header_of(mail).rstrip(b"\r\n")):
        name, colon, _ = field.partition(b":")
        if colon:
            yield name.strip().decode("latin-1").upper(), field + b"\r\n"


class _Criteria:
    def __init__(self, left: Iterator[Argument], largest_uid: int, largest_sequence: int) -> None:
        self._left = left
        self._largest_uid = largest_uid
        self._largest_sequence = largest_sequence

    def tests(self) -> Iterator[Test]:
        for argument in self._left:
            yield self._test(argument)

    def _test(self, argument: Argument) -> Test:
        if isinstance(argument, tuple):
            return parse_criteria(argument, self._largest_uid, self._largest_sequence)
        word = argument.upper().decode("latin-1")
        if word in _FLAGS:
            flag, wanted = _FLAGS[word]
            return lambda _, mail: (flag in mail.flags) is wanted
        if word in _FIELDS:
            return self._header(word, self._text())
        if word in _DAYS or (word[4:] in _DAYS and word.startswith("SENT")):
            return self._day(word.removeprefix("SENT"))
        return self._other(word, argument)

    def _other(self, word: str, argument: bytes) -> Test:
        match word:
            case "ALL" | "OLD":
                return lambda _, mail: True
            case "NEW" | "RECENT":
                return lambda _, mail: False
            case "CHARSET":
                self._text()
                return lambda _, mail: True
            case "NOT":
                inner = self._next()
                return lambda sequence, mail: not inner(sequence, mail)
            case "OR":
                one, other = self._next(), self._next()
                return lambda sequence, mail: one(sequence, mail) or other(sequence, mail)
            case "UID":
                uids = parse_set(self._text(), self._largest_uid)
                return lambda _, mail: mail.uid in uids
            case "HEADER":
                name = self._text().decode("latin-1").upper()
                return self._header(name, self._text())
            case "BODY" | "TEXT":
                text = self._text().lower()
                return lambda _, mail: text in mail.body.lower()
            case "KEYWORD" | "UNKEYWORD":
                flag, wanted = self._text().decode("latin-1"), word == "KEYWORD"
                return lambda _, mail: (flag in mail.flags) is wanted
            case "LARGER" | "SMALLER" | "MODSEQ":
                return self._numbers(word, _number(self._text()))
        if not re.fullmatch(rb"[0-9:,*]+", argument):
            raise WrongInput("search", f"unknown criterion {word[:40]}")
        sequences = parse_set(argument, self._largest_sequence)
        return lambda sequence, _: sequence in sequences

    def _numbers(self, word: str, number: int) -> Test:
        if word == "LARGER":
            return lambda _, mail: len(mail.body) > number
        if word == "SMALLER":
            return lambda _, mail: len(mail.body) < number
        return lambda _, mail: mail.modseq >= number

    def _header(self, name: str, text: bytes) -> Test:
        wanted = text.lower()
        return lambda _, mail: any(
            wanted in field[len(name) + 1 :].lower() for found, field in header_fields(mail) if found == name
        )

    def _day(self, word: str) -> Test:
        try:
            day = datetime.strptime(self._text().decode("ascii"), "%d-%b-%Y").replace(tzinfo=UTC)
        except ValueError as error:
            raise WrongInput("search", "a date such as 1-Feb-2026 is missing") from error
        wanted = int(day.timestamp() * 1000) // _DAY_MS
        places = _DAYS[word]

        def matches(_: int, mail: StoredMail) -> bool:
            found = mail.internal_ms // _DAY_MS
            return (found > wanted) - (found < wanted) in places

        return matches

    def _next(self) -> Test:
        argument = next(self._left, None)
        if argument is None:
            raise WrongInput("search", "a criterion is missing")
        return self._test(argument)

    def _text(self) -> bytes:
        argument = next(self._left, None)
        if not isinstance(argument, bytes):
            raise WrongInput("search", "a text is missing")
        return argument


def _number(text: bytes) -> int:
    if not text.isdigit() or len(text) > 20:
        raise WrongInput("search", "a number is missing")
    return int(text)
