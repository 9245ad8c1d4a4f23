"""Wiring of the doors: SMTP submission and mail from outside, HTTP API and public addresses, tracking."""

import asyncio
import datetime
import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from litestar.types import ASGIApp

from postroom import __version__
from postroom.app.connecting import make_connect_door
from postroom.app.dashboard import beside, client_address_of, make_dashboard
from postroom.app.disk import LEAST_FREE_BYTES, free_bytes
from postroom.app.erasing import Erasure
from postroom.app.inbound import make_is_relay, make_receiver, make_recipients
from postroom.app.metrics import MetricsPage
from postroom.app.names import public_url
from postroom.app.outbound import Outbound
from postroom.app.services import Services
from postroom.app.smtp_accept import SubmissionAccept
from postroom.app.sockets import InheritedSockets
from postroom.app.superimap import make_superimap
from postroom.base.errors import SettingsError, TryLater
from postroom.config import Listener
from postroom.doors.http.api import create_api
from postroom.doors.http.body import Bodies
from postroom.doors.http.metrics import MetricsDoor
from postroom.doors.http.public import PublicDoor
from postroom.doors.http.server import HttpListener, serve_http
from postroom.doors.http.services import Services as HttpServices
from postroom.doors.smtp.guessers import Guessers
from postroom.doors.smtp.inbound import InboundDoor
from postroom.doors.smtp.submission import SubmissionDoor
from postroom.net.smtp.server import ServerOptions, SmtpServer
from postroom.net.tls import ServerContext, self_signed
from postroom.outbound.once import Once
from postroom.tracking.hosts import Hosts
from postroom.tracking.ingest import Ingest
from postroom.tracking.links import Links
from postroom.tracking.spool import Spool

_log = structlog.get_logger(__name__)

_INBOUND_RECIPIENTS = 100
"""RFC 5321 4.5.3.1.8: at least so many; a client sends the rest in another transaction."""
_ROOM_BYTES = 256 << 20
"""Below this, mail from outside waits with its senders: what is left is for those who log in."""
_SESSIONS_OF_ADDRESS = 50
"""At the inbound door. Large providers open some ten."""


