"""Takes mail that came in out of the store, understands it, and writes what follows.

A mail is claimed with a lease and an epoch. Everything that follows from it is
one transaction that names the epoch, so a mail that is worked on twice changes
nothing twice. What fails is tried again after growing pauses, and kept as
failed after many tries; a worker that dies leaves mail that is due again when
its lease ends.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

import structlog

from postroom.base.clock import Clock, set_or_after
from postroom.base.errors import TryLater
from postroom.base.ids import IdSource
from postroom.base.metrics import Metrics
from postroom.base.nursery import Nursery
from postroom.base.threads import Threads
from postroom.base.tokens import TokenKeys
from postroom.inbound.bounces import may_fail, reply_of
from postroom.inbound.consequences import FOR_ROUTES, IDS_A_COPY, follow, given_up, taken_for
from postroom.inbound.origin import find_origin, find_workspace
from postroom.inbound.replies import BY_PEOPLE
from postroom.inbound.storable import storable_verdict
from postroom.inbound.work import Work
from postroom.inbound.written import Written, read_written
from postroom.ledger.inbound_rows import Destination, InboundRow
from postroom.ledger.route_rows import RouteRow
from postroom.ledger.rows import MessageRow, RecipientRow
from postroom.mail.address import domain_of
from postroom.mail.authentication import Verdicts
from postroom.mail.classify import classify
from postroom.mail.smtp_reply import SmtpReply
from postroom.mail.verdict import MailKind, Verdict
from postroom.outbound.prepared import Prepared
from postroom.store import inbound, restorations
from postroom.store.database import Database

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")

_HANDED_OVER = {
    MailKind.COMPLAINT: Destination.FEEDBACK,
    MailKind.BOUNCE: Destination.BOUNCE,
    MailKind.DELAY: Destination.BOUNCE,
}
"""Reports that belong to whose copy they are about, and the machine address that they should have come to."""

LEASE_MS = 120_000
"""Longer than the largest mail takes to be read and understood."""
AT_ONCE = 8
"""Mails that are worked on at a time; the slow threads take two of them at once."""
SMALL_BYTES = 256 * 1024
MOST_TRIES = 15
"""With the pauses below: for about a day."""
MOST_WAITS = 8
"""Claims that find a copy in flight, over about two minutes; then its bounce is only told."""

_FIRST_PAUSE_MS = 5_000
_LONGEST_PAUSE_MS = 2 * 3600 * 1000
_FIRST_WAIT_MS = 500
_LOOK_SECONDS = 2.0


class Routes(Protocol):
    """The routes of all workspaces, in memory (`inbound.route_view`)."""

    def match(self, recipient: str, sender: str, kind: MailKind, *, is_disowned: bool) -> RouteRow | None:
        """Return the route that takes a mail, or None. `is_disowned`: nobody may go by `sender`."""
        ...


class Reports(Protocol):
    """What authors are told of bounces (`outbound.notifications`)."""

    async def of_bounce(self, message: MessageRow, recipient: RecipientRow, reply: SmtpReply) -> Prepared | None:
        """Return the report for an author, or None where he asked for none. Raises TryLater."""
        ...

    def told(self, prepared: Prepared) -> None:
        """Tell the queue about a report that a commit has stored."""
        ...


class Worker:
    """Works on what came in. `run` until cancelled; `stop` before."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: IdSource,
        slow: Threads,
        token_keys: Callable[[], TokenKeys],
        routes: Routes,
        reports: Reports,
        chance: Callable[[], float],
        metrics: Metrics | None = None,
        one_large: asyncio.Semaphore | None = None,
        own_hosts: frozenset[str] = frozenset(),
    ) -> None:
        """`chance` gives 0.0 to 1.0; `one_large` is held while a large mail is in memory as a whole.

        `own_hosts` are the installation's own names, whose roles are no workspace's business alone.
        """
        self._database = database
        self._clock = clock
        self._ids = ids
        self._slow = slow
        self._token_keys = token_keys
        self._routes = routes
        self._reports = reports
        self._chance = chance
        self._metrics = metrics if metrics is not None else Metrics()
        self._nursery = Nursery("inbound mail")
        self._one_large = one_large or asyncio.Semaphore(1)
        self._awake = asyncio.Event()
        self._own_hosts = own_hosts
        self._stopping = False
        database.on_commit(inbound.WAKE, lambda _: self._awake.set())

    async def run(self) -> None:
        """Work until cancelled; what a process of this node before us had claimed is taken up at once."""
        give_back = partial(inbound.give_back, node=self._ids.node, now_ms=self._clock.now_ms())
        await self._went_well(self._database.write(give_back))
        while not self._stopping:
            self._awake.clear()
            taken = await self._went_well(self._take_up())
            if not taken:
                await self._rest()

    async def stop(self, seconds: float) -> None:
        """Take up nothing more, and let what is worked on end for `seconds`."""
        self._stopping = True
        self._awake.set()
        cut = await self._nursery.drain(seconds)
        if cut:
            _log.warning("mail that came in was put aside; it is taken up again", mails=cut)

    async def work_on(self, row: InboundRow) -> None:
        """Work on one claimed mail to its end, or put it back. Raises TryLater where not even that can be written."""
        try:
            await self._work_on(row)
        except TryLater as error:
            _log.info("mail that came in has to wait", inbound=row.id, reason=str(error))
            await self._again(row, str(error))
        except Exception as error:
            # A fault of ours must not lose the mail, nor keep the others waiting.
            _log.exception("mail that came in cannot be worked on", inbound=row.id)
            await self._again(row, f"{type(error).__name__}: {error}")

    async def _take_up(self) -> int:
        free = AT_ONCE - len(self._nursery)
        if free <= 0 or self._stopping:
            return 0
        now_ms = self._clock.now_ms()
        due_ms = await self._database.read(inbound.next_due_ms)
        if due_ms is None or due_ms > now_ms:
            return 0
        claim = partial(inbound.claim, node=self._ids.node, now_ms=now_ms, lease_ms=now_ms + LEASE_MS, limit=free)
        rows = await self._database.write(claim)
        for row in rows:
            self._nursery.start(self._work_and_wake(row), str(row.id))
        return len(rows)

    async def _work_and_wake(self, row: InboundRow) -> None:
        try:
            await self.work_on(row)
        except TryLater as error:
            # Nothing can be written now: it is due again when its lease ends.
            _log.warning("the store takes nothing now", inbound=row.id, reason=str(error))
        finally:
            self._awake.set()

    async def _work_on(self, row: InboundRow) -> None:
        if row.size_bytes <= SMALL_BYTES:
            await self._understand(row)
            return
        async with self._one_large:
            await self._understand(row)

    async def _understand(self, row: InboundRow) -> None:
        raw = await inbound.load(self._database, row.workspace_id, row.content_id)
        if raw is None:
            await self._give_up(row, "the content is gone")
            return
        verdict, written = await self._slow.run(partial(_understood, row, raw))
        keys = self._token_keys()
        row = await self._with_its_workspace(row, verdict, keys)
        origin = await self._database.read(partial(find_origin, row=row, verdict=verdict, keys=keys))
        await self._follow(Work(row, verdict, origin, self._clock.now_ms(), self._route_of(row, verdict), written))

    async def _with_its_workspace(self, row: InboundRow, verdict: Verdict, keys: TokenKeys) -> InboundRow:
        """Hand a report to a role of the installation itself to the workspace whose copy it names by a mark of ours.

        Feedback loops send all reports about an installation to one address.
        """
        destination = _HANDED_OVER.get(verdict.kind)
        if destination is None or not self._is_for_installation(row):
            return row
        owner = await self._database.read(partial(find_workspace, verdict=verdict, keys=keys))
        if owner is None or owner == row.workspace_id:
            return row
        if not await self._database.write(lambda tx: inbound.hand_over(tx, row, owner, destination)):
            return row
        return row._replace(workspace_id=owner, destination=destination.value)

    def _is_for_installation(self, row: InboundRow) -> bool:
        domain = domain_of(row.recipient_key)
        return row.destination == Destination.ROLE.value and (not domain or domain in self._own_hosts)

    def _route_of(self, row: InboundRow, verdict: Verdict) -> RouteRow | None:
        if row.destination not in FOR_ROUTES:
            return None
        is_disowned = Verdicts.from_json(row.verdicts).disowns_author
        return self._routes.match(row.recipient, row.author, verdict.kind, is_disowned=is_disowned)

    async def _follow(self, work: Work) -> None:
        reports = await self._prepared_reports(work)
        ids = [self._ids.next() for _ in range(IDS_A_COPY * (1 + len(work.origin.about)))]
        waits = work.row.tries <= MOST_WAITS
        followed = await self._database.write(lambda tx: follow(tx, work, ids, reports, waits_for_flights=waits))
        if followed.in_flight:
            await self._put_back(work.row, _FIRST_WAIT_MS << (work.row.tries - 1))
            return
        if followed.is_ours:
            self._metrics.understood[work.verdict.kind.value] += 1
        for recipient_id in followed.failed & reports.keys():
            self._reports.told(reports[recipient_id])

    async def _prepared_reports(self, work: Work) -> dict[int, Prepared]:
        """Return what authors are told about the recipients that the mail may move to failed."""
        prepared: dict[int, Prepared] = {}
        if work.verdict.kind is not MailKind.BOUNCE:
            return prepared
        if await self._database.read(partial(restorations.was_in_backup, at_ms=work.row.received_ms)):
            # The author may have been told between the backup and its return.
            return prepared
        for one in work.origin.about:
            if may_fail(one):
                report = await self._reports.of_bounce(one.message, one.recipient, reply_of(one))
                if report is not None:
                    prepared[one.recipient.id] = report
        return prepared

    async def _again(self, row: InboundRow, why: str) -> None:
        if row.tries >= MOST_TRIES:
            await self._give_up(row, why)
            return
        await self._put_back(row, min(_FIRST_PAUSE_MS << (row.tries - 1), _LONGEST_PAUSE_MS))

    async def _put_back(self, row: InboundRow, pause_ms: int) -> None:
        due_ms = self._clock.now_ms() + pause_ms
        await self._database.write(lambda tx: inbound.put_back(tx, row.id, row.epoch, due_ms))

    async def _give_up(self, row: InboundRow, why: str) -> None:
        _log.error("mail that came in is given up; it is kept", inbound=row.id, reason=why)
        done = given_up(row, why)
        await self._database.write(lambda tx: inbound.finish(tx, done))

    async def _rest(self) -> None:
        pause = _LOOK_SECONDS * (0.75 + 0.5 * self._chance())
        due_ms = await self._went_well(self._database.read(inbound.next_due_ms))
        if due_ms is not None and len(self._nursery) < AT_ONCE:
            pause = min(pause, max(0.05, (due_ms - self._clock.now_ms()) / 1000))
        await set_or_after(self._awake, self._clock, pause)

    async def _went_well(self, work: Awaitable[_T]) -> _T | None:
        try:
            return await work
        except TryLater as error:
            _log.warning("mail that came in cannot be taken up now", reason=str(error))
        except Exception:
            # The edge of a loop: a fault in one turn must not end the others.
            _log.exception("mail that came in cannot be taken up")
        return None


def _understood(row: InboundRow, raw: bytes) -> tuple[Verdict, Written | None]:
    """Return what a mail is and, where it is for people, what somebody wrote in it. For the slow threads."""
    verdict = taken_for(row, storable_verdict(classify(raw)))
    is_for_people = verdict.kind in BY_PEOPLE or row.destination in FOR_ROUTES
    return verdict, read_written(raw) if is_for_people else None
