"""Routes and what they are still to hand on, on both engines."""

import pytest
from routes_room import OTHER, STORE, WORKSPACE, Owners, made, routes_room

from postroom.base.clock import ManualClock
from postroom.base.errors import WrongInput
from postroom.base.ids import IdSource
from postroom.inbound.routes import Asked, Routes, asked_of
from postroom.ledger.route_rows import RouteAction, RouteAttemptRow, RouteOutboxRow
from postroom.mail.verdict import MailKind
from postroom.store import route_outbox, routes
from postroom.store.database import Database, Tx
from postroom.store.route_outbox import Key
from postroom.upkeep.routes import LOG_MS, RouteSweeps


@pytest.fixture
async def room(database: Database, clock: ManualClock) -> Routes:
    return await routes_room(database, clock, Owners())


async def test_the_first_route_by_position_that_takes_a_mail_has_it(room: Routes) -> None:
    everybody = await made(room, "*@example.com")
    support = await made(room, "support@example.com")

    before = room.view.match("support@example.com", "", MailKind.OTHER)
    await room.put_in_order(WORKSPACE, [support.id, everybody.id])

    assert before is not None
    assert before.id == everybody.id
    after = room.view.match("Support+7@EXAMPLE.com", "", MailKind.OTHER)
    assert after is not None
    assert after.id == support.id


async def test_a_route_is_stored_as_it_was_asked_for_and_its_secret_is_sealed(room: Routes) -> None:
    asked = Asked("order-*@example.com", RouteAction.WEBHOOK, "http://127.0.0.1:1/", "*", (MailKind.REPLY,), True, "x")

    row, secret = await room.create(WORKSPACE, asked)

    read = await room.get(WORKSPACE, row.id)
    assert read == row
    assert asked_of(read) == asked
    assert secret.startswith("whsec_")
    assert secret.encode() not in (row.secret or b"")
    assert await room.get(OTHER, row.id) is None
    assert await room.delete(OTHER, row.id) is False


async def test_an_order_names_every_route_once(room: Routes) -> None:
    one, two = await made(room, "a@example.com"), await made(room, "b@example.com")

    for wrong in ([one.id], [one.id, two.id, two.id], [one.id, 99]):
        with pytest.raises(WrongInput):
            await room.put_in_order(WORKSPACE, wrong)


# The outbox


async def wait_for(database: Database, route_id: int, *inbound_ids: int, due_ms: int = 0) -> None:
    def write(tx: Tx) -> None:
        for inbound_id in inbound_ids:
            route_outbox.schedule(tx, RouteOutboxRow(inbound_id, route_id, WORKSPACE, "", due_ms))

    await database.write(write)


async def claim(database: Database, route_id: int, now_ms: int, limit: int = 10) -> list[RouteOutboxRow]:
    return await database.write(
        lambda tx: route_outbox.claim(tx, route_id, now_ms=now_ms, until_ms=now_ms + 100, limit=limit)
    )


async def test_mail_is_claimed_in_the_order_in_which_it_came_and_only_once(database: Database, room: Routes) -> None:
    route = await made(room, "a@example.com")
    await wait_for(database, route.id, 3, 1, 2)

    assert await database.read(lambda conn: route_outbox.due_routes(conn, 1)) == [route.id]
    first = await claim(database, route.id, 1, limit=2)
    second = await claim(database, route.id, 1)

    assert [row.inbound_id for row in (*first, *second)] == [1, 2, 3]
    assert {(row.epoch, row.tries) for row in first} == {(1, 1)}
    assert await database.read(lambda conn: route_outbox.due_routes(conn, 1)) == []


async def test_a_claim_that_ended_is_anothers_and_the_late_one_settles_nothing(
    database: Database, room: Routes
) -> None:
    route = await made(room, "a@example.com")
    await wait_for(database, route.id, 1)
    [late] = await claim(database, route.id, 1)

    [row] = await claim(database, route.id, 200)

    late_key, key = Key(1, route.id, late.epoch), Key(1, route.id, row.epoch)
    assert not await database.write(lambda tx: route_outbox.settle(tx, late_key))
    assert not await database.write(lambda tx: route_outbox.retry_later(tx, late_key, 5))
    assert await database.write(lambda tx: route_outbox.settle(tx, key))
    assert await database.read(lambda conn: route_outbox.waiting_of(conn, 1)) == []


async def test_a_mail_that_waits_already_is_not_handed_on_twice(database: Database, room: Routes) -> None:
    route = await made(room, "a@example.com")
    await wait_for(database, route.id, 1)
    await claim(database, route.id, 1)

    await wait_for(database, route.id, 1)

    assert [row.epoch for row in await database.read(lambda conn: route_outbox.waiting_of(conn, 1))] == [1]


async def test_a_mail_that_is_hastened_is_due_with_all_its_tries_and_its_late_claim_settles_nothing(
    database: Database, room: Routes
) -> None:
    route = await made(room, "a@example.com")
    await wait_for(database, route.id, 1, 2)
    [late, _] = await claim(database, route.id, 1)

    assert await database.write(lambda tx: route_outbox.hasten_mail(tx, 1, 2))
    assert not await database.write(lambda tx: route_outbox.hasten_mail(tx, 99, 2))

    assert not await database.write(lambda tx: route_outbox.retry_later(tx, Key(1, route.id, late.epoch), 900))
    assert [(row.inbound_id, row.tries) for row in await claim(database, route.id, 2)] == [(1, 1)]


