"""One end of the socketpair between owner and helper: whole frames in, whole frames out.

What is said within one turn of the loop leaves in one write, and what comes in
is handed over without a task: a mail costs four frames, and a wake-up of the
other process costs more than a frame.

A frame is four bytes of length (big endian) and msgpack. Where the highest bit
of the length is set, eight bytes and an attachment of that length follow: the
value's field `raw`, which msgpack and a joined write would copy. 50 MB that
are copied twice hold everything else in the process up for 60 ms.
"""

import asyncio
import io
from collections.abc import Callable
from typing import Generic, TypeVar, cast

import msgspec

LARGE_BYTES = 256 << 10
"""A field `raw` above this goes as an attachment, and a write of its own."""

_LENGTH_BYTES = 4
_ATTACHED = 1 << 31
_ATTACHED_BYTES = 8
_encode = msgspec.msgpack.Encoder().encode

_T = TypeVar("_T")


def frame(value: msgspec.Struct) -> tuple[bytes, ...]:
    """Return a value as the pieces that go over the socketpair."""
    raw = getattr(value, "raw", None)
    if raw is not None and len(raw) > LARGE_BYTES:
        body = _encode(msgspec.structs.replace(value, raw=b""))
        return _length(len(body) | _ATTACHED), body, len(raw).to_bytes(_ATTACHED_BYTES, "big"), raw
    body = _encode(value)
    return _length(len(body)), body


def _length(number: int) -> bytes:
    return number.to_bytes(_LENGTH_BYTES, "big")


class FramePipe(asyncio.Protocol, Generic[_T]):
    """Speaks frames over one socket. `take` is called for each frame that comes in."""

    def __init__(self, decoder: msgspec.msgpack.Decoder[_T], take: Callable[[_T], None]) -> None:
        self._decode = decoder.decode
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._said: list[bytes] = []
        self._come: list[bytes] = []
        """The beginning of a frame that is not whole."""
        self._missing = 0
        """Octets at least until it is."""
        self._head = b""
        self._attachment: io.BytesIO | None = None
        """What has come of an attachment; `_head` is its frame up to there."""
        self._closed: asyncio.Future[Exception | None] = self._loop.create_future()
        self.take = take

    def say(self, value: msgspec.Struct) -> None:
        """Send a frame, together with the others of this turn. Never waits; nobody hears it once the pipe is closed."""
        # What is in flight is bounded by the sites' slots and the doors' sessions, and so is what stands in the buffer.
        if not self._said:
            self._loop.call_soon(self._flush)
        self._said += frame(value)

    def close(self) -> None:
        """Send what was said, and close."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    async def closed(self) -> Exception | None:
        """Return once the pipe is closed, by whom ever; with the exception that `take` raised, where that was why."""
        return await asyncio.shield(self._closed)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # Not asked for its class: uvloop's transports are of none of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Hand over the frames that are whole."""
        try:
            if self._attachment is not None:
                data = self._take_attachment(self._attachment, data)
                if self._attachment is not None:
                    return
            elif self._come:
                self._come.append(data)
                self._missing -= len(data)
                if self._missing > 0:
                    return
                data = b"".join(self._come)
                self._come = []
            self._take_all(data)
        except Exception as error:
            # The other end speaks nonsense, or we cannot follow it: nothing after this can be trusted.
            self._fail(error)

    def _take_all(self, data: bytes) -> None:
        at, size = 0, len(data)
        view = memoryview(data)
        while True:
            end, attachment_at = _bounds(view, at, size)
            if end > size:
                break
            if attachment_at:
                self.take(self._attached(view[at:attachment_at], bytes(view[attachment_at:end])))
            else:
                self.take(self._decode(view[at + _LENGTH_BYTES : end]))
            at = end
        self._missing = end - size
        if attachment_at:
            self._head = bytes(view[at:attachment_at])
            self._attachment = io.BytesIO()
            self._attachment.write(view[attachment_at:])
        elif at < size:
            self._come = [data[at:]]

    def _take_attachment(self, whole: io.BytesIO, data: bytes) -> bytes:
        """Add to the attachment, and hand its frame over where it is whole; return what came behind it."""
        whole.write(memoryview(data)[: self._missing])
        behind = data[self._missing :]
        self._missing -= len(data) - len(behind)
        if self._missing == 0:
            self._attachment = None
            # The bytes that were written, not a copy of them: it is the largest thing in the process.
            self.take(self._attached(memoryview(self._head), whole.getvalue()))
        return behind

    def _attached(self, head: memoryview, raw: bytes) -> _T:
        value = self._decode(head[_LENGTH_BYTES:-_ATTACHED_BYTES])
        # Any struct of a frame with an attachment has the field; who has none is no peer of ours.
        return cast(_T, msgspec.structs.replace(cast(msgspec.Struct, value), raw=raw))

    def connection_lost(self, error: Exception | None) -> None:
        """Tell who waits for it."""
        self._transport = None
        if not self._closed.done():
            self._closed.set_result(None)

    def _fail(self, error: Exception) -> None:
        if not self._closed.done():
            self._closed.set_result(error)
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        said, self._said = self._said, []
        if not said or self._transport is None or self._transport.is_closing():
            return
        start = 0
        for at, piece in enumerate(said):
            if len(piece) > LARGE_BYTES:
                self._transport.write(b"".join(said[start:at]))
                self._transport.write(piece)
                start = at + 1
        if start < len(said):
            self._transport.write(b"".join(said[start:]))


def _bounds(view: memoryview, at: int, size: int) -> tuple[int, int]:
    """Return where the frame at `at` ends, as far as can be told, and where its attachment begins.

    The end lies beyond `size` where the frame is not whole. 0: there is no attachment, or not yet.
    """
    end = at + _LENGTH_BYTES
    if end > size:
        return end, 0
    length = int.from_bytes(view[at:end], "big")
    if not length & _ATTACHED:
        return end + length, 0
    end += (length ^ _ATTACHED) + _ATTACHED_BYTES
    if end > size:
        return end, 0
    return end + int.from_bytes(view[end - _ATTACHED_BYTES : end], "big"), end
