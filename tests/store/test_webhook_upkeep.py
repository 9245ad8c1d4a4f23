"""What webhooks leave behind goes: the log after 7 days, outboxes that nobody will be told."""

from postroom.base.clock import DAY_MS, ManualClock
from postroom.base.ids import IdSource
from postroom.ledger.rows import WorkspaceRow
from postroom.ledger.webhook_rows import WebhookAttemptRow, WebhookEndpointRow, WebhookOutboxRow
from postroom.store import webhook_outbox as outbox
from postroom.store import webhooks
from postroom.store.database import Database, Tx
from postroom.upkeep.webhooks import LONGEST_PAUSE_MS, WebhookSweeps


def endpoint(endpoint_id: int, state: str, state_ms: int) -> WebhookEndpointRow:
    return WebhookEndpointRow(endpoint_id, 1, "u", "", "[]", "", 1, state, "", state_ms, b"", None, None, 0)


async def test_the_log_goes_after_seven_days(database: Database, clock: ManualClock) -> None:
    ids = IdSource(1, clock)

    def write(tx: Tx) -> None:
        for _ in range(1100):
            row = WebhookAttemptRow(ids.next(), 1, 1, 0, 0, 1, 200, "", 0, 0, "", 1, "[1]", "{}", "{}", "")
            tx.add(row)

    await database.write(write)
    clock.advance(days=6.9)
    await database.write(write)
    sweeps = WebhookSweeps(database, clock)

    assert await sweeps.log() == 0
    clock.advance(days=0.2)
    assert await sweeps.log() == 1100
    assert await sweeps.log() == 0


async def test_outboxes_of_nobody_go_and_a_forgotten_pause_ends_as_disabled(
    database: Database, clock: ManualClock
) -> None:
    now = clock.now_ms()

    def write(tx: Tx) -> None:
        tx.add(WorkspaceRow(1, "one", 0))
        webhooks.create(tx, endpoint(1, "active", 0))
        webhooks.create(tx, endpoint(2, "paused", now - LONGEST_PAUSE_MS - 1))
        webhooks.create(tx, endpoint(3, "paused", now - LONGEST_PAUSE_MS + DAY_MS))
        webhooks.create(tx, endpoint(4, "disabled", 0))
        for endpoint_id in (1, 2, 3, 4, 5):
            for event_id in range(600):
                tx.add(WebhookOutboxRow(endpoint_id, event_id, 0, 0))

    await database.write(write)

    assert await WebhookSweeps(database, clock).outbox() == 1800

    rows = {row.id: row for row in await database.read(lambda conn: webhooks.endpoints_of(conn, 1))}
    assert {number: row.state for number, row in rows.items()} == {
        1: "active",
        2: "disabled",
        3: "paused",
        4: "disabled",
    }
    assert rows[2].why.startswith("It was paused for 30 days")
    assert await database.read(lambda conn: outbox.without_listener(conn, 9)) == []
