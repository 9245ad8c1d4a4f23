"""Looking through mail that came in for words of its subject and for pieces of names and addresses.

A whole address and a kind are answered by an index. Everything else is looked
for in what that index gives, window by window, newest first, for as long as a
page may take; then the page says how far back it came (decision 0025).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from postroom.base.clock import Clock
from postroom.doors.dashboard.walk import SECONDS
from postroom.ledger.inbound_rows import InboundRow
from postroom.store import inbound
from postroom.store.database import Conn, Database
from postroom.store.inbound import Glimpse, InboundFilter

_WINDOW = 2_000
_MOST_WINDOWS = 100


@dataclass(frozen=True, slots=True)
class Pieces:
    """What has to stand somewhere in a mail's names, addresses or subject, in whatever letter case."""

    author: str = ""
    recipient: str = ""
    subject: tuple[str, ...] = field(default=())
    """All of them."""

    def are_in(self, seen: Glimpse) -> bool:
        """Tell whether a mail has them all."""
        subject = seen.subject.casefold()
        return (
            self.author in f"{seen.author_name}\n{seen.author}".casefold()
            and self.recipient in seen.recipient.casefold()
            and all(word in subject for word in self.subject)
        )


@dataclass(frozen=True, slots=True)
class Found:
    """A page of mails."""

    rows: Sequence[InboundRow]
    """Newest first."""
    more: bool
    """Another one follows these."""
    reached: int | None = None
    """The id down to which was looked, because the time was over before the page was full; else None."""
    examined: int = 0


async def look(
    database: Database,
    clock: Clock,
    workspace_id: int,
    asked: InboundFilter,
    pieces: Pieces,
    limit: int,
    before: int | None,
) -> Found:
    """Return up to `limit` mails of a workspace with ids below `before`. Raises TryLater."""
    if pieces == Pieces():
        rows = await database.read(lambda conn: inbound.page(conn, workspace_id, asked, limit + 1, before))
        return Found(rows[:limit], len(rows) > limit)
    ids: list[int] = []
    began, at, examined, is_over = clock.monotonic(), before, 0, False
    for _ in range(_MOST_WINDOWS):
        seen = await database.read(partial(_window, workspace_id=workspace_id, asked=asked, before=at))
        ids += [one.id for one in seen if pieces.are_in(one)]
        examined += len(seen)
        is_over = len(seen) < _WINDOW
        if is_over or len(ids) > limit or clock.monotonic() - began >= SECONDS:
            break
        at = seen[-1].id
    shown = ids[:limit]
    by_id = await database.read(lambda conn: inbound.by_ids(conn, workspace_id, shown))
    rows = [by_id[one] for one in shown if one in by_id]
    is_cut = not is_over and len(ids) <= limit
    return Found(rows, len(ids) > limit, seen[-1].id if is_cut else None, examined)


def _window(conn: Conn, workspace_id: int, asked: InboundFilter, before: int | None) -> list[Glimpse]:
    return inbound.glimpses(conn, workspace_id, asked, _WINDOW, before)
