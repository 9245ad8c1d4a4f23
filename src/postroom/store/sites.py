"""Where domains' mail goes: table `destination`."""

from collections.abc import Sequence

from postroom.ledger.rows import DestinationRow
from postroom.store.statement import statement
from postroom.store.transaction import Conn, Tx

# What is known of some domains, expired or not.
_DESTINATIONS = statement(
    sqlite="SELECT domain, site, provider, expires_ms FROM destination"
    " WHERE domain IN (SELECT value FROM json_each(?))",
    postgresql="SELECT domain, site, provider, expires_ms FROM destination WHERE domain = ANY(?)",
)

# What is still believed, the most recent first.
_NEWEST = statement(
    "SELECT domain, site, provider, expires_ms FROM destination WHERE expires_ms > ? ORDER BY expires_ms DESC LIMIT ?"
)

# Domains that nobody has asked about for long.
_PURGE = statement(
    "DELETE FROM destination WHERE domain IN"
    " (SELECT domain FROM destination WHERE expires_ms < ? LIMIT ?) RETURNING domain"
)


def destinations(conn: Conn, domains: Sequence[str]) -> dict[str, DestinationRow]:
    """Return what is known of these domains, by domain; look at `expires_ms`."""
    rows = conn.all(_DESTINATIONS, (conn.many(list(domains)),))
    return {row[0]: DestinationRow(*row) for row in rows}


def newest_destinations(conn: Conn, now_ms: int, limit: int) -> list[DestinationRow]:
    """Return up to `limit` domains that are still believed, those learnt last first."""
    return [DestinationRow(*row) for row in conn.all(_NEWEST, (now_ms, limit))]


def remember_destination(tx: Tx, row: DestinationRow) -> None:
    """Store or renew what is known of a domain."""
    tx.add(row)


def purge_destinations(tx: Tx, before_ms: int, limit: int = 500) -> int:
    """Delete up to `limit` domains that expired before a time; return how many went."""
    return len(tx.run(_PURGE, (before_ms, limit)))
