"""What happens in one session, from the open mailbox to the end of the connection.

The first mailbox is watched by IDLE, or by a poll where IDLE is missing or
lies. The others are asked for in turn on the same connection, between two
IDLEs: a server that counts connections is not asked for another. Old mail is
swept and mailboxes are audited where nothing new waits.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import structlog

from postroom.accounts.audit import audit, audit_due_ms
from postroom.accounts.catch_up import check_seconds, looks_searched
from postroom.accounts.mailbox import Mailbox
from postroom.accounts.providers import Provider
from postroom.accounts.tools import Holding, Session, Tools
from postroom.base.clock import DAY_MS, set_or_after
from postroom.ledger.account_rows import AccountState, MailboxRow
from postroom.net.imap.answers import ListedMailbox, MailboxStatus
from postroom.net.imap.errors import ImapBad, ImapNo, NotOffered

_log = structlog.get_logger(__name__)

POLL_SECONDS = 55.0
"""Below the minute after which some servers without IDLE end a silent session."""
OTHERS_SECONDS = 120.0
_SEARCH_SECONDS = 3_600.0
"""So often a comparison searches, though the mailbox looks as it did after the last search."""
_OTHERS_CHECK_MS = 900_000
"""So often another mailbox is searched whatever its STATUS says."""
_PARKED_SECONDS = 21_600.0
"""A mailbox that cannot be opened is tried again after six hours."""
_SWEEPS_A_TURN = 20
_LEAST_WAIT_SECONDS = 1.0
_VAIN_SEARCHES = 10
_VAIN_SECONDS = 1.0
_AUDIT, _SWEEP = 0, -1
"""In place of a UID, where troubles are counted."""
_MOST_TRIES = 3

_decode_names = msgspec.json.Decoder(list[str]).decode


def wanted_names(mailboxes: str) -> list[str]:
    """Return the names that the column `account.mailboxes` holds."""
    return (_decode_names(mailboxes) if mailboxes else []) or ["INBOX"]


def names_on_server(wanted: Sequence[str], listed: Sequence[ListedMailbox]) -> list[str]:
    """Return names as the server writes them, INBOX first, each once.

    A name is the server's own form, what people see, or a special use such as `\\All` (RFC 6154).
    """
    found: dict[str, None] = {}
    for name in sorted(wanted, key=lambda one: one.upper() != "INBOX"):
        if name.upper() == "INBOX":
            found["INBOX"] = None
            continue
        ways: tuple[Callable[[ListedMailbox], bool], ...] = (
            lambda one, name=name: one.name == name,  # type: ignore[misc]
            lambda one, name=name: one.shown == name,  # type: ignore[misc]
            lambda one, name=name: (one.special_use or "").lower() == name.lower(),  # type: ignore[misc]
        )
        for is_it in ways:
            match = next((one.name for one in listed if one.is_selectable and is_it(one)), None)
            if match is not None:
                found[match] = None
                break
    return list(found) or ["INBOX"]


class _Other:
    """A mailbox that is not the first."""

    __slots__ = ("audit_ms", "box", "last", "parked_until")

    def __init__(self, box: Mailbox) -> None:
        self.audit_ms = 0
        self.box = box
        self.last: MailboxStatus | None = None
        self.parked_until = 0.0


class Watch:
    """Watches an account's mailboxes in one session. `run` until the session or the epoch is lost."""

    def __init__(
        self,
        tools: Tools,
        holding: Holding,
        provider: Provider,
        session: Session,
        names: Sequence[str],
        rows: Sequence[MailboxRow],
        troubles: dict[tuple[str, int], int],
    ) -> None:
        by_name = {row.name: row for row in rows}
        boxes = [Mailbox(tools, holding, name, by_name.get(name), troubles) for name in names]
        self._tools = tools
        self._troubles = troubles
        self._session = session
        self._provider = provider
        self._first = boxes[0]
        self._others = [_Other(box) for box in boxes[1:]]
        self._idles = provider.has_idle and session.can("IDLE")
        self._reopens = False
        self._polling: asyncio.Event | None = None
        now = tools.clock.monotonic()
        self._others_at = now
        self._check_at = now
        self._audit_ms = 0
        self._searched: int | None = None
        """How many mails the first mailbox had when it was opened and searched last."""
        self._search_at = 0.0
        """From then on it is searched whatever it looks like."""

    async def run(self, told: Callable[[AccountState], Awaitable[None]]) -> None:
        """Watch. `told` hears of the state once nothing waits any more, and when it changes.

        Raises what ends a session: ImapLost and its kinds, Throttled, ImapNo and
        ImapBad, LostEpoch, LostCursor, TryLater.
        """
        noticed_ms = self._tools.clock.now_ms()
        self._searched = (await self._first.open(self._session)).exists
        self._search_at = self._tools.clock.monotonic() + _SEARCH_SECONDS
        state: AccountState | None = None
        is_compared = False
        while True:
            if not is_compared or self._session.is_dirty:
                await self._find(self._first, noticed_ms)
            is_compared = False
            now = AccountState.WATCHING if self._idles else AccountState.POLLING
            if now is not state:
                if state is None:
                    self._plan()
                state = now
                await told(state)
            await self._sweep(self._first)
            if self._others and self._tools.clock.monotonic() >= self._others_at:
                await self._look_at_others()
            elif not self._session.is_dirty:
                is_compared = await self._wait()
            noticed_ms = self._tools.clock.now_ms()

    @property
    def heard(self) -> float:
        """When the server was last heard of, on the clock's monotonic seconds."""
        return self._session.heard

    def wake(self, rows: Sequence[MailboxRow]) -> None:
        """Look at the mailboxes now; `rows` are theirs as somebody may have changed them: a sweep was asked for."""
        by_name = {row.name: row for row in rows}
        for box in (self._first, *(other.box for other in self._others)):
            row = by_name.get(box.name)
            if row is not None and box.row is not None and row.uid_validity == box.row.uid_validity:
                box.swept_anew(row.sweep_next)
        self._others_at = self._tools.clock.monotonic()
        if self._polling is not None:
            self._polling.set()
        self._session.wake()

    # The first mailbox

    async def _find(self, box: Mailbox, noticed_ms: int) -> int:
        found, vain = await box.find(self._session, noticed_ms), 0
        while self._session.is_dirty:
            # Whatever was told meanwhile: IDLE would not tell it again.
            more = await box.find(self._session, self._tools.clock.now_ms())
            found, vain = found + more, 0 if more else vain + 1
            if vain > _VAIN_SEARCHES:
                # Some servers say something odd at each command.
                await self._tools.clock.sleep(_VAIN_SECONDS)
        return found

    async def _sweep(self, box: Mailbox, most: int | None = None) -> None:
        """Tell old mail, `most` batches of it at most; None: all. What is new goes before it."""
        if box.cursor.sweep_next is None or not self._may_try(box, _SWEEP):
            return
        turns = 0
        while turns != most and await box.sweep_some(self._session):
            turns += 1
            # It gets on: sessions may end as often as they like.
            self._troubles[box.name, _SWEEP] = 1
            if self._session.is_dirty or turns % _SWEEPS_A_TURN == 0:
                await self._find(box, self._tools.clock.now_ms())
        self._troubles.pop((box.name, _SWEEP), None)

    async def _audit(self, box: Mailbox) -> int:
        """Audit a mailbox; return when it is to be audited next."""
        if self._may_try(box, _AUDIT):
            await audit(self._tools, box, self._session)
            due_ms = audit_due_ms(box.cursor, self._tools.chance())
        else:
            _log.warning("a mailbox cannot be audited", account=box.cursor.account_id, mailbox=box.name)
            due_ms = self._tools.clock.now_ms() + DAY_MS
        self._troubles.pop((box.name, _AUDIT), None)
        return due_ms

    def _may_try(self, box: Mailbox, what: int) -> bool:
        """Count a try of what may cost a session; False where some have: then new mail goes before it."""
        tries = self._troubles.get((box.name, what), 0)
        self._troubles[box.name, what] = tries + 1
        return tries < _MOST_TRIES

    async def _wait(self) -> bool:
        """Wait for news or for what is to be done next; tell whether the mailbox was compared with its server."""
        clock = self._tools.clock
        if self._tools.clock.now_ms() >= self._audit_ms:
            self._audit_ms = await self._audit(self._first)
            return False
        due = min(self._check_at, self._others_at) if self._others else self._check_at
        seconds = max(_LEAST_WAIT_SECONDS, due - clock.monotonic())
        if self._idles:
            # Some sooner, so that thousands that began together do not go on together.
            longest = self._provider.idle_seconds * (0.9 + 0.1 * self._tools.chance())
            try:
                await self._session.idle(min(seconds, longest))
            except NotOffered:
                self._idles = False
        else:
            pause = POLL_SECONDS * (0.8 + 0.2 * self._tools.chance())
            self._polling = asyncio.Event()
            await set_or_after(self._polling, clock, min(seconds, pause))
            self._polling = None
            if self._reopens:
                await self._first.open(self._session)
        if clock.monotonic() < self._check_at:
            return False
        await self._check()
        return True

    async def _check(self) -> None:
        """Compare the mailbox with the server, which may have forgotten to tell something."""
        was_told = self._idles and self._session.is_dirty
        if not self._idles:
            # What a poll finds was not hidden.
            await self._find(self._first, self._tools.clock.now_ms())
        examined = await self._first.open(self._session)
        found, now = 0, self._tools.clock.monotonic()
        is_known = looks_searched(self._first.cursor, self._searched, examined.uid_next, examined.exists)
        if was_told or not is_known or now >= self._search_at:
            found = await self._find(self._first, self._tools.clock.now_ms())
            self._searched, self._search_at = examined.exists, now + _SEARCH_SECONDS
        unannounced = found > 0 and not was_told
        if unannounced:
            self._tools.counts.unannounced += found
            # A search that shows less than a new EXAMINE: from now on each poll opens the mailbox again.
            self._reopens = True
        await self._first.note_checked(unannounced=unannounced)
        self._plan_check()

    def _plan(self) -> None:
        self._plan_check()
        self._plan_audit()

    def _plan_check(self) -> None:
        self._check_at = self._tools.clock.monotonic() + check_seconds(self._first.cursor.trust, self._tools.chance())

    def _plan_audit(self) -> None:
        self._audit_ms = audit_due_ms(self._first.cursor, self._tools.chance())

    # The others

    async def _look_at_others(self) -> None:
        clock, opened = self._tools.clock, False
        for other in self._others:
            if clock.monotonic() < other.parked_until:
                continue
            try:
                opened = await self._look_at(other) or opened
            except (ImapNo, ImapBad) as error:
                opened = True
                other.parked_until = clock.monotonic() + _PARKED_SECONDS
                _log.warning("a mailbox cannot be watched", mailbox=other.box.name, reason=str(error))
        self._others_at = clock.monotonic() + OTHERS_SECONDS * (0.75 + 0.5 * self._tools.chance())
        if opened:
            await self._first.open(self._session)

    async def _look_at(self, other: _Other) -> bool:
        """Catch up with a mailbox where its STATUS has changed; tell whether it was opened."""
        box, now_ms = other.box, self._tools.clock.now_ms()
        status = await self._session.status(box.name)
        row = box.row
        is_due = row is None or now_ms - row.checked_ms > _OTHERS_CHECK_MS or row.sweep_next is not None
        if status == other.last and not is_due:
            return False
        await box.open(self._session)
        await self._find(box, now_ms)
        # Not earlier: what comes while we search differs from it.
        other.last = status
        await box.note_checked(unannounced=False)
        await self._sweep(box, _SWEEPS_A_TURN)
        if now_ms >= other.audit_ms:
            due_ms = audit_due_ms(box.cursor, self._tools.chance())
            other.audit_ms = await self._audit(box) if now_ms >= due_ms else due_ms
        return True
