"""What commands of the client return. RFC 9051 6 and 7."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class ListedMailbox:
    """A mailbox of LIST (RFC 9051 7.3.1)."""

    name: str
    """As the server writes it: what commands take."""
    shown: str
    """For people: modified UTF-7 decoded (RFC 3501 5.1.3), or the name itself where that is no such text."""
    attributes: frozenset[str]
    """Lower case with the backslash, such as `\\noselect`."""
    delimiter: str | None
    """None: the server has no hierarchy."""
    special_use: str | None
    """One of RFC 6154 2 such as `\\Sent`, or `\\Inbox`; None: an ordinary one."""

    @property
    def is_selectable(self) -> bool:
        """Tell whether it can be examined."""
        return not self.attributes & {"\\noselect", "\\nonexistent"}


@dataclass(frozen=True, slots=True)
class Examined:
    """A mailbox that was selected (RFC 9051 6.3.2, RFC 7162 3.1.2)."""

    name: str
    uid_validity: int
    """0: the server gave none, and its UIDs mean nothing after this session."""
    uid_next: int | None
    exists: int
    highest_modseq: int | None
    """None: the server keeps none for this mailbox."""
    flags: frozenset[str] = frozenset()
    permanent_flags: frozenset[str] = frozenset()
    is_read_only: bool = True
    mailbox_id: str | None = None
    """RFC 8474 4.1."""


@dataclass(frozen=True, slots=True)
class MailboxStatus:
    """The answer of STATUS (RFC 9051 6.3.11): None where an item was not asked for or not told."""

    name: str
    messages: int | None = None
    uid_next: int | None = None
    uid_validity: int | None = None
    unseen: int | None = None
    highest_modseq: int | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What FETCH told of one mail (RFC 9051 7.5.2): None where an item was not told."""

    uid: int
    """0: the server told no UID, as in news that nobody asked for."""
    sequence: int
    """Sequence number at that moment."""
    size: int | None = None
    """RFC822.SIZE in octets."""
    internal_ms: int | None = None
    """INTERNALDATE; None also where it cannot be read."""
    flags: frozenset[str] | None = None
    modseq: int | None = None
    body: bytes | None = None
    """BODY[]: the whole mail as the server holds it. None: it was not told, or it is NIL."""
    sections: Mapping[str, bytes | None] = field(default_factory=dict)
    """Other body sections, and parts of them, by what stands in the brackets, upper case, such as `HEADER`."""
    gmail_id: int | None = None
    """X-GM-MSGID."""
    gmail_thread: int | None = None
    """X-GM-THRID."""
    gmail_labels: tuple[str, ...] | None = None
    """X-GM-LABELS."""
    email_id: str | None = None
    """EMAILID (RFC 8474 5.1)."""


@dataclass(frozen=True, slots=True)
class CopiedUids:
    """Where mails went (COPYUID, RFC 4315 3), pairs in the order of the server."""

    uid_validity: int
    uids: tuple[tuple[int, int], ...]
    """Source UID and its UID in the target."""


@dataclass(frozen=True, slots=True)
class AppendedUid:
    """Which UID an appended mail got (APPENDUID, RFC 4315 3)."""

    uid_validity: int
    uid: int


@dataclass(frozen=True, slots=True)
class News:
    """What the server told since the last look, whatever command was running."""

    exists: int | None = None
    """The newest number of mails, where it was told."""
    recent: int | None = None
    expunged: int = 0
    """How many EXPUNGEs, and mails in VANISHED, were told."""
    fetched: int = 0
    """How many FETCH responses came that nobody asked for: flags that others changed."""
    uid_validity: int | None = None
    """A UIDVALIDITY that differs from the one of the selected mailbox."""
    unreadable: int = 0
    """Responses that could not be understood: they may have told anything."""
    alerts: tuple[str, ...] = ()
    """Texts that the server wants people to see (ALERT, RFC 9051 7.1)."""

    def __bool__(self) -> bool:
        """Tell whether the mailbox has to be looked at again."""
        return bool(
            self.exists is not None
            or self.recent is not None
            or self.expunged
            or self.fetched
            or self.uid_validity is not None
            or self.unreadable
        )


class IdleEnd(StrEnum):
    """Why `idle` returned."""

    NEWS = "news"
    """The server told something: `take_news`, then search."""
    TIME = "time"
    """The time given is over: idle again."""
    WOKEN = "woken"
    """Somebody called `wake`."""
    ENDED = "ended"
    """The server ended IDLE on its own; the connection stands."""


class FlagChange(StrEnum):
    """How STORE changes flags (RFC 9051 6.4.6)."""

    ADD = "+FLAGS"
    REMOVE = "-FLAGS"
    REPLACE = "FLAGS"
