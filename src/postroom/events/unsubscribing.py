"""Unsubscribing by the link or the machine address of one copy, or by a reply to it, and taking it back.

Who holds the token holds the mail. It stops bulk mail of that workspace to that
address, nothing else. It may be taken back for a day: later a forwarded mail
could put somebody on a list again who left it long ago.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from postroom.base.clock import DAY_MS
from postroom.base.ids import show_id
from postroom.events import suppression
from postroom.events.record import Facts, record_unsubscribed, tags_of
from postroom.ledger.rows import SuppressionRow
from postroom.ledger.states import SuppressionScope
from postroom.store import hits
from postroom.store.database import Conn, Tx

SOURCE = "unsubscribe"
"""`suppression.source` of what is written here."""
UNDO_MS = DAY_MS

_scope = SuppressionScope.BULK.value


class By(StrEnum):
    """How somebody unsubscribed."""

    ONE_CLICK = "one_click"
    """The POST of RFC 8058, by the mail program."""
    PAGE = "page"
    """The button of our page."""
    MAIL = "mail"
    """A mail to the copy's `u-` address (RFC 2369 3.2)."""
    REPLY = "reply"
    """A reply that asks to get no more mail."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What the page shows."""

    workspace_id: int
    author_domain: str
    address: str
    unsubscribed: bool
    may_undo: bool
    author_unsubscribe: tuple[str, ...]
    """The URIs of the author's own List-Unsubscribe field, which ours replaced."""


def subscription(conn: Conn, recipient_id: int, now_ms: int) -> Subscription | None:
    """Return what the page shows about a recipient, or None for an unknown one. Changes nothing."""
    facts = hits.unsubscribe_facts(conn, recipient_id)
    if facts is None:
        return None
    standing = hits.standing_suppression(conn, facts.workspace_id, facts.address_key, _scope, now_ms)
    return _shown(facts, standing, now_ms)


def unsubscribe(
    tx: Tx, recipient_id: int, by: By, evidence: Mapping[str, str], now_ms: int, new_id: int
) -> Subscription | None:
    """Stop bulk mail of the recipient's workspace to its address; return what the page shows, None for an unknown one.

    Safe to repeat: once it stands, nothing more is written. `new_id` becomes
    the id of the event and of the suppression. Counts once a recipient.
    """
    facts = hits.unsubscribe_facts(tx, recipient_id)
    if facts is None:
        return None
    # Before the suppression is read: of two posts at once the second waits here for the first one's commit.
    first = hits.mark_unsubscribed(tx, recipient_id, now_ms)
    standing = hits.standing_suppression(tx, facts.workspace_id, facts.address_key, _scope, now_ms)
    is_new = standing is None
    if standing is None:
        row = SuppressionRow(
            new_id,
            facts.workspace_id,
            facts.address_key,
            _scope,
            "unsubscribed",
            SOURCE,
            msgspec.json.encode({"by": by.value, "recipient": show_id("rcp", recipient_id), **evidence}).decode(),
            None,
            now_ms,
        )
        standing = suppression.suppress(tx, row)
    if first or is_new:
        told = dict(evidence)
        authors = author_unsubscribe(facts.author_unsubscribe)
        if authors:
            told["author_list_unsubscribe"] = ", ".join(f"<{uri}>" for uri in authors)
        record_unsubscribed(tx, _counted(facts), new_id, now_ms, by.value, told, first=first)
    return _shown(facts, standing, now_ms)


def undo(tx: Tx, recipient_id: int, now_ms: int, new_id: int) -> Subscription | None:
    """Take an unsubscribe of the last UNDO_MS back; return what the page shows, None for an unknown recipient.

    A suppression that somebody else set, or an older one, stays.
    """
    facts = hits.unsubscribe_facts(tx, recipient_id)
    if facts is None:
        return None
    standing = hits.standing_suppression(tx, facts.workspace_id, facts.address_key, _scope, now_ms)
    if _may_undo(standing, now_ms):
        suppression.remove(tx, facts.workspace_id, facts.address_key, _scope, new_id, now_ms, SOURCE)
        standing = None
    return _shown(facts, standing, now_ms)


def author_unsubscribe(stored: str) -> tuple[str, ...]:
    """Return the URIs of the author's own List-Unsubscribe out of `message.unsubscribe` (RFC 2369 2)."""
    if not stored:
        return ()
    try:
        values = msgspec.json.decode(stored, type=dict[str, str])
    except msgspec.DecodeError:
        return ()
    uris = []
    for value in values.values():
        for piece in value.split("<")[1:]:
            uri = "".join(piece.partition(">")[0].split())
            if uri.lower().startswith(("http://", "https://", "mailto:")):
                uris.append(uri)
    return tuple(uris)


def _shown(facts: hits.UnsubscribeFacts, standing: SuppressionRow | None, now_ms: int) -> Subscription:
    return Subscription(
        facts.workspace_id,
        facts.author_domain,
        facts.address,
        standing is not None,
        _may_undo(standing, now_ms),
        author_unsubscribe(facts.author_unsubscribe),
    )


def _may_undo(standing: SuppressionRow | None, now_ms: int) -> bool:
    return standing is not None and standing.source == SOURCE and now_ms - standing.created_ms <= UNDO_MS


def _counted(facts: hits.UnsubscribeFacts) -> Facts:
    return Facts(
        facts.workspace_id,
        facts.message_id,
        facts.recipient_id,
        facts.address_key,
        facts.stream,
        facts.author_domain,
        tags_of(facts.tags),
        facts.provider,
    )
