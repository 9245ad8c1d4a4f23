"""Mail that came in: put, claimed, finished, put back, found again."""

import pytest
from queue_rows import Queue

from postroom.base.clock import HOUR_MS, ManualClock
from postroom.base.ids import IdSource
from postroom.base.packing import pack
from postroom.base.threads import Threads
from postroom.inbound.receive import Incoming, Receiver
from postroom.inbound.recipients import Addressed
from postroom.ledger.inbound_rows import Destination, InboundContentRow, InboundRow, InboundState
from postroom.store import content, inbound
from postroom.store.database import Database, open_database, statement
from postroom.store.inbound import Finished, InboundFilter

RAW = b"Subject: hello\r\n\r\nbody\r\n"


def a_row(row_id: int, **changes: object) -> InboundRow:
    row = InboundRow(
        id=row_id,
        workspace_id=1,
        content_id=row_id + 1_000_000,
        received_ms=5,
        source="smtp",
        peer="192.0.2.1",
        helo="mx.example.net",
        tls="",
        reverse_path="",
        recipient="b-x@rp.example.com",
        recipient_key="b-x@rp.example.com",
        destination=Destination.BOUNCE.value,
        own_recipient_id=7,
        author="",
        author_name="",
        subject="hello",
        message_id="",
        size_bytes=len(RAW),
        verdicts="",
    )
    return row._replace(**changes)  # type: ignore[arg-type]


def its_content(row: InboundRow) -> InboundContentRow:
    return InboundContentRow(row.content_id, row.workspace_id, len(RAW), None, pack(RAW), 5)


async def put(database: Database, *rows: InboundRow) -> None:
    for row in rows:
        await database.write(lambda tx, row=row: inbound.put(tx, its_content(row), [row]))  # type: ignore[misc]


async def claim(database: Database, now_ms: int, *, node: int = 1, limit: int = 10) -> list[InboundRow]:
    return await database.write(
        lambda tx: inbound.claim(tx, node=node, now_ms=now_ms, lease_ms=now_ms + 60_000, limit=limit)
    )


async def page(database: Database, asked: InboundFilter, limit: int = 10, before: int | None = None) -> list[int]:
    return [row.id for row in await database.read(lambda conn: inbound.page(conn, 1, asked, limit, before))]


async def test_a_mail_comes_back_with_its_bytes(database: Database) -> None:
    await put(database, a_row(10))

    assert await database.read(lambda conn: inbound.by_id(conn, 1, 10)) == a_row(10)
    assert await inbound.load(database, 1, 1_000_010) == RAW


async def test_another_workspace_finds_nothing_of_it(database: Database) -> None:
    await put(database, a_row(10, answers_recipient_id=7))

    assert await database.read(lambda conn: inbound.by_id(conn, 2, 10)) is None
    assert await database.read(lambda conn: inbound.of_recipient(conn, 2, 7, 10)) == []
    assert await database.read(lambda conn: inbound.page(conn, 2, InboundFilter(), 10)) == []
    assert await inbound.load(database, 2, 1_000_010) is None


async def test_who_claimed_a_mail_has_it_until_the_lease_ends(database: Database) -> None:
    await put(database, a_row(10))

    first = await claim(database, 1_000)
    meanwhile = await claim(database, 60_999, node=2)
    later = await claim(database, 61_000, node=2)

    assert [(row.id, row.epoch, row.tries, row.node) for row in first] == [(10, 1, 1, 1)]
    assert meanwhile == []
    assert [(row.id, row.epoch, row.tries, row.node) for row in later] == [(10, 2, 2, 2)]
    assert not await database.write(lambda tx: inbound.finish(tx, Finished(10, 1, InboundState.DONE, "bounce", "")))


async def test_a_finished_mail_is_not_claimed_again(database: Database) -> None:
    await put(database, a_row(10))
    await claim(database, 1_000)

    done = Finished(10, 1, InboundState.DONE, "bounce", "{}", 7, 8, 9, is_counted=True)
    assert await database.write(lambda tx: inbound.finish(tx, done))

    row = await database.read(lambda conn: inbound.by_id(conn, 1, 10))
    assert row is not None
    assert (row.state, row.kind, row.detail, row.answers_recipient_id, row.answers_message_id) == (
        "done", "bounce", "{}", 7, 8,
    )  # fmt: skip
    assert (row.route_id, row.is_counted, row.node, row.lease_ms) == (9, 1, None, 0)
    assert await claim(database, 10 * HOUR_MS) == []
    assert [one.id for one in await database.read(lambda conn: inbound.of_recipient(conn, 1, 7, 10))] == [10]


