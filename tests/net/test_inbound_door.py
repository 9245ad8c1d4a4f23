"""The inbound door: who may receive, what guessers get, and what becomes of a mail."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from dataclasses import replace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inbound_world import (
    HERE,
    KEY_ID,
    OTHER,
    OWN_RP,
    SHOP,
    EagerClock,
    InboundWorld,
    at_once,
    inbound_world,
    recipients_of,
)  # fmt: skip
from smtp_talk import Talk, codes, eventually

from postroom.base.clock import SystemClock
from postroom.base.errors import TryLater
from postroom.base.ids import base32, first_id_at
from postroom.base.tokens import TokenKeys, TokenKind
from postroom.doors.smtp.guessers import MOST_IN_SESSION
from postroom.doors.smtp.inbound import CUT_OFF, ONE_AT_A_TIME, InboundDoor
from postroom.inbound.recipients import NO_SUCH_ADDRESS, REFUSED_BY_ROUTE, Addressed
from postroom.inbound.refusal import LOOP
from postroom.ledger.inbound_rows import Destination
from postroom.mail.envelope import Envelope, EnvelopeRecipient
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp.connection import Connection, peer_of
from postroom.net.smtp.door import Client, Peer
from postroom.net.smtp.events import Event, MailGiven, RecipientGiven
from postroom.net.smtp.server import ServerOptions, SmtpServer

CLIENT = Client("mx.peer.test", extended=True, tls="")
MAIL = b"From: ann@peer.test\r\nSubject: x\r\n\r\nhello\r\n"
OPTIONS = ServerOptions(HERE, max_recipients=100, require_auth=False, offer_auth=False, offer_dsn=False)
LIFETIME_DAYS = 30 + 5 + 14


@pytest.fixture
async def world(sqlite_url: str) -> AsyncIterator[InboundWorld]:
    async with inbound_world(sqlite_url) as made:
        yield made


def ask(world: InboundWorld, address: str) -> Addressed | SmtpReply:
    return world.recipients.decide(address, "ann@peer.test")


@pytest.mark.parametrize(
    ("kind", "destination"),
    [
        (TokenKind.BOUNCE, Destination.BOUNCE),
        (TokenKind.REPLY, Destination.REPLY),
        (TokenKind.UNSUBSCRIBE_MAIL, Destination.UNSUBSCRIBE),
        (TokenKind.FEEDBACK, Destination.FEEDBACK),
    ],
)
@pytest.mark.parametrize("host", [f"rp.{SHOP}", f"rp.{OTHER}", OWN_RP])
async def test_a_machine_address_is_taken_by_its_token_alone(
    world: InboundWorld, kind: TokenKind, destination: Destination, host: str
) -> None:
    address = world.address(kind, host)

    for written in (address, address.upper()):
        assert ask(world, written) == Addressed(written, destination, None, first_id_at(world.clock.now_ms()) + 1)
    assert world.database.asked == 0


async def test_a_machine_address_is_one_on_its_own_hosts_only(world: InboundWorld) -> None:
    for host in (SHOP, HERE, "rp.elsewhere.test", f"rp.rp.{SHOP}", "elsewhere.test"):
        assert ask(world, world.address(TokenKind.BOUNCE, host)) == NO_SUCH_ADDRESS


async def test_a_bounce_address_expires_and_the_others_do_not(world: InboundWorld) -> None:
    for kind in (TokenKind.BOUNCE, TokenKind.REPLY, TokenKind.UNSUBSCRIBE_MAIL, TokenKind.FEEDBACK):
        assert isinstance(ask(world, world.address(kind, days_old=LIFETIME_DAYS - 0.01)), Addressed)
    assert ask(world, world.address(TokenKind.BOUNCE, days_old=LIFETIME_DAYS + 0.01)) == NO_SUCH_ADDRESS
    assert isinstance(ask(world, world.address(TokenKind.REPLY, days_old=400)), Addressed)


async def test_a_token_is_good_for_its_own_kind_only(world: InboundWorld) -> None:
    address = world.address(TokenKind.BOUNCE)
    for letter in "ruf":
        assert ask(world, letter + address[1:]) == NO_SUCH_ADDRESS


async def test_routes_take_and_refuse_addresses_of_their_workspace(world: InboundWorld) -> None:
    assert ask(world, "Support@SHOP.test") == Addressed("Support@SHOP.test", Destination.ROUTE, 1)
    assert ask(world, "nobody@shop.test") == REFUSED_BY_ROUTE
    assert ask(world, "sales@shop.test") == NO_SUCH_ADDRESS
    assert ask(world, "support@other.test") == NO_SUCH_ADDRESS
    assert world.database.asked == 0


@pytest.mark.parametrize(
    ("address", "workspace_id"),
    [
        ("postmaster@shop.test", 1), ("Abuse@Other.test", 2), ("ABUSE@rp.other.test", 2), ("postmaster", 1),
        ("postmaster@rp.shop.test", 1), ("PostMaster", 1), (f"abuse@{HERE}", 1), (f"postmaster@{OWN_RP}", 1),
        ('"postmaster"@shop.test', 1),
    ],
)  # fmt: skip
async def test_the_roles_of_every_domain_of_ours_are_always_reached(
    world: InboundWorld, address: str, workspace_id: int
) -> None:
    """RFC 5321 4.5.1. A route refuses post*@shop.test."""
    assert ask(world, address) == Addressed(address, Destination.ROLE, workspace_id)


@pytest.mark.parametrize(
    "address",
    [
        "ann@elsewhere.test", "postmaster@elsewhere.test", "abuse", "ann", "postmaster@", "@shop.test", "",
        "ann%elsewhere.test@shop.test", "elsewhere.test!ann@shop.test", '"ann@elsewhere.test"@shop.test',
        "ann@elsewhere.test@shop.test", "postmaster@shop.test.", "postmaster@[127.0.0.1]", "postmaster@xn--shop.test",
        "postmaster@sub.shop.test", "abuse@rp.rp.shop.test", "postmaster\x00@shop.test", "b-@rp.shop.test",
    ],
)  # fmt: skip
async def test_nothing_is_relayed(world: InboundWorld, address: str) -> None:
    assert ask(world, address) == NO_SUCH_ADDRESS


@given(st.text(max_size=70))
@settings(max_examples=25)
def test_whatever_is_asked_for_there_is_a_decision(text: str) -> None:
    recipients = recipients_of(TokenKeys({KEY_ID: b"k" * 32}), EagerClock())
    for address in (text, f"{text}@rp.{SHOP}", f"b-{text}@{OWN_RP}", f"postmaster@{text}"):
        decided = recipients.decide(address, "")
        assert decided == NO_SUCH_ADDRESS or isinstance(decided, Addressed)


async def test_an_alias_is_asked_behind_machine_addresses_and_before_routes(world: InboundWorld) -> None:
    masked = SmtpReply(550, "5.7.1", "this alias is retired")

    class Aliases:
        asked: list[str] = []  # noqa: RUF012 - a double

        def decide(self, recipient: str, reverse_path: str) -> Addressed | SmtpReply | None:
            self.asked.append(recipient)
            return masked if recipient == "support@shop.test" else None

    world.recipients._aliases = Aliases()

    machine = world.address(TokenKind.BOUNCE)
    assert isinstance(ask(world, machine), Addressed)
    assert ask(world, "support@shop.test") == masked
    assert ask(world, "nobody@shop.test") == REFUSED_BY_ROUTE
    assert machine not in Aliases.asked


# A mail


async def hand_in(world: InboundWorld, *blocks: bytes, to: str = "support@shop.test") -> SmtpReply:
    visit = world.visit()
    envelope = Envelope("ann@peer.test", ())
    assert visit.mail(envelope).code == 250
    assert at_once(visit.rcpt(envelope, EnvelopeRecipient(to))).code == 250
    sink = visit.begin_content(replace(envelope, recipients=(EnvelopeRecipient(to),)), CLIENT)
    for block in blocks[:-1]:
        await sink.write(block)
    reply = await sink.finish(blocks[-1])
    if not reply.is_success:
        await sink.abort()
    return reply


async def test_a_mail_is_in_the_store_when_250_is_said(world: InboundWorld) -> None:
    """Rule 1."""
    reply = await hand_in(world, MAIL)

    [row] = await world.rows()
    assert reply.code == 250
    assert reply.text.startswith("received as inb_")
    assert (row.recipient, row.destination, row.helo, row.source) == (
        "support@shop.test", "route", "mx.peer.test", "smtp",
    )  # fmt: skip


async def test_a_large_mail_is_stored_while_it_comes(world: InboundWorld) -> None:
    block = 256 * 1024
    first, second = MAIL.ljust(block, b"x"), b"y" * block

    reply = await hand_in(world, first, second, second, b"end\r\n")

    assert reply.code == 250
    [row] = await world.rows()
    assert (await world.bytes_of(row) or b"").endswith(first + second * 2 + b"end\r\n")


@pytest.mark.parametrize("blocks", [1, 3])
async def test_without_a_database_the_client_comes_again_and_then_it_works(world: InboundWorld, blocks: int) -> None:
    """Rule 1: disk full or database away is 4yz, never silence."""
    mail = (*[MAIL.ljust(256 * 1024, b"x")] * (blocks - 1), MAIL)
    write, world.database.write = world.database.write, _away  # type: ignore[method-assign]
    try:
        reply = await hand_in(world, *mail)
    except TryLater:
        reply = SmtpReply(451, "", "")  # of a block: the session answers it so
    assert reply.code == 451

    world.database.write = write  # type: ignore[method-assign]
    assert (await hand_in(world, *mail)).code == 250


async def _away(*_: object, **__: object) -> None:
    raise TryLater("the disk is full")


async def test_what_is_refused_leaves_nothing(world: InboundWorld) -> None:
    block = (b"Received: by x; y\r\n" * 101 + MAIL).ljust(256 * 1024, b"x")

    assert await hand_in(world, block, block, b"end\r\n") == LOOP
    assert await hand_in(world, b"X: y\r\n" * 50_000, b"end\r\n") == SmtpReply(552, "5.3.4", "the header is too large")
    assert await world.rows() == []
    assert await world.chunks() == 0


async def test_a_recipient_that_is_named_twice_gets_one_mail(world: InboundWorld) -> None:
    visit, envelope = world.visit(), Envelope("ann@peer.test", ())
    visit.mail(envelope)
    for address in ("support@shop.test", "SUPPORT@shop.test", "abuse@shop.test"):
        assert at_once(visit.rcpt(envelope, EnvelopeRecipient(address))).code == 250

    await visit.begin_content(envelope, CLIENT).finish(MAIL)

    assert {row.recipient for row in await world.rows()} == {"SUPPORT@shop.test", "abuse@shop.test"}


async def test_a_new_transaction_has_the_recipients_of_the_last_one_no_more(world: InboundWorld) -> None:
    visit, envelope = world.visit(), Envelope("ann@peer.test", ())
    for address in ("support@shop.test", "abuse@shop.test"):
        visit.mail(envelope)
        visit.rcpt(envelope, EnvelopeRecipient(address))
    await visit.begin_content(envelope, CLIENT).finish(MAIL)

    assert [row.recipient for row in await world.rows()] == ["abuse@shop.test"]


async def test_a_report_is_for_one_unless_all_are_bounces(world: InboundWorld) -> None:
    def rcpt(*addresses: str) -> list[SmtpReply]:
        visit, envelope = world.visit(), Envelope("", ())
        visit.mail(envelope)
        return [at_once(visit.rcpt(envelope, EnvelopeRecipient(address))) for address in addresses]

    bounces = [world.address(TokenKind.BOUNCE, number=number) for number in range(3)]
    assert [reply.code for reply in rcpt(*bounces)] == [250, 250, 250]
    assert rcpt("support@shop.test", "abuse@shop.test")[1] == ONE_AT_A_TIME
    assert rcpt(bounces[0], world.address(TokenKind.REPLY))[1] == ONE_AT_A_TIME
    assert [reply.code for reply in rcpt("support@shop.test", "SUPPORT@shop.test")] == [250, 250]


async def test_strangers_do_not_get_the_last_of_the_disk(world: InboundWorld) -> None:
    room = [False]
    world.door.has_room = lambda: room[0]
    assert world.visit().mail(Envelope("ann@peer.test", ())).code == 452

    room[0] = True
    assert (await hand_in(world, MAIL)).code == 250


@pytest.mark.parametrize("reverse_path", ["ann", "a b@c.test", "ann@", "ann@-.test"])
async def test_a_reverse_path_that_is_no_address_is_refused(world: InboundWorld, reverse_path: str) -> None:
    assert world.visit().mail(Envelope(reverse_path, ())).code == 553


# Guessing


def codes_at_random(count: int, seed: int, world: InboundWorld) -> list[str]:
    """Return addresses that look like ours: random, with a key id that exists, or one bit away from a real one."""
    chance, found = random.Random(seed), []
    real = int.from_bytes(world.keys.sign(TokenKind.BOUNCE, KEY_ID, first_id_at(world.clock.now_ms())), "big")
    for number in range(count):
        code = chance.getrandbits(160)
        if number % 3 == 1:
            code = KEY_ID << 152 | code & (1 << 152) - 1
        elif number % 3 == 2:
            code = real ^ 1 << chance.randrange(160)
        found.append(f"{'bruf'[number % 4]}-{base32(code, 32)}@rp.{SHOP}")
    return found


def guess(world: InboundWorld, addresses: list[str]) -> tuple[Counter[bytes], int]:
    """Ask for all addresses through sessions, each from another address; return replies with their counts."""
    replies: Counter[bytes] = Counter()
    sessions = 0
    for first in range(0, len(addresses), MOST_IN_SESSION):
        lines = [b"RCPT TO:<%s>\r\n" % one.encode() for one in addresses[first : first + MOST_IN_SESSION]]
        talk, sessions = _session(world, sessions), sessions + 1
        replies.update(talk.say(b"".join(lines)).splitlines(keepends=True))
        assert talk.session.closed
    return replies, sessions


def _session(world: InboundWorld, number: int) -> Talk:
    visit = world.visit(Peer(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 25, local=False))

    def answers(event: Event) -> SmtpReply | None:
        if isinstance(event, RecipientGiven):
            return at_once(visit.rcpt(event.envelope, event.recipient))
        return visit.mail(event.envelope) if isinstance(event, MailGiven) else None

    talk = Talk(local=False, answers=answers)
    talk.say(b"EHLO x.test\r\nMAIL FROM:<a@x.test>\r\n")
    talk.events.clear()
    return talk


def hold_against(world: InboundWorld, count: int) -> None:
    replies, sessions = guess(world, codes_at_random(count, 7, world))

    # The tenth of each session, and never anything else, is that it is over.
    assert replies == {NO_SUCH_ADDRESS.to_wire(): count - sessions, CUT_OFF.to_wire(): sessions}
    assert sessions == count // MOST_IN_SESSION
    assert world.guessers.guesses == count
    assert world.database.asked == 0


async def test_random_codes_are_never_an_address_and_no_database_is_asked(world: InboundWorld) -> None:
    hold_against(world, 100_000)


@pytest.mark.soak
async def test_a_million_random_codes_are_never_an_address_and_no_database_is_asked(world: InboundWorld) -> None:
    hold_against(world, 1_000_000)


async def test_what_never_existed_and_what_has_expired_is_answered_alike(world: InboundWorld) -> None:
    """In the same words and after the same time, whatever was asked before."""
    expired = [world.address(TokenKind.BOUNCE, days_old=100, number=number) for number in range(12)]
    never = codes_at_random(12, 1, world)
    told = []
    for number, addresses in enumerate((expired, never)):
        visit, clock = world.visit(Peer(f"192.0.2.{number}", 25, local=False)), world.clock
        clock.waited.clear()
        envelope = Envelope("ann@peer.test", ())
        replies = [at_once(visit.rcpt(envelope, EnvelopeRecipient(address))).to_wire() for address in addresses]
        told.append((replies, list(clock.waited)))

    assert told[0][0] == told[1][0]
    assert told[0][0][0] == b"550 5.1.1 no such address here\r\n"
    # The clock counts in milliseconds.
    assert told[0][1] == pytest.approx(told[1][1], abs=0.002)
    assert told[0][1] == sorted(told[0][1])
    assert len(told[0][1]) == MOST_IN_SESSION - 4


async def test_whoever_goes_on_guessing_is_not_listened_to(world: InboundWorld) -> None:
    envelope = Envelope("ann@peer.test", ())
    for _ in range(20):
        visit = world.visit()
        answers = [visit.rcpt(envelope, EnvelopeRecipient(one)) for one in codes_at_random(MOST_IN_SESSION, 2, world)]
        for answer in answers:
            if not isinstance(answer, SmtpReply):
                cast(Coroutine[object, object, SmtpReply], answer).close()  # it did not wait for the answer

    assert world.visit().mail(envelope) == CUT_OFF
    assert world.visit(Peer("198.51.100.1", 25, local=False)).mail(envelope).code == 250
    world.clock.advance(hours=1)
    assert world.visit().mail(envelope).code == 250


async def test_an_mta_in_front_guesses_for_others(world: InboundWorld) -> None:
    relay, envelope = Peer("192.0.2.1", 25, local=False), Envelope("ann@peer.test", ())
    world.door.is_relay = lambda address: address == relay.address
    for _ in range(20):
        visit = world.visit(relay)
        for address in codes_at_random(MOST_IN_SESSION, 2, world):
            at_once(visit.rcpt(envelope, EnvelopeRecipient(address)))

    assert world.visit(relay).mail(envelope).code == 250
    assert len(world.guessers) == 0


async def test_a_mail_that_is_good_for_somebody_is_slowed_and_not_cut(world: InboundWorld) -> None:
    visit, envelope = world.visit(), Envelope("ann@peer.test", ())
    visit.mail(envelope)
    visit.rcpt(envelope, EnvelopeRecipient("support@shop.test"))

    replies = [at_once(visit.rcpt(envelope, EnvelopeRecipient(f"x{number}@shop.test"))) for number in range(30)]

    assert set(replies) == {NO_SUCH_ADDRESS}
    assert sum(world.clock.waited) > 100


# On the wire


class Wire:
    """A server on loopback, and what clients hear from it."""

    def __init__(self, world: InboundWorld) -> None:
        self.server = SmtpServer(world.door, OPTIONS, clock=SystemClock())
        self.port = 0

    async def __aenter__(self) -> "Wire":
        _, self.port = await self.server.listen("127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.close(0)

    async def say(self, data: bytes) -> bytes:
        """Send data over a connection of its own, and return what came back until the server closed it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        writer.write_eof()
        try:
            return await asyncio.wait_for(reader.read(), 20)
        finally:
            writer.close()


