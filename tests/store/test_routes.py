"""Routes and what they are still to hand on, on both engines."""

from collections.abc import Mapping
from ipaddress import ip_network

import pytest

from postroom.base.clock import ManualClock
from postroom.base.errors import WrongInput
from postroom.base.ids import IdSource
from postroom.base.secrets import Sealer
from postroom.inbound.route_view import AtRcpt
from postroom.inbound.routes import Asked, Routes, asked_of
from postroom.ledger.route_rows import RouteAction, RouteAttemptRow, RouteOutboxRow, RouteRow
from postroom.ledger.rows import WorkspaceRow
from postroom.mail.verdict import MailKind
from postroom.store import route_outbox, routes
from postroom.store.database import Database, Tx
from postroom.store.route_outbox import Key
from postroom.upkeep.routes import LOG_MS, RouteSweeps

WORKSPACE, OTHER = 1, 2
STORE = RouteAction.STORE


class Owners:
    """Who owns which domain."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {"example.com": WORKSPACE, "other.example": OTHER}

    def owners(self) -> Mapping[str, int]:
        return self.names


@pytest.fixture
def owners() -> Owners:
    return Owners()


@pytest.fixture
async def room(database: Database, clock: ManualClock, owners: Owners) -> Routes:
    def write(tx: Tx) -> None:
        tx.add(WorkspaceRow(WORKSPACE, "one", 0))
        tx.add(WorkspaceRow(OTHER, "two", 0))

    await database.write(write)
    return Routes(database, IdSource(1, clock), clock, Sealer(b"k" * 32), owners, (ip_network("127.0.0.0/8"),))


async def made(room: Routes, recipient: str, action: RouteAction = STORE, **fields: object) -> RouteRow:
    return (await room.create(WORKSPACE, Asked(recipient, action, **fields)))[0]  # type: ignore[arg-type]


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


async def test_a_route_asks_for_the_sender_and_the_kind(room: Routes) -> None:
    await made(room, "*@example.com", sender="*@shop.example", kinds=(MailKind.REPLY, MailKind.OTHER))

    assert room.view.match("a@example.com", "x@shop.example", MailKind.REPLY)
    assert not room.view.match("a@example.com", "x@other.example", MailKind.REPLY)
    assert not room.view.match("a@example.com", "", MailKind.REPLY)
    assert not room.view.match("a@example.com", "x@shop.example", MailKind.BOUNCE)


async def test_a_route_takes_mail_for_domains_of_its_own_workspace_only(room: Routes, owners: Owners) -> None:
    await made(room, "*")

    assert room.view.match("a@example.com", "", MailKind.OTHER)
    assert room.view.match("a@other.example", "", MailKind.OTHER) is None
    assert room.view.match("a@nobody.example", "", MailKind.OTHER) is None
    del owners.names["example.com"]
    assert room.view.match("a@example.com", "", MailKind.OTHER) is None


async def test_a_route_for_a_domain_of_others_is_refused_with_the_remedy(room: Routes) -> None:
    with pytest.raises(WrongInput, match=r"other\.example is no proved domain of this workspace") as caught:
        await made(room, "a@other.example")

    assert (caught.value.field, caught.value.code) == ("recipient", "not_owned")


async def test_at_rcpt_only_what_is_refused_whoever_writes_is_refused(room: Routes) -> None:
    await made(room, "spam@example.com", RouteAction.REFUSE)
    await made(room, "some@example.com", RouteAction.REFUSE, sender="*@bad.example")
    await made(room, "both@example.com", sender="*@good.example")
    await made(room, "both@example.com", RouteAction.REFUSE)

    asked = {name: room.view.at_rcpt(f"{name}@example.com") for name in ("spam", "some", "both", "none")}

    assert asked == {"spam": AtRcpt.REFUSED, "some": AtRcpt.UNKNOWN, "both": AtRcpt.TAKEN, "none": AtRcpt.UNKNOWN}


async def test_a_route_that_is_off_takes_nothing(room: Routes) -> None:
    row = await made(room, "a@example.com", is_enabled=False)
    assert room.view.at_rcpt("a@example.com") is AtRcpt.UNKNOWN

    await room.update(row, Asked("a@example.com", STORE))

    assert room.view.at_rcpt("a@example.com") is AtRcpt.TAKEN


async def test_a_route_of_a_domain_that_is_gone_can_still_be_turned_off(room: Routes, owners: Owners) -> None:
    row = await made(room, "a@example.com")
    del owners.names["example.com"]

    found, _ = await room.update(row, Asked("a@example.com", STORE, is_enabled=False))

    assert found
    with pytest.raises(WrongInput, match="no proved domain"):
        await room.update(row, Asked("b@example.com", STORE))


async def test_the_tester_says_which_route_takes_an_address_and_why_the_others_do_not(room: Routes) -> None:
    off = await made(room, "*@example.com", is_enabled=False)
    other = await made(room, "sales@example.com")
    by_sender = await made(room, "*@example.com", sender="boss@example.com")
    by_kind = await made(room, "*@example.com", kinds=(MailKind.BOUNCE,))
    taker = await made(room, "support@example.com")

    tested = await room.test(WORKSPACE, "support@example.com", "me@reader.example", MailKind.REPLY)

    assert tested.route == taker
    assert tested.at_rcpt is AtRcpt.TAKEN
    assert {one.row.id: one.why_not for one in tested.routes} == {
        off.id: "it is off",
        other.id: "it is for sales@example.com",
        by_sender.id: "it is for mail from boss@example.com",
        by_kind.id: "it is for mail of the kind bounce",
        taker.id: "",
    }


async def test_the_tester_says_that_a_domain_is_not_owned(room: Routes) -> None:
    await made(room, "*")

    tested = await room.test(WORKSPACE, "a@elsewhere.example", "", None)

    assert tested.route is None
    assert "elsewhere.example is no proved domain" in tested.not_ours


async def test_every_wrong_field_of_a_route_is_named(room: Routes) -> None:
    asked = Asked("no pattern", RouteAction.WEBHOOK, "http://10.0.0.1/", sender="*@*")

    assert [one.field for one in room.problems(WORKSPACE, asked)] == ["recipient", "sender", "target"]
    assert [one.field for one in room.problems(WORKSPACE, Asked("*", RouteAction.FORWARD, "nobody"))] == ["target"]
    assert [one.field for one in room.problems(WORKSPACE, Asked("*", STORE, "https://a.example"))] == ["target"]


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


async def test_a_route_that_becomes_a_webhook_gets_a_secret_and_keeps_it(room: Routes) -> None:
    row = await made(room, "a@example.com")
    hook = Asked("a@example.com", RouteAction.WEBHOOK, "http://127.0.0.1:1/")

    found, secret = await room.update(row, hook)
    again = await room.get(WORKSPACE, row.id)
    assert again is not None
    _, second = await room.update(again, hook)

    assert found
    assert secret
    assert not second


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

    await room.update(route._replace(is_enabled=0), Asked("a@example.com", STORE))

    assert off == []
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

    assert await database.read(lambda conn: route_outbox.due_routes(conn, 1 << 45)) == []
    off = Asked("a@example.com", STORE, is_enabled=False)
    await room.update(route, off)
    assert await database.read(lambda conn: route_outbox.due_routes(conn, 1 << 45)) == []
    await room.update(route._replace(is_enabled=0), Asked("a@example.com", STORE))
    assert await database.read(lambda conn: route_outbox.due_routes(conn, 1 << 45)) == [route.id]
