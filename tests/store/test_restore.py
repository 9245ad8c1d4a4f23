"""What comes back from a backup is held, on both engines; a backup is marked, and its clock and ids are minded."""

import asyncio
import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from peers.require import require_peer
from queue_rows import Queue

from postroom.app.backup import back_up
from postroom.app.restore import NotEmpty, restore
from postroom.base.clock import ManualClock, SystemClock
from postroom.base.ids import IdSource, made_at_ms
from postroom.config import Settings, read_settings
from postroom.events import record
from postroom.events.accounts import AccountFacts, LostEpoch, NewEvent, append_events
from postroom.ledger.account_rows import AccountOwnerRow
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.webhook_rows import WebhookEndpointRow
from postroom.store import counters, postgresql_tools, restorations
from postroom.store.database import Database, open_database
from postroom.store.restorations import NotRestored, refuse_unfinished
from postroom.upkeep.backup import NoBackup, read_backup
from postroom.upkeep.restore import ClockBehind, check_clock, hold_everything, reason_of

BACKUP_MS = 1_767_225_600_000


class Back(Queue):
    """A database as a backup shows it."""

    async def fill(self) -> None:
        """Store recipients in every state, and an endpoint."""
        await self.workspace()
        for state in ("queued", "deferred", "sending", "held", "delivered", "in_doubt"):
            message, _ = await self.message(2)
            await self.act("UPDATE recipient SET state = ?, node = 3 WHERE message_id = ?", state, message.id)
        row = WebhookEndpointRow(
            self.ids.next(), 1, "https://a.test/", "", "[]", "", 1, "active", "", 0, b"x", None, None, 0
        )
        await self.database.write(lambda tx: tx.add(row))


@pytest.fixture
async def back(database: Database, clock: ManualClock) -> Back:
    made = Back(database, clock)
    await made.fill()
    return made


async def test_what_waited_is_held_what_was_sent_is_in_doubt_and_webhooks_are_paused(back: Back) -> None:
    await back.database.write(lambda tx: restorations.mark(tx, 1, BACKUP_MS))
    with pytest.raises(NotRestored, match="postroom restore"):
        await back.database.read(refuse_unfinished)
    steps = list[int]()

    done = await hold_everything(back.database, back.ids, back.clock, BACKUP_MS, steps.append)

    assert (done.held, done.in_doubt, done.endpoints) == (4, 2, 1)
    assert await back.states() == {"held": 6, "in_doubt": 4, "delivered": 2}
    reasons = await back.ask("SELECT state, reason, count(*) FROM recipient GROUP BY 1, 2 ORDER BY 3, 1, 2")
    assert ("held", "restored from the backup of 2026-01-01 00:00 UTC", 4) in reasons
    assert ("in_doubt", f"{reason_of(BACKUP_MS)}: it was being sent then, and may have arrived", 2) in reasons
    assert await back.ask("SELECT count(*) FROM recipient WHERE epoch > 1000000") == [(6,)]
    ((state, why),) = await back.ask("SELECT state, why FROM webhook_endpoint")
    assert (state, why.split(":")[0]) == ("paused", "restored from the backup of 2026-01-01 00")
    kinds = await back.ask("SELECT kind, count(*) FROM event WHERE kind <> 'accepted' GROUP BY 1 ORDER BY 1")
    assert kinds == [("held", 4), ("in_doubt", 2)]
    await back.database.read(refuse_unfinished)
    last = await back.database.read(restorations.last_restoration)
    assert last is not None
    assert (last.held, last.in_doubt, last.finished_ms) == (4, 2, back.clock.now_ms())
    end = back.clock.now_ms() // 3_600_000 + 1
    _, found = await back.database.read(lambda conn: counters.differences(conn, 1, 0, end, record.counted_under))
    assert [one.counter for one in found if one.counter != "sent"] == []


async def test_holding_that_was_cut_off_goes_on(back: Back) -> None:
    await back.database.write(lambda tx: restorations.mark(tx, 1, BACKUP_MS))
    await back.act("UPDATE recipient SET state = 'held', reason = ? WHERE state = 'queued'", reason_of(BACKUP_MS))
    done = await hold_everything(back.database, back.ids, back.clock, BACKUP_MS, lambda count: None)
    assert (done.held, done.in_doubt) == (2, 2)
    await back.database.read(refuse_unfinished)