async def test_a_mail_that_is_put_back_waits_until_it_is_due(database: Database) -> None:
    await put(database, a_row(10))
    await claim(database, 1_000)

    assert await database.write(lambda tx: inbound.put_back(tx, 10, 1, 5_000))

    assert await database.read(inbound.next_due_ms) == 5_000
    assert await claim(database, 4_999) == []
    assert [(row.id, row.tries) for row in await claim(database, 5_000)] == [(10, 2)]
    assert not await database.write(lambda tx: inbound.put_back(tx, 10, 1, 9_000))


async def test_the_mail_that_is_due_longest_is_claimed_first(database: Database) -> None:
    await put(database, a_row(10, due_ms=300), a_row(11, due_ms=100), a_row(12, due_ms=200), a_row(13, due_ms=9_000))

    assert [row.id for row in await claim(database, 1_000, limit=2)] == [11, 12]
    assert [row.id for row in await claim(database, 1_000)] == [10]


async def test_a_mail_that_was_given_up_is_taken_up_again_with_all_its_tries(database: Database) -> None:
    await put(database, a_row(10), a_row(11, workspace_id=2))
    [late, _] = await claim(database, 1_000)
    await database.write(lambda tx: inbound.finish(tx, Finished(10, late.epoch, InboundState.FAILED, "", "{}")))

    async def again(row_id: int) -> bool:
        return await database.write(lambda tx: inbound.take_up_again(tx, 1, row_id, 2_000))

    assert [await again(10), await again(10), await again(11)] == [True, False, False]
    assert [(row.id, row.tries, row.detail) for row in await claim(database, 2_000)] == [(10, 1, "")]


async def test_a_search_looks_at_what_a_page_would_show_and_fetches_what_it_chose(database: Database) -> None:
    await put(
        database, a_row(10, kind="bounce", subject="one"), a_row(11, kind="delay", author="ada@example.net"),
        a_row(12, kind="reply"), a_row(13, kind="bounce", workspace_id=2),
    )  # fmt: skip
    bounces = InboundFilter(kinds=("bounce", "delay"))

    seen = await database.read(lambda conn: inbound.glimpses(conn, 1, bounces, 10))
    before = await database.read(lambda conn: inbound.glimpses(conn, 1, bounces, 1, 11))
    chosen = await database.read(lambda conn: inbound.by_ids(conn, 1, [10, 12, 13, 99]))

    assert [(one.id, one.author, one.subject) for one in seen] == [(11, "ada@example.net", "hello"), (10, "", "one")]
    assert [one.id for one in before] == [10]
    assert {row_id: row.kind for row_id, row in chosen.items()} == {10: "bounce", 12: "reply"}
    assert await database.read(lambda conn: inbound.by_ids(conn, 1, [])) == {}


