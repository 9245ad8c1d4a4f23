"""The client's side of an IMAP session without I/O: octets in, octets out, and what is known of the server.

One command runs at a time. `start` begins it; `receive` takes what the server sends until `Running.end`
is there, or `error`. Every response changes what is known (`capabilities`, `mailbox`, the news), whatever
command runs: servers tell of new mail in the middle of anything (RFC 9051 5.2, 7). A response that cannot
be understood is counted and passed over; a tag that is nobody's too.

    greeting ──▶ start … end ──▶ start … end ──▶ …        error: nothing goes on after it
"""

import base64
import binascii
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from postroom.net.imap import refusals, responses
from postroom.net.imap.answers import News
from postroom.net.imap.codes import CapabilityCode, Code, NumberCode, ResponseCode, WordsCode
from postroom.net.imap.encode import LiteralSupport, Part, Piece, encode_command
from postroom.net.imap.errors import ImapError, ImapGarbled, ImapLost
from postroom.net.imap.fetch import Fetch
from postroom.net.imap.reader import ResponseReader
from postroom.net.imap.responses import Response, Status, Tagged, Unparsed, Untagged
from postroom.net.imap.sasl import SaslExchange
from postroom.net.imap.wire import Limits, Sink

_MAY_BE_NEWS = re.compile(rb"EXISTS|RECENT|EXPUNGE|FETCH|VANISHED", re.IGNORECASE)
_MAY_BE_FOUND = re.compile(rb"FETCH|SEARCH|STATUS", re.IGNORECASE)
_LIKE_A_TAG = re.compile(rb"[A-Za-z0-9]+ ")
_MOST_ALERTS = 5


@dataclass(slots=True, eq=False)
class Running:
    """A command that is under way, or has ended."""

    tag: str
    verb: str
    """For people, such as `UID FETCH`."""
    unsent: deque[Piece]
    """What waits for the server's `+`."""
    take: Callable[[Response], bool] | None = None
    """Sees each untagged response first; True: it was an answer to the command and is no news."""
    sink: Sink | None = None
    """Where large literals go."""
    sasl: SaslExchange | None = None
    is_idle: bool = False
    is_continued: bool = False
    """A `+` has come: IDLE has begun."""
    is_given_up: bool = False
    """Nobody waits for it any more."""
    unreadable: int = 0
    """Responses that came meanwhile, may be answers, and could not be understood."""
    is_doubtful: bool = False
    """Its end may have come where it is not seen: under a tag that we never gave, or within a literal."""
    end: Tagged | None = None

    @property
    def is_ok(self) -> bool:
        """Tell whether it was done."""
        return self.end is not None and self.end.status is Status.OK


@dataclass(slots=True)
class OpenMailbox:
    """What is known of the selected mailbox."""

    name: str
    exists: int = 0
    recent: int = 0
    uid_validity: int = 0
    uid_next: int | None = None
    highest_modseq: int | None = None
    flags: tuple[str, ...] = ()
    permanent_flags: tuple[str, ...] = ()
    mailbox_id: str | None = None


@dataclass(slots=True)
class _NewsDraft:
    exists: int | None = None
    recent: int | None = None
    expunged: int = 0
    fetched: int = 0
    uid_validity: int | None = None
    unreadable: int = 0
    alerts: list[str] = field(default_factory=list)