async def test_ten_thousand_codes_over_the_wire_are_all_refused(world: InboundWorld) -> None:
    addresses = codes_at_random(10_000, 3, world)
    heard = {NO_SUCH_ADDRESS.to_wire(): 0, CUT_OFF.to_wire(): 0}
    async with Wire(world) as wire:
        for first in range(0, len(addresses), MOST_IN_SESSION):
            lines = [b"RCPT TO:<%s>\r\n" % one.encode() for one in addresses[first : first + MOST_IN_SESSION]]
            said = await wire.say(b"EHLO x.test\r\nMAIL FROM:<a@x.test>\r\n" + b"".join(lines))
            for line in said.splitlines(keepends=True)[-MOST_IN_SESSION:]:
                heard[line] += 1

    assert heard == {NO_SUCH_ADDRESS.to_wire(): 9_000, CUT_OFF.to_wire(): 1_000}
    assert world.database.asked == 0
    assert sum(world.clock.waited) > 1_000 * 10


TRANSACTION = b"MAIL FROM:<a@x.test>\r\nRCPT TO:<support@shop.test>\r\nDATA\r\n"


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\n\n.\r\n", b"\r\n\x00.\r\n"]
)
async def test_no_other_end_smuggles_a_mail_in(world: InboundWorld, end: bytes) -> None:
    inside = b"MAIL FROM:<evil@x.test>\r\nRCPT TO:<abuse@shop.test>\r\nDATA\r\nFrom: boss\r\n"
    async with Wire(world) as wire:
        said = await wire.say(b"EHLO x.test\r\n" + TRANSACTION + MAIL + end + inside + b"\r\n.\r\nQUIT\r\n")

    assert codes(said)[-2:] == ["250 2.0.0", "221 2.0.0"]
    [row] = await world.rows()
    assert row.recipient == "support@shop.test"
    stored = await world.bytes_of(row) or b""
    assert b"evil@x.test" in stored
    assert stored.count(b"\n") == stored.count(b"\r") == stored.count(b"\r\n")


