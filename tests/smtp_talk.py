"""Doubles for the SMTP server's tests: a session driven by hand, and a door that keeps what it is given."""

import asyncio
import functools
import inspect
import itertools
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import uvloop

from postroom.mail.envelope import Envelope, EnvelopeRecipient
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp import replies
from postroom.net.smtp.door import Answer, Client, ContentSink, Peer
from postroom.net.smtp.events import (
    AuthAttempt,
    ContentBegins,
    ContentDropped,
    ContentEnds,
    ContentPiece,
    Event,
    MailGiven,
    RecipientGiven,
    TlsWanted,
)
from postroom.net.smtp.session import Session, SessionRules

RULES = SessionRules("mx.test", 1_000_000, 500, offer_auth=True, require_auth=False)
HELLO = b"EHLO client.test\r\n"
ENVELOPE = b"MAIL FROM:<a@client.test>\r\nRCPT TO:<b@server.test>\r\n"


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that was taken."""

    envelope: Envelope
    content: bytes


class Talk:
    """A session with a door that says yes, or what `answers` says to a type of event."""

    def __init__(
        self,
        *,
        tls: bool = False,
        offer_tls: bool = True,
        local: bool = True,
        answers: Callable[[Event], SmtpReply | None] = lambda event: None,
        max_size_bytes: int = RULES.max_size_bytes,
        max_recipients: int = RULES.max_recipients,
        require_auth: bool = RULES.require_auth,
    ) -> None:
        rules = replace(RULES, max_size_bytes=max_size_bytes, max_recipients=max_recipients, require_auth=require_auth)
        self.session = Session(rules, tls=tls, offer_tls=offer_tls, local=local)
        self.messages: list[Taken] = []
        self.events: list[Event] = []
        self.greeting = self.session.take_output()
        self._answers = answers
        self._envelope = Envelope("", ())
        self._pieces: list[bytes] = []

    def say(self, *chunks: bytes) -> bytes:
        """Send the chunks one after the other; return all replies."""
        output = []
        for chunk in chunks:
            self.session.receive(chunk)
            while (event := self.session.next_event()) is not None:
                self.events.append(event)
                self._react(event)
            output.append(self.session.take_output())
        return b"".join(output)

    def codes(self, *chunks: bytes) -> list[str]:
        """Like `say`; return code and enhanced status code of each reply."""
        return codes(self.say(*chunks))

    def ready(self) -> "Talk":
        """Say EHLO and return self."""
        self.say(HELLO)
        return self

    def count(self, kind: type[Event]) -> int:
        """Return how many events of a type there were."""
        return sum(isinstance(event, kind) for event in self.events)

    def _react(self, event: Event) -> None:
        session, said = self.session, self._answers(event)
        match event:
            case ContentBegins(envelope) if said is None:
                self._envelope, self._pieces = envelope, []
                session.proceed()
            case ContentPiece(data):
                self._pieces.append(data)
            case ContentDropped():
                self._pieces = []
            case ContentEnds(data):
                self.messages.append(Taken(self._envelope, b"".join([*self._pieces, data])))
                session.answer(said or replies.OK)
            case TlsWanted():
                session.start_tls()
            case AuthAttempt(password=password) if said is None:
                session.answer(replies.AUTH_OK if password == "right" else replies.AUTH_FAILED)
            case MailGiven() | RecipientGiven() | AuthAttempt() | ContentBegins():
                session.answer(said or replies.OK)


def on_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on asyncio's own loop and on uvloop."""

    @functools.wraps(test)
    def run(*, loop_factory: Callable[[], asyncio.AbstractEventLoop], **fixtures: object) -> None:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(test(**fixtures))

    del run.__wrapped__
    parameters = [*inspect.signature(test).parameters.values()]
    factory = inspect.Parameter("loop_factory", inspect.Parameter.KEYWORD_ONLY)
    run.__signature__ = inspect.Signature([*parameters, factory])  # type: ignore[attr-defined]
    factories = [asyncio.new_event_loop, uvloop.new_event_loop]
    marked: Callable[..., None] = pytest.mark.parametrize("loop_factory", factories, ids=["asyncio", "uvloop"])(run)
    return marked


async def eventually(condition: Callable[[], bool]) -> None:
    """Return once `condition` holds. Fails after 20 seconds."""
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to pass")


def codes(output: bytes) -> list[str]:
    """Return `250 2.1.0` or `354` of each reply in `output`; lines of one reply count once."""
    found = []
    for line in output.decode().splitlines():
        if line[3:4] != "-":
            enhanced = line[4:].partition(" ")[0]
            found.append(line[:3] + (f" {enhanced}" if enhanced[:2] in ("2.", "4.", "5.") else ""))
    return found


def cuts(data: bytes, most: int = 3) -> Iterator[list[bytes]]:
    """Return every way to cut `data` at up to `most` places, then octet by octet."""
    for number in range(most + 1):
        for places in itertools.combinations(range(1, len(data)), number):
            yield [data[a:b] for a, b in itertools.pairwise((0, *places, len(data)))]
    yield [data[i : i + 1] for i in range(len(data))]


@dataclass
class KeepingDoor:
    """A door that takes everything, lets `user` with `right` in, and keeps what it was given."""

    messages: list[Taken] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)
    """Lengths of the blocks that were written before an end."""
    aborted: int = 0
    visits: list[Peer] = field(default_factory=list)
    gate: asyncio.Event | None = None
    """Where set, writes and ends wait for it."""
    refuse_content: SmtpReply | None = None
    failure: Exception | None = None
    """Raised by writes and ends."""

    def open(self, peer: Peer) -> "KeepingVisit":
        """Return a visit."""
        self.visits.append(peer)
        return KeepingVisit(self)


class KeepingVisit:
    """One session at a KeepingDoor."""

    def __init__(self, door: KeepingDoor) -> None:
        self._door = door

    async def authenticate(self, username: str, password: str) -> bool:
        """Let `user` in with `right`."""
        return (username, password) == ("user", "right")

    def mail(self, envelope: Envelope) -> Answer:
        """Say yes."""
        return replies.SENDER_OK

    def rcpt(self, envelope: Envelope, recipient: EnvelopeRecipient) -> Answer:
        """Say yes."""
        return replies.RECIPIENT_OK

    def begin_content(self, envelope: Envelope, client: Client) -> ContentSink | SmtpReply:
        """Say yes."""
        return self._door.refuse_content or KeepingSink(self._door, envelope)


class KeepingSink:
    """Keeps one content."""

    def __init__(self, door: KeepingDoor, envelope: Envelope) -> None:
        self._door = door
        self._envelope = envelope
        self._blocks: list[bytes] = []

    async def write(self, block: bytes) -> None:
        """Keep a block."""
        await self._wait()
        self._door.blocks.append(len(block))
        self._blocks.append(block)

    async def finish(self, rest: bytes) -> SmtpReply:
        """Keep the message."""
        await self._wait()
        self._door.messages.append(Taken(self._envelope, b"".join([*self._blocks, rest])))
        return replies.OK

    async def abort(self) -> None:
        """Count it."""
        self._door.aborted += 1

    async def _wait(self) -> None:
        if self._door.gate is not None:
            await self._door.gate.wait()
        if self._door.failure is not None:
            raise self._door.failure
