"""The hosts that a message's links and machine addresses stand on: the domain's own once DNS shows them, else ours."""

from dataclasses import dataclass

from postroom.ledger.rows import DomainRow


@dataclass(frozen=True, slots=True)
class Names:
    """The installation's own names, used until a domain has its own."""

    hostname: str
    return_path_host: str
    public_url: str
    """Beginning of the public addresses, without a slash at the end."""


def tracking_url(names: Names, domain: DomainRow | None) -> str:
    """Return the beginning of a message's public addresses: `go.DOMAIN` once it was seen, else our own."""
    if domain is None or domain.tracking_seen_ms is None:
        return names.public_url
    scheme, _, rest = names.public_url.partition("://")
    # A port of our own listener goes with the domain's host too: behind a proxy there is none.
    port = rest.rpartition("]")[2].partition(":")[2]
    return f"{scheme}://go.{domain.name}" + (f":{port}" if port else "")


def return_path_host(names: Names, domain: DomainRow | None) -> str:
    """Return the host of a message's machine addresses: `rp.DOMAIN` once it was seen, else our own."""
    if domain is None or domain.return_path_seen_ms is None:
        return names.return_path_host
    return f"rp.{domain.name}"
