"""Proves that no mail is missing: every UID of a mailbox against the ledger.

Each night every UID that the server has between where watching began and the
cursor is looked for in the ledger. What has no outcome is fetched and told like
new mail. There should be none; a server that shows a mail late, below UIDs that
it showed before, is what this is for.
"""

from collections.abc import Iterable
from functools import partial

import structlog

from postroom.accounts.mailbox import Mailbox
from postroom.accounts.tools import Session, Tools
from postroom.base.clock import DAY_MS, HOUR_MS
from postroom.ledger.account_rows import MailboxRow
from postroom.store import purge_accounts, watching

_log = structlog.get_logger(__name__)

_PAGE = 5_000
_JITTER_MS = 4 * HOUR_MS


def missing(on_server: Iterable[int], known: Iterable[int], first_uid: int, uid_next: int) -> list[int]:
    """Return the UIDs from `first_uid` up to `uid_next`, excluded, that the server has and the ledger has not."""
    return sorted({uid for uid in on_server if first_uid <= uid < uid_next}.difference(known))


def audit_due_ms(row: MailboxRow, chance: float) -> int:
    """Return when a mailbox is to be audited next: a day after the last time, some hours more or less."""
    return row.audited_ms + DAY_MS - _JITTER_MS // 2 + round(_JITTER_MS * chance)


async def audit(tools: Tools, box: Mailbox, session: Session) -> int:
    """Compare a selected mailbox with its server, tell what is missing, and return how many those were."""
    row = box.cursor
    row = row._replace(first_uid=await _first_uid(tools, row))
    now = tools.clock.now_ms()
    lost: list[int] = []
    if row.uid_next > row.first_uid:
        listed = await session.uid_search(f"UID {row.first_uid}:{row.uid_next - 1}")
        known = await _known(tools, row)
        # Read again behind the ledger: what retention has deleted meanwhile is not missing.
        lost = missing(listed, known, await _first_uid(tools, row), row.uid_next)
    if lost:
        _log.warning("an audit found mail without outcome", account=row.account_id, mailbox=row.name, uids=lost[:20])
        tools.counts.missing += len(lost)
        await box.tell_missing(session, lost)
    await box.write(lambda tx: watching.note_audited(tx, row, now))
    box.row = box.cursor._replace(audited_ms=now)
    return len(lost)


async def _first_uid(tools: Tools, row: MailboxRow) -> int:
    return await tools.database.read(partial(purge_accounts.first_uid_now, row=row))


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
