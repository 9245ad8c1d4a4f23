"""Tables `inbound` and `inbound_content`: mail that came in, and its bytes.

A mail is written once for each workspace and has a row for each envelope
recipient. A row waits until a worker has understood it: a claim raises the
epoch and moves `due_ms` to the end of its lease, so that what a dead worker
held is due again by itself; only who names the epoch can finish it or put it
back. Large content lies in `content_chunk`, as that of submissions does.
"""

import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Select, literal_column, select

from postroom.base.packing import unpack
from postroom.ledger.inbound_rows import Destination, InboundContentRow, InboundRow, InboundState
from postroom.store import schema
from postroom.store.content import upload_pieces
from postroom.store.database import Conn, Database, Tx, statement

WAKE = "inbound"
"""What `Database.on_commit` is told once mail waits; its subjects are workspaces."""

_COLUMNS = ", ".join(InboundRow._fields)
_CONTENT_COLUMNS = ", ".join(InboundContentRow._fields)
_I = schema.inbound.inbound.c

_BY_ID = statement(f"SELECT {_COLUMNS} FROM inbound WHERE workspace_id = ? AND id = ?")
_BY_IDS = statement(
    sqlite=f"SELECT {_COLUMNS} FROM inbound WHERE workspace_id = ? AND id IN (SELECT value FROM json_each(?))",
    postgresql=f"SELECT {_COLUMNS} FROM inbound WHERE workspace_id = ? AND id = ANY(?)",
)
_CONTENT = statement(f"SELECT {_CONTENT_COLUMNS} FROM inbound_content WHERE workspace_id = ? AND id = ?")
_OWNERS = statement(
    sqlite="SELECT id, workspace_id FROM recipient WHERE id IN (SELECT value FROM json_each(?))",
    postgresql="SELECT id, workspace_id FROM recipient WHERE id = ANY(?)",
)

# PostgreSQL: a materialised choice, as in `store.queue`.
_CLAIM = statement(
    sqlite=f"""
    UPDATE inbound SET epoch = epoch + 1, tries = tries + 1, node = ?, lease_ms = ?, due_ms = ?
    WHERE id IN (SELECT id FROM inbound WHERE state = 'waiting' AND due_ms <= ? ORDER BY due_ms, id LIMIT ?)
    RETURNING {_COLUMNS}
    """,
    postgresql=f"""
    WITH claim (node, lease_ms, due_ms) AS (VALUES (?::bigint, ?::bigint, ?::bigint)),
         chosen AS MATERIALIZED (
            SELECT id AS chosen_id FROM inbound WHERE state = 'waiting' AND due_ms <= ?
            ORDER BY due_ms, id LIMIT ? FOR UPDATE SKIP LOCKED)
    UPDATE inbound SET epoch = epoch + 1, tries = tries + 1, node = claim.node, lease_ms = claim.lease_ms,
        due_ms = claim.due_ms
    FROM chosen, claim WHERE inbound.id = chosen.chosen_id
    RETURNING {", ".join(f"inbound.{name}" for name in InboundRow._fields)}
    """,
)
_MINE = "WHERE id = ? AND epoch = ? AND state = 'waiting' RETURNING id"
_FINISH = statement(
    "UPDATE inbound SET state = ?, kind = ?, detail = ?, answers_recipient_id = ?, answers_message_id = ?, "
    f"route_id = ?, is_counted = ?, node = NULL, lease_ms = 0 {_MINE}"
)
# Mail for several recipients shares its content: that stays where it is.
_MOVE_CONTENT = statement(
    "UPDATE inbound_content SET workspace_id = ? WHERE id = ? AND workspace_id = ? "
    "AND NOT EXISTS (SELECT 1 FROM inbound WHERE content_id = ? AND id <> ?) RETURNING id"
)
_MOVE = statement(f"UPDATE inbound SET workspace_id = ?, destination = ? {_MINE}")
_PUT_BACK = statement(f"UPDATE inbound SET due_ms = ?, node = NULL, lease_ms = 0 {_MINE}")
_REVIEW = statement(
    "UPDATE inbound SET reviewed_ms = ? WHERE workspace_id = ? AND id = ? AND reviewed_ms IS NULL RETURNING id"
)
_AGAIN = statement(
    "UPDATE inbound SET state = 'waiting', detail = '', due_ms = ?, tries = 0, epoch = epoch + 1 "
    "WHERE workspace_id = ? AND id = ? AND state = 'failed' RETURNING id"
)
_GIVE_BACK = statement("UPDATE inbound SET due_ms = ?, node = NULL, lease_ms = 0 WHERE state = 'waiting' AND node = ?")
# What is waiting is found by its own index; a plain comparison of the workspace would make SQLite take that one.
_NEXT_DUE = statement("SELECT min(due_ms) FROM inbound WHERE state = 'waiting'")
_OF_RECIPIENT = statement(
    f"SELECT {_COLUMNS} FROM inbound WHERE answers_recipient_id = ? AND workspace_id + 0 = ? ORDER BY id LIMIT ?"
)
# Of those that answer a copy only the latest: nobody who sends thousands shall make each one dearer.
_COUNTED_BEFORE = statement(
    "SELECT 1 FROM (SELECT id, message_id, is_counted FROM inbound "
    "WHERE answers_recipient_id = ? AND workspace_id + 0 = ? ORDER BY id DESC LIMIT ?) AS latest "
    "WHERE message_id = ? AND is_counted = 1 AND id <> ? LIMIT 1"
)
_LOOKED_AT = 50


