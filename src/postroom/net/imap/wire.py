"""Bytes in, whole IMAP responses or commands out: lines with their literals. RFC 3501 2.2, 4.3; no I/O.

The bottom of the IMAP wire; both sides stand on it. What to use above it:

- a client: `reader.ResponseReader` (this framer and `reader.read_response` in one) gives the typed
  values of `responses`; `encode.encode_command` makes what is sent.
- a server: a `Framer(COMMAND_LIMITS, serves=True)`; `commands.read_command` makes a `Command` or
  `BadCommand` of each `Frame` and `Broken`; a `LiteralAsked` is answered with a `+` line
  (or `refuse_literal`, and a NO).

How to drive a framer: `feed` what came, then `take` until it returns None. Looking at one thing at
a time lets the session act before the next is read (STARTTLS: `has_unread`, `forget`).

A peer may be hostile. Everything has a limit; nothing is scanned twice, however small the pieces in
which it comes; nothing here recurses. A line that is too long is skipped up to its end and told as
`Broken`. What cannot be skipped (a literal of 4 GB, a line without end) is told as `Broken` with
`is_fatal`: nothing is read after it, since nobody can tell where the next response begins.

Line ends are CRLF; a bare LF ends a line too, since some servers send it. A CR elsewhere and NUL stay
in the text, for the parser to refuse. A literal is announced by `{n}` at the end of a line, by `~{n}`
(RFC 3516 4.4) and by `{n+}` (RFC 7888), which are understood from either side. In a response a line
that begins `+` or says OK, NO, BAD, BYE or PREAUTH holds words for people: `{5}` at its end is text.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Final, Protocol

_MIB = 1024 * 1024
_SHOWN_BYTES = 200


@dataclass(frozen=True, slots=True)
class Limits:
    """What a peer may send. Sizes are octets."""

    line_bytes: int = 8 * _MIB
    """A longer line is skipped. A SEARCH of a million mails is one line of 8 MB."""
    endless_bytes: int = 64 * _MIB
    """A line that goes on for so long is not waited for: fatal."""
    literal_bytes: int = 64 * _MIB
    """A larger literal is fatal, unless the client asks first: then it is refused."""
    literals: int = 1_000
    """In one response; more are fatal."""
    response_bytes: int = 72 * _MIB
    """What one response may hold in memory, without what went to a sink; more is fatal."""
    streamed_from_bytes: int = 64 * 1024
    """From this size on a literal may go to a sink."""
    depth: int = 100
    """Of lists in lists; a deeper one cannot be parsed."""


RESPONSE_LIMITS: Final = Limits()
"""For a client: of what servers send."""
COMMAND_LIMITS: Final = Limits(
    line_bytes=64 * 1024, endless_bytes=_MIB, literals=100, response_bytes=66 * _MIB, depth=20
)
"""For a server: of what clients send."""


class Sink(Protocol):
    """Where a large literal goes piece by piece. What `write` raises goes to whoever called `take`."""

    def write(self, data: memoryview, /) -> object:
        """Take some octets. The view is void after the call: copy or write them away."""


SinkFor = Callable[[bytes, int], Sink | None]
"""Asked at the beginning of a large literal, with the text of the response up to it and its size:
returns where it goes, or None to have it in memory."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal whose octets went to a sink. Those in memory are plain `bytes`."""

    sink: Sink
    size: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A response or command without its last line end: `texts[0] literals[0] texts[1] … texts[-1]`.

    The texts are without the `{n}` and line ends that announce the literals; there is one more of them.
    """

    texts: tuple[bytes, ...]
    literals: tuple[bytes | Literal, ...] = ()


@dataclass(frozen=True, slots=True)
class LiteralAsked:
    """The client waits for a `+` before it sends a literal (RFC 3501 7.5); only where `serves`.

    Answer with a continuation, or call `refuse_literal` and answer the command of `text` with NO.
    """

    text: bytes
    """What came of the command so far, without its literals; begins with the tag."""
    size: int


@dataclass(frozen=True, slots=True)
class Broken:
    """Something that is no frame, and why."""

    line: bytes
    """How it begins: the tag of a command may be in it."""
    why: str
    is_fatal: bool
    """Nothing is read after this: close the connection."""


Item = Frame | LiteralAsked | Broken

_MARK = re.compile(rb"~?\{([0-9]{1,20})([+-]?)\}\Z")
_WORDS = re.compile(rb"\+|[^ ]+ (?:OK|NO|BAD|BYE|PREAUTH)(?: |\Z)", re.IGNORECASE)


class Framer:
    """Cuts what a peer sends into frames. See the module for how it is driven."""

    __slots__ = (
        "_begun", "_buffer", "_gathered", "_held_bytes", "_is_dead", "_left", "_limits", "_literals", "_position",
        "_scanned", "_serves", "_sink", "_sink_for", "_size", "_skipped", "_skipped_bytes", "_texts",
    )  # fmt: skip

    def __init__(self, limits: Limits = RESPONSE_LIMITS, *, serves: bool = False, sink_for: SinkFor | None = None):
        self._limits = limits
        self._serves = serves
        self._sink_for = sink_for
        self._buffer: bytes | bytearray = b""
        self._position = 0
        self._scanned = 0
        self._skipped = b""
        self._skipped_bytes = 0
        self._is_dead = False
        self._sink: Sink | None = None
        self._gathered: BytesIO | None = None
        self._drop()

    def forget(self) -> None:
        """Drop what was read and not taken: what came in clear before TLS may be anybody's."""
        self._buffer = b""
        self._position = 0
        self._scanned = 0
        self._skipped = b""
        self._skipped_bytes = 0
        self._drop()

    @property
    def has_unread(self) -> bool:
        """Tell whether anything is left, a whole frame or the beginning of one."""
        return self._position < len(self._buffer) or bool(self._texts) or self._skipped_bytes > 0

    def feed(self, data: bytes) -> None:
        """Add what came, in pieces of any length. Take all there is before the next piece is fed."""
        if self._is_dead or not data:
            return
        if self._position == len(self._buffer):
            self._buffer = data
            self._scanned = 0
        else:
            if isinstance(self._buffer, bytes):
                self._buffer = bytearray(memoryview(self._buffer)[self._position :])
            else:
                del self._buffer[: self._position]
            self._scanned -= self._position
            self._buffer += data
        self._position = 0

    def stop(self) -> None:
        """Read nothing any more."""
        self.forget()
        self._is_dead = True

    def take(self) -> Item | None:
        """Return the next frame, question or broken thing; None where more octets are needed first."""
        while not self._is_dead:
            if self._left >= 0:
                if self._read_literal():
                    continue
                break
            line = self._take_line()
            if line is None:
                break
            item = line if isinstance(line, Broken) else self._take_text(line)
            if item is not None:
                return item
        if self._position == len(self._buffer):
            # A connection that idles for hours does not keep the last piece of a mail.
            self._buffer = b""
            self._position = self._scanned = 0
        return None

    def refuse_literal(self) -> None:
        """Drop the command that asked for a literal last: its client will not send it."""
        self._drop()

    # Lines

    def _take_line(self) -> bytes | Broken | None:
        """Return the next line without its end, or what is wrong with it."""
        buffer, begin = self._buffer, self._position
        end = buffer.find(b"\n", self._scanned)
        if end < 0:
            self._scanned = len(buffer)
            if self._skipped_bytes or len(buffer) - begin > self._limits.line_bytes + 1:
                self._skip(len(buffer))
                if self._skipped_bytes > self._limits.endless_bytes:
                    return self._die(self._skipped, "a line without end")
            return None
        if self._skipped_bytes or end - begin > self._limits.line_bytes + 1:
            self._skip(end + 1)
            shown, size = self._skipped, self._skipped_bytes
            self._skipped, self._skipped_bytes = b"", 0
            # One more than the limit for CR, another for LF.
            if size - 1 > self._limits.endless_bytes:
                return self._die(shown, "a line without end")
            return self._break(shown, "a line is too long")
        self._position = self._scanned = end + 1
        if end > begin and buffer[end - 1] == 13:
            end -= 1
        line = buffer[begin:end]
        return line if isinstance(line, bytes) else bytes(line)

    def _skip(self, end: int) -> None:
        if not self._skipped_bytes:
            # So many octets are there, wherever the pieces end.
            shown = min(_SHOWN_BYTES, self._limits.line_bytes)
            self._skipped = bytes(self._buffer[self._position : self._position + shown])
        self._skipped_bytes += end - self._position
        self._position = self._scanned = end

    def _take_text(self, line: bytes) -> Item | None:
        """Put a line to the frame; return what that makes whole, asks for or breaks."""
        if not line.endswith(b"}") or (not self._texts and not self._serves and _WORDS.match(line)):
            mark = None
        else:
            mark = _MARK.search(line[-24:])
        if mark is None:
            if not self._texts:
                return Frame((line,))
            if not self._hold(len(line)):
                return self._die(self._texts[0], "a response is too large")
            frame = Frame((*self._texts, line), tuple(self._literals))
            self._drop()
            return frame
        text = line[: len(line) - len(mark[0])]
        if not self._hold(len(text)):
            return self._die(self._texts[0] if self._texts else text, "a response is too large")
        self._texts.append(text)
        return self._begin_literal(int(mark[1]), waits=self._serves and not mark[2])

    # Literals

    def _begin_literal(self, size: int, *, waits: bool) -> Item | None:
        text = self._texts[0]
        if size > self._limits.literal_bytes:
            if waits:
                return self._break(text, "a literal is too large")
            return self._die(text, "a literal is too large")
        if len(self._texts) > self._limits.literals:
            return self._die(text, "too many literals")
        self._sink = None
        if self._sink_for is not None and size >= self._limits.streamed_from_bytes:
            self._sink = self._sink_for(b"".join(self._texts), size)
        if self._sink is None and not self._hold(size):
            return self._die(text, "a response is too large")
        self._size = self._left = size
        return LiteralAsked(b"".join(self._texts), size) if waits else None

    def _read_literal(self) -> bool:
        """Read of the literal what is there; tell whether it is whole."""
        buffer, begin = self._buffer, self._position
        end = min(begin + self._left, len(buffer))
        if self._sink is None and self._gathered is None and end - begin == self._left:
            self._literals.append(bytes(buffer[begin:end]))
        else:
            self._pass_on(begin, end)
        self._left -= end - begin
        self._position = self._scanned = end
        if self._left:
            return False
        if self._sink is not None:
            self._literals.append(Literal(self._sink, self._size))
        elif self._gathered is not None:
            self._literals.append(self._gathered.getvalue())
        self._sink = self._gathered = None
        self._left = -1
        return True

    def _pass_on(self, begin: int, end: int) -> None:
        if begin == end:
            return
        if self._sink is None and self._gathered is None:
            self._gathered = BytesIO()
        with memoryview(self._buffer) as whole, whole[begin:end] as piece:
            (self._sink or self._gathered).write(piece)  # type: ignore[union-attr]

    # Ends

    def _hold(self, size: int) -> bool:
        """Count what the frame keeps in memory; tell whether that is still allowed."""
        self._held_bytes += size
        return self._held_bytes <= self._limits.response_bytes

    def _drop(self) -> None:
        """Forget the frame that has begun."""
        self._texts: list[bytes] = []
        self._literals: list[bytes | Literal] = []
        self._held_bytes = 0
        self._left = -1
        self._size = 0
        self._sink = None
        self._gathered = None

    def _break(self, line: bytes, why: str) -> Broken:
        line = self._texts[0] if self._texts else line
        self._drop()
        return Broken(line[:_SHOWN_BYTES], why, is_fatal=False)

    def _die(self, line: bytes, why: str) -> Broken:
        broken = Broken((self._texts[0] if self._texts else line)[:_SHOWN_BYTES], why, is_fatal=True)
        self.stop()
        return broken
