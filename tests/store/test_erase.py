"""Who is erased is nowhere in the database any more, and everything that counted still counts."""

import base64
import quopri
import re
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest
from queue_rows import NOW, OK, Queue, message_row, recipient_row

from postroom.base.clock import HOUR_MS, ManualClock
from postroom.base.errors import WrongInput
from postroom.base.packing import pack
from postroom.base.threads import Threads
from postroom.base.tokens import TokenKeys
from postroom.events import record
from postroom.ledger.operator_rows import AuditRow
from postroom.ledger.rows import (
    ContentRow,
    EventRow,
    HitRow,
    IdempotencyRow,
    LaneRow,
    MessageRow,
    RecipientRow,
    SandboxCopyRow,
    SuppressionRow,
)
from postroom.ledger.webhook_rows import WebhookAttemptRow
from postroom.mail.address import address_key
from postroom.outbound.links import pack_targets, unpack_targets
from postroom.store import counters, suppressions
from postroom.store.database import Database, StoreLost, Tx, statement
from postroom.upkeep.erase import Erased, Erasing

ADA = "Ada.Lovelace@Example.net"
BOB = "bob@example.net"
KEYS = TokenKeys({0: b"k" * 32})
_DELIVER = statement("UPDATE recipient SET state = 'delivered', settled_ms = ?, sent_hour = ?, reason = ? WHERE id = ?")


def mail(to: str, text: str, encoding: str = "7bit") -> bytes:
    body = text.encode()
    encoded = {"7bit": body, "base64": base64.encodebytes(body), "quoted-printable": quopri.encodestring(body)}[
        encoding
    ]
    head = f"From: shop@example.com\r\nTo: {to}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + encoded.replace(b"\n", b"\r\n")


