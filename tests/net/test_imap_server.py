"""Our own IMAP server, which tests, benchmarks and the stress run have for a peer: imapclient understands it."""

import asyncio
import base64
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trustme
from imap_script import SHORT, dialler
from imapclient import IMAPClient  # type: ignore[import-untyped]
from imapclient.exceptions import IMAPClientError, LoginError  # type: ignore[import-untyped]

from postroom.app.stress.behaviours import SUPERIMAP_MIX, WORSE, Behaviour, arriving_mail
from postroom.app.stress.chaos import Chaos
from postroom.ledger.account_rows import Security
from postroom.net.imap.answers import FlagChange, IdleEnd
from postroom.net.imap.client import ImapServer
from postroom.net.imap.listening import ImapListener
from postroom.net.imap.mailstore import MailStore, StoredAccount
from postroom.net.imap.server import ServerRules, ServerSession
from postroom.net.imap.steps import Close, Cut, Exchange, Manners, Pause, Send, Step, sent

MAIL = b"Subject: First\r\nFrom: Ada <ada@example.org>\r\nTo: u@example.com\r\n\r\nHello\r\n"
AT_MS = 1_700_000_000_000


def account_with(*mails: bytes) -> tuple[MailStore, StoredAccount]:
    store = MailStore()
    account = store.add("u", "secret")
    for mail in mails:
        account.inbox.append(mail, internal_ms=AT_MS)
    return store, account


@contextmanager
def serving(rules: ServerRules, tls: ssl.SSLContext | None = None, *, implicit: bool = False) -> Iterator["Serving"]:
    """A listener in a thread of its own, for clients that block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    listener = ImapListener(lambda is_tls: ServerSession(rules, is_tls=is_tls), tls_context=tls)

    async def listen() -> int:
        return await listener.listen(implicit_tls=implicit)

    try:
        port = asyncio.run_coroutine_threadsafe(listen(), loop).result(10)
        yield Serving(loop, port)
    finally:
        asyncio.run_coroutine_threadsafe(listener.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


class Serving:
    def __init__(self, loop: asyncio.AbstractEventLoop, port: int) -> None:
        self.loop = loop
        self.port = port

    def act(self, deed: Callable[[], Any]) -> None:
        """Do something to the mailboxes in the server's own thread."""

        async def do() -> None:
            deed()

        asyncio.run_coroutine_threadsafe(do(), self.loop).result(10)

    def later(self, seconds: float, deed: Callable[[], Any]) -> None:
        """Do it after a while, whatever the caller does then."""
        self.loop.call_soon_threadsafe(self.loop.call_later, seconds, deed)

    def client(self, **options: Any) -> IMAPClient:
        return IMAPClient("localhost", self.port, **{"timeout": 10, "ssl": False, **options})


class Talk:
    """A session without a socket: lines in, all that is sent out."""

    def __init__(self, rules: ServerRules) -> None:
        self.session = ServerSession(rules)
        self.pushed: list[Step] = []
        self.session.push = self.pushed.extend
        self.greeting = self.session.greet()
        self._count = 0

    def steps(self, line: str) -> Sequence[Step]:
        return self.session.receive(line.encode("latin-1") + b"\r\n")

    def say(self, command: str) -> str:
        self._count += 1
        return sent(self.steps(f"A{self._count} {command}")).decode("latin-1")

    def opened(self) -> "Talk":
        assert "OK" in self.say("LOGIN u secret")
        assert "OK" in self.say("EXAMINE INBOX")
        return self


def rules_of(store: MailStore, manners: Manners | None = None, **more: Any) -> ServerRules:
    return ServerRules(store, lambda: AT_MS, **({"manners": manners} if manners else {}), **more)


def always(behaviour: Behaviour, *verbs: str) -> Manners:
    """Show one behaviour to each of these verbs, or to all."""

    class Always:
        def perform(self, exchange: Exchange) -> Sequence[Step]:
            return behaviour.act(exchange, Random(1)) if not verbs or exchange.verb in verbs else exchange.answer()

    return Always()


def behaviour(name: str) -> Behaviour:
    (found,) = (one for one in (*SUPERIMAP_MIX, *WORSE) if one.name == name)
    return found


# What it does properly


