"""Opening a connection to an IMAP server that somebody named: addresses, TCP, TLS, greeting, STARTTLS.

RFC 9051 2.1, 6.2.1, 7.1.4; RFC 8314. The host is whatever a stranger wrote into an account, so its addresses
are judged before anything is sent to them.
"""

import asyncio
import socket
import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address

from postroom.base.clock import Clock
from postroom.ledger.account_rows import Security
from postroom.net.address_guard import Network, allowed
from postroom.net.dns import Resolver, Status
from postroom.net.imap.errors import AddressRefused, ImapBye, ImapLost, Throttled, TlsFailed, Unreachable
from postroom.net.imap.link import READ_BYTES, ImapLimits, ImapLink, make_tls
from postroom.net.imap.responses import Status as ResponseStatus
from postroom.net.imap.session import Session
from postroom.net.imap.wire import Limits

_TCP_SECONDS = 20.0
"""For one address: a host whose first address is dead is reached by its second."""
_KEEPALIVE_IDLE_SECONDS = 45
_KEEPALIVE_PAUSE_SECONDS = 10
_KEEPALIVE_TRIES = 3
_UNACKNOWLEDGED_MS = 70_000
"""A peer that is gone without a word is noticed after 45 + 3 x 10 s of silence, or after 70 s with octets under way."""
_BESIDE_BODY_BYTES = 1024 * 1024
_STREAMED_BYTES = 2 * 1024 * 1024 * 1024
"""A body that is handed on in pieces may be as large as this; no server has such mails."""


@dataclass(frozen=True, slots=True)
class ImapServer:
    """Where to connect and how."""

    host: str
    port: int
    security: Security = Security.TLS

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Ways:
    """What all connections of a process share."""

    resolver: Resolver
    context: ssl.SSLContext
    allow_private: tuple[Network, ...]
    clock: Clock
    buffer: bytearray = field(default_factory=lambda: bytearray(READ_BYTES))
    """What is read goes through it on its way; the loop reads one connection at a time."""


async def open_link(server: ImapServer, limits: ImapLimits, ways: Ways) -> ImapLink:
    """Return a connection that was greeted, protected as asked, its capabilities known. See ImapDialler.connect."""
    try:
        async with asyncio.timeout(limits.connect):
            return await _open(server, limits, ways)
    except TimeoutError as error:
        raise Unreachable(f"no session with {server} within {limits.connect:g} s") from error


async def read_capabilities(link: ImapLink) -> None:
    """Ask what the server can do. A server that does not say has what it said before."""
    await link.finish(link.session.start("CAPABILITY"))


async def _open(server: ImapServer, limits: ImapLimits, ways: Ways) -> ImapLink:
    addresses = await _addresses(server, ways)
    why = ""
    for address in addresses:
        try:
            connected = await _connect(address, server.port)
        except (OSError, TimeoutError) as error:
            why = f"{address}: {_reason(error)}"
            continue
        return await _converse(connected, server, limits, ways)
    raise Unreachable(f"no connection to {server}: {why}")


async def _addresses(server: ImapServer, ways: Ways) -> list[str]:
    answer = await ways.resolver.host_addresses(server.host)
    if not answer.records:
        why = answer.reason if answer.status is Status.TEMPORARY_FAILURE else f"there is no host {server.host}"
        raise Unreachable(f"no connection to {server}: {why}")
    found = [address for address in answer.records if allowed(address, ways.allow_private)]
    if server.security is Security.PLAIN:
        # Clear text is for networks that the operator named, public ones too.
        found = [address for address in found if any(ip_address(address) in net for net in ways.allow_private)]
    if not found:
        clear = " without TLS" if server.security is Security.PLAIN else ""
        raise AddressRefused(f"{server} may not be connected to{clear}: its address is outside POSTROOM_ALLOW_PRIVATE")
    return found


async def _connect(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connected = socket.socket(family, socket.SOCK_STREAM)
    try:
        connected.setblocking(False)
        async with asyncio.timeout(_TCP_SECONDS):
            await asyncio.get_running_loop().sock_connect(connected, (address, port))
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        # Not on every system.
        for name, value in (
            ("TCP_KEEPIDLE", _KEEPALIVE_IDLE_SECONDS),
            ("TCP_KEEPINTVL", _KEEPALIVE_PAUSE_SECONDS),
            ("TCP_KEEPCNT", _KEEPALIVE_TRIES),
            ("TCP_USER_TIMEOUT", _UNACKNOWLEDGED_MS),
        ):
            option = getattr(socket, name, None)
            if option is not None:
                connected.setsockopt(socket.IPPROTO_TCP, option, value)
    except BaseException:
        connected.close()
        raise
    return connected


async def _converse(connected: socket.socket, server: ImapServer, limits: ImapLimits, ways: Ways) -> ImapLink:
    wire = Limits(literal_bytes=_STREAMED_BYTES, response_bytes=limits.body_bytes + _BESIDE_BODY_BYTES)
    session = Session(str(server), wire)
    try:
        tls = make_tls(ways.context, server.host, str(server)) if server.security is Security.TLS else None
        link = ImapLink(str(server), session, limits, ways.clock, tls, ways.buffer)
        await asyncio.get_running_loop().create_connection(lambda: link, sock=connected)
    except BaseException:
        connected.close()
        raise
    try:
        await link.until_tls()
        await _greeting(link, server, limits)
        if not session.capabilities:
            await read_capabilities(link)
        if server.security is Security.STARTTLS:
            await _start_tls(link, server, ways)
            await read_capabilities(link)
    except BaseException:
        link.close()
        raise
    return link


async def _greeting(link: ImapLink, server: ImapServer, limits: ImapLimits) -> None:
    try:
        await link.until(lambda: link.session.greeting is not None, seconds=limits.greeting)
    except (Unreachable, ImapBye, Throttled):
        raise
    except ImapLost as error:
        raise Unreachable(f"{server} did not greet: {error}") from error


async def _start_tls(link: ImapLink, server: ImapServer, ways: Ways) -> None:
    session = link.session
    if session.greeting is not None and session.greeting.status is ResponseStatus.PREAUTH:
        # RFC 9051 6.2.1: too late for STARTTLS, and that is how somebody between us would prevent it.
        raise TlsFailed(f"{server} greets with PREAUTH, so TLS cannot begin")
    running = await link.finish(session.start("STARTTLS"))
    if not running.is_ok:
        words = running.end.text if running.end is not None else ""
        raise TlsFailed(f"{server} refuses STARTTLS: {words[:200]}", words=words)
    await link.start_tls(ways.context, server.host)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "no answer" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