class Finished(NamedTuple):
    """What a worker found a mail to be."""

    id: int
    epoch: int
    state: InboundState
    """DONE, or FAILED where it was given up."""
    kind: str
    detail: str
    answers_recipient_id: int | None = None
    answers_message_id: int | None = None
    route_id: int | None = None
    is_counted: bool = False


class Glimpse(NamedTuple):
    """What a search by words looks at of a mail."""

    id: int
    author: str
    author_name: str
    recipient: str
    subject: str


@dataclass(frozen=True, slots=True)
class InboundFilter:
    """Which mails are asked for; None asks nothing."""

    kinds: tuple[str, ...] | None = None
    """Words of `mail.verdict.MailKind`; the empty word: not yet understood."""
    state: str | None = None
    recipient_key: str | None = None
    """The envelope recipient as `mail.address.address_key` gives it."""
    counted_only: bool = False
    author_key: str | None = None
    """The author's address as `mail.address.address_key` gives it."""
    answers_recipient_id: int | None = None
    answers_message_id: int | None = None
    least_id: int | None = None


def put(tx: Tx, content: InboundContentRow, rows: Sequence[InboundRow]) -> None:
    """Store a mail for envelope recipients of one workspace. The rows name the content."""
    tx.add(content)
    for row in rows:
        tx.add(row)
    tx.wake(WAKE, content.workspace_id)


def owners(tx: Tx, recipient_ids: Sequence[int]) -> dict[int, int]:
    """Return the workspaces of recipients of ours, by recipient; those that are gone are left out."""
    return dict(tx.run(_OWNERS, (tx.many(recipient_ids),))) if recipient_ids else {}


def next_due_ms(conn: Conn) -> int | None:
    """Return when the first waiting mail is due, or None where nothing waits."""
    row = conn.one(_NEXT_DUE)
    return row[0] if row else None


def claim(tx: Tx, *, node: int, now_ms: int, lease_ms: int, limit: int) -> list[InboundRow]:
    """Claim up to `limit` due mails for `node` until `lease_ms` (a time); oldest first. Each claim counts as a try."""
    rows = [InboundRow._make(row) for row in tx.run(_CLAIM, (node, lease_ms, lease_ms, now_ms, limit))]
    rows.sort()
    return rows


