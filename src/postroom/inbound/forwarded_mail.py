"""A mail that is passed on: its own bytes, with our trace fields in front (RFC 5321 3.9.2, RFC 7960).

The copy leaves like any other: by `outbound.accept`, from a reverse-path of
ours, signed with the key of the domain that got the mail. So bounces of it come
back to us, and nobody who is named in it hears of them. The author stays in
From. Only where his domain asks receivers to refuse mail that it has not
signed, and it has not, the address that got the mail stands in From, and the
author in Reply-To (RFC 7960 4.1.3.1).
"""

from collections.abc import Sequence

from postroom.base.errors import PostroomError, WrongInput
from postroom.ledger.inbound_rows import InboundRow
from postroom.ledger.rows import WorkspaceRow
from postroom.mail.address import address_key, check_address, domain_of
from postroom.mail.address_list import Mailbox, format_mailbox, header_address, parse_address_list
from postroom.mail.authentication import DmarcPolicy, Verdicts
from postroom.mail.encoded_words import fold_items, text_of
from postroom.mail.envelope import Envelope, EnvelopeRecipient, Notify
from postroom.mail.header import find, find_all, replaced, split_header
from postroom.outbound.compile import CompileOptions, compile_content
from postroom.outbound.segments import Variant
from postroom.outbound.submission import PASSED_ON, StagedContent, Submission, Track

_DELIVERED_TO = b"delivered-to"
_WAY_OUT = CompileOptions("https://untracked.invalid", Track.NOTHING)


class GoesInCircle(PostroomError):
    """The mail was delivered to this address before: passing it on again would never end."""

    def __init__(self, recipient: str) -> None:
        super().__init__(f"it came to {recipient} before; forwarding it again would go in a circle")


def content_to_forward(row: InboundRow, raw: bytes, verdicts: Verdicts) -> bytes:
    """Return the mail as it is passed on, before it is sealed and signed. Raises GoesInCircle."""
    header, body = split_header(raw)
    if any(_is_same(value, row.recipient_key) for value in find_all(header, _DELIVERED_TO)):
        raise GoesInCircle(row.recipient)
    if not _may_stay(verdicts):
        header = _by_way_of(header, row)
    return _as_it_leaves(b"".join((_delivered_to(row.recipient), *header, b"\r\n", raw[body:])))


def submission_of(
    row: InboundRow, workspace: WorkspaceRow, target: str, domain: str, content: bytes | StagedContent
) -> Submission:
    """Return what is handed to `outbound.accept`. `domain` is ours: it signs, and answers for the mail."""
    # A null reverse-path stays null: nobody may be told about a report that could not be delivered (RFC 5321 4.5.5).
    reverse_path = row.recipient if row.reverse_path else ""
    recipient = EnvelopeRecipient(target, Notify.NEVER)
    return Submission(
        workspace=workspace,
        envelope=Envelope(reverse_path, (recipient,), smtputf8=not reverse_path.isascii()),
        content=content,
        source=PASSED_ON,
        track=Track.NOTHING,
        via_domain=domain,
    )


def domain_for(row: InboundRow) -> str:
    """Return the domain of ours that got a mail."""
    return domain_of(row.recipient).removeprefix("rp.")


def _as_it_leaves(content: bytes) -> bytes:
    """Return a mail with what the way out changes in it (long lines, bare line ends) changed: a seal covers that."""
    compiled, findings = compile_content(content, _WAY_OUT)
    if findings.refused is not None:
        return content  # who accepts it says why not
    segments = compiled.segments(Variant.EIGHT_BIT)
    return b"".join((*segments.header, b"\r\n", *segments.pieces))


def _may_stay(verdicts: Verdicts) -> bool:
    """Tell whether receivers that ask DMARC will still believe the author: his domain's signature, never its SPF."""
    return verdicts.dmarc.policy is DmarcPolicy.NONE or verdicts.dmarc.dkim_aligned


def _by_way_of(header: Sequence[bytes], row: InboundRow) -> list[bytes]:
    field = find(header, b"from")
    author = next(iter(parse_address_list(field)), None) if field is not None else None
    if author is None:
        return list(header)
    ours = Mailbox(row.recipient, f"{author.name or author.address} via {domain_for(row)}")
    changed = replaced(header, b"from", fold_items("From", [format_mailbox(ours)]))
    if find(header, b"reply-to") is None:
        try:
            theirs = Mailbox(check_address(author.address), author.name)
        except WrongInput:
            return changed  # nobody could answer there anyway
        changed.insert(0, fold_items("Reply-To", [format_mailbox(theirs)]))
    return changed


def _delivered_to(recipient: str) -> bytes:
    """Return what Postfix and qmail write, and look for: their loops end at it too."""
    if not recipient.rpartition("@")[0].isascii():
        # In UTF-8 it would keep the mail from every hop without SMTPUTF8; loops end at our Received fields too.
        return b""
    return f"Delivered-To: {header_address(recipient)}\r\n".encode()


def _is_same(value: bytes, key: str) -> bool:
    return address_key(text_of(value).strip()) == key
