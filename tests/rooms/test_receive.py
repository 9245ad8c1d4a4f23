"""Taking mail in: what is stored, for whom, under which trace fields."""

from collections.abc import AsyncIterator

import pytest
from queue_rows import Queue

from postroom.base.clock import ManualClock
from postroom.base.errors import TryLater
from postroom.base.ids import IdSource
from postroom.base.threads import Threads
from postroom.inbound.receive import Authenticated, Incoming, Receiver, Refused, StagedRest
from postroom.inbound.recipients import NO_SUCH_ADDRESS, Addressed
from postroom.inbound.refusal import HEADER_TOO_LARGE, LOOP
from postroom.ledger.inbound_rows import Destination, InboundRow
from postroom.store import inbound
from postroom.store.content import Uploads
from postroom.store.database import Database, open_database, statement
from postroom.store.inbound import InboundFilter

HERE = "mail.example.com"
MAIL = (
    b"From: =?utf-8?q?Ann=C3=A9?= <ann@example.net>\r\n"
    b"Subject: =?utf-8?q?h=C3=A9llo?=\r\n"
    b"Message-ID: <1@example.net> (x)\r\n"
    b"\r\nbody\r\n"
)
ROLE = Addressed("abuse@example.com", Destination.ROLE, 1)


def incoming(content: bytes = MAIL, *recipients: Addressed, rest: StagedRest | None = None) -> Incoming:
    return Incoming(
        "smtp", "ESMTP", "192.0.2.7", "mx.example.net", "", "ann@example.net", recipients or (ROLE,), content, rest
    )


class House:
    """A receiver over a store."""

    def __init__(self, database: Database, clock: ManualClock, slow: Threads) -> None:
        self.database = database
        self.uploads = Uploads(database, IdSource(1, clock), clock)
        self.asked: list[bytes] = []
        self.receiver = Receiver(database, IdSource(2, clock), clock, slow, self.uploads, HERE, self._authenticate)

    async def _authenticate(self, mail: Incoming, raw: bytes) -> Authenticated:
        self.asked.append(raw)
        return Authenticated('{"spf":…}', b"Authentication-Results: mail.example.com; none\r\n")

    async def rows(self, workspace_id: int = 1) -> list[InboundRow]:
        return await self.database.read(lambda conn: inbound.page(conn, workspace_id, InboundFilter(), 100))

    async def bytes_of(self, row: InboundRow) -> bytes | None:
        return await inbound.load(self.database, row.workspace_id, row.content_id)

    async def count(self, table: str) -> int:
        rows = await self.database.read(lambda conn: conn.all(statement(f"SELECT count(*) FROM {table}")))
        return int(rows[0][0])


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def house(sqlite_url: str, clock: ManualClock) -> AsyncIterator[House]:
    database, slow = await open_database(sqlite_url, clock=clock), Threads("slow", 1)
    yield House(database, clock, slow)
    slow.close()
    await database.close()


async def test_what_the_header_says_stands_in_the_row(house: House) -> None:
    [row_id] = await house.receiver.receive(incoming())

    [row] = await house.rows()
    assert row.id == row_id
    assert (row.author, row.author_name, row.subject, row.message_id) == (
        "ann@example.net", "Anné", "héllo", "<1@example.net>",
    )  # fmt: skip
    assert (row.peer, row.helo, row.reverse_path) == ("192.0.2.7", "mx.example.net", "ann@example.net")
    assert (row.recipient, row.destination, row.verdicts, row.state) == (
        "abuse@example.com", "role", '{"spf":…}', "waiting",
    )  # fmt: skip


async def test_our_trace_fields_stand_on_top_of_the_bytes_as_they_came(house: House) -> None:
    await house.receiver.receive(incoming())

    [row] = await house.rows()
    stored = await house.bytes_of(row)
    assert stored is not None
    assert stored.endswith(MAIL)
    top = stored.removesuffix(MAIL).split(b"\r\n")
    assert top[0] == b"Return-Path: <ann@example.net>"
    assert top[1] == b"Authentication-Results: mail.example.com; none"
    assert top[2] == b"Received: from mx.example.net ([192.0.2.7])"
    assert top[4].startswith(b" for <abuse@example.com>; ")
    assert row.size_bytes == len(stored)
    assert house.asked == [MAIL]


async def test_results_that_somebody_wrote_in_our_name_are_not_stored(house: House) -> None:
    await house.receiver.receive(incoming(b"Authentication-Results: mail.example.com; spf=pass\r\n" + MAIL))

    [row] = await house.rows()
    assert b"spf=pass" not in (await house.bytes_of(row) or b"")


