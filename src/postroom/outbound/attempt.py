"""One recipient, one try. **Read this file first.**

`attempt` is the main path of the product as a list of steps: compiled content,
envelope, transport; the transport asks for the copy once it knows what the next
hop can take. Everything comes in as values and goes out as an `Outcome`; there
is no store here, so the same code runs in the owner and in helper processes.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from postroom.base.errors import PostroomError
from postroom.base.ids import show_id
from postroom.base.tokens import TokenKeys, TokenKind
from postroom.ledger.claimed import Claimed
from postroom.ledger.outcomes import Outcome
from postroom.ledger.rows import MessageRow
from postroom.ledger.states import Stream
from postroom.mail.address import domain_key
from postroom.mail.address_list import header_address
from postroom.mail.date import date_field, date_text
from postroom.mail.envelope import Envelope, EnvelopeRecipient, Notify
from postroom.mail.message_id import make_message_id
from postroom.mail.return_path import machine_address
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp.abilities import Abilities
from postroom.net.smtp.transaction import AttemptJournal
from postroom.outbound.compile import Compiled
from postroom.outbound.render import Copy, MessageValues, RecipientValues, render
from postroom.outbound.segments import Variant
from postroom.outbound.sign import SigningKey
from postroom.outbound.transport import Delivery, NextHop, Rendered, Transport, TransportKind
from postroom.outbound.unsubscribe import feedback_id

_LARGE_BYTES = 1 << 20
_PROTOCOLS = {"smtp": "ESMTPA", "http": "HTTP"}
"""What Received says of how a message was handed in (RFC 3848); of our own reports and the like `LOCAL`."""
_NEEDS_SMTPUTF8 = SmtpReply(550, "5.6.7", "the mail needs SMTPUTF8 and the next hop does not offer it")
_decode_tags = msgspec.json.Decoder(list[str]).decode


class ContentGone(PostroomError):
    """Retention or an operator has removed a content that is still to be sent."""


@dataclass(frozen=True, slots=True)
class Work:
    """A claimed recipient, ready to be tried."""

    claimed: Claimed
    message: MessageRow
    next_hop: NextHop
    lease_ms: int
    """Until when the claim holds; behind it no final dot is sent."""


@dataclass(frozen=True, slots=True)
class Attempted:
    """What a try brought."""

    outcome: Outcome
    kept: bytes | None = None
    """The copy that the sandbox keeps, zlib-compressed."""
    reverse_path: str = ""
    """The copy's own."""
    signatures: int = 0
    """DKIM signatures that were made for it."""


Sign = Callable[[Sequence[bytes], bytes, Sequence[SigningKey], int], Awaitable[list[bytes]]]
"""`outbound.sign.sign`, on a thread where that pays."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What attempts of a process share."""

    hostname: str
    """Our name in the Received field."""
    token_keys: Callable[[], TokenKeys]
    compiled: Callable[[Work], Awaitable[Compiled]]
    """Raises TryLater or ContentGone."""
    signing_keys: Callable[[int], Awaitable[Sequence[SigningKey]]]
    """By domain id; none where the domain is gone."""
    sign: Sign
    transports: Mapping[TransportKind, Transport]
    aside: Callable[[Callable[[], Copy]], Awaitable[Copy]] | None = None
    """Renders a large copy on another thread, where something else has to be answered in between."""


