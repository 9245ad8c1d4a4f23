"""Where domains' mail goes, and how many connections a node holds: tables `destination` and `site_slot`."""

from collections.abc import Sequence

from postroom.ledger.rows import DestinationRow, SiteSlotRow
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

# The slots of a site that are held by nodes whose lease has not ended.
_SLOTS = statement("SELECT site, node, slots, lease_ms FROM site_slot WHERE site = ? AND lease_ms > ? ORDER BY node")

# What the other nodes hold of a site.
_OTHERS = statement("SELECT COALESCE(SUM(slots), 0) FROM site_slot WHERE site = ? AND node <> ? AND lease_ms > ?")

# A node that stops, or is dead, gives everything back.
_GIVE_BACK = statement("DELETE FROM site_slot WHERE node = ?")

# Slots whose lease has ended long ago, of sites nobody sends to any more.
_SWEEP = statement("DELETE FROM site_slot WHERE lease_ms < ?")


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


def slots_of_site(conn: Conn, site: str, now_ms: int) -> list[SiteSlotRow]:
    """Return which nodes hold how many connections to a site."""
    return [SiteSlotRow(*row) for row in conn.all(_SLOTS, (site, now_ms))]


def lease_slots(tx: Tx, site: str, node: int, *, wanted: int, limit: int, now_ms: int, lease_ms: int) -> int:
    """Lease up to `wanted` of a site's `limit` connections to a node until `lease_ms`; return how many it got.

    Called again with each heartbeat; a node then holds what it got last, so asking for less gives back.
    Two nodes that ask at the same moment may together hold more than the limit until their next heartbeat.
    """
    others = int(tx.run(_OTHERS, (site, node, now_ms))[0][0])
    got = max(0, min(wanted, limit - others))
    tx.add(SiteSlotRow(site, node, got, lease_ms))
    return got


def give_back_slots(tx: Tx, node: int) -> None:
    """End all leases of a node."""
    tx.run(_GIVE_BACK, (node,))


def sweep_slots(tx: Tx, before_ms: int) -> None:
    """Delete the leases that ended before a time."""
    tx.run(_SWEEP, (before_ms,))
