"""Lists of watched accounts for people: a page of them, how many are how, and who watches how many."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import or_, select

from postroom.store.database import Conn, statement
from postroom.store.schema import accounts as tables

_A, _S, _O, _C = tables.account.c, tables.account_status.c, tables.account_owner.c, tables.connection.c

_BY_STATE = statement("SELECT state, count(*) FROM account_status WHERE workspace_id = ? GROUP BY state")
_ALL_BY_STATE = statement("SELECT state, count(*) FROM account_status GROUP BY state")
_BY_NODE = statement("SELECT node, count(*) FROM account_owner WHERE node IS NOT NULL GROUP BY node ORDER BY node")
# Who is to be watched stands in the account; that nobody does, in its owner's row.
_WAITING = statement(
    "SELECT count(*) FROM (SELECT 1 FROM account_owner o JOIN account a ON a.id = o.account_id "
    "WHERE o.node IS NULL AND a.connected_ms IS NOT NULL AND a.is_archived = 0 LIMIT ?) waiting"
)

MOST_COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class AccountFilter:
    """Which accounts are asked for; an empty field asks for any."""

    state: str = ""
    """A word of AccountState."""
    provider: str = ""
    """Code of the connection's provider."""
    text: str = ""
    """A part of the address or of the tag, whatever its case."""


class AccountLine(NamedTuple):
    """An account in a list."""

    id: int
    tag: str
    email: str
    provider: str
    is_tracer: int
    node: int | None
    last_number: int
    state: str
    why: str
    since_ms: int
    retry_ms: int | None
    auth_failed_ms: int | None
    token_expires_ms: int | None
    last_mail_ms: int | None


_LINE = (
    _A.id, _A.tag, _A.email, _C.provider, _A.is_tracer, _O.node, _O.last_number, _S.state, _S.why, _S.since_ms,
    _S.retry_ms, _S.auth_failed_ms, _S.token_expires_ms, _S.last_mail_ms,
)  # fmt: skip


def account_lines(conn: Conn, workspace_id: int, asked: AccountFilter, before_id: int, limit: int) -> list[AccountLine]:
    """Return up to `limit` accounts of a workspace with an id below `before_id`, those made last first."""
    query = (
        select(*_LINE)
        .select_from(tables.account)
        .join(tables.account_status, _S.account_id == _A.id)
        .join(tables.account_owner, _O.account_id == _A.id)
        .join(tables.connection, _C.id == _A.connection_id)
        .where(_A.workspace_id == workspace_id, _A.id < before_id)
    )
    if asked.state:
        query = query.where(_S.workspace_id == workspace_id, _S.state == asked.state)
    if asked.provider:
        query = query.where(_C.provider == asked.provider)
    if asked.text:
        text = asked.text.lower()
        query = query.where(or_(_A.email.icontains(text, autoescape=True), _A.tag.icontains(text, autoescape=True)))
    return [AccountLine._make(row) for row in conn.select(query.order_by(_A.id.desc()).limit(limit))]


def count_states(conn: Conn, workspace_id: int | None = None) -> Mapping[str, int]:
    """Return how many accounts of a workspace (None: of all) are in each state that any is in."""
    rows = conn.all(_ALL_BY_STATE) if workspace_id is None else conn.all(_BY_STATE, (workspace_id,))
    return dict(rows)


def count_by_node(conn: Conn) -> Mapping[int, int]:
    """Return how many accounts of all workspaces each node that has any watches."""
    return dict(conn.all(_BY_NODE))


def count_unwatched(conn: Conn) -> int:
    """Return how many accounts of all workspaces are to be watched and have no node, counted up to 100,000."""
    return int(conn.all(_WAITING, (MOST_COUNTED,))[0][0])
