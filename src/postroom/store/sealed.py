"""Every column that holds something sealed with the master key, and sealing it anew with the newest key.

Values are exchanged one by one, where they still are what was read: whoever
changes one meanwhile wins. So it may end anywhere, begin again, and run on several nodes.
"""

from dataclasses import dataclass
from typing import NamedTuple

from postroom.base.secrets import CannotOpen, Sealer
from postroom.store.database import Conn, Tx, statement
from postroom.store.statement import Statement

_PAGE = 100
_PAGE_OF_SECRETS = 1_000
"""More than there can be: the canary changes with all token keys."""


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of sealed values."""

    table: str
    column: str
    key: str = "id"
    """Its table's primary key."""

    def row(self, key: object) -> str:
        """Return what a value of this column is sealed for."""
        if self.table == "secret":
            return f"secret/{key}"
        shown = bytes(key).hex() if isinstance(key, bytes | memoryview) else key
        return f"{self.table}/{shown}/{self.column}"

    @property
    def page(self) -> int:
        """How many rows one transaction looks at."""
        return _PAGE_OF_SECRETS if self.table == "secret" else _PAGE

    @property
    def first(self) -> object:
        """What is before every key."""
        return {"name": "", "state": b""}.get(self.key, -1)


SEALED: tuple[SealedColumn, ...] = (
    SealedColumn("domain", "rsa_key"),
    SealedColumn("domain", "ed25519_key"),
    SealedColumn("webhook_endpoint", "secret"),
    SealedColumn("webhook_endpoint", "old_secret"),
    SealedColumn("route", "secret"),
    SealedColumn("operator", "totp_secret"),
    SealedColumn("partner_key", "sealed"),
    SealedColumn("connection", "client_secret"),
    SealedColumn("account", "password"),
    SealedColumn("account", "refresh_token"),
    SealedColumn("connect_dance", "verifier", "state"),
    # Last, for the canary among them: where it opens with a key alone, everything does.
    SealedColumn("secret", "sealed", "name"),
)
"""A test compares this with the schema."""


class Resealed(NamedTuple):
    """What became of one page of a column."""

    last: object
    """The last key that was looked at; None: it was the last page."""
    changed: int
    unreadable: tuple[str, ...]
    """Rows that open with no key of the ring."""


def _page_of(one: SealedColumn) -> Statement:
    return statement(
        f"SELECT {one.key}, {one.column} FROM {one.table} WHERE {one.key} > ? AND {one.column} IS NOT NULL "
        f"ORDER BY {one.key} LIMIT ?"
    )


_PAGES = {one: _page_of(one) for one in SEALED}
_EXCHANGES = {
    one: statement(
        f"UPDATE {one.table} SET {one.column} = ? WHERE {one.key} = ? AND {one.column} = ? RETURNING {one.key}"
    )
    for one in SEALED
}


def reseal_page(tx: Tx, sealer: Sealer, column: SealedColumn, after: object) -> Resealed:
    """Seal the values of the next rows behind `after` with the newest key, where they are not yet."""
    rows = tx.run(_PAGES[column], (after, column.page))
    changed, unreadable = 0, []
    for key, value in rows:
        sealed = bytes(value)
        if sealer.is_of_newest(sealed):
            continue
        row = column.row(key)
        try:
            again = sealer.seal(sealer.open(sealed, row), row)
        except CannotOpen:
            unreadable.append(row)
            continue
        changed += len(tx.run(_EXCHANGES[column], (again, key, sealed)))
    return Resealed(rows[-1][0] if len(rows) == column.page else None, changed, tuple(unreadable))


def older_in_page(conn: Conn, sealer: Sealer, column: SealedColumn, after: object) -> tuple[object, int]:
    """Return the last key of the next rows behind `after` (None: the last page), and how many need an older key."""
    rows = conn.all(_PAGES[column], (after, column.page))
    older = sum(not sealer.is_of_newest(bytes(value)) for _, value in rows)
    return (rows[-1][0] if len(rows) == column.page else None), older
