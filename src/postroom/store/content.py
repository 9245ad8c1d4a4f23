"""Tables `content` and `content_chunk`: the bytes of messages, stored once a workspace.

A content of at most 256 kB lies in its own row, compressed. A larger one is
written while it is received, as numbered raw pieces in small transactions;
accept links them by `ContentRow.upload_id`, and what nobody links is swept.
"""

import io
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import NamedTuple

from postroom.base.clock import Clock
from postroom.base.errors import TryLater
from postroom.base.ids import IdSource, first_id_at
from postroom.base.packing import unpack
from postroom.ledger.rows import ContentChunkRow, ContentRow
from postroom.store.database import Conn, Database, Tx, statement

CHUNK_BYTES = 256 * 1024

_CHUNKS_AT_ONCE = 16
"""4 MB: one read or one delete of a large content."""

_COLUMNS = ", ".join(ContentRow._fields)

_BY_KEY = statement(f"SELECT {_COLUMNS} FROM content WHERE workspace_id = ? AND key = ?")
_EXISTS = statement("SELECT 1 FROM content WHERE workspace_id = ? AND key = ?")
_CHUNKS = statement(
    "SELECT number, data FROM content_chunk WHERE upload_id = ? AND number >= ? AND number < ? ORDER BY number"
)
_DROP_CHUNKS = statement(
    "DELETE FROM content_chunk WHERE upload_id = ? AND number >= ? AND number < ? "
    "AND NOT EXISTS (SELECT 1 FROM content WHERE upload_id = content_chunk.upload_id) "
    "AND NOT EXISTS (SELECT 1 FROM inbound_content WHERE upload_id = content_chunk.upload_id)"
)
_LAST_CHUNK = statement("SELECT max(number) FROM content_chunk WHERE upload_id = ?")

# Uploads that began before the second id, after the first, and that neither mail out nor mail in links.
_ORPHANS = statement(
    "SELECT DISTINCT upload_id FROM content_chunk WHERE upload_id > ? AND upload_id < ? "
    "AND NOT EXISTS (SELECT 1 FROM content WHERE content.upload_id = content_chunk.upload_id) "
    "AND NOT EXISTS (SELECT 1 FROM inbound_content i WHERE i.upload_id = content_chunk.upload_id) "
    "ORDER BY upload_id LIMIT ?"
)


class Stored(NamedTuple):
    """A content as an attempt needs it."""

    raw: bytes
    plan: bytes


def load_content(conn: Conn, workspace_id: int, key: bytes) -> ContentRow | None:
    """Return the row of a content, its chunks not read, or None."""
    row = conn.one(_BY_KEY, (workspace_id, key))
    return None if row is None else ContentRow._make(row)


def has_content(conn: Conn, workspace_id: int, key: bytes) -> bool:
    """Tell whether a content is stored, its body perhaps gone already."""
    return conn.one(_EXISTS, (workspace_id, key)) is not None


def add_chunk(tx: Tx, upload_id: int, number: int, data: bytes, now_ms: int) -> None:
    """Store piece `number` (from 0) of an upload. A piece that is there already stays."""
    tx.add(ContentChunkRow(upload_id, number, data, now_ms))


def chunks_from(conn: Conn, upload_id: int, first: int) -> list[bytes]:
    """Return up to 16 pieces of an upload, from number `first` on, as far as they follow one another."""
    rows = conn.all(_CHUNKS, (upload_id, first, first + _CHUNKS_AT_ONCE))
    return [data for at, (number, data) in enumerate(rows) if number == first + at]


def orphan_uploads(conn: Conn, *, after: int, before_ms: int, limit: int = 100) -> list[int]:
    """Return uploads that no content links, began before `before_ms` and have ids above `after`, oldest first.

    `before_ms` lies further back than the longest DATA may take, so that no
    upload is swept that is about to be linked.
    """
    return [row[0] for row in conn.all(_ORPHANS, (after, first_id_at(before_ms), limit))]