class Session:
    """See the module."""

    __slots__ = (
        "_is_deaf", "_news", "_number", "_output", "_reader", "_server",
        "capabilities", "enabled", "error", "greeting", "mailbox", "running", "strangers", "unreadable", "words",
    )  # fmt: skip

    def __init__(self, server: str, limits: Limits) -> None:
        """`server` names the server in errors."""
        self._server = server
        self._reader = ResponseReader(limits, sink_for=self._sink_for)
        self._output: list[Piece] = []
        self._number = 0
        self._news: _NewsDraft | None = None
        self._is_deaf = False
        """TLS was agreed on and has not begun."""
        self.greeting: Untagged | None = None
        self.capabilities: frozenset[str] = frozenset()
        self.enabled: frozenset[str] = frozenset()
        self.mailbox: OpenMailbox | None = None
        self.running: Running | None = None
        self.error: ImapError | None = None
        """Why the session is over."""
        self.words = ""
        """The last NO or BAD that belonged to no command: a connection that breaks then broke for that."""
        self.strangers = 0
        """Tags and continuations that belong to nothing."""
        self.unreadable = 0

    # Commands

    def start(
        self,
        verb: str,
        *parts: Part,
        literals: LiteralSupport = LiteralSupport.WAIT,
        take: Callable[[Response], bool] | None = None,
        sink: Sink | None = None,
        sasl: SaslExchange | None = None,
        is_idle: bool = False,
    ) -> Running:
        """Begin a command; its octets are in `take_output`. Only when none is running."""
        self._number += 1
        tag = f"A{self._number}"
        first, *others = encode_command(tag, verb.encode("ascii"), *parts, literals=literals)
        self._output.append(first)
        self.running = Running(tag, verb, deque(others), take, sink, sasl, is_idle)
        return self.running

    def end_idle(self) -> None:
        """Say DONE (RFC 2177 3)."""
        self._output.append((b"DONE\r\n",))

    def open_mailbox(self, name: str) -> OpenMailbox:
        """What is told from now on is about this mailbox."""
        self.mailbox = OpenMailbox(name)
        self._news = None
        return self.mailbox

    def take_output(self) -> list[Piece]:
        """Return what has to be sent, and forget it."""
        output, self._output = self._output, []
        return output

    @property
    def has_output(self) -> bool:
        """Tell whether something has to be sent."""
        return bool(self._output)

    # News

    @property
    def is_dirty(self) -> bool:
        """See ImapClient."""
        return self._news is not None and bool(self._seen(self._news))

    def take_news(self) -> News:
        """See ImapClient."""
        draft, self._news = self._news, None
        return News() if draft is None else self._seen(draft)

    def forget_news(self) -> None:
        """A mailbox was just opened: what it told is in the answer."""
        draft, self._news = self._news, None
        if draft is not None and draft.alerts:
            self._news = _NewsDraft(alerts=draft.alerts)

    @staticmethod
    def _seen(draft: _NewsDraft) -> News:
        return News(
            draft.exists, draft.recent, draft.expunged, draft.fetched, draft.uid_validity, draft.unreadable,
            tuple(draft.alerts),
        )  # fmt: skip

    def _draft(self) -> _NewsDraft:
        if self._news is None:
            self._news = _NewsDraft()
        return self._news

    # Input

    def receive(self, data: bytes) -> None:
        """Act on what came."""
        if self.error is not None or self._is_deaf:
            return
        self._reader.feed(data)
        while self.error is None and (response := self._reader.take()) is not None:
            self._act(response)
            if self._is_deaf:
                # RFC 9051 6.2.1, 11.1: what stands in clear behind the answer to STARTTLS is somebody else's.
                self._reader.forget()
        if self.running is not None and _last_line(data).startswith(f"{self.running.tag} ".encode()):
            # A literal was announced longer than it is, and has swallowed it.
            self.running.is_doubtful = True

    def begin_tls(self) -> None:
        """Forget what was said in clear; the greeting's words stay for people."""
        self._is_deaf = False
        self.capabilities = frozenset()
        self._news = None
        self.words = ""

    def lost(self, how: str) -> None:
        """The connection is gone."""
        if self.error is not None:
            return
        said = f"the connection to {self._server} {how}"
        if refusals.is_later(self.words):
            self.error = refusals.throttled(said, self.words)
        else:
            words = f", after it said: {refusals.shown(self.words)}" if self.words else ""
            self.error = ImapLost(said + words, words=self.words)

    def _act(self, response: Response) -> None:
        if self.greeting is None:
            self._greet(response)
            return
        match response:
            case Tagged():
                self._end(response)
            case responses.Continuation():
                self._continue(response.text)
            case Untagged(status=Status.BYE):
                self._goodbye(response)
            case Untagged():
                self._remark(response)
                self._offer(response)
            case Unparsed():
                self._puzzle(response)
            case _:
                self._note(response, is_answer=self._offer(response))

    def _offer(self, response: Response) -> bool:
        """Show a response to the command that runs."""
        running = self.running
        return running is not None and running.take is not None and running.take(response)

    def _greet(self, response: Response) -> None:
        match response:
            case Untagged(status=Status.OK | Status.PREAUTH):
                self.greeting = response
                self._look_at(response.code)
            case Untagged(status=Status.BYE):
                self._goodbye(response)
            case Untagged(text=text) | Unparsed(why=text):
                words = response.line.decode("latin-1") if isinstance(response, Unparsed) else text
                self.error = refusals.greeting_refused(self._server, words)
            case _:
                self.error = refusals.greeting_refused(self._server, "")

    def _end(self, tagged: Tagged) -> None:
        running = self.running
        if running is None or tagged.tag != running.tag:
            self.strangers += 1
            if running is not None:
                running.is_doubtful = True
            return
        self._look_at(tagged.code)
        running.end = tagged
        running.unsent.clear()
        self.running = None
        self._is_deaf = running.verb == "STARTTLS" and running.is_ok

    def _continue(self, text: str) -> None:
        running = self.running
        if running is not None and running.unsent:
            self._output.append(running.unsent.popleft())
        elif running is not None and running.sasl is not None:
            self._output.append((self._sasl_answer(running.sasl, text),))
        elif running is not None and running.is_idle and not running.is_continued:
            running.is_continued = True
        else:
            self.strangers += 1

    @staticmethod
    def _sasl_answer(sasl: SaslExchange, text: str) -> bytes:
        try:
            challenge = base64.b64decode(text.strip())
        except (binascii.Error, ValueError):
            challenge = text.encode()
        answer = sasl.answer(challenge)
        return b"*\r\n" if answer is None else base64.b64encode(answer) + b"\r\n"

    def _goodbye(self, bye: Untagged) -> None:
        if self.running is not None and self.running.verb == "LOGOUT":
            return
        code = bye.code.name if bye.code is not None else ""
        self.error = refusals.goodbye(f"{self._server} said goodbye", bye.text, code)

    def _remark(self, said: Untagged) -> None:
        self._look_at(said.code)
        if said.status is not Status.OK:
            self.words = said.text
        if isinstance(said.code, Code) and said.code.name == "ALERT" and len(self._draft().alerts) < _MOST_ALERTS:
            self._draft().alerts.append(refusals.shown(said.text))

    def _look_at(self, code: ResponseCode | None) -> None:
        """Learn what a response code tells of the server or the mailbox."""
        mailbox = self.mailbox
        match code:
            case CapabilityCode(capabilities=capabilities):
                self.capabilities = capabilities
            case NumberCode(name="UIDVALIDITY", number=number) if mailbox is not None:
                if mailbox.uid_validity not in (0, number):
                    self._draft().uid_validity = number
                mailbox.uid_validity = number
            case NumberCode(name="UIDNEXT", number=number) if mailbox is not None:
                mailbox.uid_next = number
            case NumberCode(name="HIGHESTMODSEQ", number=number) if mailbox is not None:
                mailbox.highest_modseq = number
            case WordsCode(name="PERMANENTFLAGS", words=words) if mailbox is not None:
                mailbox.permanent_flags = words
            case WordsCode(name="MAILBOXID", words=(object_id,)) if mailbox is not None:
                mailbox.mailbox_id = object_id
            case _:
                return

    def _note(self, response: Response, *, is_answer: bool) -> None:
        """Learn what untagged data tells."""
        mailbox = self.mailbox
        match response:
            case responses.Capability(capabilities):
                self.capabilities = capabilities
            case responses.Enabled(names):
                self.enabled |= names
            case responses.Exists(count):
                self._draft().exists = count
                if mailbox is not None:
                    mailbox.exists = count
            case responses.Recent(count):
                self._draft().recent = count
                if mailbox is not None:
                    mailbox.recent = count
            case responses.Expunge():
                self._draft().expunged += 1
                if mailbox is not None and mailbox.exists:
                    mailbox.exists -= 1
            case responses.Vanished(is_earlier=False, uids=uids):
                self._draft().expunged += uids.count()
            case Fetch() if not is_answer:
                self._draft().fetched += 1
            case responses.Flags(flags) if mailbox is not None:
                mailbox.flags = flags
            case _:
                return

    def _puzzle(self, response: Unparsed) -> None:
        """Something that is no response, or none that can be read."""
        self.unreadable += 1
        words = response.line.decode("latin-1")
        if response.is_fatal:
            self.error = ImapGarbled(f"{self._server} sent what cannot be read: {response.why}")
        elif not response.line.startswith(b"* ") and refusals.is_later(words):
            # Microsoft's `Server Unavailable.` without star or tag.
            self.error = refusals.throttled(f"{self._server} said", words)
        elif self.running is not None and response.line.startswith(self.running.tag.encode() + b" "):
            # It ends our command, and nobody can tell how: no other end will come.
            self.error = ImapGarbled(f"{self._server} ended {self.running.verb} with neither OK, NO nor BAD")
        elif self.running is not None and _LIKE_A_TAG.match(response.line):
            self.running.is_doubtful = True
        elif _MAY_BE_NEWS.search(response.line):
            self._draft().unreadable += 1
        if self.running is not None and _MAY_BE_FOUND.search(response.line):
            self.running.unreadable += 1

    def _sink_for(self, _text: bytes, _size: int) -> Sink | None:
        return self.running.sink if self.running is not None else None


def _last_line(data: bytes) -> bytes:
    """Return the whole line that input ends with; empty where it ends within one."""
    return data[data.rfind(b"\n", 0, -1) + 1 :] if data.endswith(b"\r\n") else b""
