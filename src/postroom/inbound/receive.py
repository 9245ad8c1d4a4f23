"""Taking mail in: the only way, for the SMTP door, for `postroom receive` and for watched mailboxes.

A mail is looked at as far as its top fields and its verdicts go, gets our
trace fields, and is committed: one content for each workspace that gets it,
one row for each envelope recipient. What it means is the worker's business.
"""

import asyncio
import io
from collections import defaultdict
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from postroom.base.clock import Clock
from postroom.base.errors import PostroomError
from postroom.base.ids import IdSource, show_id
from postroom.base.packing import pack
from postroom.base.threads import Threads
from postroom.inbound.recipients import NO_SUCH_ADDRESS, Addressed
from postroom.inbound.refusal import refusal
from postroom.ledger.inbound_rows import InboundContentRow, InboundRow
from postroom.mail.address import address_key
from postroom.mail.address_list import parse_address_list
from postroom.mail.encoded_words import decode_words, text_of
from postroom.mail.header import find, split_header
from postroom.mail.smtp_reply import SmtpReply
from postroom.mail.trace import Arrival, as_received, received_field, return_path_field
from postroom.store import inbound
from postroom.store.content import Uploads, upload_pieces
from postroom.store.database import Database, Tx

_SLOW_BYTES = 16 * 1024
"""Compressing more than this is done on a thread."""
_LONGEST_TEXT = 998


