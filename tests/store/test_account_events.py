"""Events of watched accounts: their numbers have no gap, and only who holds the epoch writes them."""

import json

import pytest

from postroom.base.clock import ManualClock
from postroom.base.ids import IdSource
from postroom.base.packing import pack
from postroom.events.accounts import AccountFacts, Found, LostEpoch, NewEvent, append_events, append_mails
from postroom.ledger.account_rows import AccountMailRow, AccountOwnerRow, Outcome
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.rows import WorkspaceRow
from postroom.ledger.webhook_rows import WebhookEndpointRow
from postroom.store import account_events as store
from postroom.store import events, watching, webhooks
from postroom.store.database import Database, Tx, statement

ACCOUNT = AccountFacts(40, 1, "ann", "GMAIL_OAUTH2", "ann@example.com")


@pytest.fixture
def ids(clock: ManualClock) -> IdSource:
    return IdSource(1, clock)


@pytest.fixture(autouse=True)
async def _owner(database: Database) -> None:
    await database.write(lambda tx: tx.add(AccountOwnerRow(40, 1, node=1, epoch=3)))


def mail(uid: int, outcome: Outcome = Outcome.DELIVERED) -> Found:
    row = AccountMailRow(7, 99, uid, 40, 1, outcome.value, None, 10, None, None, 1, 2, 3)
    told = outcome in (Outcome.DELIVERED, Outcome.TRUNCATED)
    return Found(row, NewEvent(EventKind.MAIL_ARRIVED, 3, {"uid": uid}, pack(b"mail %d" % uid)) if told else None)


def change(kind: EventKind = EventKind.ACCOUNT_CONNECTED) -> NewEvent:
    return NewEvent(kind, 5, {})


async def test_numbers_of_an_account_begin_at_one_and_have_no_gap(database: Database, ids: IdSource) -> None:
    first = await database.write(lambda tx: append_events(tx, ACCOUNT, [change()], ids, epoch=None))
    found = [mail(4), mail(5, Outcome.TRACER), mail(7), mail(8, Outcome.VANISHED), mail(9, Outcome.TRUNCATED)]
    then = await database.write(lambda tx: append_mails(tx, ACCOUNT, found, ids, epoch=3))
    assert (first, then) == ([1], [2, 3, 4])
    feed = await database.read(lambda conn: events.feed(conn, 1, 0, 10))
    assert [json.loads(row.detail)["number"] for row in feed] == [1, 2, 3, 4]
    assert json.loads(feed[1].detail) == {
        "number": 2,
        "tag": "ann",
        "provider": "GMAIL_OAUTH2",
        "email": "ann@example.com",
        "uid": 4,
    }
    assert {row.account_id for row in feed} == {40}
    rows = await database.read(lambda c: c.all(statement("SELECT uid, outcome, number FROM account_mail ORDER BY uid")))
    assert rows == [
        (4, "delivered", 2),
        (5, "tracer", None),
        (7, "delivered", 3),
        (8, "vanished", None),
        (9, "truncated", 4),
    ]


async def test_who_lost_the_epoch_writes_nothing(database: Database, ids: IdSource) -> None:
    with pytest.raises(LostEpoch):
        await database.write(lambda tx: append_mails(tx, ACCOUNT, [mail(4)], ids, epoch=2))
    with pytest.raises(LostEpoch):
        await database.write(lambda tx: append_mails(tx, ACCOUNT, [mail(4, Outcome.TRACER)], ids, epoch=2))
    assert await database.read(lambda conn: events.feed(conn, 1, 0, 10)) == []
    assert await database.read(lambda c: c.all(statement("SELECT * FROM account_mail"))) == []


async def test_a_transaction_that_fails_leaves_no_hole(database: Database, ids: IdSource) -> None:
    def fail(tx: Tx) -> None:
        append_mails(tx, ACCOUNT, [mail(4)], ids, epoch=3)
        raise RuntimeError("between")

    with pytest.raises(RuntimeError):
        await database.write(fail)
    assert await database.write(lambda tx: append_mails(tx, ACCOUNT, [mail(4)], ids, epoch=3)) == [1]


async def test_the_id_of_an_event_is_above_that_of_the_number_before_whatever_node_made_it(
    database: Database, clock: ManualClock
) -> None:
    ahead = ManualClock()
    ahead.advance(seconds=20)
    other, here = IdSource(900, ahead), IdSource(1, clock)
    await database.write(lambda tx: append_events(tx, ACCOUNT, [change()], other, epoch=None))
    await database.write(lambda tx: append_mails(tx, ACCOUNT, [mail(1), mail(2)], here, epoch=3))
    feed = await database.read(lambda conn: events.feed(conn, 1, 0, 10))
    assert [json.loads(row.detail)["number"] for row in feed] == [1, 2, 3]


