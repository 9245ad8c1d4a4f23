"""HTTP requests to addresses that others wrote: webhook receivers, token endpoints. RFC 9110, RFC 9112.

The name is looked up by our resolver, its addresses are checked by
`net.address_guard`, and the connection goes to one of those very addresses:
between the check and the connection nobody can change where the name leads.
TLS and the Host field still carry the name. Redirects are answers like any
other, nothing is taken from the environment (proxies, netrc), and what comes
back is bounded in time and size.
"""

import asyncio
import re
import ssl
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol

import httpcore2
import httpx2

from postroom.base.errors import PostroomError
from postroom.net.address_guard import Network, allowed
from postroom.net.dns import Answer, Status

_LONGEST_URL = 2_000
_MOST_ADDRESSES = 5
"""Addresses of a name that are tried; each costs part of the time to connect."""
_KEEP_SECONDS = 15.0
"""How long an idle connection is kept. Servers commonly keep theirs for 5 to 60 seconds."""
_KEEP_CONNECTIONS = 32
_HOST = re.compile(rb"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_.])?")
_HEADER_FIELDS = 200
"""An answer with more is cut. Their size is bounded by h11 (100 kB)."""


class NoAnswer(PostroomError):
    """There was no HTTP answer: not connected, refused, too slow, or not HTTP. `str()` says why, in words."""


class AddressRefused(NoAnswer):
    """Every address that the name leads to lies in a network that may not be dialled; nothing was."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What a peer may cost us."""

    connect_seconds: float = 10.0
    """Look-up, TCP and TLS each."""
    whole_seconds: float = 30.0
    """From the look-up to the last byte that is read."""
    answer_bytes: int = 64 << 10
    """Of the body; what comes behind is not read."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back, whatever its status."""

    status: int
    header: tuple[tuple[str, str], ...]
    """Names as they came, in order."""
    body: bytes
    """As it was sent: not decompressed."""
    is_cut: bool
    """There was more, or it did not end."""

    def field(self, name: str) -> str:
        """Return the first value of a header field, or an empty text."""
        return next((value for field, value in self.header if field.lower() == name.lower()), "")


class Addresses(Protocol):
    """Who looks names up (`net.dns.Resolver`)."""

    async def host_addresses(self, name: str) -> Answer[str]:
        """Return the addresses of a host."""
        ...


def read_url(text: str) -> httpx2.URL:
    """Return an http or https address that a request can go to. Raises ValueError that says in words what is wrong."""
    if len(text) > _LONGEST_URL:
        raise ValueError(f"takes at most {_LONGEST_URL} characters")
    if any(not letter.isprintable() or letter.isspace() for letter in text):
        raise ValueError("must not hold spaces or control characters")
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL as error:
        raise ValueError(f"is no address: {error}") from error
    if url.scheme not in ("http", "https"):
        raise ValueError("must begin with https:// or http://")
    if not url.host:
        raise ValueError("names no host")
    if url.userinfo:
        raise ValueError("must not hold a user name or password: requests are signed instead")
    if url.fragment:
        raise ValueError("must not hold a fragment (#…): it never leaves the client")
    if url.port is not None and not 0 < url.port < 65536:
        raise ValueError("names a port that is not between 1 and 65535")
    if not _HOST.fullmatch(url.raw_host) and not _is_address(url.host):
        raise ValueError(f"names a host that cannot be one: {url.host[:100]}")
    return url


def refused_literal(url: httpx2.URL, allow_private: tuple[Network, ...]) -> bool:
    """Tell whether the host is an IP address that may not be dialled; names are checked when they are dialled."""
    return _is_address(url.host) and not allowed(url.host, allow_private)


