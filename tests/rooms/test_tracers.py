"""Tracers on their way: an account sends mail to itself, and what does not arrive is told once."""

import json
from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest
from peers.smtp_sink import SmtpSink

from postroom.accounts.credentials import Bearer, Password, TokenServerAway
from postroom.accounts.providers import Overrides, Provider, Providers
from postroom.accounts.submit import AccountSmtp
from postroom.accounts.tracers import Tracers, TracerSettings
from postroom.base.clock import ManualClock
from postroom.base.ids import IdSource
from postroom.ledger.account_rows import (
    AccountOwnerRow,
    AccountRow,
    AccountStatusRow,
    ConnectionRow,
    Security,
    TracerRow,
)
from postroom.ledger.rows import WorkspaceRow
from postroom.mail.tracer import code_in
from postroom.net.dns import Answer, Status
from postroom.net.tls import ClientContexts
from postroom.store import tracers as store
from postroom.store.database import Database, open_database, statement

NODE, WORKSPACE = 1, 5
LOCAL = (ip_network("127.0.0.0/8"),)
EMAIL = "ann@example.test"


class Names:
    async def host_addresses(self, name: str) -> Answer[str]:
        return Answer(Status.FOUND, ("127.0.0.1" if name == "mail.example.test" else "192.168.7.7",), 60)


class Login:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def open(self, account: AccountRow, connection: ConnectionRow, provider: Provider) -> Password | Bearer:
        if self.error is not None:
            raise self.error
        return Password(account.email, "s3cret")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def database(sqlite_url: str, clock: ManualClock) -> AsyncIterator[Database]:
    opened = await open_database(sqlite_url, clock=clock)
    yield opened
    await opened.close()


class Room:
    def __init__(self, database: Database, clock: ManualClock, login: Login) -> None:
        self.database, self.clock = database, clock
        self.ids = IdSource(NODE, clock)
        smtp = AccountSmtp(Names(), ClientContexts(), LOCAL, "postroom.test")
        settings = TracerSettings(every_seconds=600, count=3, lost_seconds=600)
        self.tracers = Tracers(
            database, self.ids, clock, login, Providers(), smtp, settings, "postroom.test", lambda ids: ids[0]
        )

    async def account(self, host: str, port: int, *, node: int = NODE, is_tracer: int = 1) -> AccountRow:
        server = Overrides(imap_host=host, smtp_host=host, smtp_port=port, smtp_security=Security.PLAIN).to_json()
        now = self.clock.now_ms()
        connection = ConnectionRow(self.ids.next(), WORKSPACE, "PLAIN", "", None, server, now)
        account = AccountRow(
            self.ids.next(), WORKSPACE, connection.id, "ann", "ann", EMAIL, "", b"sealed", None, "", "", is_tracer, 0,
            now, now, now,
        )  # fmt: skip
        owner = AccountOwnerRow(account.id, WORKSPACE, node, 1)
        status = AccountStatusRow(account.id, WORKSPACE, "watching", since_ms=now)

        def add(tx) -> None:  # type: ignore[no-untyped-def]
            for row in (WorkspaceRow(WORKSPACE, "one", now), connection, account, owner, status):
                tx.add(row)

        await self.database.write(add)
        return account

    async def rows(self) -> list[TracerRow]:
        return await self.database.read(lambda conn: store.tracers_of(conn, WORKSPACE, (1 << 63) - 1, 50))

    async def told(self) -> list[dict[str, object]]:
        asked = statement("SELECT kind, account_id, detail FROM event WHERE workspace_id = ? ORDER BY id")
        rows = await self.database.read(lambda conn: conn.all(asked, (WORKSPACE,)))
        return [{"kind": kind, "account_id": account_id, **json.loads(detail)} for kind, account_id, detail in rows]


@pytest.fixture
def room(database: Database, clock: ManualClock) -> Room:
    return Room(database, clock, Login())


async def test_an_account_sends_itself_three_mails_by_its_own_server(room: Room) -> None:
    with SmtpSink(users={EMAIL: "s3cret"}) as sink:
        await room.account("mail.example.test", sink.port)

        sent = await room.tracers.send_some()

        assert [(mail.reverse_path, mail.recipients, mail.login) for mail in sink.mails] == [
            (EMAIL, (EMAIL,), EMAIL)
        ] * 3
        subjects = [mail.data.decode().split("Subject: ")[1].split("\r\n")[0] for mail in sink.mails]
        assert [code_in(subject) for subject in subjects] == [row.code for row in sent]
        assert f"From: {EMAIL}\r\nTo: {EMAIL}\r\n".encode() in sink.mails[0].data
    assert [row.why for row in await room.rows()] == ["", "", ""]


@pytest.mark.parametrize("case", ["another node's", "not marked"])
async def test_a_node_sends_only_to_marked_accounts_of_its_own(room: Room, case: str) -> None:
    node, is_tracer = (2, 1) if case == "another node's" else (NODE, 0)
    await room.account("mail.example.test", 1, node=node, is_tracer=is_tracer)

    assert await room.tracers.send_some() == []
    assert await room.rows() == []


async def test_a_server_that_does_not_take_the_login_is_told_in_its_words(room: Room) -> None:
    with SmtpSink(users={EMAIL: "another"}) as sink:
        account = await room.account("mail.example.test", sink.port)

        row = await room.tracers.send_one(account.id)

    assert "535" in row.why
    assert "s3cret" not in row.why
    assert (await room.rows())[0].why == row.why


async def test_a_private_address_is_refused_before_any_connection(room: Room) -> None:
    account = await room.account("inside.example.test", 25)

    assert "POSTROOM_ALLOW_PRIVATE" in (await room.tracers.send_one(account.id)).why


async def test_a_token_server_that_is_away_sends_no_tracer(database: Database, clock: ManualClock) -> None:
    room = Room(database, clock, Login(TokenServerAway("the token server answers 503")))
    account = await room.account("mail.example.test", 1)

    assert (await room.tracers.send_one(account.id)).why == "the token server answers 503"


async def test_a_tracer_that_does_not_arrive_is_told_once(room: Room) -> None:
    with SmtpSink(users={EMAIL: "s3cret"}) as sink:
        account = await room.account("mail.example.test", sink.port)
        row = await room.tracers.send_one(account.id)

    assert await room.tracers.look() == 0
    room.clock.advance(seconds=601)
    assert await room.tracers.look() == 1
    assert await room.tracers.look() == 0

    (told,) = await room.told()
    assert (told["kind"], told["account_id"], told["email"]) == ("tracer_lost", account.id, EMAIL)
    assert told["sent_ms"] == row.sent_ms
    assert "number" not in told


async def test_after_a_start_old_tracers_have_their_time_again(room: Room, database: Database) -> None:
    with SmtpSink(users={EMAIL: "s3cret"}) as sink:
        account = await room.account("mail.example.test", sink.port)
        await room.tracers.send_one(account.id)
    room.clock.advance(hours=2)
    restarted = Room(database, room.clock, Login())

    assert await restarted.tracers.look() == 0
    room.clock.advance(seconds=601)
    assert await restarted.tracers.look() == 1
