"""TLS over any stream of octets: what came in, what goes out; no I/O. RFC 8446, RFC 5246.

A connection that waits for mail for days must be small. The TLS of the event loops keeps a buffer of
256 kB for each connection once a large mail has passed; this one lets go of what it has passed on
(docs/decisions/0036). It runs on every loop, since the loop sees plain TCP.
"""

import contextlib
import ssl
from collections.abc import Callable

_FED_BYTES = 4 * 1024
"""The library's buffer grows to what is put in at once, and stays so: at 16 kB a connection keeps 16 kB more."""
_RECORD_BYTES = 16 * 1024
"""RFC 8446 5.1: no more comes out at once."""


class TlsStream:
    """The client's side of one TLS session. Every method may raise ssl.SSLError; then the connection is over."""

    __slots__ = ("_incoming", "_outgoing", "_session", "has_ended", "is_ready")

    def __init__(self, context: ssl.SSLContext, server_name: str) -> None:
        """`server_name` is what the certificate is compared with. Raises ValueError for one that TLS cannot say."""
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._session = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self.is_ready = False
        """The handshake is done: `send` may be called."""
        self.has_ended = False
        """The peer has said that nothing more comes (close_notify)."""

    @property
    def version(self) -> str:
        """Version and cipher such as `TLSv1.3 TLS_AES_256_GCM_SHA384`; empty before the handshake is done."""
        cipher = self._session.cipher()
        return f"{self._session.version()} {cipher[0]}" if self.is_ready and cipher else ""

    def begin(self) -> bytes:
        """Return the octets that open the handshake."""
        self._shake_hands()
        return self._outgoing.read()

    def receive(self, data: memoryview, take: Callable[[bytes], None]) -> bytes:
        """Give what was in `data` to `take`, in pieces; return what has to be sent for it, mostly nothing."""
        for begin in range(0, len(data), _FED_BYTES):
            self._incoming.write(data[begin : begin + _FED_BYTES])
            if not self.is_ready:
                self._shake_hands()
            if self.is_ready and not self.has_ended:
                self._read(take)
        return self._outgoing.read() if self._outgoing.pending else b""

    def send(self, data: bytes | memoryview) -> bytes:
        """Return the octets that carry `data`. Give large things in pieces: they are held whole meanwhile."""
        self._session.write(data)
        return self._outgoing.read()

    def end(self) -> bytes:
        """Return the octets that say that nothing more comes."""
        # The peer's own goodbye is not waited for (RFC 8446 6.1).
        with contextlib.suppress(ssl.SSLError):
            self._session.unwrap()
        return self._outgoing.read()

    def _shake_hands(self) -> None:
        try:
            self._session.do_handshake()
        except ssl.SSLWantReadError:
            return
        self.is_ready = True

    def _read(self, take: Callable[[bytes], None]) -> None:
        while True:
            try:
                piece = self._session.read(_RECORD_BYTES)
            except ssl.SSLWantReadError:
                return
            except ssl.SSLZeroReturnError:
                piece = b""
            if not piece:
                self.has_ended = True
                return
            take(piece)
