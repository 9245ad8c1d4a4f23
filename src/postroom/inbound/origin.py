"""Which copy of ours a mail that came in is about.

What we signed comes first: the machine address that the mail was sent to, then
the marks that a returned message carries. Only then what anybody may write: a
Message-ID, together with the address that the report names. Nothing is looked
for outside the workspace that the mail came to; mail to the installation's own roles is handed to the
workspace whose copy it is about before that.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import msgspec

from postroom.base.tokens import HIDDEN, TokenKeys, TokenKind
from postroom.ledger.inbound_rows import Destination, InboundRow
from postroom.ledger.rows import MessageRow, RecipientRow
from postroom.mail.address import address_key
from postroom.mail.address_list import parse_address_list
from postroom.mail.message_id import make_message_id, row_of_message_id
from postroom.mail.return_path import read_machine_address
from postroom.mail.verdict import Mark, Reported, Verdict
from postroom.outbound.submission import PASSED_ON
from postroom.store import answers
from postroom.store.database import Conn

OWN_ADDRESS = "address"
"""`About.found_by` of mail to a machine address."""
MESSAGE_ID = "Message-ID"
"""`About.found_by` where no mark of ours said it."""

MOST_RECIPIENTS = 50
"""Of one shared message that a report names: each may take several rows of one transaction."""
_MOST_MARKS = 20
_MOST_MESSAGE_IDS = 10
_MOST_MESSAGES = 3
_LOCAL_PART_KINDS = (TokenKind.BOUNCE, TokenKind.REPLY, TokenKind.UNSUBSCRIBE_MAIL, TokenKind.FEEDBACK)


@dataclass(frozen=True, slots=True)
class About:
    """A copy of ours that a mail is about."""

    recipient: RecipientRow
    message: MessageRow
    reported: Reported | None
    """What the mail says about it, where it is a report."""
    found_by: str
    """OWN_ADDRESS, MESSAGE_ID, or what carried our mark (`Mark.where`)."""

    @property
    def is_proved(self) -> bool:
        """Our signature named it: only who had the copy can have known it."""
        return self.found_by != MESSAGE_ID


@dataclass(frozen=True, slots=True)
class Origin:
    """What of ours a mail is about; all empty where it is about nothing."""

    about: tuple[About, ...] = ()
    message: MessageRow | None = None
    """The message, also where it could not be told which of its recipients."""
    is_passed_on: bool = False
    """The mail came in before, and came again because we forwarded it to an address of ours: all has followed."""


def find_origin(conn: Conn, row: InboundRow, verdict: Verdict, keys: TokenKeys) -> Origin:
    """Return what of ours the mail is about."""
    origin = _origin(conn, row, verdict, keys)
    return replace(origin, is_passed_on=True) if _is_passed_on(conn, row, keys) else origin


def find_workspace(conn: Conn, verdict: Verdict, keys: TokenKeys) -> int | None:
    """Return the workspace whose copy our marks in a mail name, whatever workspace that is, or None."""
    owners = (answers.workspace_of(conn, recipient_id) for recipient_id, _ in _marked(verdict.marks, keys))
    return next((one for one in owners if one is not None), None)


def answers_go_to(message: MessageRow) -> str:
    """Return where the author wanted answers: the Reply-To that ours replaced, else From."""
    kept = msgspec.json.decode(message.unsubscribe, type=dict[str, str]) if message.unsubscribe else {}
    mailboxes = parse_address_list(kept.get("reply-to", "").encode())
    return next((one.address for one in mailboxes if "@" in one.address), message.author_address)


def _is_passed_on(conn: Conn, row: InboundRow, keys: TokenKeys) -> bool:
    """Tell whether the mail comes from the reverse-path of a forward that this workspace made itself."""
    if row.destination not in (Destination.ROUTE.value, Destination.ROLE.value, Destination.REPLY.value):
        return False
    machine = read_machine_address(row.reverse_path.rpartition("@")[0], keys)
    if machine is None or machine.kind is not TokenKind.BOUNCE:
        return False
    forwarded = answers.copy_of(conn, row.workspace_id, machine.token.recipient_id)
    return forwarded is not None and forwarded[1].source == PASSED_ON


def _origin(conn: Conn, row: InboundRow, verdict: Verdict, keys: TokenKeys) -> Origin:
    for recipient_id, found_by in _named(row, verdict.marks, keys):
        found = answers.copy_of(conn, row.workspace_id, recipient_id)
        if found is not None:
            recipient, message = found
            return Origin((About(recipient, message, _reported(verdict, recipient, keys), found_by),), message)
    for message_id in verdict.answers[:_MOST_MESSAGE_IDS]:
        origin = _by_message_id(conn, row, verdict, message_id, keys)
        if origin is not None:
            return origin
    return Origin()


def _named(row: InboundRow, marks: Sequence[Mark], keys: TokenKeys) -> Iterable[tuple[int, str]]:
    """Yield the recipients that our signatures name, and what carried each."""
    if row.own_recipient_id is not None:
        yield row.own_recipient_id, OWN_ADDRESS
    yield from _marked(marks, keys)


def _marked(marks: Sequence[Mark], keys: TokenKeys) -> Iterable[tuple[int, str]]:
    for mark in marks[:_MOST_MARKS]:
        check = keys.check_local_part_text if mark.kind in _LOCAL_PART_KINDS else keys.check_url_text
        token = check(mark.kind, mark.text)
        if token is not None:
            yield token.recipient_id, mark.where


def _by_message_id(conn: Conn, row: InboundRow, verdict: Verdict, message_id: str, keys: TokenKeys) -> Origin | None:
    kind, row_id = row_of_message_id(message_id) or ("", 0)
    if kind == "rcp":
        found = answers.copy_of(conn, row.workspace_id, row_id)
        # A personal copy: its Message-ID is made from its id.
        if found is not None and make_message_id("rcp", row_id, found[1].author_domain) == message_id:
            recipient, message = found
            return Origin((About(recipient, message, _reported(verdict, recipient, keys), MESSAGE_ID),), message)
    messages = answers.messages_with(conn, row.workspace_id, message_id, _MOST_MESSAGES)
    for message in messages:
        about = _of_message(conn, row, verdict, message, keys)
        if about:
            return Origin(about, message)
    return Origin((), messages[0]) if messages else None


def _of_message(
    conn: Conn, row: InboundRow, verdict: Verdict, message: MessageRow, keys: TokenKeys
) -> tuple[About, ...]:
    """Return the recipients of a message that a mail names: in its report, else as its author; else its only one.

    To of what a report returns names nobody: all copies of a shared message show the same.
    """
    addresses = [one.address for one in verdict.recipients] or [row.author]
    named = list(dict.fromkeys(filter(None, addresses)))[:MOST_RECIPIENTS]
    plain = [address_key(address) for address in named]
    # Those who were erased stand under what that made of their addresses.
    own = plain + [keys.hide(key) for key in plain]
    rows = answers.recipients_among(conn, message.workspace_id, message.id, own, MOST_RECIPIENTS) if own else []
    if not rows:
        only = answers.only_recipient(conn, message.workspace_id, message.id)
        rows = [only] if only is not None else []
    return tuple(About(one, message, _reported(verdict, one, keys), MESSAGE_ID) for one in rows)


def _reported(verdict: Verdict, recipient: RecipientRow, keys: TokenKeys) -> Reported | None:
    """Return what a report says about a recipient: under its address, else under whatever name stands there."""
    is_erased = recipient.address_key.startswith(HIDDEN)
    for one in verdict.recipients:
        key = address_key(one.address)
        if recipient.address_key == (keys.hide(key) if is_erased else key):
            return one
    return next(iter(verdict.recipients), None)