async def attempt(work: Work, tools: Tools, journal: AttemptJournal) -> Attempted:
    """Try one recipient once. Raises what reading its content or keys raises; then nothing was sent."""
    compiled = await tools.compiled(work)
    keys = await _signing_keys(work.message, tools)
    envelope = envelope_of(work, compiled, tools.token_keys())
    made = 0

    async def rendered(abilities: Abilities) -> Rendered | SmtpReply:
        nonlocal made
        variant = _variant(work, compiled, abilities)
        if isinstance(variant, SmtpReply):
            return variant
        if tools.aside is not None and work.message.size_bytes > _LARGE_BYTES:
            copy = await tools.aside(lambda: copy_of(work, compiled, tools, variant))
        else:
            copy = copy_of(work, compiled, tools, variant)
        signatures = await tools.sign(copy.header, copy.body_sha256, keys, work.message.created_ms // 1000)
        made += len(signatures)
        return _for_the_wire(copy, signatures, eight_bit=variant is Variant.EIGHT_BIT and compiled.needs_8bit)

    transport = tools.transports[work.next_hop.kind]
    urgent = work.message.stream == Stream.TRANSACTIONAL.value
    result = await transport.deliver(Delivery(work.next_hop, envelope, rendered, journal, urgent))
    return Attempted(result.outcome, result.kept, envelope.reverse_path, made)


def envelope_of(work: Work, compiled: Compiled, keys: TokenKeys) -> Envelope:
    """Return the copy's envelope: its own signed reverse-path, and the recipient as written.

    Bounces have to reach us, so the next hop is asked to report failures whatever
    the author asked for; what the author asked for is told by our own DSNs.
    """
    claimed, message = work.claimed, work.message
    reverse_path = ""
    if message.reverse_path:
        reverse_path = machine_address(
            keys, TokenKind.BOUNCE, message.token_key_id, claimed.id, message.return_path_host
        )
    address = _dialled(claimed.address)
    recipient = EnvelopeRecipient(address, Notify.FAILURE if reverse_path else Notify.NEVER, claimed.original or None)
    return Envelope(
        reverse_path,
        (recipient,),
        smtputf8=compiled.needs_smtputf8 or not address.isascii(),
        ret=message.ret or None,
        envid=message.envid or None,
    )


def copy_of(work: Work, compiled: Compiled, tools: Tools, variant: Variant) -> Copy:
    """Return the recipient's copy, unsigned. The same at every attempt."""
    message, claimed = work.message, work.claimed
    values = MessageValues(
        message.token_key_id,
        message.return_path_host,
        _added_fields(message, compiled, tools.hostname),
        _feedback_id(message),
    )
    recipient = RecipientValues(claimed.id)
    if message.kind == "personal":
        message_id = make_message_id("rcp", claimed.id, message.author_domain)
        recipient = RecipientValues(
            claimed.id,
            to=f"To: {header_address(claimed.address)}\r\n".encode(),
            message_id=f"Message-ID: {message_id}\r\n".encode(),
        )
    return render(compiled, values, recipient, tools.token_keys(), variant)


class _Pieces:
    """The pieces of a large copy, made as they are written: whole, they would double its content in memory."""

    def __init__(self, copy: Copy, signatures: list[bytes]) -> None:
        self._copy = copy
        self._signatures = signatures

    def __iter__(self) -> Iterator[bytes]:
        return map(bytes, self._copy.pieces(self._signatures))


def _for_the_wire(copy: Copy, signatures: list[bytes], *, eight_bit: bool) -> Rendered:
    size = copy.size_bytes + sum(map(len, signatures))
    pieces: Iterable[bytes] = _Pieces(copy, signatures)
    if size <= _LARGE_BYTES:
        pieces = tuple(pieces)
    return Rendered(pieces, size, eight_bit or not all(field.isascii() for field in copy.header))


def _variant(work: Work, compiled: Compiled, abilities: Abilities) -> Variant | SmtpReply:
    if compiled.needs_smtputf8 and not abilities.smtputf8 and (work.message.smtputf8 or not abilities.eight_bit):
        # Octets above 127 in the header of a mail that was not handed in with SMTPUTF8 are a fault of its author's
        # that is older than the extension: servers pass it on as it is, and readers guess.
        return _NEEDS_SMTPUTF8
    if abilities.eight_bit or not compiled.needs_8bit:
        return Variant.EIGHT_BIT
    return compiled.seven_bit_refused or Variant.SEVEN_BIT


async def _signing_keys(message: MessageRow, tools: Tools) -> Sequence[SigningKey]:
    return await tools.signing_keys(message.domain_id) if message.domain_id is not None else ()


def _dialled(address: str) -> str:
    # A domain has a form that every server takes; only a local-part in UTF-8 needs SMTPUTF8 (RFC 6531 3.2).
    local_part, at, domain = address.rpartition("@")
    return address if address.isascii() or not local_part.isascii() else f"{local_part}{at}{domain_key(domain)}"


def _added_fields(message: MessageRow, compiled: Compiled, hostname: str) -> tuple[bytes, ...]:
    protocol = _PROTOCOLS.get(message.source, "LOCAL")
    received = (
        f"Received: by {hostname} (Postroom) with {protocol}\r\n"
        f" id {show_id('msg', message.id)}; {date_text(message.created_ms)}\r\n"
    )
    fields = [received.encode("ascii", "replace")]
    if not compiled.has_date:
        fields.append(date_field(message.created_ms))
    if message.kind != "personal" and not compiled.has_message_id:
        fields.append(f"Message-ID: {message.message_id}\r\n".encode())
    return tuple(fields)


def _feedback_id(message: MessageRow) -> str:
    if message.stream != Stream.BULK.value:
        return ""
    tags = _decode_tags(message.tags)
    return feedback_id(
        message.stream, message.author_domain, show_id("ws", message.workspace_id), tags[0] if tags else ""
    )
