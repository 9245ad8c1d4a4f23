"""The owner's end of its helper processes: contents are compiled there and attempts made; what came of it comes back.

A helper has what an attempt needs as values: contents and keys are given to it
before the first work that names them. Which contents it holds is decided here,
by bytes, and forgotten here, so that both ends always agree. When a helper
dies, its journal tells what was in flight, and another one takes its place. A
recipient that was in flight at three deaths waits for its next try as after a
transient failure: it may be what kills them.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import structlog

from postroom.base.errors import TryLater
from postroom.base.nursery import Nursery
from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.mail.smtp_reply import SmtpReply
from postroom.outbound import helper_frames as frames
from postroom.outbound.attempt import Attempted, ContentGone, Work
from postroom.outbound.compilation import BIG_BYTES, Compilation, PackedContent
from postroom.outbound.compile import CompileOptions
from postroom.outbound.contents import Contents
from postroom.outbound.frame_pipe import FramePipe
from postroom.outbound.journal import Flights
from postroom.outbound.local import GONE, REPLY_SECONDS
from postroom.outbound.recover import NOT_BEGUN, outcome_after_crash

_log = structlog.get_logger(__name__)

_CONTENT_BYTES = 4 << 20
_AHEAD = 4
"""How many attempts more a helper may run than another when it has the content already."""
_GRACE_SECONDS = 5.0
_RESPAWN_SECONDS = 1.0
_DEATHS = 3
_DEATHS_KEPT = 1000
_DEADLY = Outcome(OutcomeKind.DEFERRED, SmtpReply(451, "4.3.0", "the process that made this try ended, three times"))
_LATER = Outcome(OutcomeKind.RETURNED, SmtpReply(451, "4.3.0", "what this try needs could not be read"))


@dataclass(slots=True)
class HelperLink:
    """A running helper process."""

    pipe: FramePipe[frames.Upward]
    """What it says is heard by who is told of the helper."""
    journal_name: str
    wait: Callable[[], Awaitable[int]]
    """Returns the exit code once the process has ended."""


class KeyMaterial(Protocol):
    """Where the DKIM keys of a domain come from."""

    async def key_material(self, domain_id: int) -> list[tuple[str, str, bytes]]:
        """Return (domain, selector, PKCS#8 DER), the RSA key first; none where the domain is gone."""
        ...


@dataclass(slots=True, eq=False)
class _Helper:
    link: HelperLink
    contents: OrderedDict[tuple[int, bytes], tuple[int, int]] = field(default_factory=OrderedDict)
    """(workspace, key) to number and size, the one used last at the end."""
    content_bytes: int = 0
    domains: set[int] = field(default_factory=set)
    running: dict[int, tuple[Work, Callable[[Attempted], None]]] = field(default_factory=dict)
    compiling: dict[int, "_Compiling"] = field(default_factory=dict)
    large: set[int] = field(default_factory=set)
    """Recipients that it tries and whose content is large."""
    idle: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, eq=False)
class _Compiling:
    workspace_id: int
    raw: bytes
    done: asyncio.Future[Compilation]


