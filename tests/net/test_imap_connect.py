"""How the IMAP client connects, protects itself and logs in. RFC 9051 6.2, 7.1; RFC 4959, 7628, 5530."""

import asyncio
import base64
import ssl
from pathlib import Path

import pytest
import trustme
import uvloop
from imap_script import LOOPBACK, SHORT, Peer, Script, ScriptedServer, dialler, talking

from postroom.base.clock import SystemClock
from postroom.ledger.account_rows import Security
from postroom.net.dns import Answer, Resolver, Status
from postroom.net.imap import refusals
from postroom.net.imap.client import ImapClient, ImapDialler, ImapLimits, ImapServer
from postroom.net.imap.errors import (
    AddressRefused,
    AuthRefused,
    ImapBad,
    ImapBye,
    ImapError,
    ImapNo,
    NotOffered,
    Throttled,
    TlsFailed,
    Unreachable,
)
from postroom.net.tls import ClientContexts

LOGIN = "IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 AUTH=OAUTHBEARER AUTH=LOGIN"


class Certified:
    """A server's context, and the file of who vouches for it."""

    def __init__(self, folder: Path, name: str = "localhost") -> None:
        authority = trustme.CA()
        self.authorities = folder / f"{name}.pem"
        authority.cert_pem.write_to_path(self.authorities)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(self.context)


@pytest.fixture
def certified(tmp_path: Path) -> Certified:
    return Certified(tmp_path)


async def connect(
    server: ScriptedServer, security: Security, authorities: Path | None = None, limits: ImapLimits = SHORT
) -> ImapClient:
    """Connect to `localhost`, by its name."""
    return await dialler(authorities=authorities).connect(ImapServer("localhost", server.port, security), limits=limits)


def decoded(line: str) -> bytes:
    return base64.b64decode(line.rpartition(" ")[2])


# Addresses


async def test_a_private_address_is_refused_before_any_connection() -> None:
    async def script(peer: Peer) -> None:
        peer.send("* OK ready")

    async with ScriptedServer(script) as server:
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
            with pytest.raises(AddressRefused):
                await dialler(allow_private=False).connect(ImapServer(host, server.port, Security.TLS), limits=SHORT)
        assert server.connections == 0


async def test_clear_text_is_for_networks_that_the_operator_named() -> None:
    with pytest.raises(AddressRefused, match="without TLS"):
        await dialler().connect(ImapServer("192.0.2.1", 143, Security.PLAIN), limits=SHORT)


async def test_a_host_that_nobody_knows_is_unreachable() -> None:
    with pytest.raises(Unreachable):
        await dialler().connect(ImapServer("a..b", 993), limits=SHORT)


async def test_a_port_where_nobody_listens_is_unreachable() -> None:
    async with ScriptedServer(_nothing) as server:
        port = server.port
    with pytest.raises(Unreachable):
        await dialler().connect(ImapServer("127.0.0.1", port), limits=SHORT)


async def test_the_second_address_of_a_host_is_tried_and_a_private_one_is_passed_over() -> None:
    class TwoAddresses(Resolver):
        async def host_addresses(self, name: str) -> Answer[str]:
            return Answer(Status.FOUND, ("10.0.0.1", "127.0.0.2", "127.0.0.1"))

    async def script(peer: Peer) -> None:
        peer.send("* OK [CAPABILITY IMAP4rev1] ready")
        await peer.end()

    clock = SystemClock()
    ours = ImapDialler(TwoAddresses("127.0.0.1:9", clock=clock), ClientContexts(), LOOPBACK, clock)
    async with ScriptedServer(script) as server:
        client = await ours.connect(ImapServer("mail.test", server.port, Security.PLAIN), limits=SHORT)
        assert client.greeting == "ready"
        client.close()


async def _nothing(peer: Peer) -> None:
    await peer.end()


# Greetings


@pytest.mark.parametrize(
    ("greeting", "kind"),
    [
        ("* BYE Come back never", ImapBye),
        ("* BYE [UNAVAILABLE] Too many connections", Throttled),
        ("* ERROR Not ready.", Unreachable),
        ("* NO not now", Unreachable),
        ("220 mx.test ESMTP", Unreachable),
        ("Server Unavailable.", Throttled),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Unreachable),
    ],
)
async def test_a_greeting_that_is_none_is_told(greeting: str | bytes, kind: type[Exception]) -> None:
    async def script(peer: Peer) -> None:
        peer.send(greeting)
        await peer.end()

    async with ScriptedServer(script) as server:
        with pytest.raises(kind):
            await connect(server, Security.PLAIN)


async def test_a_server_that_does_not_greet_is_not_waited_for() -> None:
    async with ScriptedServer(_nothing) as server:
        with pytest.raises(Unreachable, match="greet"):
            await connect(server, Security.PLAIN, limits=ImapLimits(greeting=0.1))


