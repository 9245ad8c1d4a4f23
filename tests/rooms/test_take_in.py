"""Mail that arrived while no server ran: it waits as a file and is taken in once, whatever happens in between."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from structlog.testing import capture_logs

from postroom.base.clock import DAY_MS, ManualClock
from postroom.base.errors import TryLater
from postroom.base.ids import IdSource
from postroom.base.threads import Threads
from postroom.inbound import arrived, take_in
from postroom.inbound.arrived import Arrived, Broken, blocks_of, check, keep, set_aside, waiting
from postroom.inbound.receive import Receiver
from postroom.inbound.recipients import Addressed
from postroom.inbound.take_in import TakeIn
from postroom.ledger.inbound_rows import Destination, InboundRow
from postroom.store import inbound
from postroom.store.content import Uploads
from postroom.store.database import Database, Tx, open_database, statement
from postroom.store.faults import StoreLost
from postroom.store.inbound import InboundFilter

HERE = "mail.example.com"
MAIL = b"From: ann@example.net\r\nSubject: hello\r\n\r\nbody\r\n"
LARGE = b"From: ann@example.net\r\nSubject: large\r\n\r\n" + b"0123456789abcdef" * 40_000
ROLE = Addressed("abuse@example.com", Destination.ROLE, 1)
GONE = Addressed("b-x@rp.example.com", Destination.BOUNCE, None, 12345)
DAY = ManualClock().now_ms()
_T = TypeVar("_T")


def arrive(folder: Path, mail: bytes = MAIL, *recipients: Addressed, at_ms: int = DAY - 3_600_000) -> Path:
    blocks = [mail[at : at + arrived.BLOCK_BYTES] for at in range(0, len(mail), arrived.BLOCK_BYTES)]
    return keep(folder, Arrived(at_ms, "ann@example.net", recipients or (ROLE,)), blocks)


class Died(BaseException):
    """The process ends here."""


class Moody(Receiver):
    """A receiver that stops as it is told to, once."""

    before: Exception | None = None
    after: BaseException | None = None

    async def receive(self, *given: object, **named: object) -> list[int]:  # type: ignore[override]
        if self.before is not None:
            error, self.before = self.before, None
            raise error
        ids = await super().receive(*given, **named)  # type: ignore[arg-type]
        if self.after is not None:
            dead, self.after = self.after, None
            raise dead
        return ids


class House:
    """A store and what takes mail into it."""

    def __init__(self, folder: Path, database: Database, clock: ManualClock, slow: Threads) -> None:
        self.folder, self.database, self.clock = folder, database, clock
        self.uploads = Uploads(database, IdSource(1, clock), clock)
        self.receiver = Moody(database, IdSource(2, clock), clock, slow, self.uploads, HERE)
        self.take_in = TakeIn(folder, self.receiver, database, self.uploads, clock, slow, asyncio.Lock())

    async def rows(self) -> list[InboundRow]:
        return await self.database.read(lambda conn: inbound.page(conn, 1, InboundFilter(), 100))

    async def bytes_of(self, row: InboundRow) -> bytes | None:
        return await inbound.load(self.database, row.workspace_id, row.content_id)

    async def count(self, table: str) -> int:
        rows = await self.database.read(lambda conn: conn.all(statement(f"SELECT count(*) FROM {table}")))
        return int(rows[0][0])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "arrived"


@pytest.fixture
async def house(sqlite_url: str, folder: Path) -> AsyncIterator[House]:
    clock = ManualClock()
    database, slow = await open_database(sqlite_url, clock=clock), Threads("slow", 1)
    yield House(folder, database, clock, slow)
    slow.close()
    await database.close()


@pytest.mark.parametrize("mail", [MAIL, LARGE, LARGE[: arrived.BLOCK_BYTES], b"x"])
def test_what_is_kept_is_found_as_it_was(folder: Path, mail: bytes) -> None:
    path = arrive(folder, mail, ROLE, GONE)

    found = check(path)

    assert found.arrived == Arrived(DAY - 3_600_000, "ann@example.net", (ROLE, GONE))
    assert b"".join(blocks_of(found)) == mail
    assert waiting(folder) == [path]
    assert (folder.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)


def test_half_a_character_in_an_address_comes_back(folder: Path) -> None:
    """The words of a command line may be any bytes."""
    odd = Addressed("\udce9@example.com", Destination.ROUTE, 1)

    assert check(arrive(folder, MAIL, odd)).arrived.recipients == (odd,)


def test_a_mail_that_breaks_off_leaves_nothing(folder: Path) -> None:
    def blocks() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        keep(folder, Arrived(DAY, "", (ROLE,)), blocks())

    assert list(folder.iterdir()) == []


def test_a_mail_of_which_the_disk_is_not_sure_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its MTA hands it over again."""
    folder.mkdir()

    def fsync(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output"):
        arrive(folder)

    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: b"",
        lambda raw: raw[:-1],
        lambda raw: raw + b"x",
        lambda raw: raw.replace(b"abuse", b"accus"),
        lambda raw: raw.replace(b"body", b"b\0dy"),
        lambda raw: b"\0" * len(raw),
    ],
)
def test_a_damaged_file_is_known(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    path = arrive(folder)
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(Broken):
        check(path)


async def test_nothing_waits_where_nothing_ever_arrived(house: House) -> None:
    assert await house.take_in.take_all() == 0
    assert not house.folder.exists()


async def test_a_mail_is_in_the_store_and_its_file_is_gone(house: House) -> None:
    arrive(house.folder)

    assert await house.take_in.take_all() == 1

    [row] = await house.rows()
    assert (row.source, row.reverse_path, row.recipient, row.subject, row.state) == (
        "pipe", "ann@example.net", "abuse@example.com", "hello", "waiting",
    )  # fmt: skip
    assert list(house.folder.iterdir()) == []
    assert await house.count("idempotency") == 0


async def test_the_mail_says_when_it_arrived_and_not_when_the_server_started(house: House) -> None:
    arrive(house.folder, at_ms=DAY - 2 * DAY_MS)

    await house.take_in.take_all()

    [row] = await house.rows()
    stored = await house.bytes_of(row)
    assert row.received_ms == DAY - 2 * DAY_MS
    assert stored is not None
    assert b" with LOCAL id inb_" in stored
    assert b"; Tue, 30 Dec 2025 00:00:00 +0000\r\n" in stored


async def test_a_large_mail_is_taken_in_as_pieces(house: House) -> None:
    arrive(house.folder, LARGE)

    await house.take_in.take_all()

    [row] = await house.rows()
    stored = await house.bytes_of(row)
    assert stored is not None
    assert stored.endswith(LARGE)
    assert await house.count("content_chunk") == 3


@pytest.mark.parametrize("mail", [MAIL, LARGE])
async def test_who_dies_between_the_commit_and_the_deletion_takes_nothing_in_twice(house: House, mail: bytes) -> None:
    arrive(house.folder, mail)
    house.receiver.after = Died()
    with pytest.raises(Died):
        await house.take_in.take_all()
    assert len(waiting(house.folder)) == 1

    assert await house.take_in.take_all() == 0

    assert len(await house.rows()) == 1
    assert list(house.folder.iterdir()) == []
    assert await house.count("idempotency") == 0


async def test_a_mark_outlives_a_long_pause_of_the_server(house: House) -> None:
    arrive(house.folder)
    house.receiver.after = Died()
    with pytest.raises(Died):
        await house.take_in.take_all()

    house.clock.advance(days=300)

    assert await house.take_in.take_all() == 0
    assert len(await house.rows()) == 1


async def test_a_commit_of_which_nobody_heard_is_not_made_again(house: House) -> None:
    """The connection broke: the commit may still come, after the look for its mark and before the next try."""
    path = arrive(house.folder)
    found, mark = check(path), f"arrived/{path.stem}"
    await house.take_in._receive(found, mark)

    with capture_logs() as told:
        house.take_in._database = _Blind(house.database)  # type: ignore[assignment]
        assert await house.take_in.take_all() == 0

    assert len(await house.rows()) == 1
    assert told == []
    assert waiting(house.folder) == []


class _Blind:
    """A database that shows nothing."""

    def __init__(self, database: Database) -> None:
        self.write = database.write

    async def read(self, function: Callable[..., _T]) -> None:
        return None


async def test_where_the_store_is_away_the_mail_waits(house: House) -> None:
    arrive(house.folder, LARGE)
    house.receiver.before = StoreLost("away")
    with pytest.raises(TryLater):
        await house.take_in.take_all()
    assert (len(waiting(house.folder)), await house.count("content_chunk")) == (1, 0)

    assert await house.take_in.take_all() == 1


async def test_a_broken_file_is_set_aside_and_those_behind_it_are_taken_in(house: House) -> None:
    broken = arrive(house.folder, at_ms=DAY - 10)
    broken.write_bytes(broken.read_bytes()[:-3])
    arrive(house.folder, at_ms=DAY - 5)

    with capture_logs() as told:
        assert await house.take_in.take_all() == 1

    assert [one["event"] for one in told if one["log_level"] == "error"] == [
        "mail that arrived without a server was set aside"
    ]
    assert [path.name for path in set_aside(house.folder)] == [broken.name + ".broken"]
    assert await house.take_in.take_all() == 0


async def test_a_mail_that_trips_us_is_set_aside(house: House) -> None:
    arrive(house.folder)
    house.receiver.before = ValueError("a fault of ours")

    assert await house.take_in.take_all() == 0

    assert (len(waiting(house.folder)), len(set_aside(house.folder))) == (0, 1)


async def test_a_mail_that_answers_what_was_deleted_meanwhile_goes(house: House) -> None:
    arrive(house.folder, MAIL, GONE)

    assert await house.take_in.take_all() == 0

    assert list(house.folder.iterdir()) == []


async def test_a_file_that_cannot_be_read_now_stays_and_is_told_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = arrive(house.folder, at_ms=DAY - 10), arrive(house.folder, at_ms=DAY - 5)

    def refusing(path: Path) -> arrived.Waiting:
        if path == first:
            raise PermissionError(errno.EACCES, "Permission denied")
        return check(path)

    monkeypatch.setattr(take_in, "check", refusing)
    with capture_logs() as told:
        await house.take_in.take_all()
        arrive(house.folder, at_ms=DAY)
        monkeypatch.setattr(take_in, "check", refusing)

    assert waiting(house.folder)[0] == first
    assert second not in waiting(house.folder)
    assert len([one for one in told if "cannot be read" in one["event"]]) == 1


async def test_what_a_dead_command_left_half_written_is_swept_and_never_taken_in(house: House) -> None:
    arrive(house.folder)
    old, new = house.folder / "1-a.draft", house.folder / "2-b.draft"
    for path, age_seconds in ((old, 7 * 3600), (new, 600)):
        path.write_bytes(b"half")
        os.utime(path, (DAY / 1000 - age_seconds,) * 2)

    assert await house.take_in.take_all() == 1

    assert list(house.folder.iterdir()) == [new]


async def test_it_looks_again_and_again(house: House) -> None:
    """The command found no server, and then one was there."""
    running = asyncio.create_task(house.take_in.run())
    try:
        for number in range(1, 3):
            arrive(house.folder)
            async with asyncio.timeout(20):
                while len(await house.rows()) < number:
                    house.clock.advance(seconds=2)
                    await asyncio.sleep(0)
    finally:
        running.cancel()


async def test_one_row_a_recipient_and_one_mark_for_all(house: House) -> None:
    arrive(house.folder, MAIL, ROLE, Addressed("postmaster@example.com", Destination.ROLE, 1))

    seen: list[int] = []
    write = house.database.write

    async def counting(function: Callable[[Tx], _T], *, size_bytes: int = 0) -> _T:
        result = await write(function, size_bytes=size_bytes)
        seen.append(await house.count("idempotency"))
        return result

    house.receiver._database = type("Counting", (), {"write": staticmethod(counting)})()
    await house.take_in.take_all()

    assert seen == [1]
    assert len(await house.rows()) == 2
