"""Table `hit` once more: reading hits to judge them again, and writing what the judgement changes."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from postroom.ledger.rows import HitRow
from postroom.store.database import Conn, Tx, statement
from postroom.store.hits import Verb
from postroom.store.statement import RowsStatement

_COLUMNS = ", ".join(HitRow._fields)

_PAGE = statement("SELECT id, recipient_id FROM hit WHERE workspace_id = ? AND id > ? ORDER BY id LIMIT ?")
_OF_RECIPIENTS = statement(
    sqlite=f"SELECT {_COLUMNS} FROM hit WHERE recipient_id IN (SELECT value FROM json_each(?)) ORDER BY at_ms, id",
    postgresql=f"SELECT {_COLUMNS} FROM hit WHERE recipient_id = ANY(?) ORDER BY at_ms, id",
)
_LABEL = RowsStatement(
    "UPDATE hit SET label = v.label, evidence = v.evidence, rules = v.rules FROM v WHERE hit.id = v.id",
    id="int",
    label="text",
    evidence="text",
    rules="int",
)
_MOVE: dict[Verb, RowsStatement] = {
    "opened": RowsStatement(
        "UPDATE recipient SET human_opened_ms = NULLIF(v.at_ms, -1) FROM v WHERE recipient.id = v.id",
        id="int",
        at_ms="int",
    ),
    "clicked": RowsStatement(
        "UPDATE recipient SET human_clicked_ms = NULLIF(v.at_ms, -1) FROM v WHERE recipient.id = v.id",
        id="int",
        at_ms="int",
    ),
}


class HumanFirst(NamedTuple):
    """When a person first opened or clicked a recipient's copy, by today's labels."""

    recipient_id: int
    at_ms: int | None


def hits_page(conn: Conn, workspace_id: int, after: int, limit: int) -> list[tuple[int, int]]:
    """Return id and recipient id of a workspace's hits, oldest first, from behind hit `after` on."""
    return [(row[0], row[1]) for row in conn.all(_PAGE, (workspace_id, after, limit))]


def hits_of(tx: Tx, recipient_ids: Sequence[int]) -> list[HitRow]:
    """Return all hits of these recipients in the order in which they came."""
    return [HitRow._make(row) for row in tx.run(_OF_RECIPIENTS, (tx.many(recipient_ids),))]


def label_again(tx: Tx, hits: Iterable[HitRow]) -> None:
    """Write the label, evidence and rules of hits that are stored."""
    tx.run_rows(_LABEL, [(hit.id, hit.label, hit.evidence, hit.rules) for hit in hits])


def move_human_firsts(tx: Tx, verb: Verb, firsts: Iterable[HumanFirst]) -> None:
    """Set when persons first opened or clicked; None: nobody has."""
    tx.run_rows(_MOVE[verb], [(one.recipient_id, -1 if one.at_ms is None else one.at_ms) for one in firsts])