async def test_connecting_as_a_whole_has_a_limit(certified: Certified) -> None:
    async with ScriptedServer(_nothing) as server:
        with pytest.raises(Unreachable, match=r"0\.2 s"):
            await connect(server, Security.TLS, certified.authorities, ImapLimits(connect=0.2))


# TLS


async def test_a_certificate_must_be_vouched_for_and_bear_the_name(certified: Certified, tmp_path: Path) -> None:
    other = Certified(tmp_path, "mail.other.test")

    async def script(peer: Peer) -> None:
        peer.send("* OK [CAPABILITY IMAP4rev1] ready")
        await peer.end()

    async with ScriptedServer(script, certified.context) as server:
        client = await connect(server, Security.TLS, certified.authorities)
        assert client.tls.startswith("TLSv1.")
        client.close()
        with pytest.raises(TlsFailed):
            await connect(server, Security.TLS, other.authorities)
        with pytest.raises(TlsFailed):
            await connect(server, Security.TLS)
    async with ScriptedServer(script, other.context) as server:
        with pytest.raises(TlsFailed, match=r"(?i)host ?name"):
            await connect(server, Security.TLS, other.authorities)


async def test_a_port_without_tls_is_told_as_that(certified: Certified) -> None:
    async def script(peer: Peer) -> None:
        peer.send("* OK ready")
        await peer.end()

    async with ScriptedServer(script) as server:
        with pytest.raises(TlsFailed):
            await connect(server, Security.TLS, certified.authorities)


def starting_tls(certified: Certified, *, injected: bytes = b"") -> Script:
    """A server that speaks STARTTLS; `injected` stands in clear behind its answer."""

    async def script(peer: Peer) -> None:
        peer.send("* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=EVIL] ready")
        tag = await peer.command("STARTTLS")
        peer.send(f"{tag} OK go".encode() + b"\r\n" + injected)
        await peer.writer.drain()
        await peer.writer.start_tls(certified.context)
        await peer.answer("CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=PLAIN")
        await peer.answer("NOOP")

    return script


@pytest.mark.parametrize("injected", [b"", b"* CAPABILITY IMAP4rev1 AUTH=EVIL\r\nA2 OK done\r\n* 9 EXISTS\r\n"])
async def test_nothing_that_was_said_before_tls_is_believed(certified: Certified, injected: bytes) -> None:
    async with ScriptedServer(starting_tls(certified, injected=injected)) as server:
        client = await connect(server, Security.STARTTLS, certified.authorities)
        assert client.capabilities == {"IMAP4REV1", "AUTH=PLAIN"}
        assert not client.is_dirty
        await client.noop()
        client.close()


@pytest.mark.parametrize(
    "greeting", ["* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] in", "* OK [CAPABILITY IMAP4rev1] ready"]
)
async def test_without_tls_that_was_asked_for_nothing_goes_on(certified: Certified, greeting: str) -> None:
    async def script(peer: Peer) -> None:
        peer.send(greeting)
        while line := await peer.line():
            assert "LOGIN" not in line
            peer.send(f"{line.split()[0]} BAD no")

    async with ScriptedServer(script) as server:
        with pytest.raises(TlsFailed):
            await connect(server, Security.STARTTLS, certified.authorities)


def test_on_uvloop_a_session_goes_over_tls_and_starttls(certified: Certified) -> None:
    async def script(peer: Peer) -> None:
        peer.send("* OK [CAPABILITY IMAP4rev1] ready")
        tag = await peer.command("UID FETCH")
        peer.send(b"* 1 FETCH (UID 1 BODY[] {300000}\r\n" + b"x" * 300_000 + b")\r\n", f"{tag} OK done")
        await peer.end()

    async def run() -> None:
        async with ScriptedServer(script, certified.context) as server:
            client = await connect(server, Security.TLS, certified.authorities)
            (mail,) = await client.uid_fetch("1", ["BODY.PEEK[]"])
            assert mail.body == b"x" * 300_000
            client.close()
        async with ScriptedServer(starting_tls(certified)) as server:
            client = await connect(server, Security.STARTTLS, certified.authorities)
            await client.noop()
            client.close()

    uvloop.run(run())


# LOGIN


async def test_capabilities_are_read_again_after_login() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer('LOGIN "ann@example.com" "sec ret"')
        await peer.answer("CAPABILITY", "* CAPABILITY IMAP4rev1 IDLE CONDSTORE")

    async with talking(script, preauth=False, capabilities=LOGIN) as client:
        await client.login("ann@example.com", "sec ret")
        assert client.can("IDLE")


