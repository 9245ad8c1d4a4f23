"""Finding the IMAP server of an address, by logging in.

In this order: the table of large providers, by domain and by MX; SRV records
(RFC 6186, RFC 8314); what the domain tells mail programs by https
(`mail.autoconfig`); names that are usual. The first server that judges the
password decides, so a wrong one is tried once, not at all candidates.

DNS says without proof where a domain's mail is. A password goes to a server
outside the domain only if a table of ours names it, if the domain said so over
https, or after the person has seen its name (RFC 6186 6).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar
from urllib.parse import quote

from postroom.accounts.known_servers import server_of_domain, server_of_mx
from postroom.accounts.providers import Server, Service
from postroom.ledger.account_rows import Security
from postroom.mail.autoconfig import Socket, Told, read_autoconfig
from postroom.net.dns import Answer, MxRecord, SrvRecord
from postroom.net.http_client import HttpClient, NoAnswer

T = TypeVar("T")

_WHOLE_SECONDS = 45.0
_SOURCE_SECONDS = 8.0
"""For MX, SRV and each file; a domain that does not answer must not use up everybody's patience."""
_MOST_TRIES = 8


class Verdict(StrEnum):
    """What became of a login."""

    TAKEN = "taken"
    REFUSED = "refused"
    """The server does not take name or password."""
    AWAY = "away"
    """There is no such server, or it does not answer properly."""
    PRIVATE = "private"
    """It lies inside a network that may not be dialled; nothing was."""
    LATER = "later"
    """The server asks to come back later."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A login that was tried."""

    verdict: Verdict
    words: str = ""
    """What the server said, or why there was none; never with what was typed."""


class Logins(Protocol):
    """Who tries a login (`accounts.login_try`)."""

    async def try_login(self, service: Service, user: str, password: str) -> Tried:
        """Log in and out again, within a time limit. Raises nothing that a server can cause."""
        ...


class Names(Protocol):
    """Who asks DNS (`net.dns.Resolver`)."""

    async def mx(self, domain: str) -> Answer[MxRecord]:
        """Return the MX records of a domain."""
        ...

    async def srv(self, name: str) -> Answer[SrvRecord]:
        """Return the SRV records of a name."""
        ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """A server that may be the right one."""

    server: Server
    """With an IMAP service."""
    username: str
    is_vouched: bool = True
    """False: only DNS says that it has to do with the domain."""


@dataclass(frozen=True, slots=True)
class Detected:
    """What came of a search."""

    tried: Tried
    candidate: Candidate | None = None
    """The server that took or refused the login; the one to be confirmed; None: none was found."""
    to_confirm: bool = False
    """The person has to say that the candidate is theirs; nothing was sent to it."""


