"""Contents by key: what was just accepted or tried is at hand, the rest is read from the store.

Two forms: packed (the raw mail and its plan, for helpers) and compiled (for
attempts in this process). Both are bounded by bytes; a large content is read
again for each try rather than kept.
"""

from collections import OrderedDict
from dataclasses import dataclass

from postroom.base.errors import PostroomError
from postroom.outbound.compile import Compiled, from_plan
from postroom.store import content
from postroom.store.database import Database

_KEPT_BYTES = 64 << 20
_KEPT_ONE = 4 << 20


class ContentGone(PostroomError):
    """Retention or an operator has removed a content that is still to be sent."""


@dataclass(frozen=True, slots=True)
class PackedContent:
    """A content as it is stored."""

    raw: bytes
    plan: bytes
    compiled: Compiled


class Contents:
    """The contents that were used last."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: OrderedDict[tuple[int, bytes], PackedContent] = OrderedDict()
        self._bytes = 0

    def packed(self, workspace_id: int, key: bytes) -> PackedContent | None:
        """Return a content that is at hand, or None."""
        found = self._kept.get((workspace_id, key))
        if found is not None:
            self._kept.move_to_end((workspace_id, key))
        return found

    def put(self, workspace_id: int, key: bytes, packed: PackedContent) -> None:
        """Keep a content that was just compiled or read."""
        if len(packed.raw) > _KEPT_ONE or (workspace_id, key) in self._kept:
            return
        self._kept[(workspace_id, key)] = packed
        self._bytes += len(packed.raw)
        while self._bytes > _KEPT_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest.raw)

    async def load(self, workspace_id: int, key: bytes) -> PackedContent:
        """Return a content. Raises TryLater where the store cannot say, ContentGone where it has none."""
        found = self.packed(workspace_id, key)
        if found is not None:
            return found
        stored = await content.load(self._database, workspace_id, key)
        if stored is None:
            raise ContentGone("the content of this message was removed")
        raw, plan = stored
        packed = PackedContent(raw, plan, from_plan(raw, plan))
        self.put(workspace_id, key, packed)
        return packed
