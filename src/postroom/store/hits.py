"""Table `hit`, and what the tracking doors read and mark of recipients.

A token names its recipient and is checked before anything here is asked.
That is why the functions of this file take a recipient id without a workspace
id: the workspace is what they answer.
"""

import zlib
from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from postroom.ledger.rows import SuppressionRow
from postroom.store.database import Conn, Statement, Tx, statement

Verb = Literal["opened", "clicked"]


class HitFacts(NamedTuple):
    """What recording a hit needs of its recipient, message and workspace."""

    recipient_id: int
    workspace_id: int
    message_id: int
    address_key: str
    provider: str
    state: str
    settled_ms: int | None
    doubt_retried: int
    opened_ms: int | None
    human_opened_ms: int | None
    clicked_ms: int | None
    human_clicked_ms: int | None
    stream: str
    author_domain: str
    tags: str
    track: int
    keep_addresses: int
    shown_ms: int | None
    """When the sandbox first showed the copy to somebody who is logged in; None: never, or not in the sandbox."""


class First(NamedTuple):
    """The first times of a recipient that a batch brings."""

    recipient_id: int
    at_ms: int | None
    """When it was first opened or clicked; None where that is stored already."""
    human_at_ms: int | None


class LinkFacts(NamedTuple):
    """Where the link table of a recipient's copy lies."""

    workspace_id: int
    content_key: bytes


class UnsubscribeFacts(NamedTuple):
    """What the unsubscribe page and its consequences need of a recipient and its message."""

    recipient_id: int
    workspace_id: int
    message_id: int
    address: str
    address_key: str
    provider: str
    unsubscribed_ms: int | None
    stream: str
    author_domain: str
    tags: str
    author_unsubscribe: str
    """JSON of `message.unsubscribe`, or empty."""


_KNOWN = statement(
    sqlite="SELECT id FROM hit WHERE id IN (SELECT value FROM json_each(?))",
    postgresql="SELECT id FROM hit WHERE id = ANY(?)",
)

_FACTS_COLUMNS = (
    "r.id, r.workspace_id, r.message_id, r.address_key, r.provider, r.state, r.settled_ms, r.doubt_retried, "
    "r.opened_ms, r.human_opened_ms, r.clicked_ms, r.human_clicked_ms, "
    "m.stream, m.author_domain, m.tags, m.track, w.keep_addresses, s.shown_ms"
)
_FACTS_FROM = (
    "FROM recipient r JOIN message m ON m.id = r.message_id JOIN workspace w ON w.id = r.workspace_id "
    "LEFT JOIN sandbox_showing s ON s.recipient_id = r.id"
)
# SQLite answers in one row: each row costs a turn of the interpreter lock. PostgreSQL locks the recipients, in
# order of their ids, so that of two nodes that see a first open only one calls it so; on SQLite one writer is alone.
_FACTS = statement(
    sqlite=f"SELECT json_group_array(json_array({_FACTS_COLUMNS})) {_FACTS_FROM} "
    "WHERE r.id IN (SELECT value FROM json_each(?))",
    postgresql=f"SELECT {_FACTS_COLUMNS} {_FACTS_FROM} WHERE r.id = ANY(?) ORDER BY r.id FOR NO KEY UPDATE OF r",
)

_RECENT_CLICKS = statement(
    sqlite="SELECT recipient_id, position, at_ms FROM hit "
    "WHERE recipient_id IN (SELECT value FROM json_each(?)) AND kind = 'click' AND at_ms >= ?",
    postgresql="SELECT recipient_id, position, at_ms FROM hit "
    "WHERE recipient_id = ANY(?) AND kind = 'click' AND at_ms >= ?",
)


def _mark_first(verb: Verb) -> Statement:
    # One statement for all recipients: [[id, at_ms, human_at_ms], …] comes as JSON text on both engines.
    update = (
        f"UPDATE recipient SET {verb}_ms = COALESCE({verb}_ms, first.at_ms), "
        f"human_{verb}_ms = COALESCE(human_{verb}_ms, first.human_at_ms) FROM "
    )
    return statement(
        sqlite=update + "(SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS at_ms, "
        "json_extract(value, '$[2]') AS human_at_ms FROM json_each(?)) AS first WHERE recipient.id = first.id",
        postgresql=update + "(SELECT (value ->> 0)::bigint AS id, (value ->> 1)::bigint AS at_ms, "
        "(value ->> 2)::bigint AS human_at_ms FROM json_array_elements(CAST(? AS json))) AS first "
        "WHERE recipient.id = first.id",
    )


_MARK_FIRST: dict[Verb, Statement] = {"opened": _mark_first("opened"), "clicked": _mark_first("clicked")}

