"""DNS questions with typed answers and a cache. RFC 1035, RFC 2308 (negative answers).

An answer is a value, also the one that there is none: *found*, *no such domain*
(NXDOMAIN), *no data* (the name exists, the type does not) or *temporary failure*
(nobody could tell). What MX records mean for mail is pure and stands below the
resolver: order (RFC 5321 5.1) and null MX (RFC 7505).
"""

import asyncio
import contextlib
import random
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Generic, TypeVar

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.rdatatype
import dns.resolver
import idna
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.SRV import SRV

from postroom.base.clock import Clock
from postroom.base.errors import SettingsError

T = TypeVar("T")

_SHORTEST_SECONDS = 5.0
"""A TTL of 0 would put a question before each mail of a run."""
_LONGEST_SECONDS = 86_400.0
_LONGEST_NEGATIVE_SECONDS = 900.0
_TROUBLE_SECONDS = 5.0
"""How long a temporary failure is repeated from the cache: a dead resolver is not asked for every recipient."""
_LONGEST_KEPT = 8_192
"""Characters of an answer that is kept. Strangers choose names that we ask for; a TXT answer may have 64,000."""
_MAX_CHAIN = 8
"""CNAMEs to follow when the resolver does not do it itself."""


class Status(StrEnum):
    """What an answer says."""

    FOUND = "found"
    NO_SUCH_DOMAIN = "no such domain"
    NO_DATA = "no data"
    TEMPORARY_FAILURE = "temporary failure"


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """The answer to one question."""

    status: Status
    records: tuple[T, ...] = ()
    """Empty unless found."""
    seconds: float = 0.0
    """How long it may be believed, from now."""
    reason: str = ""
    """Why it is a temporary failure, for the log and the queue."""


@dataclass(frozen=True, slots=True)
class MxRecord:
    """One MX record."""

    preference: int
    host: str
    """Lower case without the final dot; `.` for the root."""


@dataclass(frozen=True, slots=True)
class SrvRecord:
    """One SRV record (RFC 2782)."""

    priority: int
    weight: int
    port: int
    host: str
    """Lower case without the final dot; `.`: the service is decidedly not there."""


