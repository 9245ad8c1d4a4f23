"""The counters always equal a recount from the ledger."""

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from migrated import sqlite_url

from postroom.base.clock import HOUR_MS, ManualClock
from postroom.base.ids import IdSource
from postroom.events import record
from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.ledger.rows import CounterKey, MessageRow, RecipientRow
from postroom.mail.bounce_rules import Judged
from postroom.mail.reasons import Reason
from postroom.mail.smtp_reply import SmtpReply
from postroom.store import counters
from postroom.store.database import Database, Tx, open_database, statement

OK = Outcome(OutcomeKind.DELIVERED, SmtpReply(250, "2.0.0", "queued"))
REFUSED = Outcome(OutcomeKind.FAILED, SmtpReply(550, "5.1.1", "no such user"))
START_HOUR = 490_000

_SET = "UPDATE recipient SET {} WHERE id = ?"
_DELIVERED = statement(_SET.format("state = 'delivered', settled_ms = ?, sent_hour = ?"))
_FAILED = statement(_SET.format("state = 'failed', settled_ms = ?, sent_hour = NULL, cause = ?"))
_QUEUED = statement(_SET.format("state = 'queued', settled_ms = NULL"))
_FIRST = {
    name: statement(
        f"UPDATE recipient SET {name} = ? WHERE id = ? AND {name} IS NULL RETURNING id",
    )
    for name in ("opened_ms", "human_opened_ms", "clicked_ms", "human_clicked_ms", "unsubscribed_ms")
}


class Story:
    """Recipients to whom things happen, told to the ledger the way that Postroom does."""

    def __init__(self, database: Database) -> None:
        self.clock = ManualClock(START_HOUR * HOUR_MS)
        self._ids = IdSource(0, self.clock)
        self._database = database
        self._recipients: list[tuple[MessageRow, RecipientRow, str, int | None]] = []

    async def accept(self, tags: tuple[str, ...], stream: str, providers: list[str]) -> None:
        now = self.clock.now_ms()
        listed = "[" + ",".join(f'"{tag}"' for tag in tags) + "]"
        message = MessageRow(
            self._ids.next(), 1, b"k" * 16, "shared", stream, "http", "", "a@s.example", "s.example", None, "", "<i@d>",
            listed, "{}", 0, 0, "", "", 0, "", "", 1, None, now,
        )  # fmt: skip
        recipients = [
            RecipientRow(self._ids.next(), 1, message.id, 1, "a@b", "a@b", "b", "queued", now, provider, 0, "", "")
            for provider in providers
        ]
        event_id = self._ids.next()

        def function(tx: Tx) -> None:
            tx.add(message)
            for recipient in recipients:
                tx.add(recipient)
            record.record_accepted(tx, message, providers, event_id)

        await self._database.write(function)
        self._recipients += [(message, recipient, "queued", None) for recipient in recipients]

    async def happens(self, which: int, what: str) -> None:
        if not self._recipients:
            return
        which %= len(self._recipients)
        message, recipient, state, at = self._recipients[which]
        facts, now, event_id = record.facts_of(message, recipient), self.clock.now_ms(), self._ids.next()
        number, label = recipient.id, "human" if "human" in what else "machine"

        def first(tx: Tx, name: str) -> bool:
            return bool(tx.run(_FIRST[name], (now, number)))

        def function(tx: Tx) -> tuple[str, int | None]:
            if what == "deliver" and state == "queued":
                tx.run(_DELIVERED, (now, record.hour_of(now), number))
                record.record_delivered(tx, facts, event_id, now, OK, 1)
                return "delivered", record.hour_of(now)
            if what == "fail" and state == "queued":
                tx.run(_FAILED, (now, "policy", number))
                record.record_failed(tx, facts, event_id, now, REFUSED, 1, Judged(Reason.POLICY))
                return "failed", None
            if what == "bounce" and state in ("queued", "delivered"):
                tx.run(_FAILED, (now, "mailbox_full", number))
                record.record_bounced(tx, facts, event_id, now, Reason.MAILBOX_FULL, {}, sent_hour=at)
                return "failed", None
            if what == "retry" and state == "failed":
                settled, cause = tx.run(statement("SELECT settled_ms, cause FROM recipient WHERE id = ?"), (number,))[0]
                tx.run(_QUEUED, (number,))
                record.record_taken_from_failed(tx, facts, settled, cause)
                return "queued", None
            if what.startswith("open"):
                once, human = first(tx, "opened_ms"), label == "human" and first(tx, "human_opened_ms")
                record.record_opened(tx, [record.Fetched(facts, event_id, now, once, human, {"label": label})])
            if what.startswith("click"):
                once, human = first(tx, "clicked_ms"), label == "human" and first(tx, "human_clicked_ms")
                record.record_clicked(tx, [record.Fetched(facts, event_id, now, once, human, {"label": label})])
            if what == "unsubscribe":
                record.record_unsubscribed(tx, facts, event_id, now, "page", {}, first=first(tx, "unsubscribed_ms"))
            return state, at

        state, at = await self._database.write(function)
        self._recipients[which] = (message, recipient, state, at)


