"""How long found mail took, by provider and stage."""

from account_rows import add_account, add_connection

from postroom.base.clock import ManualClock
from postroom.base.ids import IdSource
from postroom.events.accounts import Found, NewEvent, append_mails
from postroom.ledger.account_rows import AccountMailRow, Outcome
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.rows import WorkspaceRow
from postroom.store import account_events, watching
from postroom.store.database import Database, Tx, statement
from postroom.store.stage_times import MailTimes, percentiles, stage_times


async def test_times_of_found_mail_stand_by_provider_and_stage_without_what_a_sweep_found(
    database: Database, clock: ManualClock
) -> None:
    ids, now = IdSource(1, clock), clock.now_ms()
    await database.write(lambda tx: tx.add(WorkspaceRow(1, "one", 0)))
    connection = await add_connection(database, ids, 1, "GMAIL")
    made = await add_account(database, ids, connection, "ann", now, mailbox=True)
    (box,) = await database.read(lambda conn: watching.mailboxes_of(conn, made.account.id))
    begins = statement("UPDATE mailbox SET first_uid = 100 WHERE id = ?")

    def mail(uid: int, notify_ms: int, recorded_ms: int) -> Found:
        row = AccountMailRow(
            box.id, box.uid_validity, uid, made.account.id, 1, Outcome.DELIVERED.value, None, 10,
            now - 9_000, now - 5_000, now - 5_000 + notify_ms, now - 100, recorded_ms,
        )  # fmt: skip
        return Found(row, NewEvent(EventKind.MAIL_ARRIVED, now, {}))

    def write(tx: Tx) -> None:
        tx.run(begins, (box.id,))
        found = [mail(7, 4_900, now), mail(101, 300, now), mail(102, 900, now), mail(103, 300, now - 99_000)]
        append_mails(tx, made.facts, found, ids, epoch=1)
        account_events.set_told(tx, made.account.id, 2, now + 40)

    await database.write(write)
    times = await database.read(lambda conn: stage_times(conn, 1, now - 50_000))

    assert {(one.provider, one.stage): (one.mails, one.p50_ms, one.p95_ms) for one in times} == {
        ("GMAIL", "provider"): (2, 4_000, 4_000),
        ("GMAIL", "notify"): (2, 300, 900),
        ("GMAIL", "fetch"): (2, 4_000, 4_600),
        ("GMAIL", "queue"): (2, 100, 100),
        ("GMAIL", "hook"): (1, 40, 40),
    }
    assert await database.read(lambda conn: stage_times(conn, 2, 0)) == []


def test_percentiles_are_those_of_the_nearest_rank_and_never_negative() -> None:
    mails = [MailTimes("A", None, 1_000, 1_000 + took, 9_000, 8_000, None) for took in range(100, 0, -1)]

    found = {one.stage: one for one in percentiles(mails)}

    assert (found["notify"].p50_ms, found["notify"].p95_ms, found["notify"].p99_ms) == (50, 95, 99)
    assert found["queue"].p99_ms == 0
    assert "provider" not in found