def test_imapclient_reads_searches_marks_moves_and_removes_mails() -> None:
    store, account = account_with(MAIL, MAIL.replace(b"First", b"Second"))
    account.add_mailbox("Sent", ("\\Sent",))
    with serving(rules_of(store)) as server, server.client() as client:
        client.login("u", "secret")
        assert [(flags[1:], name) for flags, _, name in client.list_folders()] == [
            ((), "INBOX"),
            ((b"\\Sent",), "Sent"),
        ]
        assert client.select_folder("INBOX")[b"EXISTS"] == 2
        assert client.search(["SUBJECT", "Second"]) == [2]
        assert client.search(["SINCE", "14-Nov-2023", "NOT", "UID", "1"]) == [2]
        fetched = client.fetch([1], ["BODY.PEEK[]", "RFC822.SIZE", "FLAGS", "BODY.PEEK[HEADER.FIELDS (SUBJECT)]"])
        assert fetched[1][b"BODY[]"] == MAIL
        assert (fetched[1][b"RFC822.SIZE"], fetched[1][b"FLAGS"]) == (len(MAIL), ())
        assert fetched[1][b"BODY[HEADER.FIELDS (SUBJECT)]"] == b"Subject: First\r\n\r\n"
        assert client.fetch([1], ["BODY[]"])
        assert account.inbox.mails[0].flags == {"\\Seen"}
        client.move([1], "Sent")
        client.delete_messages([2])
        client.uid_expunge([2])
        assert (client.search(), len(account.mailbox("Sent").mails)) == ([], 1)
        client.append("Sent", MAIL, [b"\\Seen"])
        assert client.folder_status("Sent")[b"MESSAGES"] == 2
        with pytest.raises(IMAPClientError, match="no such mailbox"):
            client.select_folder("Elsewhere")


def test_idle_tells_of_a_mail_as_soon_as_it_comes_and_of_one_that_goes() -> None:
    store, account = account_with(MAIL)
    with serving(rules_of(store)) as server, server.client() as client:
        client.login("u", "secret")
        client.select_folder("INBOX", readonly=True)
        client.idle()
        server.act(lambda: account.inbox.append(MAIL, internal_ms=AT_MS))
        assert client.idle_check(timeout=5) == [(2, b"EXISTS")]
        server.act(lambda: account.inbox.expunge([1]))
        assert client.idle_check(timeout=5) == [(1, b"EXPUNGE")]
        assert client.idle_done()[0] == b"Idle completed"


@pytest.mark.parametrize("implicit", [True, False], ids=["tls", "starttls"])
def test_it_speaks_tls_from_the_first_octet_and_by_starttls(implicit: bool) -> None:
    authority = trustme.CA()
    server_side, client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server_side)
    authority.configure_trust(client_side)
    store, _ = account_with(MAIL)
    rules = rules_of(store, offers_tls=True)
    with (
        serving(rules, server_side, implicit=implicit) as server,
        server.client(**({"ssl": True, "ssl_context": client_side} if implicit else {})) as client,
    ):
        if not implicit:
            client.starttls(client_side)
        client.login("u", "secret")
        assert client.select_folder("INBOX")[b"EXISTS"] == 1


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS, Security.PLAIN])
async def test_our_own_client_does_with_it_all_that_it_can(security: Security, tmp_path: Path) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    store, account = account_with(MAIL, MAIL)
    account.tokens.add("good")
    account.add_mailbox("Sent", ("\\Sent",))
    rules = rules_of(store, offers_tls=True)
    with serving(rules, context, implicit=security is Security.TLS) as server:
        connecting = dialler(authorities=tmp_path / "ca.pem").connect(
            ImapServer("127.0.0.1", server.port, security), limits=SHORT
        )
        client = await connecting
        await client.authenticate("XOAUTH2", "u", "good")
        assert (await client.identify())["name"] == "Postroom"
        assert [one.special_use for one in await client.list_mailboxes()][-1] == "\\Sent"
        assert (await client.examine("INBOX")).uid_next == 3
        assert await client.uid_search("UID 2:*") == [2]
        (fetched,) = await client.uid_fetch("2", ["UID", "BODY.PEEK[]", "RFC822.SIZE", "INTERNALDATE"])
        assert (fetched.body, fetched.size, fetched.internal_ms) == (MAIL, len(MAIL), AT_MS)
        server.later(0.05, lambda: account.inbox.append(MAIL, internal_ms=AT_MS))
        assert (await client.idle(5), client.take_news().exists) == (IdleEnd.NEWS, 3)
        await client.select("INBOX")
        assert await client.uid_move("1", "Sent") is not None
        await client.uid_store("2", FlagChange.ADD, ["\\Deleted"])
        await client.uid_expunge("2")
        assert await client.uid_copy("3", "Sent") is not None
        appended = await client.append("Sent", MAIL, flags=["\\Seen"])
        assert appended is not None
        assert (appended.uid, await client.uid_search("ALL")) == (3, [3])
        assert (await client.status("Sent")).messages == 3
        await client.logout()


