"""Mailboxes of LIST and XLIST, and what they are for. RFC 6154; no I/O."""

from postroom.net.imap.answers import ListedMailbox
from postroom.net.imap.encode import Part, mailbox
from postroom.net.imap.names import wire_name
from postroom.net.imap.responses import Listed

_SPECIAL_USES = {
    "\\all": "\\All",
    "\\archive": "\\Archive",
    "\\drafts": "\\Drafts",
    "\\flagged": "\\Flagged",
    "\\junk": "\\Junk",
    "\\sent": "\\Sent",
    "\\trash": "\\Trash",
    # XLIST's words for the same.
    "\\inbox": "\\Inbox",
    "\\allmail": "\\All",
    "\\starred": "\\Flagged",
    "\\spam": "\\Junk",
}


def listed_mailbox(told: Listed) -> ListedMailbox:
    """Return a mailbox with its special use; some servers write that in small letters."""
    attributes = frozenset(attribute.lower() for attribute in told.attributes)
    uses = [_SPECIAL_USES[attribute] for attribute in sorted(attributes) if attribute in _SPECIAL_USES]
    if told.name.upper() == "INBOX":
        uses = ["\\Inbox"]
    return ListedMailbox(told.name, told.shown, attributes, told.delimiter, uses[0] if uses else None)


def name_part(name: str) -> Part:
    """Return the name of a mailbox for a command: as the server writes it, else in modified UTF-7."""
    try:
        return mailbox(name)
    except UnicodeEncodeError:
        return mailbox(wire_name(name))
