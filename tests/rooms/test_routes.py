"""Which route takes a mail, and what is wrong with one."""

from collections.abc import AsyncIterator

import pytest
from routes_room import STORE, WORKSPACE, Owners, made, routes_room

from postroom.base.clock import ManualClock
from postroom.base.errors import WrongInput
from postroom.inbound.route_rules import AtRcpt
from postroom.inbound.routes import Asked, Routes
from postroom.ledger.route_rows import RouteAction
from postroom.mail.verdict import MailKind
from postroom.store.database import open_database


@pytest.fixture
def owners() -> Owners:
    return Owners()


@pytest.fixture
async def room(sqlite_url: str, owners: Owners) -> AsyncIterator[Routes]:
    clock = ManualClock()
    database = await open_database(sqlite_url, clock=clock)
    yield await routes_room(database, clock, owners)
    await database.close()


async def test_a_route_asks_for_the_sender_and_the_kind(room: Routes) -> None:
    await made(room, "*@example.com", sender="*@shop.example", kinds=(MailKind.REPLY, MailKind.OTHER))

    assert room.view.match("a@example.com", "x@shop.example", MailKind.REPLY)
    assert not room.view.match("a@example.com", "x@other.example", MailKind.REPLY)
    assert not room.view.match("a@example.com", "", MailKind.REPLY)
    assert not room.view.match("a@example.com", "x@shop.example", MailKind.BOUNCE)


async def test_a_forged_author_opens_no_route_and_escapes_none_that_refuses(room: Routes) -> None:
    refusing, trusting, every = [
        await made(room, "*@example.com", RouteAction.REFUSE, sender="*@bad.example"),
        await made(room, "*@example.com", sender="boss@shop.example"),
        await made(room, "*@example.com"),
    ]

    def taken(sender: str, *, is_disowned: bool) -> int | None:
        found = room.view.match("a@example.com", sender, MailKind.OTHER, is_disowned=is_disowned)
        return found.id if found else None

    assert taken("boss@shop.example", is_disowned=False) == trusting.id
    assert taken("boss@shop.example", is_disowned=True) == every.id
    assert taken("x@bad.example", is_disowned=True) == refusing.id


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


@pytest.mark.parametrize(
    ("recipient", "sender", "field"),
    [("junk", "", "recipient"), ("", "", "recipient"), ("Ann <a@example.com>", "", "recipient"),
     ("a@example.com", "nobody", "sender")],
)  # fmt: skip
async def test_the_tester_names_what_is_no_address(room: Routes, recipient: str, sender: str, field: str) -> None:
    with pytest.raises(WrongInput) as wrong:
        await room.test(WORKSPACE, recipient, sender, None)

    assert wrong.value.field == field


async def test_the_tester_says_of_roles_and_machine_addresses_what_the_door_does(room: Routes) -> None:
    refusing = await made(room, "*@example.com", RouteAction.REFUSE)

    role = await room.test(WORKSPACE, " Postmaster@example.com ", "", None)
    other = await room.test(WORKSPACE, "a@example.com", "", None)
    machine = await room.test(WORKSPACE, "b-x@rp.example.com", "", None)

    assert (role.route, role.at_rcpt) == (refusing, AtRcpt.TAKEN)
    assert (other.route, other.at_rcpt) == (refusing, AtRcpt.REFUSED)
    assert machine.route is None
    assert "bounces of your mail" in machine.not_ours


async def test_every_wrong_field_of_a_route_is_named(room: Routes) -> None:
    asked = Asked("no pattern", RouteAction.WEBHOOK, "http://10.0.0.1/", sender="*@*")

    assert [one.field for one in room.problems(WORKSPACE, asked)] == ["recipient", "sender", "target"]
    assert [one.field for one in room.problems(WORKSPACE, Asked("*", RouteAction.FORWARD, "nobody"))] == ["target"]
    assert [one.field for one in room.problems(WORKSPACE, Asked("*", STORE, "https://a.example"))] == ["target"]
    assert [str(one) for one in room.problems(WORKSPACE, Asked("*", RouteAction.FORWARD))] == [
        "say the address that gets the mail"
    ]


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
