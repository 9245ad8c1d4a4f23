"""One mailbox of an account that is watched: opened, caught up with, swept, compared.

What is found goes into the store in batches: rows, numbered events and the moved
cursor are one transaction, so what has a number lies below the cursor and what
lies below the cursor has an outcome. A server that dies in between tells it
again, and so it is written once.
"""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TypeVar

import structlog

from postroom.accounts import catch_up
from postroom.accounts.fetching import Fetching
from postroom.accounts.found import SLOW_BYTES, Gone, Mail, Read, read, row_of, row_of_gone
from postroom.accounts.tools import Holding, Session, Tools
from postroom.base.errors import TryLater
from postroom.events.accounts import Found, NewEvent, append_events, append_mails
from postroom.ledger.account_rows import MailboxRow
from postroom.ledger.event_kinds import EventKind
from postroom.net.imap.answers import Examined
from postroom.net.imap.names import shown_name
from postroom.store import tracers, watching
from postroom.store.database import StoreConflict, Tx

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")

_WRITE_TRIES = 20
_WRITE_PAUSE_SECONDS = 1.0
_BUSY_SECONDS = 0.1
_TOLD_AGAIN_MS = 3_600_000
"""How old the time of the last comparison may be that pages show."""


class _Way(Enum):
    """Why a mail is looked at, and which cursor moves behind it."""

    NEW = "new"
    SWEEP = "sweep"
    MISSING = "missing"


@dataclass(slots=True)
class _Sweep:
    """Old UIDs that a sweep has still to tell of, as the server listed them when it began in this session."""

    uids: "array[int]"
    at: int = 0