class Autodetection:
    """Finds servers."""

    def __init__(self, names: Names, http: HttpClient, logins: Logins) -> None:
        """`http` and `logins` refuse addresses inside networks that may not be dialled, before they connect."""
        self._names = names
        self._http = http
        self._logins = logins

    async def find(self, address: str, username: str, password: str) -> Detected:
        """Find the server of an address and log in there. `username` empty: what the server's domain says."""
        found = Detected(Tried(Verdict.AWAY, "no mail server was found for this address"))
        try:
            async with asyncio.timeout(_WHOLE_SECONDS):
                found = await self._find(address, username, password, found)
        except TimeoutError:
            found = Detected(Tried(Verdict.AWAY, "no mail server was found in time"))
        return found

    async def _find(self, address: str, username: str, password: str, nothing: Detected) -> Detected:
        seen: set[Service] = set()
        unvouched: Candidate | None = None
        private: Tried | None = None
        async for candidate in self._candidates(address):
            imap = candidate.server.imap
            if imap is None or imap in seen or len(seen) >= _MOST_TRIES:
                continue
            if not candidate.is_vouched:
                unvouched = unvouched or candidate
                continue
            seen.add(imap)
            tried = await self._logins.try_login(imap, username or candidate.username, password)
            if tried.verdict in (Verdict.TAKEN, Verdict.REFUSED, Verdict.LATER):
                return Detected(tried, candidate)
            if tried.verdict is Verdict.PRIVATE:
                private = private or tried
        if unvouched is not None:
            return Detected(nothing.tried, unvouched, to_confirm=True)
        return Detected(private or nothing.tried)

    async def _candidates(self, address: str) -> AsyncIterator[Candidate]:
        domain = address.rpartition("@")[2].lower()
        known = server_of_domain(domain)
        if known is not None:
            yield Candidate(known, address)
            return
        mx = await _in_time(self._names.mx(domain))
        records = sorted(mx.records, key=lambda record: record.preference) if mx is not None else []
        for record in records[:3]:
            known = server_of_mx(record.host)
            if known is not None:
                yield Candidate(known, address)
                break
        for candidate in await self._by_srv(domain, address):
            yield candidate
        for url in _files(domain, address):
            for candidate in await self._told_at(url, address):
                yield candidate
        for host, port, security in (
            (f"imap.{domain}", 993, Security.TLS),
            (f"mail.{domain}", 993, Security.TLS),
            (domain, 993, Security.TLS),
            (f"imap.{domain}", 143, Security.STARTTLS),
            (f"mail.{domain}", 143, Security.STARTTLS),
        ):
            yield Candidate(Server(Service(host, port, security)), address)

    async def _by_srv(self, domain: str, address: str) -> list[Candidate]:
        # RFC 6186 3.2, 3.4; RFC 8314 5.1 prefers TLS from the first octet.
        imaps, imap, submissions, submission = await asyncio.gather(
            *(
                _in_time(self._names.srv(f"_{service}._tcp.{domain}"))
                for service in ("imaps", "imap", "submissions", "submission")
            )
        )
        smtp = _services(submissions, Security.TLS) or _services(submission, Security.STARTTLS)
        return [
            Candidate(Server(service, smtp[0] if smtp else None), address, is_vouched=_is_within(service.host, domain))
            for service in (*_services(imaps, Security.TLS), *_services(imap, Security.STARTTLS))
        ]

    async def _told_at(self, url: str, address: str) -> list[Candidate]:
        try:
            answer = await asyncio.wait_for(self._http.get(url, [("Accept-Encoding", "identity")]), _SOURCE_SECONDS)
        except (NoAnswer, ValueError, TimeoutError):
            return []
        if answer.status != 200 or answer.is_cut:
            return []
        told = read_autoconfig(answer.body, address)
        smtp = next((_service(one) for one in told.smtp), None)
        return [
            Candidate(Server(_service(one), smtp), one.username or address)
            for one in told.imap
            if not one.is_oauth_only
        ]


def _files(domain: str, address: str) -> tuple[str, ...]:
    asked = "emailaddress=" + quote(address)
    return (
        f"https://autoconfig.{domain}/mail/config-v1.1.xml?{asked}",
        f"https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml?{asked}",
    )


def _service(told: Told) -> Service:
    return Service(told.host, told.port, Security.TLS if told.socket is Socket.SSL else Security.STARTTLS)


def _services(answer: Answer[SrvRecord] | None, security: Security) -> list[Service]:
    # RFC 2782: the lowest priority first; weights spread load, which one login does not make.
    records: Sequence[SrvRecord] = answer.records if answer is not None else ()
    ordered = sorted(records, key=lambda record: (record.priority, -record.weight))
    return [Service(one.host, one.port, security) for one in ordered[:3] if one.host != "." and one.port]


def _is_within(host: str, domain: str) -> bool:
    return host == domain or host.endswith("." + domain)


async def _in_time(question: Awaitable[Answer[T]]) -> Answer[T] | None:
    try:
        return await asyncio.wait_for(question, _SOURCE_SECONDS)
    except TimeoutError:
        return None