async def test_a_password_that_cannot_be_quoted_goes_as_a_literal() -> None:
    async def script(peer: Peer) -> None:
        tag = await peer.command('LOGIN "ann" {9}')
        peer.send("+ go on")
        assert await peer.octets(11) == "pässwör".encode() + b"\r\n"
        peer.send(f"{tag} OK in")
        await peer.answer("CAPABILITY")

    async with talking(script, preauth=False, capabilities="IMAP4rev1") as client:
        await client.login("ann", "pässwör")


async def test_where_login_is_disabled_authenticate_is_said_or_nothing() -> None:
    async def plain(peer: Peer) -> None:
        tag = await peer.command("AUTHENTICATE PLAIN")
        peer.send("+ ")
        assert base64.b64decode(await peer.line()) == b"\0ann\0secret"
        peer.send(f"{tag} OK in")
        await peer.answer("CAPABILITY")

    async def old(peer: Peer) -> None:
        tag = await peer.command("AUTHENTICATE LOGIN")
        for word in (b"ann", b"secret"):
            peer.send("+ ")
            assert base64.b64decode(await peer.line()) == word
        peer.send(f"{tag} OK in")
        await peer.answer("CAPABILITY")

    async def none(peer: Peer) -> None:
        assert await peer.line() == ""

    async with talking(plain, preauth=False, capabilities="IMAP4rev1 LOGINDISABLED AUTH=PLAIN") as client:
        await client.login("ann", "secret")
    async with talking(old, preauth=False, capabilities="IMAP4rev1 LOGINDISABLED AUTH=LOGIN") as client:
        await client.login("ann", "secret")
    async with talking(none, preauth=False, capabilities="IMAP4rev1 LOGINDISABLED") as client:
        with pytest.raises(NotOffered):
            await client.login("ann", "secret")


async def test_a_wrong_password_is_told_with_the_servers_words_and_without_the_password() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer("LOGIN", end="NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)")

    async with talking(script, preauth=False) as client:
        with pytest.raises(AuthRefused) as caught:
            await client.login("ann", "hunter2")
        assert caught.value.code == "AUTHENTICATIONFAILED"
        assert "Invalid credentials" in str(caught.value)
        assert "hunter2" not in repr(caught.value)


async def test_what_no_login_can_say_is_not_sent() -> None:
    async def script(peer: Peer) -> None:
        assert await peer.line() == ""

    async with talking(script, preauth=False, capabilities="IMAP4rev1") as client:
        with pytest.raises(AuthRefused):
            await client.login("ann", "nul\0")
        with pytest.raises(AuthRefused):
            await client.authenticate("XOAUTH2", "ann", "token\x01auth=Bearer other")


# SASL


@pytest.mark.parametrize(
    ("mechanism", "response"),
    [
        ("XOAUTH2", b"user=ann@example.com\x01auth=Bearer t0ken\x01\x01"),
        ("OAUTHBEARER", b"n,a=ann@example.com,\x01auth=Bearer t0ken\x01\x01"),
        ("PLAIN", b"\0ann@example.com\0t0ken"),
    ],
)
async def test_the_first_response_goes_with_the_command_or_waits(mechanism: str, response: bytes) -> None:
    async def at_once(peer: Peer) -> None:
        tag = await peer.command(f"AUTHENTICATE {mechanism} ")
        assert decoded(peer.lines[-1]) == response
        peer.send(f"{tag} OK in")
        await peer.answer("CAPABILITY")

    async def waiting(peer: Peer) -> None:
        tag = await peer.command(f"AUTHENTICATE {mechanism}")
        assert peer.lines[-1].endswith(mechanism)
        peer.send("+ ")
        assert base64.b64decode(await peer.line()) == response
        peer.send(f"{tag} OK in")
        await peer.answer("CAPABILITY")

    async with talking(at_once, preauth=False, capabilities=LOGIN + " SASL-IR") as client:
        await client.authenticate(mechanism, "ann@example.com", "t0ken")
    async with talking(waiting, preauth=False, capabilities=LOGIN) as client:
        await client.authenticate(mechanism, "ann@example.com", "t0ken")


async def test_user_and_password_answer_the_questions_of_login() -> None:
    async def script(peer: Peer) -> None:
        tag = await peer.command("AUTHENTICATE LOGIN")
        peer.send("+ VXNlcm5hbWU6")
        assert base64.b64decode(await peer.line()) == b"ann"
        peer.send("+ UGFzc3dvcmQ6")
        assert base64.b64decode(await peer.line()) == b"secret"
        peer.send(f"{tag} OK in")
        await peer.answer("CAPABILITY")

    async with talking(script, preauth=False, capabilities=LOGIN + " SASL-IR") as client:
        await client.authenticate("LOGIN", "ann", "secret")