class HelperAttempts:
    """Hands work to the helper with the least of it; attempts rather to the one that has the content."""

    def __init__(
        self,
        spawn: Callable[[], Awaitable[HelperLink]],
        count: int,
        contents: Contents,
        keys: KeyMaterial,
        flights_of: Callable[[str], Awaitable[Flights]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`spawn` starts a helper that has had its Hello; `flights_of` reads the journals of a dead one by name."""
        self._sleep = sleep
        self._deaths: OrderedDict[int, int] = OrderedDict()
        self._spawn = spawn
        self._count = count
        self._contents = contents
        self._keys = keys
        self._flights_of = flights_of
        self._helpers: list[_Helper] = []
        self._journals: dict[tuple[int, int], _Helper] = {}
        self._listening = Nursery("helpers")
        self._fetching = Nursery("attempts to hand out")
        self._there = asyncio.Event()
        self._numbers = 0
        self._stopping = False

    async def open(self) -> None:
        """Start the helpers."""
        for _ in range(self._count):
            await self._add()

    def start(self, work: Work, done: Callable[[Attempted], None]) -> None:
        """Try one recipient in a helper; `done` is called once, whatever happens."""
        content = self._contents.packed(work.message.workspace_id, work.message.content_key)
        helper = self._helper_for(work)
        domain_id = work.message.domain_id
        if helper and content and not self._stopping and (domain_id is None or domain_id in helper.domains):
            self._hand(helper, work, content, done)
        else:
            handed: list[Attempted | None] = []
            task = self._fetching.start(self._fetch_and_hand(work, done, handed), str(work.claimed.id))
            # Not in the task: one that a stop cancels before its first step never runs.
            task.add_done_callback(lambda task: _not_handed(task, handed, done))

    def compile(self, workspace_id: int, raw: bytes, options: CompileOptions) -> Awaitable[Compilation] | None:
        """Compile a content in a helper, which then has it for its attempts; None: there is no helper for it now.

        A client waits for this: it does not stand in line behind a large content.

        Raises TryLater where the helper dies meanwhile: compiling it here instead could end the owner too.
        """
        helper = min((one for one in self._helpers if not one.large), key=_load, default=None)
        if helper is None or self._stopping:
            return None
        self._numbers += 1
        done = asyncio.get_running_loop().create_future()
        helper.compiling[self._numbers] = _Compiling(workspace_id, raw, done)
        helper.link.pipe.say(
            frames.Compile(
                self._numbers,
                raw,
                options.tracking_url,
                options.track.value,
                options.is_bulk,
                options.is_personal,
                options.is_report,
            ),
        )
        return done

    def take_token_keys(self, keys: list[tuple[int, bytes]]) -> None:
        """Give all helpers the ring of token keys; those that are started later get it with their Hello."""
        for helper in self._helpers:
            helper.link.pipe.say(frames.GiveTokenKeys(keys))

    def renewed(self, keys: Sequence[tuple[int, int]], lease_ms: int) -> None:
        """Tell all helpers about longer leases."""
        for helper in self._helpers:
            mine = [key for key in keys if key[0] in helper.running]
            if mine:
                helper.link.pipe.say(frames.Renewed(mine, lease_ms))

    def settled(self, keys: Sequence[tuple[int, int]]) -> None:
        """Tell the helpers which tries their journals may forget."""
        by_helper: dict[int, list[tuple[int, int]]] = {}
        for key in keys:
            helper = self._journals.pop(key, None)
            if helper is not None and helper in self._helpers:
                by_helper.setdefault(self._helpers.index(helper), []).append(key)
        for index, mine in by_helper.items():
            self._helpers[index].link.pipe.say(frames.Settled(mine))

    async def drain(self, seconds: float) -> None:
        """Have running tries end within `seconds` and the rest cut; return when all have ended."""
        self._stopping = True
        self._there.set()
        for helper in self._helpers:
            helper.link.pipe.say(frames.Drain(seconds))
        await self._fetching.drain(seconds)
        with contextlib.suppress(TimeoutError):
            # Behind its final dot a try is given moments for its reply, also when the rest is cut at once.
            async with asyncio.timeout(max(seconds, REPLY_SECONDS) + _GRACE_SECONDS):
                for helper in list(self._helpers):
                    await helper.idle.wait()

    async def close(self) -> None:
        """Let the helpers end; everything is settled."""
        self._stopping = True
        for helper in self._helpers:
            helper.link.pipe.close()
        await self._listening.drain(_GRACE_SECONDS + REPLY_SECONDS)

    async def _add(self) -> None:
        helper = _Helper(await self._spawn())
        helper.link.pipe.take = partial(self._hear, helper)
        helper.idle.set()
        self._helpers.append(helper)
        self._there.set()
        self._listening.start(self._listen(helper), helper.link.journal_name)

    async def _fetch_and_hand(
        self, work: Work, done: Callable[[Attempted], None], handed: list[Attempted | None]
    ) -> None:
        """Hand the work out once all that it needs is here; `handed` is told how that ended, None where it did."""
        try:
            content = await self._contents.load(work.message.workspace_id, work.message.content_key)
            domain_id = work.message.domain_id
            keys = await self._keys.key_material(domain_id) if domain_id is not None else []
        except TryLater as error:
            _log.warning("cannot begin a try now", recipient=work.claimed.id, reason=str(error))
            return
        except ContentGone:
            handed.append(Attempted(GONE))
            return
        # None is there for the moment in which a dead one is replaced.
        await self._there.wait()
        helper = self._helper_for(work)
        if self._stopping or helper is None:
            return
        # From here on nothing waits: the helper that is chosen cannot die in between.
        if domain_id is not None and domain_id not in helper.domains:
            helper.link.pipe.say(frames.GiveKeys(domain_id, keys))
            helper.domains.add(domain_id)
        self._hand(helper, work, content, done)
        handed.append(None)

    def _hand(self, helper: _Helper, work: Work, content: PackedContent, done: Callable[[Attempted], None]) -> None:
        if work.claimed.id in helper.running:
            # Claimed again although its last claim is still being tried: that one has lost its lease.
            done(Attempted(_LATER))
            return
        number = self._give_content(helper, work, content)
        helper.running[work.claimed.id] = (work, done)
        if len(content.raw) > BIG_BYTES:
            helper.large.add(work.claimed.id)
        helper.idle.clear()
        self._journals[(work.claimed.id, work.claimed.epoch)] = helper
        helper.link.pipe.say(frames.DoWork(number, work))

    def _give_content(self, helper: _Helper, work: Work, content: PackedContent) -> int:
        key = (work.message.workspace_id, work.message.content_key)
        known = helper.contents.get(key)
        if known is not None:
            helper.contents.move_to_end(key)
            return known[0]
        self._numbers += 1
        helper.link.pipe.say(frames.GiveContent(self._numbers, content.raw, content.plan))
        self._has_content(helper, key, self._numbers, len(content.raw))
        return self._numbers

    def _has_content(self, helper: _Helper, key: tuple[int, bytes], number: int, size: int) -> None:
        helper.contents[key] = (number, size)
        helper.content_bytes += size
        # A content may be forgotten as soon as its work was said: the helper holds on to it while it tries.
        while helper.content_bytes > _CONTENT_BYTES and len(helper.contents) > 1:
            _, (number, size) = helper.contents.popitem(last=False)
            helper.content_bytes -= size
            helper.link.pipe.say(frames.ForgetContent(number))

    def _helper_for(self, work: Work) -> _Helper | None:
        key = (work.message.workspace_id, work.message.content_key)
        return min(self._helpers, key=lambda one: _load(one) - (_AHEAD if key in one.contents else 0), default=None)

    async def _listen(self, helper: _Helper) -> None:
        error = await helper.link.pipe.closed()
        if error is not None:
            _log.error("a helper process cannot be understood", exc_info=error)
        self._helpers.remove(helper)
        if not self._helpers and not self._stopping:
            self._there.clear()
        for asked in helper.compiling.values():
            if not asked.done.done():
                asked.done.set_exception(TryLater("the process that compiled this content ended"))
        helper.compiling.clear()
        code = await helper.link.wait()
        if not self._stopping or helper.running:
            _log.error("a helper process ended", exit_code=code, running=len(helper.running))
        if helper.running:
            await self._settle_dead(helper)
        helper.idle.set()
        while not self._stopping:
            # Not at once: one that ends at its start would be started without end.
            await self._sleep(_RESPAWN_SECONDS)
            try:
                await self._add()
                return
            except OSError as error:
                _log.error("a helper process cannot be started", reason=str(error))

    def _hear(self, helper: _Helper, said: frames.Upward) -> None:
        match said:
            case frames.Ended():
                self._ended(helper, said)
            case frames.Compiled(number=number):
                self._compiled(helper, helper.compiling.pop(number), said)
            case frames.NotCompiled(number=number, why=why):
                asked = helper.compiling.pop(number)
                if not asked.done.done():
                    asked.done.set_exception(RuntimeError(f"a helper could not compile a content: {why}"))

    def _ended(self, helper: _Helper, ended: frames.Ended) -> None:
        running = helper.running.pop(ended.recipient_id, None)
        helper.large.discard(ended.recipient_id)
        if not helper.running:
            helper.idle.set()
        if running is not None:
            self._deaths.pop(ended.recipient_id, None)
            running[1](ended.attempted)

    def _compiled(self, helper: _Helper, asked: _Compiling, said: frames.Compiled) -> None:
        raw = asked.raw if said.raw is None else said.raw
        key = (asked.workspace_id, said.key)
        if key in helper.contents:
            helper.link.pipe.say(frames.ForgetContent(said.number))
        else:
            self._has_content(helper, key, said.number, len(raw))
        if not asked.done.done():
            packed = PackedContent(raw, said.plan)
            asked.done.set_result(Compilation(said.key, packed, said.findings, said.columns))

    async def _settle_dead(self, helper: _Helper) -> None:
        flights = await self._flights_of(helper.link.journal_name)
        for work, done in list(helper.running.values()):
            outcome = outcome_after_crash(work.claimed, flights)
            if outcome is NOT_BEGUN and self._kills(work.claimed.id):
                outcome = _DEADLY
            done(Attempted(outcome))
        helper.running.clear()

    def _kills(self, recipient_id: int) -> bool:
        deaths = self._deaths[recipient_id] = self._deaths.pop(recipient_id, 0) + 1
        if len(self._deaths) > _DEATHS_KEPT:
            self._deaths.popitem(last=False)
        return deaths >= _DEATHS


def _load(helper: _Helper) -> int:
    return len(helper.running) + len(helper.compiling)


def _not_handed(task: asyncio.Task[None], handed: list[Attempted | None], done: Callable[[Attempted], None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        reply = SmtpReply(451, "4.3.0", f"this try failed on our side: {type(error).__name__}")
        done(Attempted(Outcome(OutcomeKind.DEFERRED, reply)))
    elif not handed:
        done(Attempted(_LATER))
    elif handed[0] is not None:
        done(handed[0])
