"""Taking a submission in: checked, compiled, stored and queued in one transaction. The only way in.

`accept` returns after the commit; the doors say 250 and 202 then and not
before. `prepare` does everything that needs no transaction, so that a caller
can write the prepared mail in a transaction of its own (a DSN is written in
the settlement that it tells of).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

import msgspec

from postroom.base.clock import Clock
from postroom.base.errors import WrongInput
from postroom.base.ids import IdSource
from postroom.base.metrics import Metrics
from postroom.base.threads import Threads
from postroom.base.tokens import TokenKeys
from postroom.ledger.rows import ContentRow, DomainRow, LaneRow, MessageRow, RecipientRow
from postroom.ledger.states import RecipientState, Stream
from postroom.mail.address import address_key, domain_key, domain_of
from postroom.mail.envelope import EnvelopeRecipient
from postroom.mail.header import split_header
from postroom.mail.hops import is_loop
from postroom.mail.message_id import make_message_id
from postroom.mail.smtp_reply import SmtpReply
from postroom.outbound.authored import authors_of, kept_fields, message_id_of, missing_author, subject_of
from postroom.outbound.compilation import BIG_BYTES, Compilation, compilation_of
from postroom.outbound.compile import CompileOptions
from postroom.outbound.contents import Contents
from postroom.outbound.messages import Messages
from postroom.outbound.own_names import Names, return_path_host, tracking_url
from postroom.outbound.prepared import Prepared
from postroom.outbound.submission import (
    MAX_RECIPIENTS,
    MAX_TAGS,
    Accepted,
    Refused,
    StagedContent,
    Submission,
    too_far_ahead,
)
from postroom.store import content as store_content
from postroom.store.database import Database, Tx
from postroom.store.queue import DueLane, lane_id

_encode = msgspec.json.Encoder().encode
_LANES_KNOWN = 100_000

MOST_WAITING_BYTES = 50 * (50 << 20)
"""Of large mails that are taken in or wait for it. 50 MB take some seconds, and the client of the last one in the
line waits 10 minutes for the reply to its final dot (RFC 5321 4.5.3.2.6)."""
_LINE_IS_FULL = SmtpReply(452, "4.3.2", "too many large mails are waiting to be taken in, try again in a few minutes")
_LOOP = SmtpReply(554, "5.4.6", "the mail goes in a circle: it came through too many servers, or too often through us")

OWN_SOURCE = "notify"
"""Source of reports that we write ourselves: they need no proved From."""


def _nobody(workspace_id: int, raw: bytes, options: CompileOptions) -> None:
    """There is no helper: the content is compiled here."""


class Senders(Protocol):
    """The domains of workspaces (`domains.registry`)."""

    async def sender(self, workspace_id: int, name: str) -> DomainRow | None:
        """Return a workspace's row of a From domain, proved or not, or None. Raises TryLater."""
        ...


