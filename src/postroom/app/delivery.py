"""Wiring of delivery: transports, attempts in this process and in helpers, the worker."""

import asyncio
import os
import socket
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from postroom.app.services import Services
from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.mail.smtp_reply import SmtpReply
from postroom.outbound import helper_frames as frames
from postroom.outbound.attempt import Attempted, Tools, Work
from postroom.outbound.compile import Compiled
from postroom.outbound.frame_pipe import FramePipe
from postroom.outbound.helpers import HelperAttempts, HelperLink
from postroom.outbound.journal import Flights, read_journals
from postroom.outbound.local import LocalAttempts
from postroom.outbound.render import Copy
from postroom.outbound.sign import SigningKey, sign
from postroom.outbound.transport import Transport, TransportKind

_NOT_BEGUN = Outcome(OutcomeKind.RETURNED, SmtpReply(451, "4.3.0", "stopped before this try began"))
LARGE_BYTES = 1 << 20
"""Contents above this are tried in the owner, one at a time: a copy of theirs in each helper would cost too much."""


class KeyMaterials:
    """The DKIM keys of domains as helpers are given them."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def key_material(self, domain_id: int) -> list[tuple[str, str, bytes]]:
        """Return (domain, selector, PKCS#8 DER), the RSA key first; none where the domain is gone."""
        keys = await self._services.domains.signing_keys(domain_id)
        return [
            (key.domain, key.selector, key.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
            for key in keys
        ]


class Attempting:
    """Who tries what: the sandbox and large contents in this process, the rest in helpers where there are some."""

    def __init__(self, local: LocalAttempts, helpers: HelperAttempts | None) -> None:
        self._local = local
        self._helpers = helpers
        self._large: deque[tuple[Work, Callable[[Attempted], None]]] = deque()
        """The first one is being tried."""

    def start(self, work: Work, done: Callable[[Attempted], None]) -> None:
        """Try one recipient."""
        if work.message.size_bytes > LARGE_BYTES:
            self._large.append((work, done))
            if len(self._large) == 1:
                self._start_large()
        elif self._helpers is None or work.next_hop.kind is TransportKind.SANDBOX:
            self._local.start(work, done)
        else:
            self._helpers.start(work, done)

    def _start_large(self) -> None:
        work, done = self._large[0]

        def ended(attempted: Attempted) -> None:
            self._large.popleft()
            done(attempted)
            if self._large:
                self._start_large()

        self._local.start(work, ended)

    def renewed(self, keys: Sequence[tuple[int, int]], lease_ms: int) -> None:
        """Tell all who try about longer leases."""
        self._local.renewed(keys, lease_ms)
        if self._helpers is not None:
            self._helpers.renewed(keys, lease_ms)

    def settled(self, keys: Sequence[tuple[int, int]]) -> None:
        """Let the journals forget these tries."""
        self._local.settled(keys)
        if self._helpers is not None:
            self._helpers.settled(keys)

    async def drain(self, seconds: float) -> None:
        """Let running tries end, then cut them; large contents that wait for their turn are not begun."""
        waiting = [self._large.pop() for _ in range(len(self._large) - 1)]
        for _, done in waiting:
            done(Attempted(_NOT_BEGUN))
        waits: list[Awaitable[None]] = [self._local.drain(seconds)]
        if self._helpers is not None:
            waits.append(self._helpers.drain(seconds))
        await asyncio.gather(*waits)

    async def close(self) -> None:
        """Let the helpers end; everything is settled."""
        if self._helpers is not None:
            await self._helpers.close()


def local_tools(services: Services, transports: dict[TransportKind, Transport]) -> Tools:
    """Return what attempts in the owner use."""

    async def compiled(work: Work) -> Compiled:
        return await services.contents.compiled(work.message.workspace_id, work.message.content_key)

    async def aside(render: Callable[[], Copy]) -> Copy:
        return await services.slow.run(render)

    async def sign_on_thread(
        header: Sequence[bytes], body_sha256: bytes, keys: Sequence[SigningKey], at: int
    ) -> list[bytes]:
        return await services.signers.run(lambda: sign(header, body_sha256, keys, at)) if keys else []

    return Tools(
        hostname=services.settings.hostname,
        token_keys=services.token_keys,
        compiled=compiled,
        signing_keys=services.domains.signing_keys,
        sign=sign_on_thread,
        transports=transports,
        aside=aside,
    )


class HelperProcesses:
    """Starts helper processes over socketpairs. They end with this process, whatever happens to it."""

    def __init__(self, services: Services, folder: Path, boot_id: str, connections: int) -> None:
        self._services = services
        self._folder = folder
        self._boot_id = boot_id
        self._connections = connections
        self.started = 0
        """How many were started."""
        self.running: set[int] = set()
        """Process ids of those that have not ended."""

    async def spawn(self) -> HelperLink:
        """Start one and give it its Hello."""
        self.started += 1
        name = f"helper-{os.getpid()}-{self.started}"
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "postroom",
                "helper",
                str(theirs.fileno()),
                str(os.getpid()),
                self._services.settings.log_level,
                self._services.settings.log_format,
                pass_fds=(theirs.fileno(),),
            )
        self.running.add(process.pid)

        async def ended() -> int:
            code = await process.wait()
            self.running.discard(process.pid)
            return code

        pipe = await open_pipe(ours)
        hello = frames.Hello(
            hostname=self._services.settings.hostname,
            token_keys=self._services.token_keys().items(),
            journal_folder=str(self._folder),
            journal_name=name,
            boot_id=self._boot_id,
            connections=self._connections,
        )
        pipe.say(hello)
        return HelperLink(pipe, name, ended)

    async def flights_of(self, journal_name: str) -> Flights:
        """Read the journals that a dead helper left."""
        return await self._services.slow.run(lambda: read_journals(self._folder, self._boot_id, journal_name))


async def open_pipe(sock: socket.socket) -> FramePipe[frames.Upward]:
    """Return the owner's end of a helper's socketpair."""

    def nobody_listens(said: frames.Upward) -> None:
        raise RuntimeError("a helper spoke before it was asked")

    loop = asyncio.get_running_loop()
    _, pipe = await loop.create_connection(lambda: FramePipe(frames.READS_UPWARD, nobody_listens), sock=sock)
    return pipe
