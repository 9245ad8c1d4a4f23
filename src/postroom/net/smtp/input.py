"""What a session has received and not looked at yet."""


class Input:
    """Bytes in the order in which they came. Nothing is joined before it is looked at."""

    def __init__(self) -> None:
        self._arrived: list[bytes] = []
        self._arrived_bytes = 0
        self._buffer = b""
        self._position = 0

    def __len__(self) -> int:
        return self._arrived_bytes + len(self._buffer) - self._position

    def add(self, data: bytes) -> None:
        """Append what came."""
        self._arrived.append(data)
        self._arrived_bytes += len(data)

    def take_line(self) -> bytes | None:
        """Return the next line with its LF, or None where there is no whole one."""
        self._gather()
        end = self._buffer.find(b"\n", self._position) + 1
        if not end:
            return None
        line = self._buffer[self._position : end]
        self._position = end
        return line

    def take_all(self) -> bytes:
        """Return everything."""
        self._gather()
        data = self._buffer[self._position :] if self._position else self._buffer
        self._buffer = b""
        self._position = 0
        return data

    def put_back(self, data: bytes, used: int) -> None:
        """Give back what `take_all` returned, but for its first `used` bytes."""
        self._buffer = data
        self._position = used

    def clear(self) -> None:
        """Forget everything."""
        self._arrived.clear()
        self._arrived_bytes = 0
        self._buffer = b""
        self._position = 0

    def _gather(self) -> None:
        if not self._arrived:
            return
        if self._position < len(self._buffer):
            self._arrived.insert(0, self._buffer[self._position :])
        self._buffer = b"".join(self._arrived) if len(self._arrived) > 1 else self._arrived[0]
        self._position = 0
        self._arrived.clear()
        self._arrived_bytes = 0