class Doors:
    """The listeners of one process, by its roles."""

    def __init__(self, services: Services, outbound: Outbound, inherited: InheritedSockets) -> None:
        """`inherited`: sockets that are served in place of addresses of the settings."""
        settings = services.settings
        self._inherited = inherited
        self._services = services
        self._outbound = outbound
        self._once = Once(services.database, services.clock)
        self._smtp: SmtpServer | None = None
        self._inbound: SmtpServer | None = None
        self._http: list[HttpListener] = []
        self._public_doors: list[PublicDoor] = []
        self.stopping = False
        """Set as soon as a stop begins, before the doors close."""
        self.submission_port = 0
        self.inbound_port = 0
        self.http_port = 0
        public_host = urlsplit(public_url(settings)).hostname
        own = {settings.hostname.lower(), "localhost", "127.0.0.1", "[::1]"} | ({public_host} if public_host else set())
        self.hosts = Hosts(own, services.domains.hosts())
        services.domains.tell_hosts(self.hosts.replace)
        self._spool = Spool(settings.data / "spool", services.clock)
        self.ingest = Ingest(self._spool, services.database, services.ids, services.clock)
        self.metrics = MetricsPage(services, outbound, self.ingest, self._spool)

    async def open(self) -> None:
        """Listen. Raises SettingsError where an address or a certificate cannot be used."""
        try:
            await self._open()
        except BaseException:
            await self.close(0)
            raise

    async def _open(self) -> None:
        settings = self._services.settings
        if "submission" in settings.roles:
            await self._open_submission(settings.submission, settings.submissions)
        if "inbound" in settings.roles and settings.inbound is not None:
            await self._open_inbound(settings.inbound)
        if "api" in settings.roles and settings.http is not None:
            address = settings.http
            with _listening("POSTROOM_HTTP", address):
                door = self._public(api=True)
                listener = await serve_http(
                    door,
                    address.host,
                    address.port,
                    at_once=door.at_once,
                    lifespan=True,
                    sockets=self._inherited.of("http"),
                )
            self._http.append(listener)
            self.http_port = listener.port
        if "track" in settings.roles and settings.public_http is not None:
            public = settings.public_http
            with _listening("POSTROOM_PUBLIC_HTTP", public):
                door = self._public(api=False)
                sockets = self._inherited.of("public_http")
                self._http.append(
                    await serve_http(door, public.host, public.port, at_once=door.at_once, sockets=sockets)
                )

    async def close(self, seconds: float) -> None:
        """Take nobody in any more; what is being handed in may end for `seconds`."""
        self.stopping = True
        closing = [listener.stop(seconds) for listener in self._http]
        closing += [smtp.close(seconds) for smtp in (self._smtp, self._inbound) if smtp is not None]
        # Side by side: one that waits for its clients must not leave another taking in more.
        await asyncio.gather(*closing)

    async def flush(self) -> None:
        """Carry the hits that are in the spool into the store; those that stay are read at the next start."""
        try:
            await self.ingest.carry_all()
        except TryLater as error:
            _log.warning("hits stay in the spool until the next start", reason=str(error))
        self._spool.close()

    def refresh(self) -> None:
        """Answer for the token keys that there are now."""
        for door in self._public_doors:
            door.take_keys(self._services.token_keys())

    def _not_ready(self) -> str | None:
        if self.stopping:
            return "This process is stopping."
        if free_bytes(self._services.settings.data) < LEAST_FREE_BYTES:
            return "The disk of the data folder is full."
        return None

    async def _open_submission(self, *listeners: Listener | None) -> None:
        services, settings = self._services, self._services.settings
        accept = SubmissionAccept(self._outbound.acceptance, services.database, self._once)
        options = ServerOptions(settings.hostname, max_size_bytes=settings.message_size_mb << 20)
        self._smtp = SmtpServer(
            SubmissionDoor(services.logins, accept, services.uploads),
            options,
            clock=services.clock,
            tls_context=self._tls().current,
        )
        self.metrics.smtp = self._smtp
        plain, implicit = listeners
        if plain is not None:
            with _listening("POSTROOM_SUBMISSION", plain):
                self.submission_port = await self._listen(self._smtp, "submission", plain, implicit_tls=False)
        if implicit is not None:
            with _listening("POSTROOM_SUBMISSIONS", implicit):
                await self._listen(self._smtp, "submissions", implicit, implicit_tls=True)

    async def _open_inbound(self, listener: Listener) -> None:
        services, settings = self._services, self._services.settings
        guessers = Guessers()
        options = ServerOptions(
            settings.hostname,
            max_size_bytes=settings.message_size_mb << 20,
            max_recipients=_INBOUND_RECIPIENTS,
            require_auth=False,
            offer_auth=False,
            offer_dsn=False,
            max_sessions_of_address=_SESSIONS_OF_ADDRESS,
        )
        self._inbound = SmtpServer(
            InboundDoor(
                make_recipients(services),
                make_receiver(services),
                services.uploads,
                services.clock,
                guessers,
                has_room=lambda: free_bytes(settings.data) >= _ROOM_BYTES,
                is_relay=make_is_relay(services),
            ),
            options,
            clock=services.clock,
            tls_context=self._tls().current,
        )
        self.metrics.inbound, self.metrics.guessers = self._inbound, guessers
        with _listening("POSTROOM_INBOUND", listener):
            self.inbound_port = await self._listen(self._inbound, "inbound", listener, implicit_tls=False)

    async def _listen(self, smtp: SmtpServer, name: str, address: Listener, *, implicit_tls: bool) -> int:
        ports = [(await smtp.listen_on(one, implicit_tls=implicit_tls))[1] for one in self._inherited.of(name)] or [
            (await smtp.listen(address.host, address.port, implicit_tls=implicit_tls))[1]
        ]
        return ports[0]

    def _tls(self) -> ServerContext:
        settings = self._services.settings
        if bool(settings.tls_cert) != bool(settings.tls_key):
            raise SettingsError("POSTROOM_TLS_CERT and POSTROOM_TLS_KEY belong together: set both or neither")
        if settings.tls_cert:
            return ServerContext(Path(settings.tls_cert), Path(settings.tls_key))
        now = datetime.datetime.fromtimestamp(self._services.clock.now_ms() / 1000, datetime.UTC)
        return ServerContext(*self_signed(settings.data, settings.hostname, now))

    def _public(self, *, api: bool) -> PublicDoor:
        services = self._services
        dashboard = make_dashboard(services, self._outbound.watch, self.metrics.silent_seconds) if api else None
        pages = make_connect_door(services, client_address_of(services), dashboard)
        behind: ASGIApp = pages
        if api:
            api_app = create_api(
                HttpServices(
                    database=services.database,
                    ids=services.ids,
                    clock=services.clock,
                    api_keys=services.api_keys,
                    accept=self._outbound.acceptance,
                    uploads=services.uploads,
                    domains=services.domains,
                    slow=services.slow,
                    bodies=Bodies(services.slow, services.settings.data),
                    once=self._once,
                    webhooks=services.webhooks,
                    routes=services.routes,
                    erasure=Erasure(services),
                    version=__version__,
                    not_ready=self._not_ready,
                )
            )
            behind = MetricsDoor(
                beside(api_app, make_superimap(services, client_address_of(services)), pages, self.hosts),
                render=self.metrics.render,
                requests=services.metrics.requests,
                readers=services.settings.metrics_from,
                trusted_proxies=services.settings.trusted_proxies,
            )
        door = PublicDoor(
            keys=services.token_keys(),
            hosts=self.hosts,
            spool=self._spool,
            links=Links(services.database, services.clock),
            database=services.database,
            ids=services.ids,
            clock=services.clock,
            trusted_proxies=services.settings.trusted_proxies,
            behind=behind,
        )
        self._public_doors.append(door)
        return door


@contextmanager
def _listening(setting: str, address: Listener) -> Iterator[None]:
    """Turn the refusal of an address into a SettingsError that names its setting and the remedy."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            why = "the port is in use: stop the program that has it, or choose another port"
        elif error.errno == errno.EACCES:
            why = "this user may not: choose a port above 1023, or grant CAP_NET_BIND_SERVICE"
        elif isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            why = "this machine has no such address"
        else:
            why = str(error)
        raise SettingsError(f"{setting}: cannot listen on {address}: {why}") from error
