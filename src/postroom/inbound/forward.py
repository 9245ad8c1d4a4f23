"""Forwarding a mail: it is sealed, and queued like any other mail of the workspace."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from postroom.base.clock import Clock
from postroom.base.errors import TryLater
from postroom.base.ids import IdSource
from postroom.base.threads import Threads
from postroom.inbound.forwarded_mail import content_to_forward, domain_for, submission_of
from postroom.ledger.inbound_rows import InboundRow
from postroom.ledger.rows import WorkspaceRow
from postroom.mail.authentication import Verdicts
from postroom.outbound.submission import SMALL_CONTENT_BYTES, Accepted, StagedContent, Submission
from postroom.store import messages
from postroom.store.content import store_upload
from postroom.store.database import Database, Tx

Seal = Callable[[int, str, bytes, Verdicts], Awaitable[bytes]]
"""`inbound.seal.seal` with the key of a workspace's domain; without a key the mail stays as it is."""
WorkspaceOf = Callable[[int], Awaitable[WorkspaceRow | None]]


class Accept(Protocol):
    """The way out (`outbound.accept`)."""

    async def accept(
        self, submission: Submission, *, in_transaction: Callable[[Tx, Accepted], None] | None = None
    ) -> Accepted:
        """Store a submission and return after the commit. Raises TryLater, WrongInput and Refused."""
        ...


class Forwarder:
    """Forwards mail for all workspaces."""

    def __init__(
        self,
        *,
        database: Database,
        ids: IdSource,
        clock: Clock,
        accept: Accept,
        workspace_of: WorkspaceOf,
        seal: Seal,
        slow: Threads,
    ) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock
        self._accept = accept
        self._workspace_of = workspace_of
        self._seal = seal
        self._slow = slow

    async def forward(
        self, row: InboundRow, raw: bytes, target: str, in_transaction: Callable[[Tx, Accepted], None]
    ) -> None:
        """Queue a mail to `target`; `in_transaction` runs in the transaction that does.

        Raises GoesInCircle, and what `accept` raises: TryLater, WrongInput, Refused.
        """
        workspace = await self._workspace_of(row.workspace_id)
        if workspace is None:
            raise TryLater("the workspace cannot be read")
        verdicts = Verdicts.from_json(row.verdicts)
        domain = await self._domain_of(row)
        content = await self._slow.run(lambda: content_to_forward(row, raw, verdicts))
        content = await self._seal(row.workspace_id, domain, content, verdicts)
        handed: bytes | StagedContent = content
        if len(content) > SMALL_CONTENT_BYTES:
            upload_id = await store_upload(self._database, self._ids.next(), content, self._clock)
            handed = StagedContent(upload_id, len(content))
        submission = submission_of(row, workspace, target, domain, handed)
        await self._accept.accept(submission, in_transaction=in_transaction)

    async def _domain_of(self, row: InboundRow) -> str:
        """Return the domain of ours that answers for a mail: of a reply, that of the message which it answers."""
        message_id = row.answers_message_id
        if row.route_id is None and message_id is not None:
            message = await self._database.read(lambda conn: messages.message_by_id(conn, row.workspace_id, message_id))
            if message is not None:
                return message.author_domain
        return domain_for(row)