def endpoint(endpoint_id: int, kind: EventKind) -> WebhookEndpointRow:
    return WebhookEndpointRow(
        endpoint_id,
        1,
        "https://h.example/",
        "",
        f'["{kind}"]',
        "",
        1,
        "active",
        "",
        0,
        b"s",
        None,
        None,
        0,
        "superimap",
    )


async def _hears(database: Database) -> None:
    def write(tx: Tx) -> None:
        tx.add(WorkspaceRow(1, "one", 0))
        webhooks.create(tx, endpoint(60, EventKind.MAIL_ARRIVED))
        webhooks.create(tx, endpoint(61, EventKind.ACCOUNT_CONNECTED))

    await database.write(write)


async def waiting(database: Database) -> list[tuple[int, ...]]:
    return await database.read(
        lambda c: c.all(
            statement(
                "SELECT o.endpoint_id, a.number FROM webhook_outbox o JOIN account_event a ON a.event_id = o.event_id "
                "ORDER BY o.endpoint_id, a.number"
            )
        )
    )


async def test_events_are_read_by_number_with_what_became_of_telling_them(database: Database, ids: IdSource) -> None:
    await _hears(database)
    await database.write(lambda tx: append_events(tx, ACCOUNT, [change()], ids, epoch=None))
    await database.write(lambda tx: append_mails(tx, ACCOUNT, [mail(4), mail(5), mail(6)], ids, epoch=3))
    assert await waiting(database) == [(60, 2), (60, 3), (60, 4), (61, 1)]
    await database.write(lambda tx: store.set_told(tx, 40, 2, 70))
    await database.write(lambda tx: store.set_told(tx, 40, 2, 90))
    await database.write(lambda tx: store.set_given_up(tx, 40, 3, 80))
    await database.write(lambda tx: store.set_given_up(tx, 40, 2, 80))
    page = await database.read(lambda conn: store.events_after(conn, 1, 40, 1, 2))
    assert [(one.number, one.told_ms, one.given_up_ms, one.is_waiting, one.has_content) for one in page] == [
        (2, 70, None, True, True),
        (3, None, 80, True, True),
    ]
    assert await database.read(lambda conn: store.events_after(conn, 2, 40, 0, 9)) == []
    one = await database.read(lambda conn: store.event_of(conn, 1, 40, 1))
    assert one is not None
    assert (one.kind, one.has_content) == ("account_connected", False)
    assert await database.read(lambda conn: store.event_of(conn, 1, 40, 5)) is None
    assert await database.read(lambda conn: store.last_number(conn, 1, 40)) == 4
    assert await database.read(lambda conn: store.raw_of(conn, 1, 40, 3)) == b"mail 5"
    assert await database.read(lambda conn: store.raw_of(conn, 2, 40, 3)) is None
    assert await database.read(lambda conn: store.given_up_after(conn, 1, 40, 0, 9)) == [3]
    assert await database.read(lambda conn: store.count_told(conn, 1, 40)) == (4, 1, 1)


async def test_what_was_given_up_is_told_again_when_somebody_asks(database: Database, ids: IdSource) -> None:
    await _hears(database)
    await database.write(lambda tx: append_mails(tx, ACCOUNT, [mail(4), mail(5)], ids, epoch=3))
    assert await database.write(lambda tx: store.drop_queue(tx, 1, 40, 80, 1)) == 1
    assert await database.write(lambda tx: store.drop_queue(tx, 1, 40, 80, 9)) == 1
    assert await waiting(database) == []
    assert await database.read(lambda conn: store.given_up_after(conn, 1, 40, 0, 9)) == [1, 2]
    assert await database.write(lambda tx: store.tell_again(tx, 1, 40, [2, 77], 90)) == 1
    assert await waiting(database) == [(60, 2)]
    assert await database.read(lambda conn: store.given_up_after(conn, 1, 40, 0, 9)) == [1]
    assert await database.write(lambda tx: store.tell_again(tx, 2, 40, [1], 90)) == 0


async def test_of_two_nodes_only_the_one_that_took_the_epoch_goes_on(database: Database, ids: IdSource) -> None:
    await database.write(lambda tx: append_mails(tx, ACCOUNT, [mail(1)], ids, epoch=3))
    assert await database.write(lambda tx: watching.take(tx, 40, node=2, epoch=3)) == 4

    with pytest.raises(LostEpoch):
        await database.write(lambda tx: append_mails(tx, ACCOUNT, [mail(2)], ids, epoch=3))
    assert await database.write(lambda tx: append_mails(tx, ACCOUNT, [mail(2)], ids, epoch=4)) == [2]
    assert await database.write(lambda tx: append_events(tx, ACCOUNT, [change()], ids, epoch=None)) == [3]
