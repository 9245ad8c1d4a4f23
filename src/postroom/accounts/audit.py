"""Proves that no mail is missing: every UID of a mailbox against the ledger, and the ledger in figures.

Each night every UID that the server has between where watching began and the
cursor is looked for in the ledger. What has no outcome is fetched and told like
new mail. There should be none; a server that shows a mail late, below UIDs that
it showed before, is what this is for.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import structlog

from postroom.accounts.mailbox import Mailbox
from postroom.accounts.tools import Session, Tools
from postroom.base.clock import DAY_MS, HOUR_MS
from postroom.ledger.account_rows import MailboxRow
from postroom.store import watching
from postroom.store.database import Conn
from postroom.store.watching import OutcomeCount

_log = structlog.get_logger(__name__)

_PAGE = 5_000
_JITTER_MS = 4 * HOUR_MS


@dataclass(frozen=True, slots=True)
class MailboxAudit:
    """A mailbox's present epoch in figures."""

    mailbox: str
    uid_validity: int
    first_uid: int
    """Where watching began."""
    uid_next: int
    """The cursor: what lies between the two has an outcome or was never there."""
    outcomes: dict[str, int]
    """How many UIDs had which, by words of Outcome; those of a sweep among them."""
    highest_uid: int
    """The highest with an outcome; 0: none yet."""
    checked_ms: int
    """When the cursor was last compared with the server."""
    audited_ms: int
    """When every UID was; where the mailbox is new, when watching began."""
    sweep_next: int | None


def audit_of(conn: Conn, account_id: int) -> list[MailboxAudit]:
    """Return the figures of an account's mailboxes, in the order in which they were first watched."""
    return [_figures(row, watching.outcomes_of(conn, row)) for row in watching.mailboxes_of(conn, account_id)]


def missing(on_server: Iterable[int], known: Iterable[int], first_uid: int, uid_next: int) -> list[int]:
    """Return the UIDs from `first_uid` up to `uid_next`, excluded, that the server has and the ledger has not."""
    return sorted({uid for uid in on_server if first_uid <= uid < uid_next}.difference(known))


def audit_due_ms(row: MailboxRow, chance: float) -> int:
    """Return when a mailbox is to be audited next: a day after the last time, some hours more or less."""
    return row.audited_ms + DAY_MS - _JITTER_MS // 2 + round(_JITTER_MS * chance)


async def audit(tools: Tools, box: Mailbox, session: Session) -> int:
    """Compare a selected mailbox with its server, tell what is missing, and return how many those were."""
    row = box.cursor
    now = tools.clock.now_ms()
    lost: list[int] = []
    if row.uid_next > row.first_uid:
        listed = await session.uid_search(f"UID {row.first_uid}:{row.uid_next - 1}")
        lost = missing(listed, await _known(tools, row), row.first_uid, row.uid_next)
    if lost:
        _log.warning("an audit found mail without outcome", account=row.account_id, mailbox=row.name, uids=lost[:20])
        tools.counts.missing += len(lost)
        await box.tell_missing(session, lost)
    await box.write(lambda tx: watching.note_audited(tx, row, now))
    box.row = box.cursor._replace(audited_ms=now)
    return len(lost)


async def _known(tools: Tools, row: MailboxRow) -> set[int]:
    known: set[int] = set()
    first = row.first_uid
    while True:
        page = await tools.database.read(
            partial(watching.known_between, row=row, first=first, last=row.uid_next - 1, limit=_PAGE)
        )
        known.update(page)
        if len(page) < _PAGE:
            return known
        first = page[-1] + 1


def _figures(row: MailboxRow, counts: list[OutcomeCount]) -> MailboxAudit:
    return MailboxAudit(
        row.name,
        row.uid_validity,
        row.first_uid,
        row.uid_next,
        {one.outcome: one.mails for one in counts},
        max((one.last for one in counts), default=0),
        row.checked_ms,
        row.audited_ms,
        row.sweep_next,
    )
