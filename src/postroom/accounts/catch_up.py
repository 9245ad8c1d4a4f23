"""What to do about a mailbox: its stored cursor against what the server says. Pure.

A cursor is a UID: all below it, from where watching began, have an outcome or
were never there. It moves only to behind a UID that was found and has got its
outcome, never to a UIDNEXT that the server volunteers: a server may know the
number before it shows the mail. So what is searched is always everything from
the cursor on, and what is found there is new, however often one searches and
whatever EXISTS, EXPUNGE and RECENT told meanwhile (RFC 9051 2.3.1.1).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from postroom.ledger.account_rows import MailboxRow

MOST_UIDS = 20
MOST_BYTES = 1 << 20
"""What one transaction holds at most, one mail at least."""
_MOST_ASKED = 200
"""UIDs whose sizes are asked for at a time: a set of them stays below any server's longest line."""

TRUSTED = 3
"""Checks in a row without a surprise after which a server is trusted; a new one is until it surprises."""
_FIRST_CHECK_SECONDS = (60.0, 150.0, 300.0)
"""While a server is not trusted: after so many checks that found nothing unannounced."""
_CHECK_SECONDS = 600.0
_CHECK_SPREAD_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Begin:
    """The mailbox was never watched: watch from here on."""

    uid_next: int | None
    """None: the server does not say; what is the highest UID has to be asked."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Its UIDs have begun anew (UIDVALIDITY): watch from here on, and tell so."""

    uid_next: int | None


@dataclass(frozen=True, slots=True)
class GoOn:
    """Everything from the cursor on is to be found."""

    uid: int


Plan = Begin | Reset | GoOn


def plan(cursor: MailboxRow | None, uid_validity: int, uid_next: int | None) -> Plan:
    """Return what to do about a mailbox that was opened just now.

    A UIDNEXT below the cursor in the same epoch is the server's fault (RFC 9051
    2.3.1.1): what lies below the cursor is not told again.
    """
    if cursor is None:
        return Begin(uid_next)
    # 0 or none is what a server says that keeps no epochs: nothing tells us that its UIDs are others now.
    if uid_validity and uid_validity != cursor.uid_validity:
        return Reset(uid_next)
    return GoOn(cursor.uid_next)


def looks_searched(cursor: MailboxRow, exists_before: int | None, uid_next: int | None, exists: int) -> bool:
    """Tell whether a mailbox that was opened just now has nothing that a search before did not show.

    `exists_before`: how many mails it had when it was opened and searched last. New mail has a UID
    from UIDNEXT on, and is one mail more: a server would have to be wrong in both to hide it here.
    """
    return uid_next == cursor.uid_next and exists == exists_before


def search_from(uid: int) -> str:
    """Return the search for everything from a UID on."""
    return f"UID {uid}:*"


def new_uids(answer: Iterable[int], uid: int) -> list[int]:
    """Return the UIDs of an answer from `uid` on, ascending, each once.

    `n:*` also gives the highest UID where that is below n (RFC 9051 9, seq-range).
    """
    return sorted({one for one in answer if one >= uid})


def asked_at_once(uids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yield the UIDs in pieces whose sizes are asked for together."""
    for start in range(0, len(uids), _MOST_ASKED):
        yield uids[start : start + _MOST_ASKED]


def batches(sizes: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    """Yield the UIDs of pairs (UID, bytes to be fetched) in their order, in pieces of one transaction."""
    batch: list[int] = []
    size_bytes = 0
    for uid, size in sizes:
        if batch and (len(batch) >= MOST_UIDS or size_bytes + size > MOST_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append(uid)
        size_bytes += size
    if batch:
        yield batch


def check_seconds(trust: int, chance: float) -> float:
    """Return after how long a mailbox is compared with its server though the server tells nothing.

    `trust` counts comparisons in a row that found nothing unannounced; `chance`
    is 0.0 to 1.0, so that many mailboxes are not compared at the same moment.
    """
    if trust < TRUSTED:
        return _FIRST_CHECK_SECONDS[max(trust, 0)] * (0.75 + 0.5 * chance)
    return _CHECK_SECONDS + _CHECK_SPREAD_SECONDS * chance


def trust_after(trust: int, *, unannounced: bool) -> int:
    """Return the trust after a comparison."""
    return 0 if unannounced else min(trust + 1, TRUSTED)
