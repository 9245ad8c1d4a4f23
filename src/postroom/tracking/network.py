"""A network address shortened to its network: what stays of it when the hit with the whole one has gone."""

from functools import lru_cache
from ipaddress import IPv4Address, ip_address, ip_network


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Return `192.0.2.0/24` or `2001:db8:1::/48` for an address in it; empty for anything else."""
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    mapped = None if isinstance(found, IPv4Address) else found.ipv4_mapped
    whole = mapped or found
    return str(ip_network((whole, 24 if isinstance(whole, IPv4Address) else 48), strict=False))
