"""Lets the made-up days pass: every mail, try, open and click at its time, by the functions that write real ones.

Nothing is dialled and nothing waits: a clock of its own jumps from one thing to
the next. A recipient is claimed in the transaction that stores or defers it, so
that a running worker never takes it away; what waits beyond the present is
left to that worker.
"""

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from postroom.app.demo import mails, peers, returns
from postroom.app.demo.mails import Letter, Person
from postroom.base.clock import HOUR_MS, Clock
from postroom.base.ids import MAX_NODE, IdSource
from postroom.events.moves import Move, move_page
from postroom.events.unsubscribing import By, unsubscribe
from postroom.ledger.claimed import Claimed
from postroom.ledger.outcomes import OutcomeKind
from postroom.ledger.rows import MessageRow, SandboxCopyRow, WorkspaceRow
from postroom.ledger.states import RecipientState, Stream
from postroom.mail.address_list import Mailbox
from postroom.mail.compose import Draft, compose
from postroom.mail.envelope import Envelope, EnvelopeRecipient, Notify
from postroom.outbound.accept import Acceptance
from postroom.outbound.attempt import Attempted, Work
from postroom.outbound.contents import Contents
from postroom.outbound.retry import RetrySchedule
from postroom.outbound.settle import Tried, decide, write
from postroom.outbound.submission import Submission
from postroom.outbound.transport import NextHop, TransportKind
from postroom.store import queue
from postroom.store.database import Conn, Database, Tx, statement
from postroom.store.sandbox import wire_copy
from postroom.tracking.hit import Hit, HitKind
from postroom.tracking.ingest import record_hits

_LEASE_MS = 10 * 60_000
_SEED = 20_261_122
_NODES = statement("SELECT number FROM node")
_SANDBOX_HOP = NextHop(TransportKind.SANDBOX, "sandbox")
_IN_TRANSIT_MS = 1_500
_HOLD_LAST = 4
"""Of the last letter to many, so many recipients are held: a queue without anybody in it shows nothing."""

_COME_BACK = {
    "left": 1, "stuffed": 2, "late": 2, "away": 3, "writes": 3, "complains": 1, "stops": 1,
}  # fmt: skip
"""How often each fate has something come back."""
_CHOOSY = frozenset({"writes", "complains", "stops"})
_ABOUT_BULK = frozenset({"complains", "stops"})
_WRITES = (
    "Thank you! Could you gift-wrap the second book, please?",
    "It arrived this morning, all well packed. Do you also buy old maps?",
    "I moved last month: please send it to 4 Harbour Lane instead.",
)
_STOPS = (
    "How do I unsubscribe from this?",
    "Hello,\r\n\r\nplease take me off your list. Thank you.",
)

Action = Callable[[], Awaitable[None]]


class DemoClock:
    """The present of the made-up days."""

    def __init__(self, real: Clock) -> None:
        self._real = real
        self.at_ms = 0

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic(self) -> float:
        return self._real.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._real.sleep(seconds)


class Door(Protocol):
    """Takes mail in and understands it."""

    async def take(self, helo: str, reverse_path: str, recipient: str, raw: bytes, domain: str) -> None:
        """Take a mail of `domain` in, and write what follows. Raises TryLater."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What the simulation uses of the opened program."""

    database: Database
    contents: Contents
    acceptance: Callable[[Clock, IdSource], Acceptance]
    """Makes one that looks at another clock and wakes nobody."""
    attempt: Callable[[Work], Awaitable[Attempted]]
    """Renders and signs into the sandbox."""
    door: Callable[[Clock, IdSource], Door]
    """Makes what takes mail in and understands it, by another clock."""
    clock: Clock


@dataclass(frozen=True, slots=True)
class Filled:
    """What was written."""

    messages: int
    recipients: int
    opens: int
    clicks: int
    inbound: int