def finish(tx: Tx, done: Finished) -> bool:
    """Write what a claimed mail was; False, and nothing written, where another worker has it by now."""
    values = (done.state.value, done.kind, done.detail, done.answers_recipient_id, done.answers_message_id)
    return bool(tx.run(_FINISH, (*values, done.route_id, int(done.is_counted), done.id, done.epoch)))


def has_counted(tx: Tx, row: InboundRow, recipient_id: int) -> bool:
    """Tell whether the same mail, by its Message-ID, came in before as an answer to a recipient, and counted then."""
    if not row.message_id:
        return False
    asked = (recipient_id, row.workspace_id, _LOOKED_AT, row.message_id, row.id)
    return bool(tx.run(_COUNTED_BEFORE, asked))


def hand_over(tx: Tx, row: InboundRow, workspace_id: int, destination: Destination) -> bool:
    """Give a claimed mail to another workspace, as if it had come to a machine address of that one.

    False, and nothing written, where another worker has it by now or another recipient shares it.
    """
    if not tx.run(_MOVE_CONTENT, (workspace_id, row.content_id, row.workspace_id, row.content_id, row.id)):
        return False
    if not tx.run(_MOVE, (workspace_id, destination.value, row.id, row.epoch)):
        tx.run(_MOVE_CONTENT, (row.workspace_id, row.content_id, workspace_id, row.content_id, row.id))
        return False
    return True


def put_back(tx: Tx, row_id: int, epoch: int, due_ms: int) -> bool:
    """Let a claimed mail be tried again at `due_ms`; False where another worker has it by now."""
    return bool(tx.run(_PUT_BACK, (due_ms, row_id, epoch)))


def mark_reviewed(tx: Tx, workspace_id: int, row_id: int, now_ms: int) -> bool:
    """Note that an operator looked at a mail; False where somebody did before."""
    return bool(tx.run(_REVIEW, (now_ms, workspace_id, row_id)))


def take_up_again(tx: Tx, workspace_id: int, row_id: int, now_ms: int) -> bool:
    """Have a mail that was given up worked on once more, with all its tries; False where it was not given up."""
    found = bool(tx.run(_AGAIN, (now_ms, workspace_id, row_id)))
    if found:
        tx.wake(WAKE, workspace_id)
    return found


def give_back(tx: Tx, node: int, now_ms: int) -> None:
    """Make what `node` has claimed due at once: its process has just begun, so nobody works on it."""
    tx.run(_GIVE_BACK, (now_ms, node))


def by_id(conn: Conn, workspace_id: int, row_id: int) -> InboundRow | None:
    """Return a workspace's mail, or None."""
    row = conn.one(_BY_ID, (workspace_id, row_id))
    return None if row is None else InboundRow._make(row)


def by_ids(conn: Conn, workspace_id: int, row_ids: Sequence[int]) -> dict[int, InboundRow]:
    """Return a workspace's mails among these, by id."""
    rows = conn.all(_BY_IDS, (workspace_id, conn.many(list(row_ids)))) if row_ids else []
    return {row[0]: InboundRow._make(row) for row in rows}


def of_recipient(conn: Conn, workspace_id: int, recipient_id: int, limit: int) -> list[InboundRow]:
    """Return what came back to a recipient of ours, oldest first."""
    return [InboundRow._make(row) for row in conn.all(_OF_RECIPIENT, (recipient_id, workspace_id, limit))]


def page(
    conn: Conn, workspace_id: int, asked: InboundFilter, limit: int, before: int | None = None
) -> list[InboundRow]:
    """Return up to `limit` mails of a workspace with ids below `before`, newest first."""
    found = _found(conn, workspace_id, asked, limit, before)
    return sorted((InboundRow._make(row) for row in found), reverse=True)[:limit]


def glimpses(
    conn: Conn, workspace_id: int, asked: InboundFilter, limit: int, before: int | None = None
) -> list[Glimpse]:
    """Return what a search by words looks at, of the mails that `page` would return."""
    found = _found(conn, workspace_id, asked, limit, before, Glimpse._fields)
    return sorted((Glimpse._make(row) for row in found), reverse=True)[:limit]


