"""One mail's bytes handed on in pieces while they come: what the server sends waits for who takes it."""

from collections import deque
from collections.abc import Awaitable, Callable

from postroom.net.imap.link import ImapLink
from postroom.net.imap.session import Running

_AHEAD_BYTES = 256 * 1024
"""How much may wait here before the server has to."""


class BodyStream:
    """Where a literal goes, and how it is handed on."""

    def __init__(self, link: ImapLink) -> None:
        self._link = link
        self._pieces: deque[bytes] = deque()
        self._waiting_bytes = 0
        self.size = 0
        """Octets that came."""

    def write(self, data: memoryview, /) -> object:
        """Take some octets; called while input is read (wire.Sink)."""
        self._pieces.append(bytes(data))
        self._waiting_bytes += len(data)
        self.size += len(data)
        if self._waiting_bytes > _AHEAD_BYTES:
            self._link.hold()
        return None

    async def hand_on(self, running: Running, sink: Callable[[bytes], Awaitable[None]]) -> None:
        """Give all pieces to `sink` until the command has ended."""
        try:
            while True:
                await self._link.until(lambda: bool(self._pieces) or running.end is not None)
                if not self._pieces:
                    return
                while self._pieces:
                    piece = self._pieces.popleft()
                    await sink(piece)
                    self._waiting_bytes -= len(piece)
                self._link.go_on()
        except BaseException:
            # The rest would have to be read before anything else can be said.
            self._link.close()
            raise
