"""Rows of the queue for tests: messages, recipients, claims, and a store that holds some."""

from collections.abc import Sequence
from typing import Any

from postroom.base.clock import ManualClock
from postroom.base.ids import IdSource
from postroom.events import record
from postroom.ledger.claimed import Claimed
from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.ledger.rows import LaneRow, MessageRow, RecipientRow, WorkspaceRow
from postroom.mail.smtp_reply import SmtpReply
from postroom.outbound.settle import Tried
from postroom.store import messages
from postroom.store.database import Database, Tx, statement
from postroom.store.queue import DueLane, lane_id

NOW = ManualClock().now_ms()
OK = Outcome(OutcomeKind.DELIVERED, SmtpReply(250, "2.0.0", "taken"), "mx.example.net:25")
LATER = Outcome(OutcomeKind.DEFERRED, SmtpReply(451, "4.7.1", "greylisted"), "mx.example.net:25")
NO = Outcome(OutcomeKind.FAILED, SmtpReply(550, "5.1.1", "unknown"), "mx.example.net:25")
RETURNED = Outcome(OutcomeKind.RETURNED, SmtpReply(451, "4.3.0", "stopped"))
NO_REPLY = Outcome(OutcomeKind.IN_DOUBT, SmtpReply(451, "4.4.2", "lost"))


def message_row(row_id: int = 1, **fields: Any) -> MessageRow:
    """Return a message."""
    given: dict[str, Any] = dict(  # noqa: C408 - reads like the row's own call
        workspace_id=1, content_key=b"k", kind="shared", stream="transactional", source="http",
        reverse_path="ada@example.com", author_address="ada@example.com", author_domain="example.com",
        domain_id=None, subject="Hello", message_id="<1@example.com>", tags='["blue"]', metadata="{}", track=0,
        token_key_id=0, return_path_host="rp", tracking_url="http://go", smtputf8=0, ret="", envid="", size_bytes=1,
        send_at_ms=None, created_ms=NOW,
    )  # fmt: skip
    return MessageRow(id=row_id, **{**given, **fields})


def recipient_row(row_id: int, message: MessageRow, domain: str = "example.net", **fields: Any) -> RecipientRow:
    """Return a queued recipient of a message."""
    given: dict[str, Any] = dict(  # noqa: C408 - reads like the row's own call
        workspace_id=message.workspace_id, message_id=message.id,
        lane_id=lane_id(message.workspace_id, message.stream, domain), address=f"u{row_id}@{domain}",
        address_key=f"u{row_id}@{domain}", domain=domain, state="queued", due_ms=message.created_ms, provider="other",
        notify=2, original="", merge="",
    )  # fmt: skip
    return RecipientRow(id=row_id, **{**given, **fields})


def claimed(row_id: int = 1, **fields: Any) -> Claimed:
    """Return a claimed recipient."""
    given: dict[str, Any] = dict(  # noqa: C408 - reads like the row's own call
        epoch=1, lane_id=5, workspace_id=1, message_id=1, address="bob@example.net", address_key="bob@example.net",
        domain="example.net", provider="other", notify=2, original="", merge="", tries=0, first_tried_ms=None,
        doubt_retried=0, delayed_told=0,
    )  # fmt: skip
    return Claimed(id=row_id, **{**given, **fields})


def tried(one: Claimed, outcome: Outcome, *, event_id: int = 100, at_ms: int = NOW, retry: bool = False) -> Tried:
    """Return a try of a claimed recipient with its outcome."""
    return Tried(one, message_row(one.message_id), outcome, event_id, at_ms, retry)


def due_lane(number: int, *, workspace: int = 1, stream: str = "bulk", domain: str = "", due_ms: int = 0) -> DueLane:
    """Return a lane that is due."""
    return DueLane(number, workspace, stream, domain or f"d{number}.test", due_ms)


class Queue:
    """A store with a workspace, and what tests ask of it."""

    def __init__(self, database: Database, clock: ManualClock, node: int = 3) -> None:
        self.database = database
        self.clock = clock
        self.ids = IdSource(node, clock)

    async def workspace(self, **fields: Any) -> WorkspaceRow:
        """Store workspace 1."""
        row = WorkspaceRow(1, "one", NOW)._replace(**fields)
        await self.database.write(lambda tx: tx.add(row))
        return row

    async def message(
        self, count: int, *, domain: str = "example.net", recipient: dict[str, Any] | None = None, **fields: Any
    ) -> tuple[MessageRow, list[RecipientRow]]:
        """Store a message with so many recipients, counted as accept does."""
        message = message_row(self.ids.next(), created_ms=self.clock.now_ms(), **fields)
        rows = [recipient_row(self.ids.next(), message, domain, **(recipient or {})) for _ in range(count)]
        event_id = self.ids.next()

        def write(tx: Tx) -> None:
            messages.add(tx, message)
            tx.add(LaneRow(rows[0].lane_id, message.workspace_id, message.stream, domain))
            record.record_accepted(tx, message, [row.provider for row in rows], event_id)
            for row in rows:
                tx.add(row)

        await self.database.write(write)
        return message, rows

    async def states(self) -> dict[str, int]:
        """Return how many recipients are in which state."""
        return dict(await self.ask("SELECT state, count(*) FROM recipient GROUP BY state"))

    async def ask(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT."""
        asked = statement(sql)
        return await self.database.read(lambda conn: conn.all(asked, parameters))

    async def act(self, sql: str, *parameters: object) -> None:
        """Execute a statement."""
        asked = statement(sql)
        await self.database.write(lambda tx: tx.run(asked, parameters))


def ids_of(rows: Sequence[RecipientRow] | Sequence[Claimed]) -> list[int]:
    """Return the ids of rows in order."""
    return [row.id for row in rows]