async def test_the_last_try_of_each_route_is_found(database: Database, room: Routes) -> None:
    tries = [(1, 7), (2, 8), (3, 7), (4, 9)]

    def write(tx: Tx) -> None:
        for number, route_id in tries:
            workspace_id = OTHER if route_id == 9 else WORKSPACE
            tx.add(RouteAttemptRow(number, workspace_id, 1, route_id, "webhook", "x", 1, 1, 1, 200, "", None, ""))

    await database.write(write)

    found = await database.read(lambda conn: routes.last_attempts(conn, WORKSPACE, [7, 8, 9, 10]))

    assert {route_id: row.id for route_id, row in found.items()} == {7: 3, 8: 2}


async def test_a_claim_that_is_given_back_is_due_at_once_and_counts_as_no_try(database: Database, room: Routes) -> None:
    route = await made(room, "a@example.com")
    await wait_for(database, route.id, 1)
    [row] = await claim(database, route.id, 1)

    await database.write(lambda tx: route_outbox.give_back(tx, [Key(1, route.id, row.epoch)], 2))

    assert [row.tries for row in await claim(database, route.id, 2)] == [1]


async def test_what_waits_for_a_route_that_is_off_waits_and_goes_when_it_is_on(
    database: Database, room: Routes
) -> None:
    route = await made(room, "a@example.com")
    await wait_for(database, route.id, 1, due_ms=1_000)
    await room.update(route, Asked("a@example.com", STORE, is_enabled=False))
    off = await database.read(lambda conn: route_outbox.due_routes(conn, 1 << 60))
    next_ms = await database.read(lambda conn: route_outbox.next_try_ms(conn, 1))

    await room.update(route._replace(is_enabled=0), Asked("a@example.com", STORE))

    assert (off, next_ms) == ([], None)
    assert await database.read(lambda conn: route_outbox.next_try_ms(conn, 1)) is not None
    now_ms = 1 << 60
    assert await database.read(lambda conn: route_outbox.due_routes(conn, now_ms)) == [route.id]


async def test_a_deleted_route_leaves_nothing_to_hand_on(database: Database, room: Routes) -> None:
    route = await made(room, "a@example.com")
    await wait_for(database, route.id, 1, 2)
    await wait_for(database, 99, 5)

    await room.delete(WORKSPACE, route.id)

    assert await database.read(lambda conn: route_outbox.waiting_of(conn, 1)) == []
    assert await database.read(lambda conn: route_outbox.without_route(conn, 10)) == [99]


async def test_the_log_is_read_by_mail_and_by_route_and_old_lines_go(database: Database, room: Routes) -> None:
    def line(row_id: int, inbound_id: int, route_id: int, workspace_id: int = WORKSPACE) -> RouteAttemptRow:
        return RouteAttemptRow(row_id, workspace_id, inbound_id, route_id, "webhook", "u", 0, 1, 1, 200, "", None, "ok")

    def write(tx: Tx) -> None:
        for row in (line(1, 7, 5), line(2, 7, 5), line(3, 8, 5), line(4, 7, 5, OTHER)):
            tx.add(row)

    await database.write(write)

    of_mail = await database.read(lambda conn: routes.attempts_of_inbound(conn, WORKSPACE, 7, 10))
    of_route = await database.read(lambda conn: routes.attempts_of_route(conn, WORKSPACE, 5, 3, 10))
    assert [row.id for row in of_mail] == [1, 2]
    assert [row.id for row in of_route] == [2, 1]
    assert await database.write(lambda tx: routes.purge_attempts(tx, 3, 10)) == 2


async def test_upkeep_deletes_old_tries_and_what_deleted_routes_were_to_hand_on(
    database: Database, clock: ManualClock, room: Routes
) -> None:
    ids = IdSource(2, clock)
    route = await made(room, "a@example.com")
    old = RouteAttemptRow(ids.next(), WORKSPACE, 7, route.id, "webhook", "u", 0, 1, 1, 200, "", None, "")

    def write(tx: Tx) -> None:
        tx.add(old)

    await database.write(write)
    await wait_for(database, route.id, 1)
    await wait_for(database, 99, 2)
    clock.advance(ms=LOG_MS + 1)
    sweeps = RouteSweeps(database, clock)

    assert (await sweeps.log(), await sweeps.outbox()) == (1, 1)
    assert len(await database.read(lambda conn: route_outbox.waiting_of(conn, 1))) == 1


async def test_after_a_restore_nothing_is_handed_on_before_somebody_turns_the_route_off_and_on(
    database: Database, room: Routes
) -> None:
    route = await made(room, "a@example.com")
    await wait_for(database, route.id, 1)

    await database.write(route_outbox.hold)

    assert await database.read(lambda conn: route_outbox.next_try_ms(conn, 1)) is None
    assert await database.read(lambda conn: route_outbox.due_routes(conn, 1 << 45)) == []
    off = Asked("a@example.com", STORE, is_enabled=False)
    await room.update(route, off)
    assert await database.read(lambda conn: route_outbox.due_routes(conn, 1 << 45)) == []
    await room.update(route._replace(is_enabled=0), Asked("a@example.com", STORE))
    assert await database.read(lambda conn: route_outbox.due_routes(conn, 1 << 45)) == [route.id]