class Mailbox:
    """A mailbox in one session. `open` first; the session must have it selected for all that follows."""

    __slots__ = ("_fetching", "_holding", "_sweep", "_tools", "name", "row")

    def __init__(
        self, tools: Tools, holding: Holding, name: str, row: MailboxRow | None, troubles: dict[tuple[str, int], int]
    ) -> None:
        """`row` is its cursor; None: it was never opened. `troubles` outlives sessions."""
        self._tools = tools
        self._holding = holding
        self._sweep: _Sweep | None = None
        self._fetching = Fetching(tools, name, troubles)
        self.name = name
        self.row = row

    async def open(self, session: Session) -> Examined:
        """Examine it; a first cursor is written before anything else, one of other UIDs begins anew and is told."""
        examined = await session.examine(self.name)
        todo = catch_up.plan(self.row, examined.uid_validity, examined.uid_next)
        if isinstance(todo, catch_up.GoOn):
            return examined
        uid_next = await _uid_next(session, examined)
        if self.row is None:
            await self._begin(examined, uid_next)
        else:
            await self._begin_again(self.row, examined, uid_next)
        return examined

    async def find(self, session: Session, noticed_ms: int) -> int:
        """Tell of everything from the cursor on; return how many UIDs were found.

        What the server tells from the search on makes the session dirty again.
        Raises LostEpoch and LostCursor.
        """
        session.take_news()
        first = self.cursor.uid_next
        uids = catch_up.new_uids(await session.uid_search(catch_up.search_from(first)), first)
        for part in catch_up.asked_at_once(uids):
            await self._take(session, part, noticed_ms, _Way.NEW)
        return len(uids)

    async def sweep_some(self, session: Session) -> bool:
        """Tell of one batch of old mail; False where there is no sweep (any more)."""
        row = self.cursor
        if row.sweep_next is None:
            return False
        if self._sweep is None:
            listed = await session.uid_search(f"UID {row.sweep_next}:{row.first_uid - 1}") if row.first_uid > 1 else []
            old = [uid for uid in catch_up.new_uids(listed, row.sweep_next) if uid < row.first_uid]
            self._sweep = _Sweep(array("Q", old))
        sweep = self._sweep
        uids = list(sweep.uids[sweep.at : sweep.at + catch_up.MOST_UIDS])
        if not uids:
            self._sweep = None
            await self.write(lambda tx: watching.move_sweep(tx, row, None))
            self.row = row._replace(sweep_next=None)
            return False
        await self._take(session, uids, self._tools.clock.now_ms(), _Way.SWEEP)
        sweep.at += len(uids)
        return True

    async def tell_missing(self, session: Session, uids: Sequence[int]) -> None:
        """Tell of mails below the cursor that have no outcome: what an audit found."""
        for part in catch_up.asked_at_once(uids):
            await self._take(session, part, self._tools.clock.now_ms(), _Way.MISSING)

    async def note_checked(self, *, unannounced: bool) -> None:
        """Keep that the mailbox was compared with its server, and what that says of the server."""
        row = self.cursor
        trust = catch_up.trust_after(row.trust, unannounced=unannounced)
        now = self._tools.clock.now_ms()
        if trust == row.trust and now - row.checked_ms < _TOLD_AGAIN_MS:
            # Thousands of mailboxes are compared all the time: what says nothing new is not worth a commit each.
            return
        row = row._replace(trust=trust, checked_ms=now)
        await self.write(lambda tx: watching.note_checked(tx, row))
        self.row = row

    def swept_anew(self, sweep_next: int | None) -> None:
        """Take a sweep up that somebody has asked for."""
        if sweep_next != self.cursor.sweep_next:
            self._sweep = None
            self.row = self.cursor._replace(sweep_next=sweep_next)

    @property
    def cursor(self) -> MailboxRow:
        """The mailbox's row, once it was opened."""
        if self.row is None:
            raise RuntimeError("the mailbox was not opened")
        return self.row

    async def write(self, function: Callable[[Tx], _T], size_bytes: int = 0) -> _T:
        """Write; while the store is away for a moment, wait rather than leave the server."""
        for _ in range(_WRITE_TRIES):
            try:
                return await self._tools.database.write(function, size_bytes=size_bytes)
            except TryLater:
                await self._tools.clock.sleep(_WRITE_PAUSE_SECONDS * (0.5 + self._tools.chance()))
        return await self._tools.database.write(function, size_bytes=size_bytes)

    # The epoch of its UIDs

    async def _begin(self, examined: Examined, uid_next: int) -> None:
        tools, account = self._tools, self._holding.account
        now = tools.clock.now_ms()
        row = MailboxRow(
            tools.ids.next(),
            account.account_id,
            account.workspace_id,
            self.name,
            examined.uid_validity,
            uid_next,
            uid_next,
            examined.highest_modseq or 0,
            None,
            now,
            now,
            catch_up.TRUSTED,
        )
        await self.write(lambda tx: watching.begin_mailbox(tx, row, self._holding.epoch))
        self.row = row

    async def _begin_again(self, before: MailboxRow, examined: Examined, uid_next: int) -> None:
        tools, holding = self._tools, self._holding
        now = tools.clock.now_ms()
        row = before._replace(
            uid_validity=examined.uid_validity,
            first_uid=uid_next,
            uid_next=uid_next,
            highest_modseq=examined.highest_modseq or 0,
            sweep_next=None,
            checked_ms=now,
            audited_ms=now,
            trust=catch_up.TRUSTED,
        )
        told = {
            "mailbox": self.name,
            "mailbox_name": shown_name(self.name),
            "uid_validity": row.uid_validity,
            "uid_validity_before": before.uid_validity,
            "uid_next": uid_next,
        }
        event = NewEvent(EventKind.MAILBOX_RESET, now, told)

        def function(tx: Tx) -> None:
            append_events(tx, holding.account, [event], tools.ids, epoch=holding.epoch)
            watching.begin_again(tx, row, before.uid_validity)

        await self.write(function)
        tools.counts.resets += 1
        self._sweep = None
        self.row = row
        _log.warning("a mailbox has new UIDs", account=holding.account.account_id, mailbox=self.name)

    # What was found

    async def _take(self, session: Session, uids: Sequence[int], noticed_ms: int, way: _Way) -> None:
        sizes = await self._fetching.sizes(session, uids)
        for batch in catch_up.batches(self._fetching.to_fetch(uids, sizes)):
            async with self._tools.hands.hold(len(batch)):
                mails = await self._fetching.batch(session, batch, sizes, noticed_ms)
                await self._record(mails, way)
            self._fetching.settled(batch)

    async def _record(self, mails: Sequence[Mail | Gone], way: _Way) -> None:
        tools, holding, row = self._tools, self._holding, self.cursor
        size = sum(len(mail.body or b"") for mail in mails if isinstance(mail, Mail))
        async with tools.hands.read():
            told = await self._read(mails, size)
        uids = [mail.uid for mail in mails]
        now = tools.clock.now_ms()

        def function(tx: Tx, *, checks: bool) -> MailboxRow:
            known = watching.known_of(tx, row, uids) if checks else set()
            found = [_found(tx, one, row, now) for uid, one in zip(uids, told, strict=True) if uid not in known]
            append_mails(tx, holding.account, found, tools.ids, epoch=holding.epoch)
            if any(one.event is not None for one in found):
                watching.note_last_mail(tx, holding.account.account_id, now)
            return _moved(tx, row, way, uids[-1] + 1, now)

        try:
            # What lies at the cursor was never told: the cursor itself says so.
            self.row = await self.write(partial(function, checks=way is not _Way.NEW), size)
        except StoreConflict:
            # Unless the server has given a UID a second time (against RFC 9051 2.3.1.1): it must not stop the rest.
            _log.warning("a server gave UIDs again", account=row.account_id, mailbox=row.name, uids=uids)
            self.row = await self.write(partial(function, checks=True), size)
        tools.counts.mails += len(mails)
        if way is _Way.NEW:
            for one in told:
                if isinstance(one, Read):
                    tools.counts.stages.observe(holding.account.provider, one, now)

    async def _read(self, mails: Sequence[Mail | Gone], size: int) -> list[Read | Gone]:
        work = partial(_read_all, mails)
        if size <= SLOW_BYTES:
            return work()
        while True:
            try:
                return await self._tools.slow.run(work)
            except TryLater:
                await self._tools.clock.sleep(_BUSY_SECONDS)


def _read_all(mails: Sequence[Mail | Gone]) -> list[Read | Gone]:
    return [read(mail) if isinstance(mail, Mail) else mail for mail in mails]


def _found(tx: Tx, one: Read | Gone, row: MailboxRow, now_ms: int) -> Found:
    if isinstance(one, Gone):
        return row_of_gone(one, row, now_ms)
    mail = one.mail
    times = tracers.Times(mail.internal_ms, mail.noticed_ms, mail.fetched_ms, now_ms)
    is_tracer = one.tracer is not None and tracers.arrived(tx, row.account_id, one.tracer, times)
    return row_of(one, row, now_ms, is_tracer=is_tracer)


def _moved(tx: Tx, row: MailboxRow, way: _Way, uid_next: int, now_ms: int) -> MailboxRow:
    if way is _Way.NEW:
        watching.move_cursor(tx, row, uid_next, now_ms)
        return row._replace(uid_next=uid_next, checked_ms=now_ms)
    if way is _Way.SWEEP:
        watching.move_sweep(tx, row, uid_next)
        return row._replace(sweep_next=uid_next)
    return row


async def _uid_next(session: Session, examined: Examined) -> int:
    if examined.uid_next is not None:
        return examined.uid_next
    if not examined.exists:
        return 1
    return max(await session.uid_search("UID *"), default=0) + 1
