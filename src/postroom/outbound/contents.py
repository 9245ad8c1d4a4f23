"""Contents by key: what was just accepted or tried is at hand, the rest is read from the store.

Two forms: packed (the raw mail and its plan, for helpers) and compiled (for
attempts in this process). Both are bounded by bytes; a large content is read
again for each try rather than kept.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

from postroom.outbound.attempt import ContentGone
from postroom.outbound.compilation import PackedContent
from postroom.outbound.compile import Compiled, from_plan
from postroom.store import content
from postroom.store.database import Database

_KEPT_BYTES = 16 << 20
_COMPILED_BYTES = 8 << 20
_KEPT_ONE = 4 << 20
_OVERHEAD_BYTES = 1024
"""Of an entry beside its bytes: thousands of small contents weigh more than their text."""


_Key = tuple[int, bytes]
_T = TypeVar("_T")


class _Recent(Generic[_T]):
    """What was used last, by the bytes of its content."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[_Key, tuple[int, _T]] = OrderedDict()

    def get(self, key: _Key) -> _T | None:
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        return found[1]

    def put(self, key: _Key, value: _T, size_bytes: int) -> None:
        if size_bytes > _KEPT_ONE or key in self._kept:
            return
        size_bytes += _OVERHEAD_BYTES
        self._kept[key] = (size_bytes, value)
        self._bytes += size_bytes
        while self._bytes > self._most_bytes:
            self._bytes -= self._kept.popitem(last=False)[1][0]


class Contents:
    """The contents that were used last."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._packed: _Recent[PackedContent] = _Recent(_KEPT_BYTES)
        self._compiled: _Recent[Compiled] = _Recent(_COMPILED_BYTES)

    def packed(self, workspace_id: int, key: bytes) -> PackedContent | None:
        """Return a content that is at hand, or None."""
        return self._packed.get((workspace_id, key))

    def put(self, workspace_id: int, key: bytes, packed: PackedContent) -> None:
        """Keep a content that was just compiled or read."""
        self._packed.put((workspace_id, key), packed, len(packed.raw) + len(packed.plan))

    async def load(self, workspace_id: int, key: bytes) -> PackedContent:
        """Return a content. Raises TryLater where the store cannot say, ContentGone where it has none."""
        found = self.packed(workspace_id, key)
        if found is not None:
            return found
        stored = await content.load(self._database, workspace_id, key)
        if stored is None:
            raise ContentGone("the content of this message was removed")
        packed = PackedContent(*stored)
        self.put(workspace_id, key, packed)
        return packed

    async def compiled(self, workspace_id: int, key: bytes) -> Compiled:
        """Return a content ready to make copies of. Raises as `load` does."""
        found = self._compiled.get((workspace_id, key))
        if found is None:
            packed = await self.load(workspace_id, key)
            found = from_plan(packed.raw, packed.plan)
            self._compiled.put((workspace_id, key), found, len(packed.raw))
        return found