class Resolver:
    """Asks one resolver, or those of the system. One per process and event loop; `close` at the end."""

    def __init__(
        self,
        server: str,
        *,
        clock: Clock,
        timeout_seconds: float = 15.0,
        try_seconds: float = 4.0,
        cache_size: int = 20_000,
        hosts_file: Path | None = Path("/etc/hosts"),
    ) -> None:
        """`server` is `host:port` or an address; empty means those of the system.

        `timeout_seconds` limits one question with all its tries, `try_seconds` each of them.
        """
        self._clock = clock
        self._resolver = _resolver(server)
        self._resolver.lifetime = timeout_seconds
        self._resolver.timeout = try_seconds
        self._cache_size = cache_size
        self._cache: OrderedDict[tuple[str, str], tuple[float, Answer[str]]] = OrderedDict()
        self._asking: dict[tuple[str, str], asyncio.Task[Answer[str]]] = {}
        self._hosts = _read_hosts(hosts_file)

    async def mx(self, domain: str) -> Answer[MxRecord]:
        """Return the MX records of a domain as they stand: unordered, a null MX among them."""
        answer = await self._ask(domain, "MX")
        records = []
        for text in answer.records:
            preference, host = text.split(" ", 1)
            records.append(MxRecord(int(preference), host))
        return Answer(answer.status, tuple(records), answer.seconds, answer.reason)

    async def srv(self, name: str) -> Answer[SrvRecord]:
        """Return the SRV records of a name such as `_imaps._tcp.example.com`, unordered."""
        answer = await self._ask(name, "SRV")
        records = []
        for text in answer.records:
            priority, weight, port, host = text.split(" ", 3)
            records.append(SrvRecord(int(priority), int(weight), int(port), host))
        return Answer(answer.status, tuple(records), answer.seconds, answer.reason)

    async def a(self, name: str) -> Answer[str]:
        """Return the IPv4 addresses of a name."""
        return await self._ask(name, "A")

    async def aaaa(self, name: str) -> Answer[str]:
        """Return the IPv6 addresses of a name."""
        return await self._ask(name, "AAAA")

    async def txt(self, name: str) -> Answer[str]:
        """Return the TXT records of a name, the strings of each joined."""
        return await self._ask(name, "TXT")

    async def cname(self, name: str) -> Answer[str]:
        """Return the target of a name's CNAME, lower case without the final dot."""
        return await self._ask(name, "CNAME")

    async def ptr(self, address: str) -> Answer[str]:
        """Return the names of an address, lower case without the final dot (RFC 1035 3.5). Raises ValueError."""
        return await self._ask(ip_address(address).reverse_pointer, "PTR")

    async def addresses(self, name: str) -> Answer[str]:
        """Return IPv4 addresses, then IPv6 addresses of a name, each kind in the order of the answer.

        IPv4 first: receivers ask more of IPv6 senders (PTR, DKIM or SPF), and many hosts have no route.
        """
        four, six = await asyncio.gather(self._ask(name, "A"), self._ask(name, "AAAA"))
        return _together(four, six)

    async def host_addresses(self, name: str) -> Answer[str]:
        """Like `addresses`, for a host that an operator named: an address, a name of the hosts file or of DNS."""
        literal = name.removeprefix("[").removesuffix("]")
        with contextlib.suppress(ValueError):
            return Answer(Status.FOUND, (str(ip_address(literal)),), _LONGEST_SECONDS)
        known = self._hosts.get(name.rstrip(".").lower())
        if known:
            return Answer(Status.FOUND, known, _LONGEST_SECONDS)
        four, six = await asyncio.gather(self._ask(name, "A", search=True), self._ask(name, "AAAA", search=True))
        return _together(four, six)

    def forget(self, name: str) -> None:
        """Ask about a name anew: somebody has just changed its records and wants to see that."""
        ascii_name = _ascii(name)
        for kind in ("A", "AAAA", "CNAME", "MX", "PTR", "SRV", "TXT"):
            self._cache.pop((ascii_name or "", kind), None)

    async def close(self) -> None:
        """End the questions that are under way."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, name: str, kind: str, *, search: bool = False) -> Answer[str]:
        ascii_name = _ascii(name)
        if ascii_name is None:
            return Answer(Status.NO_SUCH_DOMAIN, (), _LONGEST_NEGATIVE_SECONDS)
        key = (ascii_name, kind)
        known = self._cache.get(key)
        now = self._clock.monotonic()
        if known is not None and now < known[0]:
            self._cache.move_to_end(key)
            answer = known[1]
            return Answer(answer.status, answer.records, known[0] - now, answer.reason)
        asking = self._asking.get(key)
        if asking is None:
            # Many recipients of one domain come at once: they share one question.
            asking = asyncio.get_running_loop().create_task(self._look_up(key, search))
            self._asking[key] = asking
            asking.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(asking)

    async def _look_up(self, key: tuple[str, str], search: bool) -> Answer[str]:
        answer = await self._follow(*key, search)
        if sum(map(len, answer.records)) > _LONGEST_KEPT:
            return answer
        self._cache[key] = (self._clock.monotonic() + answer.seconds, answer)
        self._cache.move_to_end(key)
        while len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return answer

    async def _follow(self, name: str, kind: str, search: bool) -> Answer[str]:
        try:
            wanted = dns.name.from_text(name, origin=None if search else dns.name.root)
            for _ in range(_MAX_CHAIN):
                found = await self._resolver.resolve(wanted, kind, raise_on_no_answer=False, search=search)
                if found.rrset is not None:
                    return Answer(Status.FOUND, _texts(list(found.rrset)), _clamp(found.chaining_result.minimum_ttl))
                if kind == "CNAME" or found.canonical_name == found.qname:
                    return Answer(Status.NO_DATA, (), _negative(found.chaining_result.minimum_ttl))
                # A server that does not look up for us gives the alias alone.
                wanted, search = found.canonical_name, False
        except dns.resolver.NXDOMAIN as error:
            return Answer(Status.NO_SUCH_DOMAIN, (), _negative(_nxdomain_seconds(error)))
        except (dns.name.LabelTooLong, dns.name.NameTooLong, dns.name.EmptyLabel, dns.name.BadEscape):
            return Answer(Status.NO_SUCH_DOMAIN, (), _LONGEST_NEGATIVE_SECONDS)
        except (dns.exception.DNSException, OSError, EOFError) as error:
            reason = f"no answer from DNS for {name} {kind}: {type(error).__name__}"
            return Answer(Status.TEMPORARY_FAILURE, (), _TROUBLE_SECONDS, reason)
        reason = f"the CNAMEs of {name} do not end"
        return Answer(Status.TEMPORARY_FAILURE, (), _TROUBLE_SECONDS, reason)


def is_null_mx(records: Sequence[MxRecord]) -> bool:
    """Tell whether a domain says that it takes no mail: one MX record with the root as host (RFC 7505 3)."""
    return len(records) == 1 and records[0].host == "."


def by_preference(records: Sequence[MxRecord], chance: random.Random) -> list[tuple[str, ...]]:
    """Return the hosts in groups of equal preference, the most preferred first, each group shuffled.

    RFC 5321 5.1: equals are chosen at random to spread the load. A host that is named
    twice stands where it is preferred most. Roots beside other records are passed over.
    """
    best: dict[str, int] = {}
    for record in records:
        if record.host != ".":
            best[record.host] = min(record.preference, best.get(record.host, record.preference))
    groups: dict[int, list[str]] = {}
    for host, preference in sorted(best.items()):
        groups.setdefault(preference, []).append(host)
    for group in groups.values():
        chance.shuffle(group)
    return [tuple(groups[preference]) for preference in sorted(groups)]


def _resolver(server: str) -> dns.asyncresolver.Resolver:
    if not server:
        try:
            resolver = dns.asyncresolver.Resolver()
        except dns.resolver.NoResolverConfiguration as error:
            raise SettingsError("POSTROOM_RESOLVER: the system names no DNS resolver; set host:port of one") from error
    else:
        resolver = dns.asyncresolver.Resolver(configure=False)
        address, port = _server_address(server)
        resolver.nameservers = [address]
        resolver.port = port
    # 1232 octets pass everywhere without fragments (DNS flag day 2020); longer answers come by TCP.
    resolver.use_edns(0, 0, 1232)
    return resolver


def _server_address(server: str) -> tuple[str, int]:
    """Return address and port of `192.0.2.1:53`, `[2001:db8::1]:53` or an address alone."""
    with contextlib.suppress(ValueError):
        return str(ip_address(server)), 53
    host, _, port = server.rpartition(":")
    try:
        if not 0 < int(port) <= 65535:
            raise ValueError(port)
        return str(ip_address(host.removeprefix("[").removesuffix("]"))), int(port)
    except ValueError as error:
        raise SettingsError(f"POSTROOM_RESOLVER: {server!r} is no address:port such as 127.0.0.1:53") from error


def _texts(records: Sequence[object]) -> tuple[str, ...]:
    texts = []
    for record in records:
        if isinstance(record, MX):
            texts.append(f"{record.preference} {_name_text(record.exchange)}")
        elif isinstance(record, SRV):
            texts.append(f"{record.priority} {record.weight} {record.port} {_name_text(record.target)}")
        elif isinstance(record, TXT):
            texts.append(b"".join(record.strings).decode("utf-8", "replace"))
        else:
            texts.append(str(record).rstrip(".").lower())
    return tuple(texts)


def _name_text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _together(four: Answer[str], six: Answer[str]) -> Answer[str]:
    seconds = min(four.seconds, six.seconds)
    if four.records or six.records:
        return Answer(Status.FOUND, four.records + six.records, seconds)
    for answer in (four, six):
        if answer.status is Status.TEMPORARY_FAILURE:
            return answer
    both_missing = four.status is Status.NO_SUCH_DOMAIN and six.status is Status.NO_SUCH_DOMAIN
    return Answer(Status.NO_SUCH_DOMAIN if both_missing else Status.NO_DATA, (), seconds)


def _ascii(name: str) -> str | None:
    """Return a name in lower-case A-labels without its final dot, or None for one that cannot be in DNS."""
    name = name.rstrip(".").lower()
    if name.isascii():
        return name
    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError:
        return None


def _nxdomain_seconds(error: dns.resolver.NXDOMAIN) -> float:
    responses: dict[dns.name.Name, dns.message.QueryMessage] = error.responses()  # type: ignore[no-untyped-call]
    seconds = [response.resolve_chaining().minimum_ttl for response in responses.values()]
    return float(min(seconds, default=0))


def _clamp(seconds: float) -> float:
    return min(max(seconds, _SHORTEST_SECONDS), _LONGEST_SECONDS)


def _negative(seconds: float) -> float:
    return min(_clamp(seconds), _LONGEST_NEGATIVE_SECONDS)


def _read_hosts(path: Path | None) -> dict[str, tuple[str, ...]]:
    """Return the names of a hosts file with their addresses; `localhost` is always there (RFC 6761 6.3)."""
    hosts: dict[str, tuple[str, ...]] = {}
    try:
        lines = path.read_text("utf-8", "replace").splitlines() if path is not None else []
    except OSError:
        lines = []
    for line in lines:
        address, *names = line.partition("#")[0].split() or [""]
        with contextlib.suppress(ValueError):
            text = str(ip_address(address))
            for name in names:
                hosts[name.lower()] = (*hosts.get(name.lower(), ()), text)
    hosts["localhost"] = ("127.0.0.1", "::1")
    return hosts