async def test_pages_go_from_the_newest_to_the_oldest(database: Database) -> None:
    kinds = ["bounce", "reply", "bounce", "delay", "bounce"]
    await put(database, *(a_row(10 + at, kind=kind, state="done") for at, kind in enumerate(kinds)))
    await put(database, a_row(20, recipient_key="info@example.com", kind="reply", is_counted=1, state="failed"))
    await put(database, a_row(21))

    assert await page(database, InboundFilter(), limit=3) == [21, 20, 14]
    assert await page(database, InboundFilter(), limit=3, before=14) == [13, 12, 11]
    assert await page(database, InboundFilter(kinds=("bounce", "delay")), limit=3) == [14, 13, 12]
    assert await page(database, InboundFilter(kinds=("bounce", "delay")), limit=3, before=12) == [10]
    assert await page(database, InboundFilter(state="waiting")) == [21]
    assert await page(database, InboundFilter(state="failed")) == [20]
    assert await page(database, InboundFilter(state="done"), limit=2) == [14, 13]
    assert await page(database, InboundFilter(recipient_key="info@example.com")) == [20]
    assert await page(database, InboundFilter(kinds=("bounce", "reply"), recipient_key="info@example.com")) == [20]
    assert await page(database, InboundFilter(counted_only=True)) == [20]


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        (InboundFilter(), "inbound_workspace_id_id"),
        (InboundFilter(kinds=("bounce",)), "inbound_workspace_id_kind_id"),
        (InboundFilter(state="failed"), "inbound_failed"),
        (InboundFilter(state="waiting"), "inbound_waiting"),
        (InboundFilter(state="failed", kinds=("bounce",)), "inbound_failed"),
        (InboundFilter(kinds=("bounce", "reply"), recipient_key="a"), "inbound_workspace_id_recipient_key_id"),
        (InboundFilter(kinds=("bounce",), author_key="a"), "inbound_workspace_id_author_key_id"),
        (InboundFilter(author_key="a", recipient_key="b"), "inbound_workspace_id_recipient_key_id"),
        (InboundFilter(answers_recipient_id=5, kinds=("bounce",), author_key="a", least_id=3), "inbound_answers"),
        (InboundFilter(answers_message_id=5, kinds=("bounce",), recipient_key="a"), "inbound_answers_message"),
    ],
)
async def test_a_page_goes_along_an_index_on_sqlite(sqlite_url: str, asked: InboundFilter, index: str) -> None:
    """SQLite has no statistics: which index it takes follows from how the question is put."""
    database = await open_database(sqlite_url, clock=ManualClock())
    try:
        query = inbound.page_query(1, asked, asked.kinds, 10, 100)
        text = str(query.compile(compile_kwargs={"literal_binds": True}))
        plan = await database.read(lambda conn: conn.all(statement(f"EXPLAIN QUERY PLAN {text}")))
    finally:
        await database.close()

    assert any(f"USING INDEX {index}" in str(step[-1]) for step in plan), plan


async def test_pieces_that_a_mail_links_are_not_swept(database: Database, clock: ManualClock) -> None:
    ids = IdSource(0, clock)
    linked = await content.store_upload(database, ids.next(), b"x" * 10, clock)
    orphan = await content.store_upload(database, ids.next(), b"y" * 10, clock)
    row = a_row(10)
    large = replace_upload(its_content(row), linked)
    await database.write(lambda tx: inbound.put(tx, large, [row]))

    swept = await content.sweep_orphans(database, clock.now_ms() + HOUR_MS)
    await content.drop_upload(database, linked)

    assert swept == 1
    assert await content.load_upload(database, orphan) == b""
    assert await inbound.load(database, 1, row.content_id) == b"x" * 10


def replace_upload(row: InboundContentRow, upload_id: int) -> InboundContentRow:
    return row._replace(upload_id=upload_id, body=None, size_bytes=10)


async def test_whoever_waits_for_mail_is_woken_by_its_commit(database: Database) -> None:
    woken: list[set[int]] = []
    database.on_commit(inbound.WAKE, lambda subjects: woken.append(set(subjects)))

    await put(database, a_row(10))

    assert woken == [{1}]


async def test_own_recipients_know_their_workspaces(database: Database, clock: ManualClock) -> None:
    queue = Queue(database, clock)
    await queue.workspace()
    _, rows = await queue.message(2)

    found = await database.write(lambda tx: inbound.owners(tx, [rows[0].id, rows[1].id, 77]))

    assert found == {rows[0].id: 1, rows[1].id: 1}


async def test_whatever_a_header_holds_can_be_stored(database: Database, clock: ManualClock) -> None:
    """PostgreSQL takes neither NUL nor half a character in a text."""
    slow = Threads("slow", 1)
    receiver = Receiver(
        database, IdSource(2, clock), clock, slow, content.Uploads(database, IdSource(1, clock), clock), "h"
    )
    header = b"From: \x00 <\x00@\xff>\r\nSubject: =?utf-16?b?2AA=?= \xed\xa0\x80\x00\r\nMessage-ID: <\x00>\r\n\r\n"
    role = Addressed("abuse@h", Destination.ROLE, 1)
    try:
        await receiver.receive(Incoming("pipe", "LOCAL", "", "\x00", "", "\x00\udc80@x", (role,), header))
    finally:
        slow.close()

    assert len(await page(database, InboundFilter())) == 1