class Acceptance:
    """Takes submissions in for all workspaces."""

    def __init__(
        self,
        *,
        database: Database,
        ids: IdSource,
        clock: Clock,
        token_keys: Callable[[], TokenKeys],
        senders: Senders,
        needs_proof: Callable[[int], bool],
        names: Names,
        contents: Contents,
        messages: Messages,
        slow: Threads,
        wake: Callable[[Iterable[DueLane]], None],
        provider_of: Callable[[str], str],
        compile_aside: Callable[[int, bytes, CompileOptions], Awaitable[Compilation] | None] = _nobody,
        metrics: Metrics | None = None,
    ) -> None:
        """`needs_proof` tells of a workspace whether its mail leaves the machine; `wake` tells the worker.

        `provider_of` answers the receiving provider of a recipients' domain; `compile_aside`
        has a helper compile a content of a workspace, and answers None where there is none.
        """
        self._database = database
        self._ids = ids
        self._clock = clock
        self._token_keys = token_keys
        self._senders = senders
        self._needs_proof = needs_proof
        self._names = names
        self._contents = contents
        self._messages = messages
        self._slow = slow
        self._wake = wake
        self._provider_of = provider_of
        self._compile_aside = compile_aside
        self._metrics = metrics if metrics is not None else Metrics()
        self._lanes: set[int] = set()
        self._one_large = asyncio.Semaphore(1)
        self.waiting_bytes = 0
        """Of large mails that are taken in or wait for it."""

    async def accept(
        self, submission: Submission, *, in_transaction: Callable[[Tx, Accepted], None] | None = None
    ) -> Accepted:
        """Store and queue a submission; return after the commit.

        `in_transaction` is run in the same transaction. Raises TryLater, WrongInput
        and Refused; then nothing was stored.
        """
        if isinstance(submission.content, StagedContent):
            return await self._accept_large(submission, submission.content.size_bytes, in_transaction)
        return await self._accept(submission, in_transaction)

    async def _accept_large(
        self, submission: Submission, size_bytes: int, in_transaction: Callable[[Tx, Accepted], None] | None
    ) -> Accepted:
        if self.waiting_bytes + size_bytes > MOST_WAITING_BYTES:
            raise Refused(_LINE_IS_FULL)
        self.waiting_bytes += size_bytes
        try:
            # One at a time is in memory as a whole: 20 that come together would be a gigabyte.
            async with self._one_large:
                return await self._accept(submission, in_transaction)
        finally:
            self.waiting_bytes -= size_bytes

    async def _accept(self, submission: Submission, in_transaction: Callable[[Tx, Accepted], None] | None) -> Accepted:
        prepared = await self.prepare(submission)

        def write(tx: Tx) -> Accepted:
            accepted = prepared.write(tx)
            if in_transaction is not None:
                in_transaction(tx, accepted)
            return accepted

        accepted = await self._database.write(write, size_bytes=prepared.written_bytes)
        self.written(prepared)
        return accepted

    def written(self, prepared: Prepared) -> None:
        """Keep what a commit has stored at hand, and tell the worker."""
        message = prepared.message
        self._metrics.accepted[message.source] += 1
        self._messages.put(message)
        self._contents.put(message.workspace_id, message.content_key, prepared.compilation.packed)
        if len(self._lanes) < _LANES_KNOWN:
            self._lanes.update(lane.id for lane in prepared.lanes)
        self._wake(prepared.due_lanes)

    async def prepare(self, submission: Submission) -> Prepared:
        """Check and compile a submission. Raises TryLater, WrongInput and Refused."""
        _check(submission, self._clock.now_ms())
        passed_on_by = submission.via_domain
        raw = await self._raw(submission.content)
        header = split_header(raw)[0]
        if not passed_on_by and is_loop(header, self._names.hostname):
            raise Refused(_LOOP)
        if not passed_on_by and (author_field := missing_author(raw, header, submission.envelope.reverse_path)):
            raw = author_field + raw
            header = split_header(author_field)[0] + header
        authors = authors_of(header, submission.envelope.reverse_path, is_passed_on=bool(passed_on_by))
        author = authors[0]
        domain = await self._senders.sender(submission.workspace.id, passed_on_by or domain_of(author))
        may_leave = _may_leave(domain)
        if submission.source != OWN_SOURCE and self._needs_proof(submission.workspace.id):
            names = (passed_on_by,) if passed_on_by else dict.fromkeys(map(domain_of, authors))
            await self._check_senders(submission.workspace.id, names)
        options = self._options(submission, domain if may_leave else None)
        compilation = await self._compiled(submission.workspace.id, raw, options)
        if compilation.findings.refused is not None:
            raise Refused(compilation.findings.refused)
        content = await self._content_row(submission, compilation)
        message = self._message(submission, header, author, domain, options, compilation, may_leave)
        recipients = self._recipients(submission, message)
        return Prepared(
            message,
            content,
            compilation,
            recipients,
            tuple(self._new_lanes(message, recipients)),
            self._ids.next(),
            tuple(self._ids.next() for _ in recipients),
            tuple(self._token_keys().hide(row.address_key) for row in recipients),
        )

    async def _check_senders(self, workspace_id: int, names: Iterable[str]) -> None:
        """Refuse unless all these From domains are the workspace's own: a reader may show any of several authors."""
        for name in names:
            domain = await self._senders.sender(workspace_id, name)
            if not _may_leave(domain):
                raise Refused(_unproved(name, known=domain is not None))

    async def _raw(self, content: bytes | StagedContent) -> bytes:
        if isinstance(content, bytes):
            return content
        upload_id = content.upload_id
        return await store_content.load_upload(self._database, upload_id)

    async def _compiled(self, workspace_id: int, raw: bytes, options: CompileOptions) -> Compilation:
        if len(raw) > BIG_BYTES:
            return await self._slow.run(lambda: compilation_of(raw, options)[0])
        aside = self._compile_aside(workspace_id, raw, options)
        return compilation_of(raw, options)[0] if aside is None else await aside

    async def _content_row(self, submission: Submission, compilation: Compilation) -> ContentRow:
        packed = compilation.packed
        upload_id = submission.content.upload_id if isinstance(submission.content, StagedContent) else None
        if upload_id is not None and len(packed.raw) != submission.content.size_bytes:  # type: ignore[union-attr]
            # A From field was added, or Bcc behind a broken header taken out: what is kept is what is sent.
            upload_id = await store_content.store_upload(self._database, self._ids.next(), packed.raw, self._clock)
        return ContentRow(
            submission.workspace.id,
            compilation.key,
            len(packed.raw),
            upload_id,
            None,
            packed.plan,
            b"",
            self._clock.now_ms(),
        )

    def _options(self, submission: Submission, domain: DomainRow | None) -> CompileOptions:
        return CompileOptions(
            tracking_url=tracking_url(self._names, domain),
            track=submission.track,
            is_bulk=submission.stream is Stream.BULK,
            is_personal=submission.personal,
            is_report=submission.source == OWN_SOURCE,
        )

    def _message(
        self,
        submission: Submission,
        header: list[bytes],
        author: str,
        domain: DomainRow | None,
        options: CompileOptions,
        compilation: Compilation,
        may_leave: bool,
    ) -> MessageRow:
        envelope = submission.envelope
        message_id = self._ids.next()
        author_domain = submission.via_domain or domain_of(author)
        return MessageRow(
            id=message_id,
            workspace_id=submission.workspace.id,
            content_key=compilation.key,
            kind="personal" if submission.personal else "shared",
            stream=submission.stream.value,
            source=submission.source,
            reverse_path=envelope.reverse_path,
            author_address=author,
            author_domain=author_domain,
            domain_id=domain.id if domain is not None else None,
            subject=subject_of(header),
            message_id=message_id_of(header)
            or make_message_id("msg", message_id, author_domain or self._names.hostname),
            tags=_encode(submission.tags).decode(),
            metadata=_encode(dict(submission.metadata)).decode(),
            track=submission.track.value,
            token_key_id=self._token_keys().signs_with,
            return_path_host=return_path_host(self._names, domain if may_leave else None),
            tracking_url=options.tracking_url,
            smtputf8=int(envelope.smtputf8),
            ret=envelope.ret or "",
            envid=envelope.envid or "",
            size_bytes=len(compilation.packed.raw),
            send_at_ms=submission.send_at_ms,
            created_ms=self._clock.now_ms(),
            unsubscribe=kept_fields(compilation.findings),
        )

    def _recipients(self, submission: Submission, message: MessageRow) -> tuple[RecipientRow, ...]:
        due = max(message.created_ms, submission.send_at_ms or 0)
        # Who is named twice gets one mail, as from other MTAs; what was asked for first counts.
        once: dict[str, EnvelopeRecipient] = {}
        for one in submission.envelope.recipients:
            once.setdefault(address_key(one.address), one)
        return tuple(self._recipient(one, key, message, due) for key, one in once.items())

    def _recipient(self, one: EnvelopeRecipient, key: str, message: MessageRow, due_ms: int) -> RecipientRow:
        domain = domain_key(domain_of(one.address))
        return RecipientRow(
            id=self._ids.next(),
            workspace_id=message.workspace_id,
            message_id=message.id,
            lane_id=lane_id(message.workspace_id, message.stream, domain),
            address=one.address,
            address_key=key,
            domain=domain,
            state=RecipientState.QUEUED.value,
            due_ms=due_ms,
            provider=self._provider_of(domain),
            notify=one.notify.value,
            original=one.original or "",
            merge="",
        )

    def _new_lanes(self, message: MessageRow, recipients: Iterable[RecipientRow]) -> list[LaneRow]:
        # A lane stays once it is made, so each is written once a process.
        wanted = {row.lane_id: row.domain for row in recipients if row.lane_id not in self._lanes}
        return [LaneRow(lane, message.workspace_id, message.stream, domain) for lane, domain in wanted.items()]


def _check(submission: Submission, now_ms: int) -> None:
    count = len(submission.envelope.recipients)
    if not 1 <= count <= MAX_RECIPIENTS:
        raise WrongInput("recipients", f"a message has 1 to {MAX_RECIPIENTS} recipients, not {count}")
    if len(submission.tags) > MAX_TAGS:
        raise WrongInput("tags", f"a message has at most {MAX_TAGS} tags, not {len(submission.tags)}")
    wrong_time = too_far_ahead(submission.send_at_ms, now_ms)
    if wrong_time:
        field = "X-Postroom-Send-At" if submission.source == "smtp" else "send_at"
        raise WrongInput(field, wrong_time, code="too_far_ahead")


def _may_leave(domain: DomainRow | None) -> bool:
    return domain is not None and (domain.vouched == 1 or domain.proved_ms is not None)


def _unproved(domain: str, *, known: bool) -> SmtpReply:
    what = "is not proved yet" if known else "is not a domain of this workspace"
    how = "publish its TXT record, then" if known else f"run `postroom domain create {domain}`, publish its records,"
    return SmtpReply(550, "5.7.1", f"the From domain {domain} {what}: {how} run `postroom domain check {domain}`")
