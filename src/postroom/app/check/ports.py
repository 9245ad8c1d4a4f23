"""The listeners: do they answer, or, where no server runs, could they be opened?"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Iterator

from postroom.app.check.findings import Finding, fail, ok, warn
from postroom.config import Listener, Settings
from postroom.net.address_guard import allowed
from postroom.net.dns import Resolver, Status

_AREA = "ports"
_SECONDS = 5.0
_ANYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


def listeners_of(settings: Settings) -> list[tuple[str, Listener]]:
    """Return the listeners that this process opens by its roles, each with its setting."""
    found: list[tuple[str, Listener | None]] = []
    if "submission" in settings.roles:
        found += [("POSTROOM_SUBMISSION", settings.submission), ("POSTROOM_SUBMISSIONS", settings.submissions)]
    if "inbound" in settings.roles:
        found.append(("POSTROOM_INBOUND", settings.inbound))
    if "api" in settings.roles:
        found.append(("POSTROOM_HTTP", settings.http))
    if "track" in settings.roles:
        found.append(("POSTROOM_PUBLIC_HTTP", settings.public_http))
    return [(name, one) for name, one in found if one is not None]


def check_bindable(settings: Settings) -> Iterator[Finding]:
    """Look whether each listener could be opened; for when no server runs."""
    for name, listener in listeners_of(settings):
        try:
            family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
            socket.create_server((listener.host, listener.port), family=family).close()
        except OSError as error:
            yield fail(_AREA, f"{name}: cannot listen on {listener}: {error.strerror or error}", _remedy(error))
        else:
            yield ok(_AREA, f"{name}: {listener} is free")


async def check_reachable(settings: Settings) -> list[Finding]:
    """Connect to each listener of the running server."""
    return list(await asyncio.gather(*(_reach(name, one) for name, one in listeners_of(settings) if one.port)))


async def check_outside(resolver: Resolver, settings: Settings, domain: str) -> Finding:
    """Dial the first MX host of `domain`: many networks close port 25 outwards."""
    answer = await resolver.mx(domain)
    host = min(answer.records, key=lambda record: record.preference).host if answer.records else ""
    addresses = await resolver.a(host)
    if addresses.status is not Status.FOUND:
        return warn(_AREA, f"{domain} has no mail host that could be dialled", "name another domain")
    address, port = addresses.records[0], settings.direct_port
    if not allowed(address, settings.allow_private):
        return warn(_AREA, f"{host} is at {address}, inside a private network", "name another domain")
    try:
        line = await _first_line(address, port, None)
    except (OSError, TimeoutError) as error:
        remedy = "this network lets no mail out by port 25: ask your provider, or use a smarthost"
        return fail(_AREA, f"{host} ({address}) cannot be reached on port {port}: {_reason(error)}", remedy)
    return ok(_AREA, f"{host} ({address}) answers on port {port}: {line[:80].decode('ascii', 'replace').strip()}")


def hint_outside() -> Finding:
    """Say that port 25 outwards was not tried."""
    remedy = "`postroom check --outside` dials a mail host of another organisation"
    return ok(_AREA, "whether port 25 is open outwards was not tried", remedy)


async def _reach(name: str, listener: Listener) -> Finding:
    host = "127.0.0.1" if listener.host in _ANYWHERE else listener.host
    context = None
    if name == "POSTROOM_SUBMISSIONS":
        # Whether the certificate is good is looked at elsewhere; here only whether somebody answers.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    speaks_smtp = name.startswith(("POSTROOM_SUBMISSION", "POSTROOM_INBOUND"))
    ask, expected = (
        (b"", b"220") if speaks_smtp else (b"GET / HTTP/1.1\r\nHost: check\r\nConnection: close\r\n\r\n", b"HTTP/1.1")
    )
    try:
        line = await _first_line(host, listener.port, context, ask)
    except (OSError, TimeoutError) as error:
        remedy = "look into the server's log; a firewall on this machine may be in the way"
        return fail(_AREA, f"{name}: {listener} does not answer: {_reason(error)}", remedy)
    if not line.startswith(expected):
        return fail(_AREA, f"{name}: another program answers on {listener}", "end it, or choose another port")
    return ok(_AREA, f"{name}: {listener} answers")


async def _first_line(host: str, port: int, context: ssl.SSLContext | None, ask: bytes = b"") -> bytes:
    async with asyncio.timeout(_SECONDS):
        reader, writer = await asyncio.open_connection(host, port, ssl=context)
        try:
            writer.write(ask)
            return await reader.readline()
        finally:
            writer.close()


def _reason(error: OSError | TimeoutError) -> str:
    return f"no answer within {_SECONDS:.0f} s" if isinstance(error, TimeoutError) else error.strerror or str(error)


def _remedy(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program has the port: stop it, or choose another one"
    if error.errno == errno.EACCES:
        return "choose a port above 1023, grant CAP_NET_BIND_SERVICE, or let systemd hold the socket"
    return "this machine has no such address: correct the setting"