KINDS = [
    "deliver",
    "fail",
    "bounce",
    "retry",
    "open human",
    "open machine",
    "click human",
    "click machine",
    "unsubscribe",
]
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("accept"),
            st.sampled_from([(), ("a",), ("a", "b"), ("a", "a")]),
            st.sampled_from(["transactional", "bulk"]),
            st.lists(st.sampled_from(["google", "other"]), min_size=1, max_size=3),
        ),
        st.tuples(st.just("pass"), st.integers(1, 3 * 60)),
        st.tuples(st.just("happens"), st.integers(0, 9), st.sampled_from(KINDS)),
    ),
    max_size=40,
)


async def live(story: Story, steps: list[tuple]) -> None:  # type: ignore[type-arg]
    await story.accept(("a",), "bulk", ["google", "other"])
    for step in steps:
        if step[0] == "accept":
            await story.accept(*step[1:])
        elif step[0] == "pass":
            story.clock.advance(seconds=step[1] * 60)
        else:
            await story.happens(step[1], step[2])


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_counters_equal_a_recount_after_any_story(steps: list[tuple]) -> None:  # type: ignore[type-arg]
    async def check(url: str) -> None:
        database = await open_database(url, clock=ManualClock())
        try:
            await live(Story(database), steps)
            compared, found = await database.read(
                lambda conn: counters.differences(conn, 1, START_HOUR, START_HOUR + 1000, record.counted_under)
            )
        finally:
            await database.close()
        assert found == []
        assert compared

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(check(sqlite_url(Path(folder))))


FULL = [("happens", number, kind) for number in (0, 1) for kind in (*KINDS, "deliver", "open human", "fail")]


async def test_a_recount_corrects_what_is_wrong_and_nothing_else(database: Database) -> None:
    story = Story(database)
    await live(story, [*FULL, ("pass", 90), *FULL])
    right = statement("SELECT hour, dimension, key, outbound, sent, failed, opens_total FROM counter ORDER BY 1, 2, 3")
    before = await database.read(lambda conn: conn.all(right))
    lost, extra = CounterKey(1, START_HOUR, "total", ""), CounterKey(1, START_HOUR + 3, "tag", "ghost")
    await database.write(lambda tx: (tx.count(lost, "outbound", -5), tx.count(extra, "sent", 2)))
    database.use_node(3)

    _, found = await database.write(
        lambda tx: counters.recount(tx, 1, START_HOUR, START_HOUR + 1000, record.counted_under)
    )

    assert found == [
        counters.Difference(START_HOUR, "total", "", "outbound", -3, 2),
        counters.Difference(START_HOUR + 3, "tag", "ghost", "sent", 2, 0),
    ]
    summed = statement(
        "SELECT hour, dimension, key, sum(outbound), sum(sent), sum(failed), sum(opens_total) FROM counter "
        "WHERE key <> 'ghost' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )
    assert await database.read(lambda conn: conn.all(summed)) == before
    again = await database.read(
        lambda conn: counters.differences(conn, 1, START_HOUR, START_HOUR + 1000, record.counted_under)
    )
    assert again[1] == []


async def test_a_recount_stays_in_its_hours_and_its_workspace(database: Database) -> None:
    await live(Story(database), FULL)
    await database.write(lambda tx: tx.count(CounterKey(1, START_HOUR, "total", ""), "sent", 9))
    await database.write(lambda tx: tx.count(CounterKey(2, START_HOUR, "total", ""), "sent", 9))

    async def differing(workspace_id: int, first: int, end: int) -> int:
        _, found = await database.read(
            lambda conn: counters.differences(conn, workspace_id, first, end, record.counted_under)
        )
        return len(found)

    assert await differing(1, START_HOUR, START_HOUR + 1) == 1
    assert await differing(1, START_HOUR + 1, START_HOUR + 9) == 0
    assert await differing(2, START_HOUR, START_HOUR + 1) == 1
    assert await differing(3, START_HOUR, START_HOUR + 1) == 0


async def test_inbound_that_no_mail_tells_of_is_a_difference(database: Database) -> None:
    await database.write(lambda tx: tx.count(CounterKey(1, START_HOUR, "total", ""), "inbound", 4))

    _, found = await database.read(
        lambda conn: counters.differences(conn, 1, START_HOUR, START_HOUR + 1, record.counted_under)
    )

    assert [(one.counter, one.stored, one.counted) for one in found] == [("inbound", 4, 0)]


@pytest.mark.parametrize("name", ["outbound", "sent", "failed", "opens_total", "clicks_human", "unsubscribes"])
async def test_each_counter_is_compared(database: Database, name: str) -> None:
    await database.write(lambda tx: tx.count(CounterKey(1, START_HOUR, "total", ""), name))

    _, found = await database.read(
        lambda conn: counters.differences(conn, 1, START_HOUR, START_HOUR + 1, record.counted_under)
    )

    assert [one.counter for one in found] == [name]
