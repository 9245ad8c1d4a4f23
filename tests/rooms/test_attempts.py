"""Tries in this process and in helpers: each ends exactly once, whatever happens, and no dot leaves unnoted."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import structlog.testing
from copies import compiled, mail
from queue_rows import LATER, NO, OK, claimed, message_row

from postroom.app.delivery import open_pipe
from postroom.base.clock import ManualClock
from postroom.base.errors import TryLater
from postroom.base.tokens import TokenKeys
from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp.abilities import Abilities
from postroom.outbound import helper_frames as frames
from postroom.outbound.attempt import Attempted, ContentGone, Tools, Work
from postroom.outbound.compilation import BIG_BYTES, PackedContent, columns_of, compilation_of
from postroom.outbound.compile import CompileOptions
from postroom.outbound.frame_pipe import FramePipe
from postroom.outbound.helpers import HelperAttempts, HelperLink
from postroom.outbound.journal import Flights, Journal, read_folder, stamp_boot
from postroom.outbound.local import LocalAttempts
from postroom.outbound.submission import DEFAULT_TRACK
from postroom.outbound.transport import Delivery, NextHop, TransportKind, TransportResult

BOOT = "boot"
HOP = NextHop(TransportKind.SMARTHOST, "mx", "other", (), 60)
CONTENT = compiled(mail(b"Hello\r\n"))[0]
LEASE_SECONDS = 300
OPTIONS = CompileOptions("https://go.example.com", DEFAULT_TRACK)


@pytest.fixture(autouse=True)
def _logs() -> object:
    with structlog.testing.capture_logs() as logs:
        return logs


def work(row_id: int, clock: ManualClock, *, content_key: bytes = b"k", epoch: int = 1) -> Work:
    lease_ms = clock.now_ms() + LEASE_SECONDS * 1000
    message = message_row(1, token_key_id=7, content_key=content_key)
    return Work(claimed(row_id, epoch=epoch), message, HOP, lease_ms)


class Wire:
    """A transport that stops where the test says: before the dot, behind it, or raises."""

    def __init__(self) -> None:
        self.before = asyncio.Event()
        self.behind = asyncio.Event()
        self.fault: Exception | None = None
        self.fault_behind: Exception | None = None
        self.reply = OK.reply
        self.started = 0
        self.abilities: Abilities | None = None
        self.sent = b""

    async def deliver(self, delivery: Delivery) -> TransportResult:
        self.started += 1
        await self.before.wait()
        if self.fault is not None:
            raise self.fault
        if self.abilities is not None:
            rendered = await delivery.render(self.abilities)
            if isinstance(rendered, SmtpReply):
                return TransportResult(Outcome(OutcomeKind.FAILED, rendered))
            self.sent = b"".join(rendered.pieces)
        if not delivery.journal.before_final_dot():
            return TransportResult(Outcome(OutcomeKind.RETURNED, SmtpReply(451, "4.3.0", "forbidden")))
        if self.fault_behind is not None:
            raise self.fault_behind
        await self.behind.wait()
        delivery.journal.after_reply(self.reply)
        return TransportResult(Outcome(OutcomeKind.DELIVERED, self.reply))


class House:
    """Local attempts over a double of the wire, with a real journal."""

    def __init__(self, folder: Path) -> None:
        stamp_boot(folder, BOOT)
        self.folder, self.clock, self.wire = folder, ManualClock(), Wire()
        self.journal = Journal(folder, "owner-1", BOOT)
        self.may_send = True
        self.content = CONTENT
        self.content_fault: Exception | None = None
        self.smtputf8 = 0
        self.outcomes: dict[int, list[Outcome]] = {}
        tools = Tools("host", lambda: TokenKeys({7: b"k" * 32}), self._compiled, _no_keys, _sign, {HOP.kind: self.wire})
        self.attempts = LocalAttempts(tools, self.journal, self.clock, may_send=lambda: self.may_send)

    def start(self, *row_ids: int) -> None:
        for row_id in row_ids:
            one = work(row_id, self.clock)
            one = replace(one, message=one.message._replace(smtputf8=self.smtputf8))
            self.attempts.start(one, lambda one, row_id=row_id: self._ended(row_id, one))  # type: ignore[misc]

    async def outcome(self, row_id: int) -> Outcome:
        async with asyncio.timeout(10):
            while row_id not in self.outcomes:  # noqa: ASYNC110 - the code under test knows no event
                await asyncio.sleep(0)
        (outcome,) = self.outcomes[row_id]
        return outcome

    def _ended(self, row_id: int, attempted: Attempted) -> None:
        self.outcomes.setdefault(row_id, []).append(attempted.outcome)

    async def _compiled(self, work: Work) -> object:
        if self.content_fault is not None:
            raise self.content_fault
        return self.content


async def _no_keys(domain_id: int) -> tuple[()]:
    return ()


async def _sign(*_: object) -> list[bytes]:
    return []


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


async def test_a_try_notes_dot_and_reply_before_it_ends(house: House) -> None:
    house.start(1)
    house.wire.before.set()
    house.wire.behind.set()
    assert (await house.outcome(1)).kind is OutcomeKind.DELIVERED
    house.journal.close()
    assert set(read_folder(house.folder, BOOT).replied) == {(1, 1)}


@pytest.mark.parametrize(
    ("declared", "abilities", "status"),
    [
        (True, Abilities(eight_bit=True), "5.6.7"),
        (False, Abilities(eight_bit=True), ""),
        (False, Abilities(), "5.6.7"),
        (True, Abilities(eight_bit=True, smtputf8=True), ""),
        (False, Abilities(smtputf8=True), ""),
    ],
)
async def test_raw_utf_8_in_a_header_goes_on_as_it_is_unless_its_author_asked_for_smtputf8(
    house: House, declared: bool, abilities: Abilities, status: str
) -> None:
    """RFC 6531 3.5 for mail of the extension; older programs write raw octets and never heard of it."""
    house.content = compiled(mail(b"Hello\r\n", subject=b"Gr\xc3\xbc\xc3\x9fe"))[0]
    house.smtputf8 = int(declared)
    house.wire.abilities = abilities
    house.wire.before.set()
    house.wire.behind.set()

    house.start(1)
    outcome = await house.outcome(1)

    if status:
        assert (outcome.kind, outcome.reply.enhanced) == (OutcomeKind.FAILED, status)
    else:
        assert outcome.kind is OutcomeKind.DELIVERED
        assert b"Subject: Gr\xc3\xbc\xc3\x9fe\r\n" in house.wire.sent


async def test_a_lost_lease_stops_the_try_before_its_dot(house: House) -> None:
    house.start(1)
    await turns()
    house.clock.advance(seconds=LEASE_SECONDS)
    house.wire.before.set()
    assert (await house.outcome(1)).kind is OutcomeKind.RETURNED
    house.journal.close()
    assert read_folder(house.folder, BOOT) == Flights()


async def test_a_renewed_lease_lets_it_go_on_and_that_of_another_claim_does_not(house: House) -> None:
    house.start(1, 2)
    await turns()
    house.attempts.renewed([(1, 1), (2, 9)], house.clock.now_ms() + 2 * LEASE_SECONDS * 1000)
    house.clock.advance(seconds=LEASE_SECONDS)
    house.wire.before.set()
    house.wire.behind.set()
    assert (await house.outcome(1)).kind is OutcomeKind.DELIVERED
    assert (await house.outcome(2)).kind is OutcomeKind.RETURNED


async def test_a_journal_that_cannot_be_written_forbids_the_dot(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(recipient_id: int, epoch: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(house.journal, "before_dot", full)
    house.start(1)
    house.wire.before.set()
    assert (await house.outcome(1)).kind is OutcomeKind.RETURNED


async def test_a_helper_whose_owner_is_gone_sends_no_dot(house: House) -> None:
    house.start(1)
    house.may_send = False
    house.wire.before.set()
    assert (await house.outcome(1)).kind is OutcomeKind.RETURNED


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (TryLater("the store is away"), OutcomeKind.RETURNED),
        (ContentGone("removed"), OutcomeKind.FAILED),
        (ZeroDivisionError("ours"), OutcomeKind.DEFERRED),
    ],
)
async def test_what_a_try_needs_and_cannot_have(house: House, fault: Exception, kind: OutcomeKind) -> None:
    """A content that retention took was asked for again at full speed, for ever."""
    house.content_fault = fault
    house.start(1)
    assert (await house.outcome(1)).kind is kind


async def test_a_fault_of_ours_before_the_dot_defers_and_behind_it_leaves_doubt(house: House) -> None:
    house.wire.before.set()
    house.wire.fault_behind = ZeroDivisionError("ours")
    house.start(1)
    assert (await house.outcome(1)).kind is OutcomeKind.IN_DOUBT
    house.wire.fault = ZeroDivisionError("ours")
    house.start(2)
    assert (await house.outcome(2)).kind is OutcomeKind.DEFERRED


async def test_a_try_that_is_cut_before_its_first_step_ends_too(house: House) -> None:
    """The task never ran, so nobody was told, and its recipient stayed in flight for ever."""
    house.start(1)
    await house.attempts.drain(0)
    assert (await house.outcome(1)).kind is OutcomeKind.RETURNED
    assert house.wire.started == 0


async def test_a_stop_returns_what_is_before_its_dot_and_waits_for_the_replies_of_the_rest(house: House) -> None:
    house.start(1)
    house.wire.before.set()
    await turns()
    house.wire.before.clear()
    house.start(2)
    await turns()
    draining = asyncio.ensure_future(house.attempts.drain(0))
    assert (await house.outcome(2)).kind is OutcomeKind.RETURNED
    assert 1 not in house.outcomes
    house.wire.behind.set()
    await draining
    assert (await house.outcome(1)).kind is OutcomeKind.DELIVERED


async def test_a_reply_that_is_known_outlives_a_cut(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def deliver(delivery: Delivery) -> TransportResult:
        assert delivery.journal.before_final_dot()
        delivery.journal.after_reply(NO.reply)
        raise asyncio.CancelledError

    monkeypatch.setattr(house.wire, "deliver", deliver)
    house.start(1)
    outcome = await house.outcome(1)
    assert (outcome.kind, outcome.reply) == (OutcomeKind.FAILED, NO.reply)


# Helpers


class Far:
    """The helper's end of a socketpair, played by the test."""

    def __init__(self) -> None:
        self.heard: list[frames.Downward] = []
        self._heard_one = asyncio.Event()

    async def open(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self.transport, self.pipe = await loop.create_connection(
            lambda: FramePipe(frames.READS_DOWNWARD, self._take), sock=sock
        )

    async def hear(self, count: int) -> list[frames.Downward]:
        async with asyncio.timeout(10):
            while len(self.heard) < count:
                self._heard_one.clear()
                await self._heard_one.wait()
        return self.heard

    def end(self, row_id: int, outcome: Outcome = OK) -> None:
        self.pipe.say(frames.Ended(row_id, Attempted(outcome)))

    async def compile(self) -> bytes:
        """Answer the Compile that was heard last, as a helper does; return its content's key."""
        asked = self.heard[-1]
        assert isinstance(asked, frames.Compile)
        made, _ = compilation_of(asked.raw, asked.options)
        self.pipe.say(frames.Compiled(asked.number, made.key, None, made.packed.plan, made.findings, columns_of(made)))
        return made.key

    def die(self) -> None:
        self.pipe.close()

    def _take(self, frame: frames.Downward) -> None:
        self.heard.append(frame)
        self._heard_one.set()


class Owner:
    """The owner's side with helpers that the test plays."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.helpers: list[Far] = []
        self.spawn_faults = 0
        self.at_hand: dict[bytes, PackedContent] = {b"k": PackedContent(b"raw", b"plan")}
        self.fault: Exception | None = None
        self.flights: dict[str, Flights] = {}
        self.outcomes: dict[int, list[Outcome]] = {}
        self.sleeps = 0
        self.attempts = HelperAttempts(self._spawn, 1, self, self, self._flights_of, self._sleep)  # type: ignore[arg-type]

    async def _spawn(self) -> HelperLink:
        if self.spawn_faults:
            self.spawn_faults -= 1
            raise OSError(11, "no more processes")
        ours, theirs = socket.socketpair()
        far = Far()
        await far.open(theirs)
        self.helpers.append(far)
        return HelperLink(await open_pipe(ours), f"helper-{len(self.helpers)}", self._wait)

    async def _wait(self) -> int:
        return -9

    async def _sleep(self, seconds: float) -> None:
        self.sleeps += 1
        await asyncio.sleep(0)

    async def _flights_of(self, name: str) -> Flights:
        return self.flights.get(name, Flights())

    def packed(self, workspace_id: int, key: bytes) -> PackedContent | None:
        return self.at_hand.get(key)

    async def load(self, workspace_id: int, key: bytes) -> PackedContent:
        await asyncio.sleep(0)
        if self.fault is not None:
            raise self.fault
        return PackedContent(b"read " + key, b"plan")

    async def key_material(self, domain_id: int) -> list[tuple[str, str, bytes]]:
        return [("example.com", "s", b"der")]

    def start(self, row_id: int, *, content_key: bytes = b"k", domain_id: int | None = None) -> None:
        one = work(row_id, self.clock, content_key=content_key)
        one = Work(one.claimed, one.message._replace(domain_id=domain_id), HOP, one.lease_ms)
        self.attempts.start(one, lambda attempted: self.outcomes.setdefault(row_id, []).append(attempted.outcome))

    async def outcome(self, row_id: int) -> Outcome:
        await self.until(lambda: row_id in self.outcomes)
        return self.outcomes[row_id][-1]

    async def until(self, claim: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not claim():  # noqa: ASYNC110 - the code under test knows no event
                await asyncio.sleep(0.001)


@pytest.fixture
async def owner() -> AsyncIterator[Owner]:
    opened = Owner()
    await opened.attempts.open()
    yield opened
    await asyncio.gather(opened.attempts.close(), _all_dead(opened))


async def _all_dead(owner: Owner) -> None:
    for far in owner.helpers:
        far.die()


async def test_a_content_is_given_once_before_the_first_work_that_names_it(owner: Owner) -> None:
    owner.start(1)
    owner.start(2)
    heard = await owner.helpers[0].hear(3)
    assert [type(frame).__name__ for frame in heard] == ["GiveContent", "DoWork", "DoWork"]
    owner.helpers[0].end(2, LATER)
    owner.helpers[0].end(1)
    assert ((await owner.outcome(1)).kind, (await owner.outcome(2)).kind) == (OK.kind, LATER.kind)


async def test_keys_of_a_domain_come_before_its_first_work_and_only_once(owner: Owner) -> None:
    owner.start(1, domain_id=5)
    heard = await owner.helpers[0].hear(3)
    owner.start(2, domain_id=5)
    await owner.helpers[0].hear(4)
    assert [type(frame).__name__ for frame in heard] == ["GiveKeys", "GiveContent", "DoWork", "DoWork"]


async def test_a_ring_that_has_grown_comes_before_the_work_that_is_signed_with_it(owner: Owner) -> None:
    owner.attempts.take_token_keys([(0, b"a" * 32), (1, b"b" * 32)])
    owner.start(1)
    heard = await owner.helpers[0].hear(3)
    assert heard[0] == frames.GiveTokenKeys([(0, b"a" * 32), (1, b"b" * 32)])
    assert [type(frame).__name__ for frame in heard[1:]] == ["GiveContent", "DoWork"]


async def test_contents_that_are_too_many_are_taken_back_from_the_helper_the_oldest_first(owner: Owner) -> None:
    for number in range(5):
        key = b"%d" % number
        owner.at_hand[key] = PackedContent(b"x" * (8 << 20), b"plan")
        owner.start(number, content_key=key)
    heard = await owner.helpers[0].hear(11)
    forgotten = [frame.number for frame in heard if isinstance(frame, frames.ForgetContent)]
    assert forgotten
    assert forgotten == list(range(1, len(forgotten) + 1))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (TryLater("away"), OutcomeKind.RETURNED),
        (ContentGone("removed"), OutcomeKind.FAILED),
        (ZeroDivisionError("ours"), OutcomeKind.DEFERRED),
    ],
)
async def test_what_a_helper_needs_and_cannot_have(owner: Owner, fault: Exception, kind: OutcomeKind) -> None:
    owner.fault = fault
    owner.start(1, content_key=b"unknown")
    assert (await owner.outcome(1)).kind is kind


async def test_the_journal_of_a_dead_helper_tells_what_became_of_its_tries_and_another_takes_its_place(
    owner: Owner,
) -> None:
    for row_id in (1, 2, 3):
        owner.start(row_id)
    await owner.helpers[0].hear(4)
    owner.flights["helper-1"] = Flights(dotted={(2, 1)}, replied={(3, 1): NO})
    owner.spawn_faults = 2
    owner.helpers[0].die()
    kinds = [(await owner.outcome(row_id)).kind for row_id in (1, 2, 3)]
    assert kinds == [OutcomeKind.RETURNED, OutcomeKind.IN_DOUBT, OutcomeKind.FAILED]
    # Until there is one again, work waits for it; one that cannot be started is tried again after a pause.
    owner.start(4)
    await owner.until(lambda: len(owner.helpers) == 2)
    assert owner.sleeps == 3
    await owner.helpers[1].hear(2)
    owner.helpers[1].end(4)
    assert (await owner.outcome(4)).kind is OutcomeKind.DELIVERED
    assert all(len(outcomes) == 1 for outcomes in owner.outcomes.values())


async def test_a_recipient_at_which_helpers_die_waits_longer_after_the_third_time(owner: Owner) -> None:
    for number in range(3):
        owner.start(1)
        await owner.helpers[number].hear(2)
        owner.helpers[number].die()
        await owner.until(lambda: len(owner.helpers) == number + 2)  # noqa: B023
    assert [one.kind for one in owner.outcomes[1]] == [OutcomeKind.RETURNED, OutcomeKind.RETURNED, OutcomeKind.DEFERRED]


async def test_a_helper_that_speaks_nonsense_counts_as_dead(owner: Owner) -> None:
    owner.start(1)
    await owner.helpers[0].hear(2)
    owner.helpers[0].transport.write(b"\0\0\0\1\xff")
    assert (await owner.outcome(1)).kind is OutcomeKind.RETURNED


async def test_work_that_was_being_fetched_when_a_stop_came_is_returned(owner: Owner) -> None:
    owner.start(1, content_key=b"unknown")
    draining: Awaitable[None] = asyncio.ensure_future(owner.attempts.drain(0))
    assert (await owner.outcome(1)).kind is OutcomeKind.RETURNED
    await draining


async def test_a_drain_asks_the_helpers_and_waits_for_their_answers(owner: Owner) -> None:
    owner.start(1)
    draining = asyncio.ensure_future(owner.attempts.drain(3))
    heard = await owner.helpers[0].hear(3)
    assert heard[-1] == frames.Drain(3)
    assert not draining.done()
    owner.helpers[0].end(1)
    await draining


async def test_leases_and_settlements_are_told_to_the_helper_that_tries(owner: Owner) -> None:
    owner.start(1)
    await owner.helpers[0].hear(2)
    owner.attempts.renewed([(1, 1), (8, 1)], 99)
    owner.helpers[0].end(1)
    await owner.outcome(1)
    owner.attempts.settled([(1, 1), (8, 1)])
    assert (await owner.helpers[0].hear(4))[2:] == [frames.Renewed([(1, 1)], 99), frames.Settled([(1, 1)])]


async def test_a_content_is_not_compiled_behind_a_large_one(owner: Owner) -> None:
    owner.at_hand[b"large"] = PackedContent(b"x" * (BIG_BYTES + 1), b"plan")
    owner.start(1, content_key=b"large")
    assert owner.attempts.compile(1, mail(b"Hello\r\n"), OPTIONS) is None
    await owner.helpers[0].hear(2)
    owner.helpers[0].end(1)
    await owner.outcome(1)
    compiling = owner.attempts.compile(1, mail(b"Hello\r\n"), OPTIONS)
    assert compiling is not None
    await owner.helpers[0].hear(3)
    await owner.helpers[0].compile()
    await compiling


async def test_what_a_helper_compiled_is_the_same_as_compiled_here_and_is_not_given_to_it_again(owner: Owner) -> None:
    raw = mail(b'<a href="https://example.org/">x</a>\r\n', b"text/html")
    compiling = owner.attempts.compile(1, raw, OPTIONS)
    assert compiling is not None
    await owner.helpers[0].hear(1)
    key = await owner.helpers[0].compile()
    there = await compiling
    here, _ = compilation_of(raw, OPTIONS)
    assert (there.key, there.packed, there.findings, there.columns) == (
        here.key,
        here.packed,
        here.findings,
        columns_of(here),
    )
    owner.at_hand[key] = there.packed
    owner.start(1, content_key=key)
    heard = await owner.helpers[0].hear(2)
    assert [type(frame).__name__ for frame in heard] == ["Compile", "DoWork"]
    assert heard[1].content == heard[0].number  # type: ignore[union-attr]


async def test_a_content_that_the_helper_has_already_is_kept_once(owner: Owner) -> None:
    for _ in range(2):
        compiling = owner.attempts.compile(1, mail(b"Hello\r\n"), OPTIONS)
        await owner.helpers[0].hear(len(owner.helpers[0].heard) + 1)
        await owner.helpers[0].compile()
        assert compiling is not None
        await compiling
    heard = await owner.helpers[0].hear(3)
    assert [type(frame).__name__ for frame in heard] == ["Compile", "Compile", "ForgetContent"]


async def test_a_submission_whose_helper_dies_is_to_be_repeated_and_none_is_asked_while_there_is_none(
    owner: Owner,
) -> None:
    compiling = owner.attempts.compile(1, mail(b"Hello\r\n"), OPTIONS)
    await owner.helpers[0].hear(1)
    owner.spawn_faults = 3
    owner.helpers[0].die()
    assert compiling is not None
    with pytest.raises(TryLater):
        await compiling
    assert owner.attempts.compile(1, mail(b"Hello\r\n"), OPTIONS) is None
    await owner.until(lambda: len(owner.helpers) == 2)


async def test_a_fault_in_compiling_ends_neither_helper_nor_owner(owner: Owner) -> None:
    compiling = owner.attempts.compile(1, mail(b"Hello\r\n"), OPTIONS)
    (asked,) = await owner.helpers[0].hear(1)
    owner.helpers[0].pipe.say(frames.NotCompiled(asked.number, "ValueError"))  # type: ignore[union-attr]
    assert compiling is not None
    with pytest.raises(RuntimeError):
        await compiling
    owner.start(1)
    await owner.helpers[0].hear(3)
    owner.helpers[0].end(1)
    assert (await owner.outcome(1)).kind is OutcomeKind.DELIVERED