async def test_nobody_writes_header_fields_by_what_he_says_at_the_door(world: InboundWorld) -> None:
    helo = b"EHLO x.test (y)\tby z; Bcc: a\x0b\r\n"
    lines = [
        b'MAIL FROM:<"a b\\""@x.test>\r\n', b"RCPT TO:<support@shop.test\rBcc:x>\r\n",
        b"RCPT TO:<support@shop.test> X\r\n", b"RCPT TO:<support@shop.test>\r\n", b"DATA\r\n",
    ]  # fmt: skip
    async with Wire(world) as wire:
        said = await wire.say(b"EHLO fine.test\r\n" + helo + b"".join(lines) + MAIL + b".\r\nQUIT\r\n")

    assert codes(said)[-1] == "221 2.0.0"
    [row] = await world.rows()
    stored = await world.bytes_of(row) or b""
    header = stored.removesuffix(MAIL)
    assert header.count(b"\r\n") == 4
    assert header.startswith(b'Return-Path: <"a?b\\""@x.test>\r\nReceived: from ')


async def test_the_door_offers_neither_login_nor_reports_and_is_no_relay(world: InboundWorld) -> None:
    async with Wire(world) as wire:
        said = await wire.say(
            b"EHLO x.test\r\nAUTH PLAIN AHUAcA==\r\nMAIL FROM:<a@shop.test>\r\nRCPT TO:<ann@elsewhere.test>\r\nDATA\r\n"
        )

    assert b"AUTH" not in said
    assert b"DSN" not in said
    assert codes(said)[-4:] == ["502 5.5.1", "250 2.1.0", "550 5.1.1", "503 5.5.1"]