def test_tokens_open_an_account_and_a_wrong_one_is_answered_with_an_error_first() -> None:
    store, account = account_with()
    account.tokens.add("good")
    with serving(rules_of(store)) as server:
        with server.client() as client:
            client.oauth2_login("u", "good")
        with server.client() as client:
            client.oauthbearer_login("u", "good")
        with server.client() as client, pytest.raises(LoginError, match="not taken"):
            client.oauth2_login("u", "bad")
    talk = Talk(rules_of(store))
    wrong = base64.b64encode(b"user=u\x01auth=Bearer bad\x01\x01").decode()
    assert talk.say(f"AUTHENTICATE XOAUTH2 {wrong}").startswith("+ ey")
    assert "NO [AUTHENTICATIONFAILED]" in sent(talk.steps("")).decode()


def test_an_expunge_waits_while_mails_are_asked_for_by_number() -> None:
    store, account = account_with(MAIL, MAIL)
    talk = Talk(rules_of(store)).opened()
    account.inbox.expunge([1])
    assert "EXPUNGE" not in talk.say("FETCH 2 (UID)")
    assert "* 1 EXPUNGE\r\n" in talk.say("NOOP")
    assert "* 1 FETCH (UID 2)" in talk.say("FETCH 1 (UID)")


def test_the_extended_search_and_modseq_are_spoken() -> None:
    store, account = account_with(MAIL, MAIL, MAIL)
    talk = Talk(rules_of(store)).opened()
    assert '* ESEARCH (TAG "A3") UID COUNT 3 MIN 1 MAX 3 ALL 1:3\r\n' in talk.say(
        "UID SEARCH RETURN (MIN MAX COUNT ALL) ALL"
    )
    assert '* ESEARCH (TAG "A4") UID ALL 2:3\r\n' in talk.say("UID SEARCH RETURN (ALL) UID 2:*")
    before = account.inbox.modseq
    account.inbox.set_flags(2, ["\\Flagged"])
    assert f"(UID 2 FLAGS (\\Flagged) MODSEQ ({before + 1}))" in talk.say(
        f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {before})"
    )


@pytest.mark.parametrize("line", ["", "A1", "A1 ", "\0\xff", "A1 FETCH ((((", "A1 UID", "A1 LOGIN {99999999999}"])
def test_what_is_no_command_is_answered_and_ends_nothing(line: str) -> None:
    store, _ = account_with()
    talk = Talk(rules_of(store))
    assert b"BAD" in sent(talk.steps(line))
    assert "OK" in talk.say("LOGIN u secret")


# What it does badly


def test_superimaps_mix_is_shown_as_often_as_there() -> None:
    store, _ = account_with()
    chaos = Chaos(Random(1), 2.2, SUPERIMAP_MIX)
    for _ in range(200):
        session = ServerSession(rules_of(store, chaos))
        session.greet()
        for number in range(50):
            session.receive(b"A%d NOOP\r\n" % number)
    share = sum(chaos.done.values()) / chaos.commands
    assert 0.018 < share < 0.026
    assert set(chaos.done) == {"NO", "BAD", "TAG ZZZ", "* ZZZ", "* BYE", "connection cut", "greeting * ERROR"}
    chaos.is_calm = True
    before = sum(chaos.done.values())
    Talk(rules_of(store, chaos)).opened()
    assert sum(chaos.done.values()) == before


@pytest.mark.parametrize(
    ("name", "command", "expected"),
    [
        ("NO", "NOOP", b"A3 NO Not now\r\n"),
        ("BAD", "NOOP", b"A3 BAD What?\r\n"),
        ("TAG ZZZ", "NOOP", b"A3 ZZZ\r\n"),
        ("* ZZZ", "NOOP", b"* ZZZ\r\nA3 OK Done\r\n"),
        ("wrong tag", "NOOP", b"ZZ99 OK Done\r\n"),
        ("no + to IDLE", "IDLE", b""),
        ("NO to IDLE", "IDLE", b"A3 NO Not now\r\n"),
        ("EXISTS shrinks", "NOOP", b"* 0 EXISTS\r\nA3 OK Done\r\n"),
        ("FETCH tells nothing", "FETCH 1 (BODY.PEEK[])", b"A3 OK Done\r\n"),
        ("SEARCH in pieces", "UID SEARCH ALL", b"* SEARCH\r\n* SEARCH 2\r\n* SEARCH 1\r\nA3 OK Done\r\n"),
        ("no answer", "NOOP", b""),
    ],
)
def test_bad_answers_are_what_their_names_say(name: str, command: str, expected: bytes) -> None:
    store, _ = account_with(MAIL, MAIL)
    talk = Talk(rules_of(store, always(behaviour(name), command.split(" (")[0].removesuffix(" ALL").split(" 1")[0])))
    assert sent(talk.opened().steps(f"A3 {command}")) == expected


