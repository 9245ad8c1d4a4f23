"""Where both doors put large content while it comes."""

from typing import Protocol


class Uploads(Protocol):
    """Large content on its way in, stored in pieces by small transactions."""

    async def begin(self) -> int:
        """Return the id of a new upload."""
        ...

    async def add(self, upload_id: int, number: int, data: bytes) -> None:
        """Store piece `number` (from 0). Raises TryLater."""
        ...

    async def drop(self, upload_id: int) -> None:
        """Remove the pieces of an upload that will not be taken."""
        ...