class House(Queue):
    """A store with mail to people."""

    async def send(
        self, raw: bytes, *addresses: str, state: str = "delivered", links: tuple[str, ...] = (), **fields: Any
    ) -> MessageRow:
        """Store a message and settle it as delivered, with hit, copy and details that name its recipients."""
        key = zlib.crc32(raw).to_bytes(16, "big")
        message = message_row(self.ids.next(), created_ms=self.clock.now_ms(), content_key=key, **fields)
        rows = [
            recipient_row(
                self.ids.next(), message, state="queued", address=one, address_key=address_key(one), merge=one
            )
            for one in addresses
        ]
        event_ids = [self.ids.next() for _ in range(len(rows) * 2 + 1)]

        def write(tx: Tx) -> None:
            packed = pack(raw), pack(pack_targets(links))
            tx.add(ContentRow(1, key, len(raw), None, packed[0], b"plan", packed[1], NOW))
            tx.add(message)
            tx.add(LaneRow(rows[0].lane_id, 1, message.stream, "example.net"))
            record.record_accepted(tx, message, [row.provider for row in rows], event_ids[0])
            for row in rows:
                tx.add(row)

        await self.database.write(write)
        if state == "delivered":
            await self._deliver(message, rows, event_ids[1:])
        else:
            await self.act("UPDATE recipient SET state = ? WHERE message_id = ?", state, message.id)
        return message

    async def _deliver(self, message: MessageRow, rows: list[RecipientRow], event_ids: list[int]) -> None:
        now = self.clock.now_ms()
        hits = [self.ids.next() for _ in rows]

        def write(tx: Tx) -> None:
            for at, row in enumerate(rows):
                told = f"250 2.1.5 <{row.address}> ok"
                tx.run(_DELIVER, (now, now // HOUR_MS, told, row.id))
                facts = record.facts_of(message, row)
                record.record_delivered(tx, facts, event_ids[at], now, OK, 1)
                tx.add(HitRow(hits[at], 1, row.id, "open", 0, now, "GET", "192.0.2.1", row.address, "{}", "human", 1))
                tx.add(SandboxCopyRow(row.id, 1, "", zlib.compress(f"To: {row.address}".encode()), now))
                tx.run(_OPENED, (now, now, row.id))
                detail = {"label": "human", "first": True, "user_agent": row.address}
                opened = record.Fetched(facts, event_ids[len(rows) + at], now, True, True, detail)
                record.record_opened(tx, [opened])

        await self.database.write(write)

    async def elsewhere(self, address: str) -> None:
        """Store an address in all the places that no recipient leads to."""
        key, ids = address_key(address), [self.ids.next() for _ in range(6)]
        answer = f'{{"recipients":[{{"address":"{address}"}}]}}'.encode()

        def write(tx: Tx) -> None:
            tx.add(
                SuppressionRow(
                    ids[0], 1, key, "bulk", f"{address} asked", "unsubscribe", f"page for {address}", None, 1
                )
            )
            tx.add(EventRow(ids[1], 1, None, None, "suppression_added", NOW, f'{{"address":"{key}","scope":"bulk"}}'))
            tx.add(IdempotencyRow(1, f"signup {address}", b"h", 202, answer, NOW, NOW + HOUR_MS))
            tx.add(AuditRow(ids[2], NOW, None, "command line", 1, "suppression.add", address, f"<{address}>", ""))
            tx.add(
                WebhookAttemptRow(
                    ids[3], 1, 7, NOW, 5, 1, 200, "", 0, 0, "evt", 1, "[]", "{}", "{}", f"thanks for {address.upper()}"
                )
            )

        await self.database.write(write)

    async def recount(self) -> list[Any]:
        end = self.clock.now_ms() // HOUR_MS + 1
        return await self.database.write(lambda tx: counters.differences(tx, 1, 0, end, record.counted_under)[1])


_OPENED = statement("UPDATE recipient SET opened_ms = ?, human_opened_ms = ? WHERE id = ?")


@pytest.fixture
async def house(database: Database, clock: ManualClock) -> House:
    made = House(database, clock)
    await made.workspace()
    return made


async def erase(house: House, address: str = ADA, *, everywhere: bool = True, as_author: bool = False) -> Erased:
    slow = Threads("slow", 1)
    try:
        erasing = Erasing(house.database, house.ids, house.clock, lambda: KEYS, slow)
        return await erasing.erase(address, [1], everywhere=everywhere, as_author=as_author)
    finally:
        slow.close()


async def everything(house: House, tmp_path: Path) -> bytes:
    """Return all bytes of the database: SQLite's file with its WAL, or a dump; and every compressed value undone."""
    found = []
    for table, column in (("content", "body"), ("content", "links"), ("sandbox_copy", "copy")):
        for (value,) in await house.ask(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL"):
            found.append(zlib.decompress(bytes(value)))
    if house.database.engine == "sqlite":
        while await house.database.write(lambda tx: tx.give_back(256, 0)):
            pass
        await house.database.empty_wal()
        for name in ("postroom.db", "postroom.db-wal"):
            found.append(bytes_of(tmp_path / name))
    else:
        tables = [row[0] for row in await house.ask("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        for table in tables:
            found.append(repr(await house.ask(f"SELECT * FROM {table}")).encode())
    return b"\n".join(found)


def bytes_of(path: Path) -> bytes:
    """Return a file's bytes by another process: closing it in this one would drop SQLite's locks on it."""
    return subprocess.run(["cat", path], check=True, capture_output=True).stdout


def occurrences(raw: bytes) -> list[bytes]:
    """Return where the address stands in bytes, in any letter case and as base64 and quoted-printable show it."""
    forms = [ADA.lower().encode(), b"ada.lovelace%40example.net", b"ada.lovelace=40example.net"]
    for shift in range(3):
        encoded = base64.b64encode(b"x" * shift + ADA.encode())
        forms.append(encoded[4 if shift else 0 : -4].lower())
    return [
        raw[max(0, m.start() - 60) : m.end() + 20] for form in forms for m in re.finditer(re.escape(form), raw.lower())
    ]


async def test_an_erased_address_is_nowhere_in_the_database(house: House, tmp_path: Path) -> None:
    await house.send(mail(ADA, "only for you"), ADA, subject=f"for {ADA}", metadata=f'{{"who":"{ADA}"}}')
    for encoding in ("7bit", "base64", "quoted-printable"):
        text = f"Dear all, {ADA.upper()} has won, {encoding}. " * 3
        await house.send(
            mail(f"{ADA}, {BOB}", text, encoding), ADA, BOB, links=(f"https://x.test/?who={ADA}", "https://y.test/")
        )
        await house.send(mail(BOB, text, encoding), BOB)
    await house.send(mail(BOB, "nothing of her"), BOB, tags=f'["{ADA}", "blue"]')
    waiting = await house.send(mail(ADA, "not sent yet"), ADA, state="held")
    await house.elsewhere(ADA)
    assert occurrences(await everything(house, tmp_path))
    before = await house.ask("SELECT sum(outbound), sum(sent), sum(opens_human) FROM counter WHERE dimension = 'tag'")
    assert await house.recount() == []

    done = await erase(house)

    assert done.left == []
    assert (done.recipients, done.cancelled, done.suppressions) == (5, 1, 1)
    assert occurrences(await everything(house, tmp_path)) == []
    assert await house.recount() == []
    after = await house.ask("SELECT sum(outbound), sum(sent), sum(opens_human) FROM counter WHERE dimension = 'tag'")
    assert after == before
    assert await house.ask("SELECT state, address FROM recipient WHERE message_id = ?", waiting.id) == [
        ("cancelled", "(erased)")
    ]
    assert await house.ask("SELECT count(*) FROM recipient WHERE address = ?", BOB) == [(7,)]
    # What does not name her stays.
    bodies = [
        zlib.decompress(bytes(row[0])) for row in await house.ask("SELECT body FROM content WHERE body IS NOT NULL")
    ]
    assert len(bodies) == 1
    assert b"nothing of her" in bodies[0]
    kept = {unpack_targets(zlib.decompress(bytes(row[0]))) for row in await house.ask("SELECT links FROM content")}
    assert ("", "https://y.test/") in kept
    assert (await erase(house)).recipients == 0


async def test_who_was_erased_and_had_unsubscribed_gets_no_mail_again(house: House) -> None:
    await house.elsewhere(ADA)
    await erase(house)
    key = address_key(ADA)

    def stopped(stream: str, *others: str) -> Any:
        asked = [(key, stream), *((other, stream) for other in others)]
        hidden = [KEYS.hide(one) for one, _ in asked]
        return house.database.read(lambda conn: suppressions.suppressed(conn, 1, asked, NOW, hidden))

    assert await stopped("bulk") == {(key, "bulk"): ("bulk", "(erased) asked")}
    assert await stopped("bulk", BOB) == {(key, "bulk"): ("bulk", "(erased) asked")}
    assert await stopped("transactional") == {}


async def test_a_content_that_others_still_wait_for_stays_and_is_told(house: House, tmp_path: Path) -> None:
    message = await house.send(mail(f"{ADA}, {BOB}", "for both"), ADA, BOB, state="held")

    done = await erase(house)

    assert len(done.left) == 1
    assert "1 of its recipients still wait" in done.left[0]
    assert await house.ask("SELECT count(*) FROM content WHERE body IS NOT NULL") == [(1,)]
    await house.act("UPDATE recipient SET state = 'failed', settled_ms = ? WHERE state = 'held'", NOW)
    assert (await erase(house)).left == []
    assert occurrences(await everything(house, tmp_path)) == []
    assert await house.ask("SELECT state FROM recipient WHERE message_id = ? ORDER BY id", message.id) == [
        ("cancelled",),
        ("failed",),
    ]


@pytest.mark.parametrize("writes", [2, 4, 7, 11, 16])
async def test_an_erasure_that_was_cut_off_is_finished_by_the_next(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    await house.send(mail(ADA, "only for you"), ADA, subject=f"for {ADA}")
    await house.send(mail(f"{ADA}, {BOB}", "for both"), ADA, BOB)
    await house.send(mail(ADA, "waits"), ADA, state="held")
    await house.elsewhere(ADA)
    done, write = 0, house.database.write

    async def cut_off(*given: Any, **more: Any) -> Any:
        nonlocal done
        done += 1
        if done > writes:
            raise StoreLost("pulled the plug")
        return await write(*given, **more)

    monkeypatch.setattr(house.database, "write", cut_off)
    with pytest.raises(StoreLost):
        await erase(house)
    monkeypatch.undo()

    assert (await erase(house)).left == []
    assert occurrences(await everything(house, tmp_path)) == []
    assert await house.recount() == []


async def test_mail_of_an_author_goes_only_when_that_is_said(house: House, tmp_path: Path) -> None:
    await house.send(mail(BOB, f"yours, {ADA}"), BOB, author_address=ADA, reverse_path=ADA)
    with pytest.raises(WrongInput, match="as-author"):
        await erase(house)
    assert (await erase(house, as_author=True)).left == []
    assert occurrences(await everything(house, tmp_path)) == []


async def test_somebody_elses_rows_stay_as_they_are(house: House) -> None:
    await house.send(mail("nada.lovelace@example.net", "hello nada.lovelace@example.net"), "nada.lovelace@example.net")
    before = [
        await house.ask(f"SELECT * FROM {table} ORDER BY 1") for table in ("recipient", "event", "content", "hit")
    ]
    await erase(house)
    after = [await house.ask(f"SELECT * FROM {table} ORDER BY 1") for table in ("recipient", "event", "content", "hit")]
    assert after == before


async def test_of_two_workspaces_only_the_one_that_asks_loses_rows(house: House) -> None:
    await house.act("INSERT INTO workspace (id, name, created_ms) VALUES (2, 'two', 0)")
    await house.send(mail(ADA, "one"), ADA)
    await house.act("UPDATE recipient SET workspace_id = 2")
    await house.act("UPDATE event SET workspace_id = 2")
    await erase(house, everywhere=False)
    assert await house.ask("SELECT address FROM recipient") == [(ADA,)]


def test_the_keyed_hash_says_nothing_and_stays_when_keys_are_added() -> None:
    hidden = KEYS.hide(address_key(ADA))
    assert re.fullmatch("erased:[a-z2-7]{26}", hidden)
    assert TokenKeys({0: b"k" * 32, 5: b"n" * 32}).hide(address_key(ADA)) == hidden
    assert TokenKeys({0: b"o" * 32}).hide(address_key(ADA)) != hidden
    assert KEYS.hide(BOB) != hidden