_LINK_FACTS = statement(
    sqlite="SELECT json_group_array(json_array(r.id, r.workspace_id, hex(m.content_key))) "
    "FROM recipient r JOIN message m ON m.id = r.message_id WHERE r.id IN (SELECT value FROM json_each(?))",
    postgresql="SELECT r.id, r.workspace_id, m.content_key FROM recipient r JOIN message m ON m.id = r.message_id "
    "WHERE r.id = ANY(?)",
)
_LINKS = statement("SELECT links FROM content WHERE workspace_id = ? AND key = ?")

_UNSUBSCRIBE_FACTS = statement(
    "SELECT r.id, r.workspace_id, r.message_id, r.address, r.address_key, r.provider, r.unsubscribed_ms, "
    "m.stream, m.author_domain, m.tags, m.unsubscribe "
    "FROM recipient r JOIN message m ON m.id = r.message_id WHERE r.id = ?"
)
_MARK_UNSUBSCRIBED = statement(
    "UPDATE recipient SET unsubscribed_ms = ? WHERE id = ? AND unsubscribed_ms IS NULL RETURNING id"
)
_STANDING = statement(
    "SELECT id, workspace_id, address_key, scope, reason, source, evidence, expires_ms, created_ms FROM suppression "
    "WHERE workspace_id = ? AND address_key = ? AND scope = ? AND (expires_ms IS NULL OR expires_ms > ?)"
)


_decode_facts = msgspec.json.Decoder(list[HitFacts]).decode
_decode_link_facts = msgspec.json.Decoder(list[tuple[int, int, str]]).decode
_unpack_links = msgspec.msgpack.Decoder(tuple[str, ...]).decode
_encode = msgspec.json.Encoder().encode


def known_hits(tx: Tx, hit_ids: Sequence[int]) -> set[int]:
    """Return which of these hits are stored already."""
    return {row[0] for row in tx.run(_KNOWN, (tx.many(hit_ids),))}


def hit_facts(tx: Tx, recipient_ids: Sequence[int]) -> dict[int, HitFacts]:
    """Return the facts of those of the recipients that exist, by recipient id. Locks their rows until the commit."""
    rows = tx.run(_FACTS, (tx.many(recipient_ids),))
    facts = _decode_facts(rows[0][0]) if tx.engine == "sqlite" else [HitFacts._make(row) for row in rows]
    return {fact.recipient_id: fact for fact in facts}


def recent_clicks(tx: Tx, recipient_ids: Sequence[int], since_ms: int) -> list[tuple[int, int, int]]:
    """Return recipient id, link position and time of the recipients' stored clicks since `since_ms`."""
    rows = tx.run(_RECENT_CLICKS, (tx.many(recipient_ids), since_ms))
    return [(row[0], row[1], row[2]) for row in rows]


def mark_first(tx: Tx, verb: Verb, firsts: Sequence[First]) -> None:
    """Set the first times of recipients, where they are empty; one value a recipient."""
    if firsts:
        tx.run(_MARK_FIRST[verb], (_encode(firsts).decode(),))


def link_facts(conn: Conn, recipient_ids: Sequence[int]) -> dict[int, LinkFacts]:
    """Return where the links of recipients' copies lie, of those recipients that exist."""
    rows = conn.all(_LINK_FACTS, (conn.many(recipient_ids),))
    if conn.engine == "sqlite":
        listed = _decode_link_facts(rows[0][0])
        return {row[0]: LinkFacts(row[1], bytes.fromhex(row[2])) for row in listed}
    return {row[0]: LinkFacts(row[1], bytes(row[2])) for row in rows}


def links_of(conn: Conn, facts: LinkFacts) -> tuple[str, ...] | None:
    """Return the targets of a content by position, as the author wrote them, or None for an unknown content."""
    row = conn.one(_LINKS, facts)
    return None if row is None else _unpack_links(zlib.decompress(row[0]))


def unsubscribe_facts(reader: Tx | Conn, recipient_id: int) -> UnsubscribeFacts | None:
    """Return what an unsubscribe needs to know, or None for an unknown recipient."""
    rows = _rows(reader, _UNSUBSCRIBE_FACTS, (recipient_id,))
    return UnsubscribeFacts._make(rows[0]) if rows else None


def mark_unsubscribed(tx: Tx, recipient_id: int, at_ms: int) -> bool:
    """Note that a recipient unsubscribed; return whether it is the first time. Locks the recipient's row."""
    return bool(tx.run(_MARK_UNSUBSCRIBED, (at_ms, recipient_id)))


def standing_suppression(
    reader: Tx | Conn, workspace_id: int, address_key: str, scope: str, now_ms: int
) -> SuppressionRow | None:
    """Return the suppression of exactly this scope that holds at `now_ms`, or None."""
    rows = _rows(reader, _STANDING, (workspace_id, address_key, scope, now_ms))
    return SuppressionRow._make(rows[0]) if rows else None


def _rows(reader: Tx | Conn, what: Statement, parameters: tuple[object, ...]) -> Sequence[tuple[object, ...]]:
    return reader.run(what, parameters) if isinstance(reader, Tx) else reader.all(what, parameters)