def load_content(conn: Conn, workspace_id: int, content_id: int) -> InboundContentRow | None:
    """Return the row of a content, its chunks not read, or None."""
    row = conn.one(_CONTENT, (workspace_id, content_id))
    return None if row is None else InboundContentRow._make(row)


async def content_pieces(database: Database, content: InboundContentRow) -> AsyncIterator[bytes]:
    """Yield the bytes of a content in pieces, a few at a time in memory; none where they are gone. Raises TryLater."""
    if content.upload_id is not None:
        async for piece in upload_pieces(database, content.upload_id):
            yield piece
    elif content.body is not None:
        yield unpack(content.body)


async def load(database: Database, workspace_id: int, content_id: int) -> bytes | None:
    """Return the bytes of a mail, or None where they are gone. Raises TryLater."""
    content = await database.read(lambda conn: load_content(conn, workspace_id, content_id))
    if content is None or (content.upload_id is None and content.body is None):
        return None
    whole = io.BytesIO()
    async for piece in content_pieces(database, content):
        whole.write(piece)
    return whole.getvalue() if whole.tell() == content.size_bytes else None


def _found(
    conn: Conn,
    workspace_id: int,
    asked: InboundFilter,
    limit: int,
    before: int | None,
    columns: Sequence[str] = InboundRow._fields,
) -> list[tuple[Any, ...]]:
    """Return rows of `columns`, the id first, in any order; of several kinds up to `limit` each."""

    def of_kinds(kinds: tuple[str, ...] | None) -> list[tuple[Any, ...]]:
        query = page_query(workspace_id, asked, kinds, limit, before)
        return conn.select(query.with_only_columns(*(_I[name] for name in columns)))

    if asked.kinds is None or asked.recipient_key is not None or asked.author_key is not None:
        return of_kinds(asked.kinds)
    # One read a kind: each goes along its index from the newest on, where all together would be sorted.
    return [row for kind in asked.kinds for row in of_kinds((kind,))]


def page_query(
    workspace_id: int, asked: InboundFilter, kinds: tuple[str, ...] | None, limit: int, before: int | None
) -> Select[Any]:
    """Return the query of a page."""
    is_rare = asked.state in (InboundState.WAITING.value, InboundState.FAILED.value)
    by_answer = asked.answers_recipient_id is not None or asked.answers_message_id is not None
    by_address = not by_answer and (asked.recipient_key is not None or asked.author_key is not None)
    # What changes nothing, `+ 0` and the empty text, keeps SQLite from walking along an index that narrows less.
    workspace = _I.workspace_id + 0 if is_rare or by_answer else _I.workspace_id
    row_id = _I.id + 0 if is_rare else _I.id
    query = select(schema.inbound.inbound).where(workspace == workspace_id)
    if asked.answers_recipient_id is not None:
        query = query.where(_I.answers_recipient_id == asked.answers_recipient_id)
    if asked.answers_message_id is not None:
        query = query.where(_I.answers_message_id == asked.answers_message_id)
    if asked.recipient_key is not None:
        query = query.where(_I.recipient_key == asked.recipient_key)
    if asked.author_key is not None:
        author = _I.author_key + "" if asked.recipient_key is not None else _I.author_key
        query = query.where(author == asked.author_key)
    if kinds is not None:
        is_index = len(kinds) == 1 and not by_address
        query = query.where(_I.kind == kinds[0] if is_index else (_I.kind + "").in_(kinds))
    if asked.state is not None:
        # As a word of the statement: a partial index is not taken for a parameter.
        query = query.where(_I.state == literal_column(f"'{InboundState(asked.state).value}'"))
    if asked.counted_only:
        query = query.where(_I.is_counted == 1)
    if asked.least_id is not None:
        query = query.where(row_id >= asked.least_id)
    if before is not None:
        query = query.where(row_id < before)
    return query.order_by(row_id.desc()).limit(limit)