def literal_of(answer: bytes) -> tuple[int, bytes]:
    head, _, rest = answer.partition(b"}\r\n")
    return int(head.rpartition(b"{")[2]), rest


def test_literals_are_cut_and_announced_wrongly() -> None:
    def fetched(name: str) -> tuple[Sequence[Step], bytes]:
        store, _ = account_with(MAIL)
        steps = Talk(rules_of(store, always(behaviour(name), "FETCH"))).opened().steps("A3 FETCH 1 (BODY.PEEK[])")
        return steps, sent(steps)

    steps, answer = fetched("cut inside an answer")
    size, rest = literal_of(answer)
    assert size == len(MAIL)
    assert MAIL.startswith(rest)
    assert len(rest) < len(MAIL)
    assert isinstance(steps[-1], Cut)
    assert literal_of(fetched("literal longer than announced")[1])[0] < len(MAIL)
    assert literal_of(fetched("literal shorter than announced")[1])[0] > len(MAIL)
    assert literal_of(fetched("literal of 4 GB")[1])[0] == 4_294_967_295
    assert fetched("octet by octet")[1] == fetched("late answer")[1] != b""


def test_idle_ends_with_bye_after_a_while() -> None:
    store, _ = account_with()
    steps = Talk(rules_of(store, always(behaviour("BYE in IDLE"), "IDLE"))).opened().steps("A3 IDLE")
    assert [type(one) for one in steps] == [Send, Pause, Send, Close]
    assert sent(steps).startswith(b"+ idling\r\n* BYE")


def test_a_mail_that_is_told_inside_a_search_is_not_in_its_answer() -> None:
    store, account = account_with(MAIL)
    arriving = arriving_mail(lambda found: found.inbox.append(MAIL, internal_ms=AT_MS, silently=True))
    talk = Talk(rules_of(store, always(arriving, "UID SEARCH"))).opened()
    assert talk.say("UID SEARCH UID 1:*") == "* SEARCH 1\r\n* 2 EXISTS\r\nA3 OK Done\r\n"
    assert sent(talk.steps("A4 IDLE")) == b"+ idling\r\n"
    assert len(account.inbox.mails) == 2


def test_a_new_epoch_gives_every_mail_another_uid_and_sends_the_others_away() -> None:
    store, account = account_with(MAIL, MAIL)
    first = Talk(rules_of(store)).opened()
    second = Talk(rules_of(store, always(behaviour("UIDVALIDITY jump"), "EXAMINE")))
    second.say("LOGIN u secret")
    opened = second.say("EXAMINE INBOX")
    assert f"UIDVALIDITY {account.inbox.uid_validity}]" in opened
    assert account.inbox.uid_validity > 1000
    assert "* SEARCH 1 2\r\n" not in second.say("UID SEARCH ALL")
    assert sent(first.pushed) == b"* BYE The mailbox was rebuilt\r\n"
    assert [mail.ended_ms for mail in account.inbox.mails] == [AT_MS, AT_MS]


def test_a_mail_counts_as_read_only_when_its_reader_goes_on() -> None:
    store, account = account_with(MAIL)
    talk = Talk(rules_of(store)).opened()
    talk.say("FETCH 1 (BODY.PEEK[])")
    assert account.inbox.mails[0].read_ms is None
    talk.say("NOOP")
    assert account.inbox.mails[0].read_ms == AT_MS


@pytest.mark.parametrize("one", [*SUPERIMAP_MIX, *WORSE], ids=lambda one: str(one.name))
def test_every_behaviour_can_be_shown_to_every_command_and_a_client_that_comes_again_finds_its_mail(
    one: Behaviour,
) -> None:
    class Once:
        left = 1
        verbs = one.verbs or {"UID FETCH"}

        def perform(self, exchange: Exchange) -> Sequence[Step]:
            if exchange.verb not in self.verbs or not self.left:
                return exchange.answer()
            self.left -= 1
            found = [step for step in one.act(exchange, Random(1)) if not isinstance(step, Pause)]
            # A second for whoever waits for nothing is enough.
            return found if sent(found) or any(isinstance(step, Cut) for step in found) else [*found, Cut()]

    store, _ = account_with(MAIL)
    with serving(rules_of(store, Once())) as server:
        bodies = []
        for _ in range(2):
            try:
                with server.client(timeout=0.4) as client:
                    client.login("u", "secret")
                    client.list_folders()
                    client.select_folder("INBOX", readonly=True)
                    client.idle()
                    client.idle_done()
                    for uid in client.search():
                        bodies.append(client.fetch([uid], ["BODY.PEEK[]"])[uid][b"BODY[]"])
            except (IMAPClientError, OSError, KeyError, AssertionError, ValueError, IndexError):
                continue
        assert bodies[-1] == MAIL