class Refused(PostroomError):
    """A mail that is not taken; `reply` says why."""

    def __init__(self, reply: SmtpReply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class StagedRest(NamedTuple):
    """What follows the first block of a large content: pieces of an upload, numbered from 1."""

    upload_id: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Incoming:
    """One mail with its envelope, its recipients decided."""

    source: str
    """As `InboundRow.source`."""
    protocol: str
    """As `mail.trace.Arrival.protocol`."""
    peer: str
    helo: str
    tls: str
    reverse_path: str
    recipients: tuple[Addressed, ...]
    """At least one."""
    content: bytes
    """With CRLF line ends; of a large mail the first block, which has the whole header."""
    rest: StagedRest | None = None
    arrived_ms: int | None = None
    """When it came to us, where that was before it is taken in; None: now."""


class Authenticated(NamedTuple):
    """Where a mail comes from, as far as it could be found out."""

    verdicts: str
    """As `InboundRow.verdicts`."""
    field: bytes
    """The Authentication-Results field with CRLF, or nothing."""


NOT_ASKED = Authenticated("", b"")


class Authenticate(Protocol):
    """Asks SPF, DKIM, DMARC and ARC."""

    async def __call__(self, mail: Incoming, raw: bytes) -> Authenticated:
        """Return what was found out; trouble is a verdict too. `raw` is the whole mail as it came."""
        ...


class Receiver:
    """Takes mail in."""

    def __init__(
        self,
        database: Database,
        ids: IdSource,
        clock: Clock,
        slow: Threads,
        uploads: Uploads,
        hostname: str,
        authenticate: Authenticate | None = None,
        received: MutableMapping[str, int] | None = None,
        one_large: asyncio.Semaphore | None = None,
    ) -> None:
        """`hostname` is our name in trace fields, and the authserv-id; `received` counts mails by their source.

        `one_large` is held while a large mail is in memory as a whole.
        """
        self._database = database
        self._ids = ids
        self._clock = clock
        self._slow = slow
        self._uploads = uploads
        self._hostname = hostname
        self._authenticate = authenticate
        self._received = received if received is not None else defaultdict(int)
        self._one_large = one_large or asyncio.Semaphore(1)

    async def receive(self, mail: Incoming, *, in_transaction: Callable[[Tx], None] | None = None) -> list[int]:
        """Store a mail and return the ids of its rows, after the commit; `in_transaction` runs before it.

        Raises Refused, after which nothing of it is stored but the pieces of `rest`, and TryLater,
        after which nobody knows: a commit may have been lost on its way.
        """
        if (why := self.refusal(mail.content, is_whole=mail.rest is None)) is not None:
            raise Refused(why)
        header, body = split_header(mail.content)
        found = await self._verdicts(mail)
        row_ids = [self._ids.next() for _ in mail.recipients]
        now = self._clock.now_ms() if mail.arrived_ms is None else mail.arrived_ms
        arrival = Arrival(self._hostname, mail.protocol, mail.helo, mail.peer, mail.tls, now)
        only = mail.recipients[0].address if len(mail.recipients) == 1 else None
        # Return-Path stands first, then what we found out, then how it came (RFC 8601 5).
        trace = return_path_field(mail.reverse_path) + found.field
        trace += received_field(arrival, show_id("inb", row_ids[0]), only)
        head = b"".join((trace, *as_received(header, self._hostname), b"\r\n", mail.content[body:]))
        content = await self._content(head, mail.rest, now)
        row = _row(mail, header, found.verdicts, content.size_bytes, now)
        content_ids = [self._ids.next() for _ in mail.recipients]

        def write(tx: Tx) -> list[int]:
            made = _write(tx, mail.recipients, row, content, row_ids, content_ids)
            if in_transaction is not None and made:
                in_transaction(tx)
            return made

        stored = await self._database.write(write, size_bytes=len(content.body or b""))
        if not stored:
            raise Refused(NO_SUCH_ADDRESS)
        self._received[mail.source] += 1
        return stored

    def refusal(self, content: bytes, *, is_whole: bool) -> SmtpReply | None:
        """Return why a mail is not taken, as far as its content says, or None. Of a large one the first block."""
        return refusal(content, self._hostname, is_whole=is_whole)

    async def _verdicts(self, mail: Incoming) -> Authenticated:
        if self._authenticate is None:
            return NOT_ASKED
        if mail.rest is None:
            return await self._authenticate(mail, mail.content)
        async with self._one_large:
            whole = io.BytesIO()
            whole.write(mail.content)
            async for piece in upload_pieces(self._database, mail.rest.upload_id, first=1):
                whole.write(piece)
            return await self._authenticate(mail, whole.getvalue())

    async def _content(self, head: bytes, rest: StagedRest | None, now_ms: int) -> InboundContentRow:
        if rest is not None:
            await self._uploads.add(rest.upload_id, 0, head)
            return InboundContentRow(0, 0, len(head) + rest.size_bytes, rest.upload_id, None, now_ms)
        packed = pack(head) if len(head) <= _SLOW_BYTES else await self._slow.run(lambda: pack(head))
        return InboundContentRow(0, 0, len(head), None, packed, now_ms)


def _row(mail: Incoming, header: Sequence[bytes], verdicts: str, size_bytes: int, now_ms: int) -> InboundRow:
    """Return what all rows of a mail share; ids, workspace and recipient are those of nobody."""
    author = next(iter(parse_address_list(find(header, b"from") or b"")), None)
    return InboundRow(
        id=0,
        workspace_id=0,
        content_id=0,
        received_ms=now_ms,
        source=mail.source,
        peer=mail.peer,
        helo=_text(mail.helo),
        tls=mail.tls,
        reverse_path=_text(mail.reverse_path),
        recipient="",
        recipient_key="",
        destination="",
        own_recipient_id=None,
        author=_text(author.address) if author else "",
        author_name=_text(author.name) if author else "",
        subject=_text(decode_words(find(header, b"subject") or b"")),
        message_id=_message_id(header),
        size_bytes=size_bytes,
        verdicts=verdicts,
        due_ms=now_ms,
        author_key=address_key(_text(author.address)) if author else "",
    )


def _message_id(header: Sequence[bytes]) -> str:
    text = _text(text_of(find(header, b"message-id") or b"").strip())
    end = text.find(">")
    return text[: end + 1] if text.startswith("<") and end > 0 else ""


def _text(text: str) -> str:
    """Return a text that both engines store: PostgreSQL takes no NUL, neither takes half a character."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:_LONGEST_TEXT]


def _write(
    tx: Tx,
    recipients: Sequence[Addressed],
    row: InboundRow,
    content: InboundContentRow,
    row_ids: Sequence[int],
    content_ids: Sequence[int],
) -> list[int]:
    """Write a mail for those whose workspace is known; return the ids of their rows."""
    own = [one.own_recipient_id for one in recipients if one.workspace_id is None and one.own_recipient_id is not None]
    owners = inbound.owners(tx, own)
    rows: dict[int, list[InboundRow]] = {}
    for at, one in enumerate(recipients):
        workspace_id = one.workspace_id if one.workspace_id is not None else owners.get(one.own_recipient_id or 0)
        if workspace_id is None:
            continue  # the recipient that it answers was deleted long ago: there is nothing left to say it to
        rows.setdefault(workspace_id, []).append(
            row._replace(
                id=row_ids[at],
                workspace_id=workspace_id,
                recipient=one.address,
                recipient_key=address_key(one.address),
                destination=one.destination.value,
                own_recipient_id=one.own_recipient_id,
            )
        )
    for (workspace_id, of_workspace), content_id in zip(sorted(rows.items()), content_ids, strict=False):
        inbound.put(
            tx,
            content._replace(id=content_id, workspace_id=workspace_id),
            [one._replace(content_id=content_id) for one in of_workspace],
        )
    return [one.id for of_workspace in rows.values() for one in of_workspace]