def url_problem(text: str, allow_private: tuple[Network, ...]) -> str | None:
    """Return in words why an address cannot be a webhook's, or None. A name is looked up when it is dialled."""
    try:
        url = read_url(text)
    except ValueError as error:
        return str(error)
    if refused_literal(url, allow_private):
        return (
            f"{url.host} is inside a network that may not be dialled: "
            "use a public address, or have the operator open the network with POSTROOM_ALLOW_PRIVATE"
        )
    return None


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Opens connections to checked addresses only."""

    def __init__(
        self,
        addresses: Addresses,
        allow_private: tuple[Network, ...],
        inner: httpcore2.AsyncNetworkBackend,
    ) -> None:
        """`inner` connects; it is given addresses, never names."""
        self._addresses = addresses
        self._allow_private = allow_private
        self._inner = inner

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Look the host up, check its addresses, and connect to the first that answers."""
        try:
            async with asyncio.timeout(timeout):
                dialled = await self._checked(host)
        except TimeoutError as error:
            raise NoAnswer(f"no answer from DNS for {host} in time") from error
        deadline = None if timeout is None else time.monotonic() + timeout
        for left, address in zip(range(len(dialled), 0, -1), dialled, strict=True):
            # Each address gets its share of the time, so that one which swallows packets does not hide the next.
            share = None if deadline is None else max(0.01, (deadline - time.monotonic()) / left)
            try:
                return await self._inner.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                if left == 1:
                    what = "in time" if isinstance(error, httpcore2.ConnectTimeout) else f"({_words(error)})"
                    raise NoAnswer(f"cannot connect to {host} [{address}]:{port} {what}") from error
        raise AssertionError("an empty list of addresses is refused before")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Refuse: no URL means a file."""
        raise NoAnswer("sockets in the file system are not dialled")

    async def sleep(self, seconds: float) -> None:
        """Wait, as the interface asks for it."""
        await asyncio.sleep(seconds)

    async def _checked(self, host: str) -> Sequence[str]:
        answer = await self._addresses.host_addresses(host)
        if answer.status is Status.TEMPORARY_FAILURE:
            raise NoAnswer(answer.reason or f"no answer from DNS for {host}")
        if not answer.records:
            raise NoAnswer(f"DNS knows no address of {host}")
        checked = [address for address in answer.records if allowed(address, self._allow_private)]
        if not checked:
            raise AddressRefused(
                f"{host} leads to {answer.records[0]}, inside a network that may not be dialled "
                "(the operator opens networks with POSTROOM_ALLOW_PRIVATE)"
            )
        return checked[:_MOST_ADDRESSES]


class HttpClient:
    """Makes requests. One per process and event loop; `close` at the end."""

    def __init__(
        self,
        addresses: Addresses,
        *,
        allow_private: tuple[Network, ...] = (),
        limits: HttpLimits | None = None,
        authorities: Path | None = None,
        backend: httpcore2.AsyncNetworkBackend | None = None,
    ) -> None:
        """`authorities` is a PEM file to trust instead of the system's; `backend` connects instead of the usual one."""
        self._limits = limits or HttpLimits()
        self._authorities = authorities
        self._backend = GuardedBackend(addresses, allow_private, backend or httpcore2.AnyIOBackend())
        self._pool: httpcore2.AsyncConnectionPool | None = None

    @property
    def limits(self) -> HttpLimits:
        """What a peer may cost."""
        return self._limits

    async def post(self, url: str, header: Sequence[tuple[str, str]], body: bytes) -> HttpAnswer:
        """Post a body and return the answer. Raises NoAnswer, and ValueError for what is no URL."""
        return await self._request(b"POST", url, [*header, ("Content-Length", str(len(body)))], body)

    async def get(self, url: str, header: Sequence[tuple[str, str]] = ()) -> HttpAnswer:
        """Ask for what is at an address and return the answer. Raises NoAnswer, and ValueError for what is no URL."""
        return await self._request(b"GET", url, header, b"")

    async def _request(self, method: bytes, url: str, header: Sequence[tuple[str, str]], body: bytes) -> HttpAnswer:
        parsed = read_url(url)
        fields = [("Host", parsed.netloc.decode("ascii")), *header]
        seconds = self._limits.connect_seconds
        request = httpcore2.Request(
            method,
            httpcore2.URL(
                scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=parsed.raw_path or b"/"
            ),
            headers=[(name.encode("ascii"), value.encode("latin-1")) for name, value in fields],
            content=body,
            extensions={"timeout": {"connect": seconds}},
        )
        try:
            async with asyncio.timeout(self._limits.whole_seconds):
                return await self._exchange(request)
        except TimeoutError as error:
            raise NoAnswer(f"no whole answer within {self._limits.whole_seconds:g} seconds") from error
        except httpcore2.ConnectError as error:
            raise NoAnswer(f"no TLS connection to {parsed.host}: {_words(error)}") from error
        except httpcore2.TimeoutException as error:
            raise NoAnswer(f"no TLS connection to {parsed.host} in time") from error
        except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError) as error:
            raise NoAnswer(f"the connection ended without an HTTP answer: {_words(error)}") from error

    async def close(self) -> None:
        """Close the idle connections; requests that run end with NoAnswer."""
        if self._pool is not None:
            await self._pool.aclose()

    def _open_pool(self) -> httpcore2.AsyncConnectionPool:
        # Not before the first request: reading the authorities that are trusted takes 20 ms and more.
        context = ssl.create_default_context(cafile=str(self._authorities) if self._authorities else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=None,
            max_keepalive_connections=_KEEP_CONNECTIONS,
            keepalive_expiry=_KEEP_SECONDS,
            network_backend=self._backend,
        )

    async def _exchange(self, request: httpcore2.Request) -> HttpAnswer:
        if self._pool is None:
            self._pool = self._open_pool()
        answer = await self._pool.handle_async_request(request)
        body = bytearray()
        is_cut = False
        try:
            async for piece in answer.aiter_stream():
                body += piece
                if len(body) > self._limits.answer_bytes:
                    is_cut = True
                    break
        except (httpcore2.NetworkError, httpcore2.ProtocolError):
            # The status has come, and that is what counts.
            is_cut = True
        finally:
            await answer.aclose()
        header = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.headers)
        return HttpAnswer(answer.status, header[:_HEADER_FIELDS], bytes(body[: self._limits.answer_bytes]), is_cut)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _words(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
