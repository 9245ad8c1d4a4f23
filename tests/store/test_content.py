"""Contents: small ones in a row, large ones in pieces, and what nobody links."""

import zlib

import pytest

from postroom.base.clock import DAY_MS, ManualClock
from postroom.base.errors import TryLater
from postroom.base.ids import IdSource
from postroom.base.packing import pack, unpack
from postroom.ledger.rows import ContentRow
from postroom.store import content
from postroom.store.database import Database, statement

KEY = b"k" * 16
COUNT_CHUNKS = statement("SELECT count(*) FROM content_chunk")


@pytest.fixture
def uploads(database: Database, clock: ManualClock) -> content.Uploads:
    return content.Uploads(database, IdSource(0, clock), clock)


def row(*, upload_id: int | None = None, body: bytes | None = None, size_bytes: int = 0) -> ContentRow:
    return ContentRow(1, KEY, size_bytes, upload_id, body, b"plan", pack(b"links"), 5)


async def test_a_small_content_comes_back_with_its_plan(database: Database) -> None:
    raw = b"Subject: x\r\n\r\nbody\r\n" * 50
    await database.write(lambda tx: tx.add(row(body=pack(raw), size_bytes=len(raw))))

    assert await content.load(database, 1, KEY) == (raw, b"plan")
    stored = await database.read(lambda conn: content.load_content(conn, 1, KEY))
    assert stored is not None
    assert unpack(stored.links) == b"links"
    assert await database.read(lambda conn: content.has_content(conn, 1, KEY))


async def test_another_workspace_finds_nothing(database: Database) -> None:
    await database.write(lambda tx: tx.add(row(body=pack(b"x"), size_bytes=1)))

    assert await content.load(database, 2, KEY) is None
    assert await database.read(lambda conn: content.load_content(conn, 2, KEY)) is None
    assert not await database.read(lambda conn: content.has_content(conn, 2, KEY))


@pytest.mark.parametrize("size", [1, content.CHUNK_BYTES, content.CHUNK_BYTES * 16, content.CHUNK_BYTES * 17 + 1])
async def test_a_large_content_is_joined_from_its_pieces(database: Database, clock: ManualClock, size: int) -> None:
    raw = bytes(range(256)) * (size // 256) + bytes(size % 256)
    upload_id = await content.store_upload(database, 77, raw, clock)
    await database.write(lambda tx: tx.add(row(upload_id=upload_id, size_bytes=size)))

    stored = await content.load(database, 1, KEY)

    assert stored is not None
    assert stored.raw == raw


async def test_a_content_that_misses_a_piece_is_not_there(database: Database, uploads: content.Uploads) -> None:
    upload_id = await uploads.begin()
    await uploads.add(upload_id, 0, b"one")
    await uploads.add(upload_id, 2, b"three")
    await database.write(lambda tx: tx.add(row(upload_id=upload_id, size_bytes=11)))

    assert await content.load(database, 1, KEY) is None


async def test_links_outlive_the_body(database: Database) -> None:
    await database.write(lambda tx: tx.add(row(body=None)))

    assert await content.load(database, 1, KEY) is None
    stored = await database.read(lambda conn: content.load_content(conn, 1, KEY))
    assert stored is not None
    assert unpack(stored.links) == b"links"


async def test_whoever_drops_an_upload_does_not_fail_where_the_store_is_away(
    database: Database, uploads: content.Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise TryLater("the database is away")

    upload_id = await uploads.begin()
    await uploads.add(upload_id, 0, b"x")
    with monkeypatch.context() as patch:
        patch.setattr(database, "write", away)
        await uploads.drop(upload_id)

    assert await database.read(lambda conn: content.chunks_from(conn, upload_id, 0)) == [b"x"]


async def test_a_dropped_upload_is_gone(database: Database, uploads: content.Uploads) -> None:
    upload_id = await uploads.begin()
    for number in range(20):
        await uploads.add(upload_id, number, b"x")

    await uploads.drop(upload_id)
    await uploads.drop(upload_id)

    assert await database.read(lambda conn: conn.one(COUNT_CHUNKS)) == (0,)


async def test_a_linked_upload_is_never_dropped(database: Database, uploads: content.Uploads) -> None:
    upload_id = await uploads.begin()
    await uploads.add(upload_id, 0, b"x")
    await database.write(lambda tx: tx.add(row(upload_id=upload_id, size_bytes=1)))

    await uploads.drop(upload_id)

    assert await content.load(database, 1, KEY) == (b"x", b"plan")


async def test_the_sweep_takes_old_uploads_that_nobody_links(
    database: Database, uploads: content.Uploads, clock: ManualClock
) -> None:
    linked, orphan = await uploads.begin(), await uploads.begin()
    clock.advance(days=2)
    young = await uploads.begin()
    for upload_id in (linked, orphan, young):
        await uploads.add(upload_id, 0, b"x")
        await uploads.add(upload_id, 1, b"y")
    await database.write(lambda tx: tx.add(row(upload_id=linked, size_bytes=2)))

    assert await content.sweep_orphans(database, clock.now_ms() - DAY_MS) == 1

    left = await database.read(lambda conn: conn.all(statement("SELECT DISTINCT upload_id FROM content_chunk")))
    assert {found[0] for found in left} == {linked, young}


def test_what_was_packed_unpacks() -> None:
    assert unpack(pack(b"x" * 1000)) == b"x" * 1000
    with pytest.raises(zlib.error):
        unpack(b"no")