class Simulation:
    """The made-up days of one workspace."""

    def __init__(self, parts: Parts, workspace: WorkspaceRow, node: int) -> None:
        self._parts = parts
        self._database = parts.database
        self._workspace = workspace
        self._chance = random.Random(_SEED)  # noqa: S311 - the same demo every time
        self._clock = DemoClock(parts.clock)
        self._ids = IdSource(node, self._clock)
        self._acceptance = parts.acceptance(self._clock, self._ids)
        self._schedule = RetrySchedule()
        self._end_ms = parts.clock.now_ms()
        self._due: list[tuple[int, int, Action]] = []
        self._order = itertools.count()
        self._people: dict[str, Person] = {}
        self._doubts = 1
        self._messages = self._recipients = self._opens = self._clicks = self._inbound = 0
        self._door = parts.door(self._clock, self._ids)
        self._writes, self._stops = itertools.cycle(_WRITES), itertools.cycle(_STOPS)
        self._came_back: Counter[str] = Counter()

    async def run(self) -> Filled:
        """Let everything happen up to the present. Raises TryLater."""
        everybody = mails.people(self._chance)
        self._people = {person.address: person for person in everybody}
        letters = mails.letters(self._chance, everybody, self._end_ms)
        last = max((letter for letter in letters if letter.stream is Stream.BULK), key=lambda letter: letter.at_ms)
        for letter in letters:
            self._at(letter.at_ms, self._sending(letter, hold=_HOLD_LAST if letter is last else 0))
        while self._due:
            at_ms, _, action = heapq.heappop(self._due)
            self._clock.at_ms = at_ms
            await action()
        return Filled(self._messages, self._recipients, self._opens, self._clicks, self._inbound)

    def _at(self, at_ms: int, action: Action) -> None:
        if at_ms <= self._end_ms:
            heapq.heappush(self._due, (at_ms, next(self._order), action))

    # A mail comes in

    def _sending(self, letter: Letter, *, hold: int) -> Action:
        async def send() -> None:
            prepared = await self._acceptance.prepare(self._submission(letter))
            message = prepared.message
            self._parts.contents.put(message.workspace_id, message.content_key, prepared.compilation.packed)
            held = [row.id for row in prepared.recipients[:hold]]
            event_ids = [self._ids.next() for _ in held]
            now = self._clock.now_ms()

            def store(tx: Tx) -> list[Claimed]:
                prepared.write(tx)
                if held:
                    move_page(tx, message.workspace_id, Move.HOLD, held, event_ids, now, "operator")
                lanes = {lane.id for lane in prepared.due_lanes}
                return [one for lane in sorted(lanes) for one in self._claim(tx, lane, now)]

            claimed = await self._database.write(store)
            self._messages += 1
            self._recipients += len(prepared.recipients)
            targets = prepared.compilation.findings.links
            for one in claimed:
                self._at(now + self._chance.randrange(200, 3_000), self._trying(message, one, targets))

        return send

    def _submission(self, letter: Letter) -> Submission:
        many = len(letter.to) > 1
        draft = Draft(
            Mailbox(letter.author, "Lighthouse Books"),
            to=(Mailbox(letter.author, "Our readers"),) if many else (Mailbox(letter.to[0].address),),
            subject=letter.subject,
            text=letter.text,
            html=letter.html,
        )
        recipients = tuple(EnvelopeRecipient(person.address, Notify.NEVER) for person in letter.to)
        return Submission(
            self._workspace,
            Envelope(letter.author, recipients),
            compose(draft).content,
            "smtp" if letter.tags == ("account",) else "http",
            letter.stream,
            letter.tags,
            letter.metadata,
        )

    def _claim(self, tx: Tx, lane: int, now_ms: int) -> list[Claimed]:
        lease_ms = self._parts.clock.now_ms() + _LEASE_MS
        return queue.claim(tx, lane, limit=500, node=self._ids.node, now_ms=now_ms, lease_ms=lease_ms)

    # A try

    def _trying(self, message: MessageRow, claimed: Claimed, targets: tuple[str, ...]) -> Action:
        async def try_once() -> None:
            tried = await self._tried(message, claimed)
            decision = decide(tried, self._schedule, self._chance.random())
            again = decision.state is RecipientState.DEFERRED and decision.settlement.due_ms <= self._end_ms
            due_ms = decision.settlement.due_ms

            def settle(tx: Tx) -> list[Claimed]:
                write(tx, [decision])
                return self._claim(tx, claimed.lane_id, due_ms) if again else []

            for one in await self._database.write(settle):
                self._at(due_ms, self._trying(message, one, targets))
            if decision.state is RecipientState.DELIVERED:
                self._read(message, claimed, targets)
                self._comes_back(message, tried)

        return try_once

    async def _tried(self, message: MessageRow, claimed: Claimed) -> Tried:
        chance, now = self._chance, self._clock.now_ms()
        person = self._people[claimed.address]
        bulk = message.stream == Stream.BULK.value
        may_doubt = bulk and self._doubts > 0 and now > self._end_ms - 6 * 24 * HOUR_MS
        kind, reply = peers.answer(
            chance,
            provider=claimed.provider,
            domain=claimed.domain,
            fate=person.fate,
            bulk=bulk,
            tries=claimed.tries,
            may_doubt=may_doubt,
        )
        self._doubts -= kind is OutcomeKind.IN_DOUBT
        attempted = await self._parts.attempt(Work(claimed, message, _SANDBOX_HOP, now + _LEASE_MS))
        outcome = peers.outcome(
            chance,
            kind,
            reply,
            hop=peers.next_hop(claimed.provider, claimed.domain),
            sender=attempted.reverse_path,
            address=claimed.address,
            size_bytes=message.size_bytes,
        )
        kept = None
        if attempted.kept is not None and kind is OutcomeKind.DELIVERED:
            kept = SandboxCopyRow(claimed.id, claimed.workspace_id, attempted.reverse_path, attempted.kept, now)
        return Tried(claimed, message, outcome, self._ids.next(), now, False, kept)

    # What comes of a delivered copy

    def _read(self, message: MessageRow, claimed: Claimed, targets: tuple[str, ...]) -> None:
        chance, person = self._chance, self._people[claimed.address]
        delivered = self._clock.now_ms() + _IN_TRANSIT_MS
        if claimed.provider == "apple":
            at = delivered + chance.randrange(20_000, 400_000)
            self._at(at, self._hitting(claimed, HitKind.OPEN, peers.APPLE_PRIVACY, 0, ""))
        if claimed.provider == "google" and chance.random() < 0.25:
            # Gmail fetches ahead, and nobody can tell whether somebody looked.
            self._at(delivered + 6_000, self._hitting(claimed, HitKind.OPEN, peers.PEOPLE[-1].user_agent, 0, ""))
        if claimed.domain == "example.net" and targets:
            # A gateway that looks at every link before the mail is shown.
            for position, target in enumerate(targets[:3]):
                at = delivered + 300 + 40 * position
                self._at(at, self._hitting(claimed, HitKind.CLICK, peers.GATEWAY, position, target))
        if chance.random() > person.reads:
            return
        agent = peers.agent_of(person.agent)
        opened = delivered + round(chance.expovariate(1 / (5 * HOUR_MS))) + 65_000
        self._at(opened, self._hitting(claimed, HitKind.OPEN, agent.user_agent, 0, ""))
        if chance.random() < 0.2:
            again = opened + chance.randrange(60_000, 20 * HOUR_MS)
            self._at(again, self._hitting(claimed, HitKind.OPEN, agent.user_agent, 0, ""))
        if targets and chance.random() < 0.35:
            position = chance.randrange(len(targets))
            at = opened + chance.randrange(4_000, 90_000)
            program = agent.user_agent if agent.clicks else peers.PEOPLE[0].user_agent
            self._at(at, self._hitting(claimed, HitKind.CLICK, program, position, targets[position]))
        if person.fate == "gone" and message.stream == Stream.BULK.value:
            self._at(opened + 120_000, self._unsubscribing(claimed, agent.user_agent))

    # What comes back

    def _comes_back(self, message: MessageRow, tried: Tried) -> None:
        person = self._people[tried.claimed.address]
        kept = tried.kept
        if kept is None or self._came_back[person.address] >= _COME_BACK.get(person.fate, 0):
            return
        is_bulk = message.stream == Stream.BULK.value
        if is_bulk != (person.fate in _ABOUT_BULK) and person.fate in _CHOOSY:
            return
        self._came_back[person.address] += 1
        at = self._clock.now_ms() + self._chance.randrange(2 * 60_000, 3 * HOUR_MS)
        self._at(at, self._receiving(message, tried.claimed, kept, person))

    def _receiving(self, message: MessageRow, claimed: Claimed, kept: SandboxCopyRow, person: Person) -> Action:
        async def receive() -> None:
            about = returns.About(
                person.address, message.author_address, message.subject, message.message_id, self._clock.now_ms()
            )
            header = wire_copy(kept).partition(b"\r\n\r\n")[0] + b"\r\n"
            host = peers.next_hop(claimed.provider, claimed.domain).partition(" ")[0]
            to, reverse_path = kept.reverse_path, ""
            match person.fate:
                case "left":
                    raw = returns.bounce(about, host, "5.1.1", "The email account does not exist", header)
                case "stuffed":
                    raw = returns.bounce(about, host, "5.2.2", "The mailbox is full; over quota", header)
                case "late":
                    raw = returns.delay(about, host, header)
                case "away":
                    raw = returns.away(about)
                case "complains":
                    raw, to = returns.complaint(about, claimed.domain, header), f"abuse@{message.author_domain}"
                case _:
                    raw = returns.answer(about, next(self._stops if person.fate == "stops" else self._writes))
                    to, reverse_path = message.author_address, person.address
            await self._door.take(host, reverse_path, to, raw, claimed.domain)
            self._inbound += 1

        return receive

    def _hitting(self, claimed: Claimed, kind: HitKind, agent: str, position: int, target: str) -> Action:
        async def hit() -> None:
            address = f"198.51.100.{claimed.id % 250 + 1}"
            one = Hit(
                self._ids.next(), kind, claimed.id, position, self._clock.now_ms(), 0, "GET", address, agent, {}, target
            )
            event_id = self._ids.next()
            await self._database.write(lambda tx: record_hits(tx, [one], [event_id]))
            self._opens += kind is HitKind.OPEN
            self._clicks += kind is HitKind.CLICK

        return hit

    def _unsubscribing(self, claimed: Claimed, agent: str) -> Action:
        async def leave() -> None:
            new_id, now = self._ids.next(), self._clock.now_ms()
            evidence = {"user_agent": agent}
            await self._database.write(lambda tx: unsubscribe(tx, claimed.id, By.ONE_CLICK, evidence, now, new_id))

        return leave


def free_node(conn: Conn) -> int:
    """Return the greatest node number that nobody has: made-up ids lie in the past, where its own node made others."""
    taken = {row[0] for row in conn.all(_NODES)}
    return next(number for number in range(MAX_NODE, -1, -1) if number not in taken)
