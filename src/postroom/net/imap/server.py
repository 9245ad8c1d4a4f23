"""The server's side of an IMAP session without I/O: bytes in, steps out. RFC 3501, over mailboxes in memory.

With STARTTLS, AUTHENTICATE (PLAIN, XOAUTH2, OAUTHBEARER; SASL-IR, RFC 4959), IDLE (2177), ID (2971), ENABLE
(5161), UNSELECT (3691), UIDPLUS (4315), ESEARCH (4731), MOVE (6851), CONDSTORE (7162), special use (6154) and
literals without waiting (7888). It is a peer for tests, benchmarks and the stress run, not a server for
people: no quota, no rights, nothing is kept.

Every command goes through `Manners`, which may answer it badly. The states of a session are those of
RFC 3501 3; IDLE and SASL are what the next line is read as.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from postroom.base.errors import WrongInput
from postroom.net.imap import server_login
from postroom.net.imap.commands import BadCommand, Command, read_command
from postroom.net.imap.mailstore import Change, MailStore, NoSuchMailbox, StoredAccount, StoredMailbox
from postroom.net.imap.server_search import Argument
from postroom.net.imap.server_view import View
from postroom.net.imap.server_words import Words, words_of
from postroom.net.imap.steps import Close, Cut, Exchange, GoodManners, Manners, Send, Step
from postroom.net.imap.wire import COMMAND_LIMITS, Broken, Framer, LiteralAsked

CAPABILITIES = (
    "IMAP4rev1", "LITERAL+", "SASL-IR", "ENABLE", "ID", "IDLE", "NAMESPACE", "UNSELECT", "UIDPLUS", "MOVE", "ESEARCH",
    "CONDSTORE", "SPECIAL-USE", "CHILDREN", "AUTH=PLAIN", "AUTH=XOAUTH2", "AUTH=OAUTHBEARER",
)  # fmt: skip
_STATUS = ("MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "HIGHESTMODSEQ", "SIZE")


@dataclass(frozen=True, slots=True)
class ServerRules:
    """What a server is and offers."""

    store: MailStore
    now_ms: Callable[[], int]
    manners: Manners = field(default_factory=GoodManners)
    capabilities: tuple[str, ...] = CAPABILITIES
    refused: frozenset[str] = frozenset()
    """Verbs that get NO although a capability promises them, such as `IDLE`."""
    offers_tls: bool = False
    banner: str = "Postroom's own IMAP server is ready."


class ServerSession:
    """One session. `greet` first; then every input is given to `receive`."""

    __slots__ = (
        "_framer", "_idle_tag", "_sasl", "account", "enabled", "is_over", "is_tls", "opening", "push", "rules", "view",
    )  # fmt: skip

    def __init__(self, rules: ServerRules, *, is_tls: bool = False) -> None:
        self.rules = rules
        self.is_tls = is_tls
        self.is_over = False
        self.account: StoredAccount | None = None
        self.view: View | None = None
        self.enabled: set[str] = set()
        self.opening: tuple[StoredMailbox, int, int] | None = None
        """A mailbox that was selected in the last answer, its epoch and UIDNEXT."""
        self.push: Callable[[Sequence[Step]], None] = _nowhere
        """Where steps go that answer no input: what is told during IDLE."""
        self._framer = Framer(COMMAND_LIMITS, serves=True)
        self._idle_tag = ""
        self._sasl: Callable[[bytes], list[Step]] | None = None

    def greet(self) -> list[Step]:
        """Return the greeting."""
        said = f"* OK [CAPABILITY {' '.join(self.capabilities())}] {self.rules.banner}\r\n"
        return self._perform("*", "GREETING", lambda: [Send(said.encode())])

    def receive(self, data: bytes) -> list[Step]:
        """Answer what came."""
        steps: list[Step] = []
        self._framer.feed(data)
        while not self.is_over and (item := self._framer.take()) is not None:
            if isinstance(item, LiteralAsked):
                steps.append(Send(b"+ Go on.\r\n"))
            elif isinstance(item, Broken):
                steps += self._answer(read_command(item))
            elif self._sasl is not None:
                sasl, self._sasl = self._sasl, None
                steps += sasl(item.texts[0])
            elif self._idle_tag:
                steps += self._end_idle(item.texts[0])
            else:
                steps += self._answer(read_command(item))
        return steps

    def closed(self) -> None:
        """The connection is gone."""
        self.is_over = True
        self.unselect()

    def capabilities(self) -> list[str]:
        """Return what is offered now."""
        found = list(self.rules.capabilities)
        if self.rules.offers_tls and not self.is_tls:
            found.append("STARTTLS")
        return [one for one in found if self.account is None or not one.startswith(("AUTH=", "STARTTLS"))]

    def wait_for_line(self, reader: Callable[[bytes], list[Step]]) -> None:
        """Give the next line to `reader`: it answers a continuation."""
        self._sasl = reader

    def begin_tls(self) -> None:
        """TLS begins: what came in clear is forgotten."""
        self._framer.forget()
        self.is_tls = True

    def unselect(self) -> None:
        """Leave the mailbox, if one is open."""
        if self.view is not None:
            self.view.mailbox.leave(self._changed)
            self.view = None
        self._idle_tag = ""

    # Commands

    def _perform(self, tag: str, verb: str, answer: Callable[[], list[Step]]) -> list[Step]:
        steps = list(self.rules.manners.perform(Exchange(tag, verb, self, answer)))
        if any(isinstance(one, Close | Cut) for one in steps):
            self.is_over = True
        return steps

    def _answer(self, command: Command | BadCommand) -> list[Step]:
        if isinstance(command, BadCommand):
            return self._refuse(command)
        words = words_of(command)
        self._settle()
        return self._perform(words.tag, words.verb, partial(self._proper, words))

    def _proper(self, words: Words) -> list[Step]:
        """Do what a command asks and return its proper answer."""
        tag, verb = words.tag, words.verb
        if verb in self.rules.refused:
            return _tagged(tag, f"NO {verb} is not possible here")
        try:
            if verb in server_login.ANY_STATE:
                return server_login.ANY_STATE[verb](self, words)
            if self.account is None:
                found = server_login.NOT_AUTHENTICATED.get(verb)
                return found(self, words) if found is not None else _tagged(tag, "BAD Log in first, or unknown command")
            if verb in _AUTHENTICATED:
                return self.told(tag, verb, _AUTHENTICATED[verb](self, words, self.account))
            if self.view is not None and verb in _SELECTED:
                return self.told(tag, verb, _SELECTED[verb](self, words, self.view))
        except WrongInput as error:
            return _tagged(tag, f"BAD {error}")
        except NoSuchMailbox:
            return _tagged(tag, "NO [NONEXISTENT] There is no such mailbox")
        return _tagged(tag, "BAD Unknown command, or no mailbox is selected")

    def told(self, tag: str, verb: str, answer: tuple[bytes, bytes] | list[Step]) -> list[Step]:
        """Put together what a command told, the news of the mailbox, and its end."""
        if isinstance(answer, list):
            return answer
        data, end = answer
        by_number = verb in ("FETCH", "STORE", "SEARCH")
        news = b"" if self.view is None else self.view.news(with_expunges=not by_number)
        return [Send(b"%s%s%s %s\r\n" % (data, news, tag.encode(), end))]

    def _refuse(self, bad: BadCommand) -> list[Step]:
        if bad.is_fatal:
            self.is_over = True
            return [Send(f"* BYE {bad.why}\r\n".encode()), Close()]
        return _tagged(bad.tag or "*", f"BAD {bad.why}")

    def _settle(self) -> None:
        """The client goes on: it has read the answer before, so it has what was in it."""
        if self.opening is not None:
            mailbox, validity, uid_next = self.opening
            mailbox.was_opened(validity, uid_next)
            self.opening = None
        if self.view is not None and self.view.handed:
            now = self.rules.now_ms()
            for mail in self.view.handed:
                if mail.read_ms is None:
                    mail.read_ms = now
            self.view.handed = []

    # Mailboxes

    def open(self, words: Words, account: StoredAccount) -> tuple[bytes, bytes]:
        """SELECT and EXAMINE (RFC 3501 6.3.1)."""
        self.unselect()
        mailbox = account.mailbox(words.text(0))
        is_read_only = words.verb == "EXAMINE"
        self.view = View(mailbox, is_read_only=is_read_only)
        mailbox.listen(self._changed)
        self.opening = (mailbox, mailbox.uid_validity, mailbox.uid_next)
        flags = r"\Answered \Flagged \Deleted \Seen \Draft"
        said = [
            f"* FLAGS ({flags})",
            rf"* OK [PERMANENTFLAGS ({'' if is_read_only else flags + ' ' + chr(92) + '*'})] Flags permitted.",
            f"* {len(self.view.uids)} EXISTS",
            "* 0 RECENT",
            f"* OK [UIDVALIDITY {mailbox.uid_validity}] UIDs valid",
            f"* OK [UIDNEXT {mailbox.uid_next}] Predicted next UID",
        ]
        if "CONDSTORE" in self.rules.capabilities:
            said.append(f"* OK [HIGHESTMODSEQ {mailbox.modseq}] Highest")
        mode = b"READ-ONLY" if is_read_only else b"READ-WRITE"
        return "".join(f"{line}\r\n" for line in said).encode(), b"OK [%s] Opened" % mode

    def status(self, words: Words, account: StoredAccount) -> tuple[bytes, bytes]:
        """STATUS (RFC 3501 6.3.10)."""
        mailbox = account.mailbox(words.text(0))
        values = {
            "MESSAGES": len(mailbox.mails),
            "RECENT": 0,
            "UIDNEXT": mailbox.uid_next,
            "UIDVALIDITY": mailbox.uid_validity,
            "UNSEEN": sum("\\Seen" not in mail.flags for mail in mailbox.mails),
            "HIGHESTMODSEQ": mailbox.modseq,
            "SIZE": sum(len(mail.body) for mail in mailbox.mails),
        }
        asked = [name.upper() for name in words.flat(1)]
        if any(name not in _STATUS for name in asked):
            raise WrongInput("status", "unknown item")
        told = " ".join(f"{name} {values[name]}" for name in asked)
        return f'* STATUS "{mailbox.name}" ({told})\r\n'.encode("latin-1"), b"OK Done"

    def list_mailboxes(self, words: Words, account: StoredAccount) -> tuple[bytes, bytes]:
        """LIST (RFC 3501 6.3.8) with `*` and `%`; selection and return options are read over."""
        pattern = words.text(-1) if not words.arguments or isinstance(words.arguments[-1], bytes) else "*"
        said = []
        for mailbox in account.mailboxes.values():
            if pattern in ("*", "%", mailbox.name) or pattern.upper() == mailbox.name == "INBOX":
                attributes = " ".join(("\\HasNoChildren", *mailbox.attributes))
                said.append(f'* {words.verb} ({attributes}) "{mailbox.delimiter}" "{mailbox.name}"\r\n')
        return "".join(said).encode("latin-1"), b"OK Done"

    def append(self, words: Words, account: StoredAccount) -> tuple[bytes, bytes]:
        """APPEND (RFC 3501 6.3.11); a date is not looked at."""
        if len(words.arguments) < 2 or not isinstance(words.arguments[-1], bytes):
            raise WrongInput("append", "a mail is missing")
        mailbox = account.mailboxes.get(words.text(0))
        if mailbox is None and words.text(0).upper() != "INBOX":
            return b"", b"NO [TRYCREATE] There is no such mailbox"
        mailbox = mailbox or account.inbox
        flags = [flag for one in words.arguments[1:-1] if isinstance(one, tuple) for flag in words.flat_of(one)]
        mail = mailbox.append(words.arguments[-1], internal_ms=self.rules.now_ms(), flags=flags)
        return b"", b"OK [APPENDUID %d %d] Done" % (mailbox.uid_validity, mail.uid)

    # IDLE

    def idle(self, tag: str) -> list[Step]:
        """IDLE (RFC 2177 3)."""
        if self.view is None:
            return _tagged(tag, "BAD No mailbox is selected")
        self._idle_tag = tag
        return [Send(b"+ idling\r\n" + self.view.news())]

    def _end_idle(self, line: bytes) -> list[Step]:
        tag, self._idle_tag = self._idle_tag, ""
        if line.strip().upper() != b"DONE":
            return _tagged(tag, "BAD DONE was expected")
        return self._perform(tag, "DONE", lambda: _tagged(tag, "OK Idle completed"))

    def _changed(self, change: Change, uids: Sequence[int]) -> None:
        if self.view is None or self.is_over:
            return
        if change is Change.RENUMBERED:
            # RFC 3501 2.3.1.1: the numbers this session knows mean nothing any more.
            self.is_over = True
            self.unselect()
            self.push([Send(b"* BYE The mailbox was rebuilt\r\n"), Close()])
            return
        self.view.changed(change, uids)
        if self._idle_tag:
            self.push([Send(self.view.news())])


def _nowhere(steps: Sequence[Step]) -> None:
    return


def _tagged(tag: str, text: str) -> list[Step]:
    return [Send(f"{tag} {text}\r\n".encode("latin-1"))]


def _simply(text: str) -> Callable[[ServerSession, Words, object], tuple[bytes, bytes]]:
    return lambda session, words, _: (b"", text.encode())


def _namespace(session: ServerSession, words: Words, account: StoredAccount) -> tuple[bytes, bytes]:
    return b'* NAMESPACE (("" "/")) NIL NIL\r\n', b"OK Done"


def _enable(session: ServerSession, words: Words, account: StoredAccount) -> tuple[bytes, bytes]:
    names = [name.upper() for name in words.flat(0) if name.upper() in session.rules.capabilities]
    session.enabled.update(names)
    return f"* ENABLED {' '.join(names)}".rstrip().encode() + b"\r\n", b"OK Done"


def _create(session: ServerSession, words: Words, account: StoredAccount) -> tuple[bytes, bytes]:
    account.add_mailbox(words.text(0))
    return b"", b"OK Done"


def _close(session: ServerSession, words: Words, view: View) -> tuple[bytes, bytes]:
    if words.verb == "CLOSE" and not view.is_read_only:
        view.expunge(None)
    session.unselect()
    return b"", b"OK Done"


def _fetch(session: ServerSession, words: Words, view: View) -> tuple[bytes, bytes]:
    return view.fetch(words.arguments, by_uid=words.by_uid), b"OK Done"


def _search(session: ServerSession, words: Words, view: View) -> tuple[bytes, bytes]:
    return view.search(words.arguments, words.tag, by_uid=words.by_uid), b"OK Done"


def _store(session: ServerSession, words: Words, view: View) -> tuple[bytes, bytes]:
    _need_writing(view)
    return view.store(words.arguments, by_uid=words.by_uid), b"OK Done"


def _copy(session: ServerSession, words: Words, view: View) -> tuple[bytes, bytes]:
    assert session.account is not None  # noqa: S101 - a mailbox is selected
    uids, code = view.copy(words.arguments, session.account, by_uid=words.by_uid)
    if not words.verb.endswith("MOVE"):
        return b"", b"OK %sDone" % code
    _need_writing(view)
    view.mailbox.expunge(uids)
    # RFC 6851 4.3: where they went stands before the EXPUNGEs.
    return b"* OK %sMoved\r\n" % code, b"OK Done"


def _expunge(session: ServerSession, words: Words, view: View) -> tuple[bytes, bytes]:
    _need_writing(view)
    argument: Argument | None = words.arguments[0] if words.by_uid and words.arguments else None
    view.expunge(argument)
    return b"", b"OK Done"


def _need_writing(view: View) -> None:
    if view.is_read_only:
        raise WrongInput("mailbox", "it is open for reading only")


_AUTHENTICATED: dict[str, Callable[[ServerSession, Words, StoredAccount], tuple[bytes, bytes] | list[Step]]] = {
    "SELECT": ServerSession.open,
    "EXAMINE": ServerSession.open,
    "STATUS": ServerSession.status,
    "LIST": ServerSession.list_mailboxes,
    "LSUB": ServerSession.list_mailboxes,
    "APPEND": ServerSession.append,
    "NAMESPACE": _namespace,
    "ENABLE": _enable,
    "CREATE": _create,
    "SUBSCRIBE": _simply("OK Done"),
    "UNSUBSCRIBE": _simply("OK Done"),
}
_SELECTED: dict[str, Callable[[ServerSession, Words, View], tuple[bytes, bytes] | list[Step]]] = {
    "IDLE": lambda session, words, view: session.idle(words.tag),
    "CHECK": _simply("OK Done"),
    "CLOSE": _close,
    "UNSELECT": _close,
    "EXPUNGE": _expunge,
    "UID EXPUNGE": _expunge,
    **dict.fromkeys(("FETCH", "UID FETCH"), _fetch),
    **dict.fromkeys(("SEARCH", "UID SEARCH"), _search),
    **dict.fromkeys(("STORE", "UID STORE"), _store),
    **dict.fromkeys(("COPY", "UID COPY", "MOVE", "UID MOVE"), _copy),
}
