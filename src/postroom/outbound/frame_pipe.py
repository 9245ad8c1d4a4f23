"""One end of the socketpair between owner and helper: whole frames in, whole frames out.

What is said within one turn of the loop leaves in one write, and what comes in
is handed over without a task: a mail costs four frames, and a wake-up of the
other process costs more than a frame.
"""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar, cast

import msgspec

_LENGTH_BYTES = 4
_encode = msgspec.msgpack.Encoder().encode

_T = TypeVar("_T")


def frame(value: msgspec.Struct) -> tuple[bytes, bytes]:
    """Return a value as it goes over the socketpair: four bytes of length, big endian, and msgpack."""
    body = _encode(value)
    return len(body).to_bytes(_LENGTH_BYTES, "big"), body


class FramePipe(asyncio.Protocol, Generic[_T]):
    """Speaks frames over one socket. `take` is called for each frame that comes in."""

    def __init__(self, decoder: msgspec.msgpack.Decoder[_T], take: Callable[[_T], None]) -> None:
        self._decode = decoder.decode
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._said: list[bytes] = []
        self._rest = b""
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
        if self._rest:
            data = self._rest + data
        at, size = 0, len(data)
        view = memoryview(data)
        while size - at >= _LENGTH_BYTES:
            end = at + _LENGTH_BYTES + int.from_bytes(view[at : at + _LENGTH_BYTES], "big")
            if end > size:
                break
            try:
                self.take(self._decode(view[at + _LENGTH_BYTES : end]))
            except Exception as error:
                # The other end speaks nonsense, or we cannot follow it: nothing after this can be trusted.
                self._fail(error)
                return
            at = end
        self._rest = data[at:]

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
        if said and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(said))