async def test_a_clock_before_the_backup_stops_the_restore(back: Back) -> None:
    newest = await back.database.read(restorations.newest_id)
    back.clock.advance(seconds=1)
    await check_clock(back.database, back.clock, made_at_ms(newest))
    with pytest.raises(ClockBehind, match="set the clock right"):
        await check_clock(back.database, ManualClock(made_at_ms(newest) - 1000), BACKUP_MS)
    with pytest.raises(ClockBehind):
        await check_clock(back.database, back.clock, back.clock.now_ms() + 1)


def settings_of(folder: Path, url: str) -> Settings:
    return read_settings({"POSTROOM_DATA": str(folder), "POSTROOM_DATABASE_URL": url, "POSTROOM_SECRET": "ab" * 32})


def silent(what: str, done: int, whole: int) -> None:
    """Show nothing."""


async def fill(url: str) -> None:
    clock = SystemClock()
    database = await open_database(url, clock=clock)
    queue = Queue(database, ManualClock(clock.now_ms() - 1000))
    queue.ids = IdSource(3, queue.clock)
    await queue.workspace()
    await queue.message(3)
    await database.close()


def asked(url: str, sql: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(sql).fetchall()  # type: ignore[arg-type]


def test_postgresql_comes_back_from_a_dump_and_holds_what_waited(postgresql_url: str, tmp_path: Path) -> None:
    require_peer("postgresql")
    asyncio.run(fill(postgresql_url))
    settings = settings_of(tmp_path / "data", postgresql_url)

    made = back_up(settings, tmp_path / "kept", with_key=True, told=silent)
    (tmp_path / "data").mkdir(exist_ok=True)
    with pytest.raises(NotEmpty, match="has tables"):
        restore(settings, tmp_path / "kept", replace=False, told=silent)
    done = restore(settings, tmp_path / "kept", replace=True, told=silent)

    assert (made["engine"], made["counts"]["recipient"], made["has_key"]) == ("postgresql", 3, True)
    assert (done["held"], done["in_doubt"]) == (3, 0)
    assert asked(postgresql_url, "SELECT DISTINCT state, left(reason, 26) FROM recipient") == [
        ("held", "restored from the backup o")
    ]
    assert asked(postgresql_url, "SELECT count(*) FROM restoration WHERE finished_ms IS NOT NULL") == [(1,)]
    ((aside,),) = asked(postgresql_url, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'before_restore_%'")
    assert asked(postgresql_url, f"SELECT DISTINCT state FROM {aside}.recipient") == [("queued",)]
    # The next backup leaves out what was moved aside.
    again = back_up(settings, tmp_path / "again", with_key=False, told=silent)
    assert again["counts"]["recipient"] == 3


def test_without_the_tool_the_line_to_run_is_told(
    postgresql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(postgresql_tools.NoTool, match="pg_dump --format=custom") as failure:
        back_up(settings_of(tmp_path / "data", postgresql_url), tmp_path / "kept", with_key=False, told=silent)
    assert "apt install postgresql-client" in str(failure.value)
    assert list(tmp_path.glob("kept*")) == []


def test_a_manifest_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    manifest = {
        "form": 1, "postroom": "1", "engine": "sqlite", "schema": "0001", "made_ms": 1, "made_at": "", "has_key": False,
        "counts": {}, "files": {"../postroom.db": {"size_bytes": 0, "sha256": ""}},
    }  # fmt: skip
    for name, change in (
        ("is no backup", None),
        ("outside", {}),
        ("form 2", {"form": 2}),
        ("cannot be read", {"form": ""}),
    ):
        if change is not None:
            (tmp_path / "manifest.json").write_text(json.dumps({**manifest, **change}))
        with pytest.raises(NoBackup, match=name):
            read_backup(tmp_path)


async def test_numbers_of_watched_accounts_that_were_given_since_the_backup_are_not_given_again(back: Back) -> None:
    await back.database.write(lambda tx: restorations.mark(tx, 1, BACKUP_MS))
    await back.database.write(lambda tx: tx.add(AccountOwnerRow(4, 1, node=3, epoch=7, last_number=12)))
    account = AccountFacts(4, 1, "ann", "PLAIN", "ann@example.com")
    event = NewEvent(EventKind.ACCOUNT_AUTH_FAILED, BACKUP_MS, {})

    await hold_everything(back.database, back.ids, back.clock, BACKUP_MS, lambda count: None)

    with pytest.raises(LostEpoch):
        await back.database.write(lambda tx: append_events(tx, account, [event], back.ids, epoch=7))
    numbers = await back.database.write(lambda tx: append_events(tx, account, [event], back.ids, epoch=None))
    assert numbers == [12 + (1 << 20) + 1]
    assert await back.ask("SELECT node FROM account_owner") == [(None,)]
