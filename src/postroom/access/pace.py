"""How fast a network may try passwords: after some failures each further one costs a longer pause."""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

LONGEST_PAUSE_SECONDS = 60.0
_FREE_FAILURES = 5
"""An office behind one address mistypes now and then."""
_FORGIVE_SECONDS = 300.0
"""One failure is forgiven after this time without another."""
_MOST_NETWORKS = 10_000


@dataclass(frozen=True, slots=True)
class _Record:
    failures: int
    last: float


class Pace:
    """Failures by network (IPv6: its /64), in memory. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def wait(self, address: str, now: float) -> float:
        """Return the seconds until the network may try again; 0: now."""
        record = self._records.get(network_of(address))
        if record is None:
            return 0.0
        over = _standing(record, now) - _FREE_FAILURES
        if over < 0:
            return 0.0
        return max(0.0, record.last + min(LONGEST_PAUSE_SECONDS, 2.0**over) - now)

    def failed(self, address: str, now: float) -> None:
        """Note a failure."""
        key = network_of(address)
        record = self._records.pop(key, None)
        standing = _standing(record, now) if record else 0
        self._records[key] = _Record(min(standing, 20) + 1, now)
        if len(self._records) > _MOST_NETWORKS:
            self._records.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Forget the failures of a network that has logged in."""
        self._records.pop(network_of(address), None)


def network_of(address: str) -> str:
    """Return the address, or the /64 of an IPv6 address: who has one of it has all."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, 64), strict=False))


def _standing(record: _Record, now: float) -> int:
    return max(0, record.failures - int((now - record.last) / _FORGIVE_SECONDS))
