"""`postroom demo`: two weeks of made-up mail, written by the functions that write real ones."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from postroom.app.demo.operation import fill
from postroom.app.services import Services, open_services
from postroom.base.clock import DAY_MS, HOUR_MS, SystemClock
from postroom.base.errors import WrongInput
from postroom.base.ids import made_at_ms
from postroom.config import read_settings
from postroom.events.record import counted_under
from postroom.store import counters, sandbox
from postroom.store.database import statement


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with open_services(read_settings({"POSTROOM_DATA": str(tmp_path)}), SystemClock()) as opened:
        yield opened


async def test_the_demo_fills_every_page_balances_and_is_made_once(services: Services) -> None:
    made = await fill(services, {})

    workspace = await services.workspaces.named("demo")
    now = services.clock.now_ms()
    end = now // HOUR_MS + 1

    async def told(sql: str) -> dict[str, int]:
        asked = statement(sql)
        rows = await services.database.read(lambda conn: conn.all(asked, (workspace.id,)))
        return {row[0]: row[1] for row in rows}

    states = await told("SELECT state, count(*) FROM recipient WHERE workspace_id = ? GROUP BY state")
    kinds = await told("SELECT kind, count(*) FROM event WHERE workspace_id = ? GROUP BY kind")
    labels = await told("SELECT label, count(*) FROM hit WHERE workspace_id = ? GROUP BY label")
    ids = await told("SELECT id, message_id FROM recipient WHERE workspace_id = ?")
    assert made["messages"] > 300
    assert sum(states.values()) == made["recipients"] > 450
    assert {"delivered", "failed", "deferred", "suppressed", "held", "in_doubt"} <= states.keys()
    # The worker would try these again at once, or twice: what the demo had in hand is settled.
    assert "sending" not in states
    assert {
        "accepted", "delivered", "deferred", "failed", "opened", "clicked", "unsubscribed",
        "suppressed", "held", "in_doubt",
    } <= kinds.keys()  # fmt: skip
    assert {"bounced", "delay_reported", "complained", "replied", "auto_replied"} <= kinds.keys()
    assert {"human", "machine", "unknown"} <= labels.keys()
    came = await told("SELECT kind, count(*) FROM inbound WHERE workspace_id = ? AND state = 'done' GROUP BY kind")
    assert {"bounce", "delay", "complaint", "reply", "auto_reply"} <= came.keys()
    assert sum(came.values()) == made["inbound"] >= 12
    accounts = await told("SELECT state, count(*) FROM account_status WHERE workspace_id = ? GROUP BY state")
    assert {"watching", "polling", "away", "refused", "unconnected", "archived"} <= accounts.keys()
    assert sum(accounts.values()) == made["accounts"]
    # Nobody may dial what is made up: who watches looks for connected accounts.
    assert await told("SELECT id, 1 FROM account WHERE workspace_id = ? AND connected_ms IS NOT NULL") == {}
    assert {"mail_arrived", "account_connected", "account_auth_failed", "tracer_lost"} <= kinds.keys()
    assert min(made_at_ms(one) for one in ids) < now - 10 * DAY_MS
    assert max(made_at_ms(one) for one in ids) <= now

    _, differences = await services.database.write(
        lambda tx: counters.differences(tx, workspace.id, 0, end, counted_under)
    )
    assert differences == []

    (newest, *_) = await services.database.read(lambda conn: sandbox.inbox(conn, workspace.id))
    copy = await services.database.read(lambda conn: sandbox.sandbox_copy(conn, workspace.id, newest.recipient_id))
    assert copy is not None
    assert b"DKIM-Signature" in sandbox.wire_copy(copy)

    with pytest.raises(WrongInput, match="already"):
        await fill(services, {})