async def test_a_client_that_dies_in_the_middle_leaves_nothing(world: InboundWorld) -> None:
    async with Wire(world) as wire:
        await wire.say(b"EHLO x.test\r\n" + TRANSACTION + MAIL + b"x" * 800_000)
        await eventually(lambda: wire.server.sessions == 0)
    await wire.server.nursery.drain(5)

    assert await world.rows() == []
    assert await world.chunks() == 0


def test_one_address_has_so_many_sessions_at_most() -> None:
    server = SmtpServer(cast(InboundDoor, None), replace(OPTIONS, max_sessions_of_address=2), clock=SystemClock())

    def connection(address: str, *, local: bool = False) -> Connection:
        made = Connection(server, tls=False)
        made._peer = Peer(address, 1, local=local)
        return made

    first, second, third = (connection(f"2001:db8::{number}") for number in range(3))
    assert [server.opened(one) for one in (first, second)] == [None, None]
    refused = server.opened(third)
    assert refused is not None
    assert refused.code == 421
    assert server.opened(connection("2001:db8:1::1")) is None
    assert all(server.opened(connection("127.0.0.1", local=True)) is None for _ in range(10))
    for one in (first, third):
        server.ended(one)
    assert server.opened(connection("2001:db8::9")) is None


@pytest.mark.parametrize(
    ("name", "address", "local"),
    [
        (("::ffff:192.0.2.7", 5, 0, 0), "192.0.2.7", False),
        (("::ffff:127.0.0.1", 5, 0, 0), "127.0.0.1", True),
        (("2001:db8::7", 5, 0, 0), "2001:db8::7", False),
        (("::1", 5, 0, 0), "::1", True),
    ],
)
def test_a_client_of_a_listener_for_both_families_has_its_own_address(
    name: tuple[str, int, int, int], address: str, local: bool
) -> None:
    assert peer_of(name) == Peer(address, 5, local=local)