async def test_a_mail_for_several_is_stored_once_for_each_workspace(house: House) -> None:
    people = [Addressed(f"r{number}@example.com", Destination.ROUTE, 1 + number // 2) for number in range(4)]

    ids = await house.receiver.receive(incoming(MAIL, *people))

    assert len(ids) == 4
    assert await house.count("inbound_content") == 2
    assert {row.recipient for row in await house.rows(1)} == {"r0@example.com", "r1@example.com"}
    for workspace_id in (1, 2):
        rows = await house.rows(workspace_id)
        assert len({row.content_id for row in rows}) == 1
        stored = await house.bytes_of(rows[0])
        assert stored is not None
        assert b" for <" not in stored


async def test_the_recipient_that_a_token_names_knows_its_workspace(house: House, clock: ManualClock) -> None:
    queue = Queue(house.database, clock)
    await queue.workspace()
    _, [own] = await queue.message(1)

    await house.receiver.receive(incoming(MAIL, Addressed("b-x@rp.x.test", Destination.BOUNCE, None, own.id)))

    [row] = await house.rows(1)
    assert (row.own_recipient_id, row.destination, row.workspace_id) == (own.id, "bounce", 1)


async def test_a_mail_that_answers_what_is_gone_is_no_such_address(house: House) -> None:
    gone = Addressed("r-x@rp.example.com", Destination.REPLY, None, own_recipient_id=77)

    with pytest.raises(Refused) as refused:
        await house.receiver.receive(incoming(MAIL, gone))
    assert refused.value.reply == NO_SUCH_ADDRESS
    assert await house.rows() == []

    assert len(await house.receiver.receive(incoming(MAIL, gone, ROLE))) == 1


async def test_a_large_mail_lies_in_pieces_under_its_trace_fields(house: House) -> None:
    first, second, third = MAIL.ljust(1000, b"x"), b"y" * 1000, b"z" * 10
    upload_id = await house.uploads.begin()
    await house.uploads.add(upload_id, 1, second)
    await house.uploads.add(upload_id, 2, third)

    await house.receiver.receive(incoming(first, rest=StagedRest(upload_id, 1010)))

    [row] = await house.rows()
    stored = await house.bytes_of(row)
    assert stored is not None
    assert stored.endswith(first + second + third)
    assert stored.startswith(b"Return-Path: ")
    assert len(stored) == row.size_bytes
    assert house.asked == [first + second + third]


async def test_a_header_that_does_not_end_in_the_first_block_is_refused(house: House) -> None:
    with pytest.raises(Refused) as refused:
        await house.receiver.receive(incoming(b"X: y\r\n" * 100, rest=StagedRest(5, 10)))

    assert refused.value.reply == HEADER_TOO_LARGE


async def test_a_hundred_and_one_received_fields_stop_a_loop(house: House) -> None:
    """Rule 11."""
    await house.receiver.receive(incoming(b"Received: by x.example.net; y\r\n" * 100 + MAIL))

    with pytest.raises(Refused) as refused:
        await house.receiver.receive(incoming(b"Received: by x.example.net; y\r\n" * 101 + MAIL))
    assert refused.value.reply == LOOP


async def test_a_mail_that_comes_back_to_us_again_and_again_is_stopped(house: House) -> None:
    """Rule 11: our own mark four times."""
    content: bytes = MAIL
    for _ in range(4):
        await house.receiver.receive(incoming(content))
        content = await house.bytes_of((await house.rows())[0]) or b""

    with pytest.raises(Refused) as refused:
        await house.receiver.receive(incoming(content))
    assert refused.value.reply == LOOP


@pytest.mark.parametrize("content", [b"", b"\r\n", b" \r\n\r\n"])
async def test_nothing_is_no_mail(house: House, content: bytes) -> None:
    with pytest.raises(Refused):
        await house.receiver.receive(incoming(content))


@pytest.mark.parametrize(
    "content",
    [
        b"no header at all",
        b"\r\nbody only\r\n",
        b"From: <a\x00b@c>\r\nSubject: \xff\xfe\x00\r\nMessage-ID: <\x00\r\n\r\n",
        b"Subject: " + b"x" * 5000 + b"\r\n\r\n",
        b"From: " + b"(" * 5000 + b"\r\n\r\n",
    ],
)
async def test_whatever_a_mail_is_made_of_is_stored(house: House, content: bytes) -> None:
    await house.receiver.receive(incoming(content))

    [row] = await house.rows()
    assert (await house.bytes_of(row) or b"").endswith(content.rpartition(b"\r\n\r\n")[2])
    assert len(row.subject) <= 998
    assert "\x00" not in row.subject + row.author + row.message_id


async def test_250_waits_for_the_commit(house: House) -> None:
    """Rule 1: without a store nothing is taken."""
    await house.database.close()

    with pytest.raises(TryLater):
        await house.receiver.receive(incoming())
