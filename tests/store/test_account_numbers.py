"""Numbers of one account that several nodes give at once."""

import asyncio
import json

from postroom.base.clock import ManualClock
from postroom.base.ids import IdSource
from postroom.events.accounts import AccountFacts, Found, NewEvent, append_events, append_mails
from postroom.ledger.account_rows import AccountMailRow, AccountOwnerRow
from postroom.ledger.event_kinds import EventKind
from postroom.store import events
from postroom.store.database import open_database

ACCOUNT = AccountFacts(40, 1, "ann", "GMAIL_OAUTH2", "ann@example.com")


def mail(uid: int) -> Found:
    row = AccountMailRow(7, 99, uid, 40, 1, "delivered", None, 10, None, None, 1, 2, 3)
    return Found(row, NewEvent(EventKind.MAIL_ARRIVED, 3, {"uid": uid}, b"packed"))


async def test_two_nodes_that_write_at_once_make_no_gap_no_repetition_and_one_order(
    postgresql_url: str, clock: ManualClock
) -> None:
    nodes = [await open_database(postgresql_url, node=node, clock=clock) for node in (1, 2)]
    sources = [IdSource(node, clock) for node in (1, 2)]
    await nodes[0].write(lambda tx: tx.add(AccountOwnerRow(40, 1, node=1, epoch=3)))

    async def write(at: int, uid: int) -> list[int]:
        database, ids = nodes[at], sources[at]
        if uid % 5 == 0:
            return await database.write(
                lambda tx: append_events(tx, ACCOUNT, [NewEvent(EventKind.ACCOUNT_CONNECTED, 5, {})], ids, epoch=None)
            )
        found = [mail(uid * 10 + at), mail(uid * 10 + at + 5)]
        return await database.write(lambda tx: append_mails(tx, ACCOUNT, found, ids, epoch=3))

    given = await asyncio.gather(*(write(uid % 2, uid) for uid in range(1, 61)))

    feed = await nodes[0].read(lambda conn: events.feed(conn, 1, 0, 1000))
    assert [json.loads(row.detail)["number"] for row in feed] == list(range(1, len(feed) + 1))
    assert sorted(number for numbers in given for number in numbers) == list(range(1, len(feed) + 1))
    for database in nodes:
        await database.close()