@pytest.mark.parametrize(
    ("mechanism", "answer", "failure"),
    [
        ("XOAUTH2", "", b'{"status":"401","schemes":"bearer mac","scope":"https://mail.google.com/"}'),
        ("OAUTHBEARER", "AQ==", b'{"status":"invalid_token","scope":"mail","openid-configuration":"https://x.test"}'),
    ],
)
async def test_the_challenge_that_tells_an_error_is_answered(mechanism: str, answer: str, failure: bytes) -> None:
    async def script(peer: Peer) -> None:
        tag = await peer.command(f"AUTHENTICATE {mechanism}")
        peer.send("+ " + base64.b64encode(failure).decode())
        assert await peer.line() == answer
        peer.send(f"{tag} NO SASL authentication failed")

    async with talking(script, preauth=False, capabilities=LOGIN + " SASL-IR") as client:
        with pytest.raises(AuthRefused) as caught:
            await client.authenticate(mechanism, "ann", "t0ken")
        assert caught.value.expired
        assert "t0ken" not in str(caught.value)


async def test_a_mechanism_that_asks_for_more_is_cancelled() -> None:
    async def script(peer: Peer) -> None:
        tag = await peer.command("AUTHENTICATE PLAIN")
        peer.send("+ bW9yZQ==")
        assert await peer.line() == "*"
        peer.send(f"{tag} BAD cancelled")

    async with talking(script, preauth=False, capabilities=LOGIN + " SASL-IR") as client:
        with pytest.raises(ImapBad):
            await client.authenticate("PLAIN", "ann", "secret")


# What a refused login means


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        ("NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)", AuthRefused),
        ("NO [AUTHORIZATIONFAILED] no", AuthRefused),
        ("NO [EXPIRED] Password has expired", AuthRefused),
        ("NO [ALERT] Application-specific password required: https://support.google.com/x (Failure)", AuthRefused),
        ("NO [WEBALERT https://accounts.google.com/x] Web login required.", AuthRefused),
        ("NO LOGIN failed.", AuthRefused),
        ("NO AUTHENTICATE failed.", AuthRefused),
        ("NO whatever", AuthRefused),
        ("BAD Invalid login or password", AuthRefused),
        ("NO [ALERT] Too many simultaneous connections. (Failure)", Throttled),
        ("NO [LIMIT] Too many logins", Throttled),
        ("NO [THROTTLED] slow down", Throttled),
        ("NO [UNAVAILABLE] Temporary authentication failure.", Throttled),
        ("NO [INUSE] Mailbox is locked", Throttled),
        ("BAD User is authenticated but not connected.", Throttled),
        ("NO Request is throttled. Suggested Backoff Time: 92415 milliseconds", Throttled),
        ("NO [ALERT] Account exceeded command or bandwidth limits. (Failure)", Throttled),
        ("BAD Unknown command", ImapBad),
        ("NO [PRIVACYREQUIRED] Use TLS", ImapNo),
    ],
)
async def test_wrong_credentials_are_told_apart_from_come_back_later(end: str, kind: type[ImapError]) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer("LOGIN", end=end)

    async with talking(script, preauth=False) as client:
        with pytest.raises(ImapError) as caught:
            await client.login("ann", "secret")
        assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("failure", "kind", "expired"),
    [
        ('{"status":"400","schemes":"Bearer"}', AuthRefused, True),
        ('{"status":"insufficient_scope"}', AuthRefused, False),
        ('{"status":"503"}', Throttled, None),
        ("not json", AuthRefused, False),
        ("[]", AuthRefused, False),
        ("", AuthRefused, False),
    ],
)
def test_the_status_of_an_error_challenge_is_heard(failure: str, kind: type[ImapError], expired: bool | None) -> None:
    error = refusals.login_refusal("host", "failed", "", failure, is_bad=False)
    assert type(error) is kind
    if isinstance(error, AuthRefused):
        assert error.expired is expired


async def test_throttled_tells_how_long() -> None:
    error = refusals.throttled("host", "Request is throttled. Suggested Backoff Time: 92415 milliseconds")
    assert error.wait_ms == 92_415
    assert refusals.throttled("host", "Too many").wait_ms is None


async def test_all_connections_share_one_context(certified: Certified, monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(peer: Peer) -> None:
        peer.send("* OK [CAPABILITY IMAP4rev1] ready")
        await peer.end()

    made: list[object] = []
    original = ssl.SSLContext.wrap_bio

    def counted(self: ssl.SSLContext, *arguments: object, **named: object) -> ssl.SSLObject:
        made.append(self)
        return original(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(ssl.SSLContext, "wrap_bio", counted)
    ours = dialler(authorities=certified.authorities)
    async with ScriptedServer(script, certified.context) as server:
        place = ImapServer("localhost", server.port)
        clients = await asyncio.gather(*(ours.connect(place, limits=SHORT) for _ in range(5)))
        for client in clients:
            client.close()
    clients_contexts = {id(context) for context in made if context is not certified.context}
    assert len(clients_contexts) == 1