def drop_chunks(tx: Tx, upload_id: int, first: int) -> None:
    """Delete up to 16 pieces of an upload from number `first` on, unless a content links it."""
    tx.run(_DROP_CHUNKS, (upload_id, first, first + _CHUNKS_AT_ONCE))


async def load(database: Database, workspace_id: int, key: bytes) -> Stored | None:
    """Return a content with its plan, or None where it or its body is gone. Raises TryLater."""
    row = await database.read(lambda conn: load_content(conn, workspace_id, key))
    if row is None:
        return None
    if row.upload_id is not None:
        raw = await load_upload(database, row.upload_id)
        return Stored(raw, row.plan) if len(raw) == row.size_bytes else None
    return None if row.body is None else Stored(unpack(row.body), row.plan)


async def upload_pieces(database: Database, upload_id: int, first: int = 0) -> AsyncIterator[bytes]:
    """Yield the pieces of an upload in order from number `first` on, a few at a time in memory. Raises TryLater."""
    while True:
        more = await database.read(lambda conn, first=first: chunks_from(conn, upload_id, first))  # type: ignore[misc]
        for piece in more:
            yield piece
        first += len(more)
        if len(more) < _CHUNKS_AT_ONCE:
            return


async def load_upload(database: Database, upload_id: int) -> bytes:
    """Return the pieces of an upload joined, empty where there are none. Raises TryLater."""
    # Not a list that is joined in the end: that would hold a large content twice.
    whole = io.BytesIO()
    async for piece in upload_pieces(database, upload_id):
        whole.write(piece)
    return whole.getvalue()


async def store_upload(database: Database, upload_id: int, raw: bytes, clock: Clock) -> int:
    """Store a whole content as the pieces of an upload, one transaction each; return `upload_id`. Raises TryLater."""
    for number in range(-(-len(raw) // CHUNK_BYTES)):
        data = raw[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES]
        await _write_chunk(database, upload_id, number, data, clock.now_ms())
    return upload_id


async def drop_upload(database: Database, upload_id: int) -> None:
    """Delete the pieces of an upload, unless a content links it. Raises TryLater."""
    last = await database.read(lambda conn: conn.one(_LAST_CHUNK, (upload_id,)))
    if last is None or last[0] is None:
        return
    for first in range(0, last[0] + 1, _CHUNKS_AT_ONCE):
        await _drop(database, upload_id, first)


async def sweep_orphans(database: Database, before_ms: int) -> int:
    """Delete uploads that began before `before_ms` and that no content links; return how many. Raises TryLater."""
    swept, after = 0, 0
    while True:
        reached = after
        found = await database.read(
            lambda conn, reached=reached: orphan_uploads(conn, after=reached, before_ms=before_ms)  # type: ignore[misc]
        )
        if not found:
            return swept
        for upload_id in found:
            await drop_upload(database, upload_id)
        swept, after = swept + len(found), found[-1]


class Uploads:
    """Staged contents as a door writes them: a piece at a time, each durable before the next is asked for."""

    def __init__(self, database: Database, ids: IdSource, clock: Clock) -> None:
        """An upload's id comes from `ids`: it tells the sweep when the upload began."""
        self._database = database
        self._ids = ids
        self._clock = clock

    async def begin(self) -> int:
        """Return the id of a new upload."""
        return self._ids.next()

    async def add(self, upload_id: int, number: int, data: bytes) -> None:
        """Store piece `number`, counted from 0. Raises TryLater."""
        await _write_chunk(self._database, upload_id, number, data, self._clock.now_ms())

    async def drop(self, upload_id: int) -> None:
        """Remove the pieces of an upload that will not be accepted; what the store cannot do now, upkeep does later."""
        with suppress(TryLater):
            await drop_upload(self._database, upload_id)


async def _write_chunk(database: Database, upload_id: int, number: int, data: bytes, now_ms: int) -> None:
    await database.write(lambda tx: add_chunk(tx, upload_id, number, data, now_ms), size_bytes=len(data))


async def _drop(database: Database, upload_id: int, first: int) -> None:
    await database.write(lambda tx: drop_chunks(tx, upload_id, first))
