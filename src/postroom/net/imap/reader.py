"""Octets from an IMAP server in, typed responses out; no I/O. Never raises, whatever comes.

The client's end of the wire:

    reader = ResponseReader(sink_for=…)
    reader.feed(data)
    while (response := reader.take()) is not None:
        …

What cannot be understood is `Unparsed`, and the next line is read as if it had not been; only where
that has `is_fatal` nothing is read any more: a limit is passed, or a response with a literal makes no
sense, so that nobody knows where the literal really ended.
"""

import re
from collections.abc import Callable

from postroom.net.imap import responses
from postroom.net.imap.codes import capabilities_in, split_code
from postroom.net.imap.fetch import read_fetch, read_plain_fetch
from postroom.net.imap.responses import Response, Status, Unparsed
from postroom.net.imap.untagged import READERS
from postroom.net.imap.values import Malformed, read_values
from postroom.net.imap.wire import RESPONSE_LIMITS, Broken, Frame, Framer, Item, Limits, LiteralAsked, SinkFor

_SHOWN_BYTES = 1_000
"""Of a line that cannot be understood, and of words for people."""

_COUNT = re.compile(rb"\* +([0-9]{1,10}) +(EXISTS|EXPUNGE|RECENT) *", re.IGNORECASE)
_STATUS = re.compile(
    rb"([^ \x00-\x1f\x7f(){%\"\\+]+) +(OK|NO|BAD|BYE|PREAUTH)(?: +(.*)|[ ]*)", re.IGNORECASE | re.DOTALL
)
_NUMBERED = re.compile(rb"\* +([0-9]{1,10}) +([^ ()\"]+)", re.IGNORECASE)
_NAMED = re.compile(rb"\* +([A-Za-z][^ ()\"\[\]]*)")
_NUMBERS = re.compile(rb"[0-9 ]*")

_COUNTS: dict[bytes, Callable[[int], Response]] = {
    b"EXISTS": responses.Exists,
    b"RECENT": responses.Recent,
    b"EXPUNGE": responses.Expunge,
}


class ResponseReader:
    """Collects responses in the order in which they arrive. `sink_for`: see `wire.SinkFor`."""

    __slots__ = ("_depth", "_framer")

    def __init__(self, limits: Limits = RESPONSE_LIMITS, *, sink_for: SinkFor | None = None) -> None:
        self._framer = Framer(limits, sink_for=sink_for)
        self._depth = limits.depth

    def feed(self, data: bytes) -> None:
        """Add what came, in pieces of any length. Take all there is before the next piece is fed."""
        self._framer.feed(data)

    def take(self) -> Response | None:
        """Return the next response, or None where more octets are needed first."""
        item = self._framer.take()
        if item is None:
            return None
        response = read_response(item, depth=self._depth)
        if isinstance(response, Unparsed) and response.is_fatal:
            self._framer.stop()
        return response

    @property
    def has_unread(self) -> bool:
        """Tell whether anything is left, a whole response or the beginning of one."""
        return self._framer.has_unread

    def forget(self) -> None:
        """Drop what was read and not taken: what came in clear before TLS may be anybody's (RFC 3501 11.1)."""
        self._framer.forget()


def read_response(item: Item, *, depth: int = RESPONSE_LIMITS.depth) -> Response:
    """Return what a frame says."""
    if isinstance(item, Broken):
        return Unparsed(item.line, item.why, item.is_fatal)
    if isinstance(item, LiteralAsked):
        return Unparsed(item.text[:_SHOWN_BYTES], "servers do not ask")
    line = item.texts[0]
    if not item.literals:
        if (count := _COUNT.fullmatch(line)) is not None:
            return _COUNTS[count[2].upper()](int(count[1]))
        if (plain := read_plain_fetch(line)) is not None:
            return plain
        if line[:1] == b"+":
            return responses.Continuation(line.removeprefix(b"+").removeprefix(b" ").decode("utf-8", "replace"))
        if (status := _STATUS.fullmatch(line)) is not None and (said := _status(status)) is not None:
            return said
    try:
        return _data(item, line, depth)
    except Malformed as error:
        # Perhaps a literal is longer or shorter than announced. What follows may then be the text of a mail, and
        # whoever wrote that mail would be heard as the server.
        return Unparsed(line[:_SHOWN_BYTES], str(error), is_fatal=bool(item.literals))


def _status(match: re.Match[bytes]) -> Response | None:
    status = Status(match[2].decode().upper())
    code, text = split_code(match[3] or b"")
    if match[1] == b"*":
        return responses.Untagged(status, code, _text(text))
    if status in (Status.BYE, Status.PREAUTH):
        return None
    return responses.Tagged(match[1].decode("latin-1"), status, code, _text(text))


def _data(frame: Frame, line: bytes, depth: int) -> Response:
    if (numbered := _NUMBERED.match(line)) is not None:
        values = read_values(frame, start=numbered.end(), depth=depth)
        number, name = int(numbered[1]), numbered[2].decode("latin-1").upper()
        if name != "FETCH":
            return responses.OtherData(name, number, values)
        if len(values) != 1 or not isinstance(values[0], tuple) or (fetch := read_fetch(number, values[0])) is None:
            raise Malformed("a FETCH without names and values")
        return fetch
    if (named := _NAMED.match(line)) is None:
        raise Malformed("neither data, status nor continuation")
    name, rest = named[1].decode("latin-1").upper(), line[named.end() :]
    if not frame.literals:
        # The two that are long or many, without a look at each word.
        if name == "SEARCH" and _NUMBERS.fullmatch(rest):
            return _search(rest)
        if name == "CAPABILITY":
            return responses.Capability(capabilities_in(rest))
    reader = READERS.get(name)
    if reader is not None:
        return reader(name, frame, named.end(), depth)
    return responses.OtherData(name, None, read_values(frame, start=named.end(), depth=depth))


def _search(rest: bytes) -> Response:
    words = rest.split()
    if any(len(word) > 19 for word in words):
        raise Malformed("a number that is too large")
    return responses.Search(tuple(map(int, words)))


def _text(octets: bytes) -> str:
    return octets[:_SHOWN_BYTES].decode("utf-8", "replace")
