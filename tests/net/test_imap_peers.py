"""The IMAP client with the real Dovecot and the real Cyrus."""

import asyncio
import hashlib
from collections.abc import Iterator

import pytest
from imap_script import SHORT, dialler
from peers.cyrus import Cyrus
from peers.dovecot import Dovecot
from peers.require import require_peer

from postroom.ledger.account_rows import Security
from postroom.net.imap.answers import FlagChange, IdleEnd
from postroom.net.imap.client import ImapClient, ImapServer
from postroom.net.imap.errors import AuthRefused, ImapLost, ImapNo, TlsFailed

Server = Dovecot | Cyrus

LATIN = b"From: ann@example.com\r\nSubject: caf\xe9\r\nX-Long: " + b"a" * 3000 + b"\r\n\r\nna\xefve\r\n"
NESTED = (
    b"From: ann@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ntext\r\n--b--\r\n"
)
LARGE = b"Subject: large\r\n\r\n" + (b"0123456789abcdef" * 4 + b"\r\n") * 158_900

USERS = {name: f"{name} pass" for name in ("ann", "bob", "cid", "dot", "eve", "fay", "gus")}
"""One for each test: they run beside one another on one server."""


@pytest.fixture(scope="module", params=["dovecot", "cyrus"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of either kind, for all tests of this file."""
    require_peer(request.param)
    peer: Server = Dovecot(USERS) if request.param == "dovecot" else Cyrus(USERS)
    with peer:
        yield peer


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    require_peer("dovecot")
    with Dovecot(USERS) as peer:
        yield peer


async def connected(server: Server, security: Security = Security.TLS) -> ImapClient:
    port = server.imaps_port if security is Security.TLS else server.imap_port
    return await dialler(authorities=server.authorities).connect(ImapServer("localhost", port, security), limits=SHORT)


async def logged_in(server: Server, user: str, security: Security = Security.TLS) -> ImapClient:
    client = await connected(server, security)
    await client.login(user, USERS[user])
    return client


@pytest.mark.parametrize("security", list(Security))
async def test_a_session_goes_over_tls_starttls_and_in_clear(server: Server, security: Security) -> None:
    client = await connected(server, security)
    assert bool(client.tls) is (security is not Security.PLAIN)
    assert not client.can("CONDSTORE") or isinstance(server, Cyrus)
    await client.login("ann", USERS["ann"])
    assert client.can("CONDSTORE")
    assert client.can("IDLE")
    assert "name" in await client.identify()
    assert await client.enable("CONDSTORE") == {"CONDSTORE"}
    await client.logout()


async def test_wrong_passwords_and_wrong_ports_are_told(server: Server) -> None:
    client = await connected(server)
    with pytest.raises(AuthRefused):
        await client.login("ann", "wrong")
    await client.authenticate("PLAIN", "ann", USERS["ann"])
    await client.logout()
    place = ImapServer("localhost", server.imap_port, Security.TLS)
    with pytest.raises(TlsFailed):
        await dialler(authorities=server.authorities).connect(place, limits=SHORT)


async def test_mailboxes_are_listed_with_what_they_are_for(server: Server) -> None:
    client = await logged_in(server, "bob")
    uses = {one.special_use: one.name for one in await client.list_mailboxes()}
    assert uses == {use: use[1:].replace("Inbox", "INBOX") for use in uses if use is not None}
    assert uses["\\Sent"] == "Sent"
    with pytest.raises(ImapNo):
        await client.examine("nowhere")
    assert (await client.status("Sent")).messages == 0
    await client.logout()


@pytest.mark.parametrize("content", [LATIN, NESTED, LARGE], ids=["8-bit", "nested", "10 MB"])
async def test_bytes_come_out_as_they_were_appended(server: Server, content: bytes) -> None:
    client = await logged_in(server, "cid")
    appended = await client.append("Drafts", content, flags=["\\Draft"], internal_ms=946_684_800_000)
    assert appended is not None
    examined = await client.examine("Drafts")
    assert examined.is_read_only
    assert examined.uid_validity == appended.uid_validity
    (mail,) = await client.uid_fetch(str(appended.uid), ["UID", "RFC822.SIZE", "INTERNALDATE", "FLAGS", "BODY.PEEK[]"])
    assert mail.body is not None
    assert hashlib.sha256(mail.body).digest() == hashlib.sha256(content).digest()
    assert (mail.size, mail.internal_ms) == (len(content), 946_684_800_000)
    assert mail.flags is not None
    assert "\\Seen" not in mail.flags
    await client.logout()


async def test_a_body_is_streamed(server: Server) -> None:
    client = await logged_in(server, "dot")
    appended = await client.append("INBOX", LARGE)
    assert appended is not None
    await client.examine("INBOX")
    digest, pieces = hashlib.sha256(), 0

    async def sink(piece: bytes) -> None:
        nonlocal pieces
        pieces += 1
        digest.update(piece)
        await asyncio.sleep(0)

    assert await client.stream_body(appended.uid, sink) is not None
    assert digest.digest() == hashlib.sha256(LARGE).digest()
    assert pieces > 1
    assert await client.stream_body(appended.uid + 100, sink) is None
    await client.logout()


@pytest.mark.parametrize("content", [b"", b"Subject: x\r\n\r\na\rb\x0c\r\n"], ids=["0 octets", "bare CR"])
async def test_what_is_odd_comes_out_as_it_was_delivered(dovecot: Dovecot, content: bytes) -> None:
    """Cyrus takes neither."""
    dovecot.deliver("cid", content)
    client = await logged_in(dovecot, "cid")
    await client.examine("INBOX")
    newest = (await client.uid_search("UID *"))[-1]
    (mail,) = await client.uid_fetch(str(newest), ["UID", "RFC822.SIZE", "BODY.PEEK[]"])
    assert (mail.body, mail.size) == (content, len(content))
    await client.logout()


async def test_mails_are_moved_copied_and_expunged_without_those_of_others(server: Server) -> None:
    client = await logged_in(server, "eve")
    uids = []
    for number in range(4):
        appended = await client.append("INBOX", b"Subject: %d\r\n\r\n" % number)
        assert appended is not None
        uids.append(appended.uid)
    await client.select("INBOX")
    theirs, ours, moved, copied = uids
    await client.uid_store(f"{theirs},{ours}", FlagChange.ADD, ["\\Deleted"])
    await client.uid_expunge(str(ours))
    went = await client.uid_move(str(moved), "Trash")
    copy = await client.uid_copy(str(copied), "Trash")
    assert went is not None
    assert copy is not None
    assert (went.uids[0][0], copy.uids[0][0]) == (moved, copied)
    assert await client.uid_search("ALL") == [theirs, copied]
    assert await client.uid_search("DELETED") == [theirs]
    assert (await client.status("Trash")).messages == 2
    await client.logout()


async def test_new_mail_is_told_in_idle_and_in_the_middle_of_searching(server: Server) -> None:
    watching, other = await logged_in(server, "fay"), await logged_in(server, "fay")
    await watching.examine("INBOX")
    assert await watching.idle(0.05) is IdleEnd.TIME
    idle = asyncio.ensure_future(watching.idle(20))
    await other.append("INBOX", b"Subject: first\r\n\r\n")
    assert await idle is IdleEnd.NEWS
    assert watching.take_news().exists == 1
    # Dovecot answers with what it knew and tells EXISTS behind it, Cyrus the other way round.
    await other.append("INBOX", b"Subject: second\r\n\r\n")
    found = await watching.uid_search("UID 1:*")
    while len(found) < 2:
        assert await watching.idle(20) is IdleEnd.NEWS
        watching.take_news()
        found = await watching.uid_search("UID 1:*")
    assert len(found) == 2
    assert not any("\\Seen" in (mail.flags or ()) for mail in await watching.uid_fetch("1:*", ["UID", "FLAGS"]))
    await watching.logout()
    await other.logout()


async def test_a_session_that_is_ended_by_the_server_is_lost_at_once(dovecot: Dovecot) -> None:
    client = await logged_in(dovecot, "gus")
    await client.examine("INBOX")
    idle = asyncio.ensure_future(client.idle(20))
    await asyncio.sleep(0.05)
    await asyncio.to_thread(dovecot.kick, "gus")
    async with asyncio.timeout(5):
        with pytest.raises(ImapLost):
            await idle
    assert not client.is_open
