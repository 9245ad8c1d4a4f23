"""A store with mail that went out, mail that came back about it, and the worker that understands it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from queue_rows import Queue

from postroom.base.clock import HOUR_MS, ManualClock
from postroom.base.packing import pack
from postroom.base.threads import Threads
from postroom.base.tokens import TokenKeys, TokenKind
from postroom.events import record
from postroom.inbound.worker import LEASE_MS, Worker
from postroom.ledger.inbound_rows import Destination, InboundContentRow, InboundRow
from postroom.ledger.route_rows import RouteRow
from postroom.ledger.rows import MessageRow, RecipientRow
from postroom.mail.return_path import machine_address
from postroom.mail.smtp_reply import SmtpReply
from postroom.mail.verdict import MailKind
from postroom.outbound.prepared import Prepared
from postroom.store import counters, inbound
from postroom.store.database import Database

KEYS = TokenKeys({0: bytes(range(32))})
KINDS = {
    Destination.BOUNCE: TokenKind.BOUNCE,
    Destination.REPLY: TokenKind.REPLY,
    Destination.UNSUBSCRIBE: TokenKind.UNSUBSCRIBE_MAIL,
    Destination.FEEDBACK: TokenKind.FEEDBACK,
}


def report(address: str, *, status: str = "5.1.1", text: str = "", action: str = "failed", returned: str = "") -> bytes:
    """Return a DSN about one address (RFC 3464). `returned` is the header of the returned message."""
    text = text or f"550 {status} <{address}>: Recipient address rejected: User unknown in virtual mailbox table"
    return "\r\n".join(
        (
            "From: MAILER-DAEMON@mx.example.net (Mail Delivery System)",
            "To: somebody@example.com",
            "Subject: Undelivered Mail Returned to Sender",
            "Auto-Submitted: auto-replied",
            "MIME-Version: 1.0",
            'Content-Type: multipart/report; report-type=delivery-status; boundary="x"',
            "",
            "--x",
            "Content-Type: text/plain",
            "",
            f"<{address}>: {text}",
            "",
            "--x",
            "Content-Type: message/delivery-status",
            "",
            "Reporting-MTA: dns; mx.example.net",
            "",
            f"Final-Recipient: rfc822; {address}",
            f"Action: {action}",
            f"Status: {status}",
            f"Diagnostic-Code: smtp; {text}",
            "",
            "--x",
            "Content-Type: text/rfc822-headers",
            "",
            returned or "Subject: Hello",
            "",
            "--x--",
            "",
        )
    ).encode()


OWN_HOSTS = frozenset({"mail.postroom.test"})


class NoReports:
    """Authors who want no reports."""

    async def of_bounce(self, message: MessageRow, recipient: RecipientRow, reply: SmtpReply) -> Prepared | None:
        """Return no report."""
        return None

    def told(self, prepared: Prepared) -> None:
        """Be told of none."""
        raise AssertionError("there was no report")


class Inbound(Queue):
    """A workspace whose mail comes back."""

    def __init__(self, database: Database, clock: ManualClock, threads: Threads, **worker: Any) -> None:
        super().__init__(database, clock)
        self.routes: list[RouteRow] = []
        self.threads = threads
        given: dict[str, Any] = {"routes": self, "reports": NoReports(), "chance": lambda: 0.5, "own_hosts": OWN_HOSTS}
        self.worker = Worker(
            database=database, clock=clock, ids=self.ids, slow=threads, token_keys=lambda: KEYS, **{**given, **worker}
        )

    async def sent(self, state: str = "delivered", **fields: Any) -> tuple[MessageRow, RecipientRow]:
        """Store a message with one recipient that was sent an hour ago, counted as it was."""
        recipient = {"state": state, **fields.pop("recipient", {})}
        if state in ("delivered", "failed", "suppressed", "cancelled"):
            recipient = {"settled_ms": self.clock.now_ms(), **recipient}
        if state == "delivered":
            recipient = {"sent_hour": self.clock.now_ms() // HOUR_MS, **recipient}
        if state == "failed":
            recipient = {"cause": "policy", **recipient}
        message, (row,) = await self.message(1, recipient=recipient, **fields)
        facts = record.facts_of(message, row)
        if state in ("delivered", "failed"):
            counter, cause = ("sent", "") if state == "delivered" else ("failed", "policy")
            hour = self.clock.now_ms() // HOUR_MS
            await self.database.write(lambda tx: record.count(tx, facts, hour, counter, cause=cause))
        self.clock.advance(hours=1)
        return message, row

    async def came(
        self,
        raw: bytes,
        about: RecipientRow | None = None,
        destination: Destination = Destination.BOUNCE,
        *,
        recipient: str = "",
        **fields: Any,
    ) -> int:
        """Store a mail that came in, to the machine address of `about` or to `recipient`; return its id."""
        row_id, content_id, now = self.ids.next(), self.ids.next(), self.clock.now_ms()
        if about is not None and not recipient:
            recipient = machine_address(KEYS, KINDS[destination], 0, about.id, "rp.example.com")
        given: dict[str, Any] = {
            "workspace_id": 1, "source": "smtp", "peer": "192.0.2.1", "helo": "mx.example.net", "tls": "",
            "reverse_path": "", "author": "", "author_name": "", "subject": "", "message_id": "", "verdicts": "",
            "own_recipient_id": about.id if about is not None else None,
            "author_key": fields.get("author", "").lower(),
        }  # fmt: skip
        row = InboundRow(
            id=row_id, content_id=content_id, received_ms=now, recipient=recipient, recipient_key=recipient.lower(),
            destination=destination.value, size_bytes=len(raw), due_ms=now, **{**given, **fields},
        )  # fmt: skip
        content = InboundContentRow(content_id, row.workspace_id, len(raw), None, pack(raw), now)
        await self.database.write(lambda tx: inbound.put(tx, content, [row]))
        return row_id

    def match(self, recipient: str, sender: str, kind: MailKind, *, is_disowned: bool) -> RouteRow | None:
        """Return the route that is for this very address."""
        return next((route for route in self.routes if route.recipient == recipient), None)

    async def work(self) -> int:
        """Claim what is due and work on it; return how many mails that were."""
        now = self.clock.now_ms()
        rows = await self.database.write(
            lambda tx: inbound.claim(tx, node=3, now_ms=now, lease_ms=now + LEASE_MS, limit=100)
        )
        for row in rows:
            await self.worker.work_on(row)
        return len(rows)

    async def row(self, recipient_id: int) -> RecipientRow:
        """Return a recipient as it is now."""
        (row,) = await self.ask(f"SELECT {', '.join(RecipientRow._fields)} FROM recipient WHERE id = ?", recipient_id)
        return RecipientRow._make(row)

    async def mail(self, row_id: int) -> InboundRow:
        """Return a mail that came in as it is now."""
        found = await self.database.read(lambda conn: inbound.by_id(conn, 1, row_id))
        assert found is not None
        return found

    async def told(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the events since the accept, kind and detail, in order."""
        rows = await self.ask("SELECT kind, detail FROM event WHERE kind <> 'accepted' ORDER BY id")
        return [(kind, msgspec.json.decode(detail)) for kind, detail in rows]

    async def differences(self) -> list[counters.Difference]:
        """Return where the counters differ from a recount."""
        end = self.clock.now_ms() // HOUR_MS + 1
        found = await self.database.read(lambda conn: counters.differences(conn, 1, 0, end, record.counted_under))
        return found[1]

    async def counted(self, counter: str, dimension: str = "total", key: str = "") -> int:
        """Return what a counter of the workspace comes to, over all hours."""
        rows = await self.ask(
            f"SELECT coalesce(sum({counter}), 0) FROM counter WHERE workspace_id = 1 AND dimension = ? AND key = ?",
            dimension,
            key,
        )
        return int(rows[0][0])


@asynccontextmanager
async def returned_mail(database: Database, clock: ManualClock, **worker: Any) -> AsyncIterator[Inbound]:
    """Return a workspace over a fresh store, with a worker that tests turn by hand."""
    threads = Threads("slow", 2)
    world = Inbound(database, clock, threads, **worker)
    await world.workspace()
    yield world
    threads.close()
