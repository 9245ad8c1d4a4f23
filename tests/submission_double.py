"""A submission door with doubles behind it, driven by hand or serving real clients on loopback."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trustme

from postroom.base.clock import SystemClock
from postroom.doors.smtp.submission import SubmissionDoor
from postroom.ledger.rows import WorkspaceRow
from postroom.ledger.states import RecipientState, Stream
from postroom.net.smtp.door import Door
from postroom.net.smtp.server import ServerOptions, SmtpServer
from postroom.net.tls import ServerContext
from postroom.outbound.submission import Accepted, AcceptedRecipient, StagedContent, Submission

WORKSPACE = WorkspaceRow(7, "test", 0)


@dataclass(frozen=True, slots=True)
class Login:
    """A login that is right."""

    workspace: WorkspaceRow
    stream: Stream | None


@dataclass
class Desk:
    """Logins, accept and uploads in one: lets `user` with `right` in and keeps everything."""

    stream: Stream | None = None
    submissions: list[Submission] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    uploads: dict[int, list[bytes]] = field(default_factory=dict)
    dropped: list[int] = field(default_factory=list)
    failure: Exception | None = None
    """Raised by accept."""
    upload_failure: Exception | None = None
    """Raised by add."""

    async def check(self, username: str, password: str) -> Login | None:
        """Let `user` in with `right`."""
        return Login(WORKSPACE, self.stream) if (username, password) == ("user", "right") else None

    async def accept(self, submission: Submission, idempotency_key: str | None) -> Accepted:
        """Keep a submission."""
        if self.failure is not None:
            raise self.failure
        self.submissions.append(submission)
        self.keys.append(idempotency_key)
        recipients = tuple(
            AcceptedRecipient(index, one.address, RecipientState.QUEUED)
            for index, one in enumerate(submission.envelope.recipients)
        )
        return Accepted(len(self.submissions), recipients)

    async def begin(self) -> int:
        """Begin an upload."""
        self.uploads[len(self.uploads)] = []
        return len(self.uploads) - 1

    async def add(self, upload_id: int, number: int, data: bytes) -> None:
        """Keep a piece."""
        if self.upload_failure is not None:
            raise self.upload_failure
        assert number == len(self.uploads[upload_id])
        self.uploads[upload_id].append(data)

    async def drop(self, upload_id: int) -> None:
        """Note it."""
        self.dropped.append(upload_id)

    def content(self, index: int = -1) -> bytes:
        """Return the whole content of a submission."""
        content = self.submissions[index].content
        if isinstance(content, StagedContent):
            joined = b"".join(self.uploads[content.upload_id])
            assert len(joined) == content.size_bytes
            return joined
        return content

    def door(self) -> SubmissionDoor:
        """Return the door before it."""
        return SubmissionDoor(self, self, self)


@dataclass
class Served:
    """A submission door that serves."""

    desk: Desk
    port: int
    tls_port: int
    authority: Path
    """PEM file of the certificate's issuer; the certificate is for localhost and 127.0.0.1."""
    cert: Path
    key: Path


@contextmanager
def served(folder: Path, *, other: Door | None = None, require_auth: bool = True) -> Iterator[Served]:
    """Serve a submission door, or another one, on loopback in a thread of its own, so that any client can be run."""
    authority, cert, key = folder / "ca.pem", folder / "cert.pem", folder / "key.pem"
    issuer = trustme.CA()
    issuer.cert_pem.write_to_path(str(authority))
    issued = issuer.issue_cert("localhost", "127.0.0.1")
    issued.private_key_pem.write_to_path(str(key))
    for index, pem in enumerate(issued.cert_chain_pems):
        pem.write_to_path(str(cert), append=index > 0)
    desk = Desk()
    loop = asyncio.new_event_loop()

    async def start() -> tuple[SmtpServer, int, int]:
        options = ServerOptions("mx.test", require_auth=require_auth)
        tls = ServerContext(cert, key)
        server = SmtpServer(other or desk.door(), options, clock=SystemClock(), tls_context=tls.current)
        _, port = await server.listen("127.0.0.1", 0)
        _, tls_port = await server.listen("127.0.0.1", 0, implicit_tls=True)
        return server, port, tls_port

    thread = threading.Thread(target=loop.run_forever, name="door")
    thread.start()
    try:
        server, port, tls_port = asyncio.run_coroutine_threadsafe(start(), loop).result(20)
        try:
            yield Served(desk, port, tls_port, authority, cert, key)
        finally:
            asyncio.run_coroutine_threadsafe(server.close(1.0), loop).result(20)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()
