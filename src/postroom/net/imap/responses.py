"""What a server says, as values. RFC 3501 7, 9051 7, 4731, 5161, 7162, 2971, 2342; pure.

`Response` is the union of all of it; `reader.ResponseReader` makes them, `match` takes them apart:

    match response:
        case Tagged(tag="A7", status=Status.OK): ...
        case Exists(count): ...
        case Fetch(uid=int() as uid): ...
        case Unparsed(is_fatal=True): ...          # close the connection

Words of the protocol (codes, capabilities, names of items) are in capitals whatever came; names of
mailboxes, flags and labels are as they came, with one character for each octet.
"""

from dataclasses import dataclass
from enum import StrEnum

from postroom.net.imap.codes import ResponseCode
from postroom.net.imap.fetch import Fetch
from postroom.net.imap.names import shown_name
from postroom.net.imap.sequence_sets import SequenceSet
from postroom.net.imap.values import Value


class Status(StrEnum):
    """The word of a status response."""

    OK = "OK"
    NO = "NO"
    BAD = "BAD"
    BYE = "BYE"
    """Untagged only: the connection ends."""
    PREAUTH = "PREAUTH"
    """Untagged only: a greeting that needs no login."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """A command has ended."""

    tag: str
    status: Status
    code: ResponseCode | None
    text: str
    """For people, without the code; octets that are not UTF-8 are replaced, as in all texts."""


@dataclass(frozen=True, slots=True)
class Untagged:
    """`* OK`, `* NO`, `* BAD`, `* BYE`, `* PREAUTH`: a greeting, a remark, an alert, an end."""

    status: Status
    code: ResponseCode | None
    text: str


@dataclass(frozen=True, slots=True)
class Continuation:
    """`+`: send on. `text` is what stands behind it, in AUTHENTICATE a challenge in base64."""

    text: str


@dataclass(frozen=True, slots=True)
class Capability:
    """What the server can do."""

    capabilities: frozenset[str]


@dataclass(frozen=True, slots=True)
class Enabled:
    """What ENABLE has switched on; may be nothing."""

    capabilities: frozenset[str]


@dataclass(frozen=True, slots=True)
class Listed:
    """LIST, LSUB or XLIST: one mailbox."""

    command: str
    attributes: tuple[str, ...]
    r"""Such as `\HasNoChildren`, `\Noselect`, `\Sent` (RFC 6154), in the letters that came."""
    delimiter: str | None
    """None: the names have no levels."""
    name: str
    """As it is on the wire: say exactly this to the server."""
    extended: tuple[Value, ...] = ()
    """What LIST-EXTENDED adds (RFC 5258), as it came."""

    @property
    def shown(self) -> str:
        """The name for people."""
        return shown_name(self.name)


@dataclass(frozen=True, slots=True)
class MailboxStatus:
    """STATUS: numbers of one mailbox; what was not asked for is None."""

    name: str
    messages: int | None = None
    recent: int | None = None
    uid_next: int | None = None
    uid_validity: int | None = None
    unseen: int | None = None
    highest_modseq: int | None = None
    size: int | None = None
    others: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True, slots=True)
class Flags:
    """FLAGS: those that are used in the mailbox."""

    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """SEARCH: sequence numbers or UIDs. A long answer may come in several of these: take all until the tag."""

    numbers: tuple[int, ...]
    modseq: int | None = None


@dataclass(frozen=True, slots=True)
class ESearch:
    """ESEARCH (RFC 4731): what was asked for of it, None where nothing was found."""

    tag: str | None = None
    is_uid: bool = False
    lowest: int | None = None
    highest: int | None = None
    numbers: SequenceSet | None = None
    count: int | None = None
    modseq: int | None = None
    others: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True, slots=True)
class Exists:
    """So many mails are in the mailbox. Comes at any time."""

    count: int


@dataclass(frozen=True, slots=True)
class Recent:
    r"""So many mails are \Recent."""

    count: int


@dataclass(frozen=True, slots=True)
class Expunge:
    """The mail with this sequence number is gone; the numbers of those after it are one less from now on."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Vanished:
    """VANISHED (RFC 7162 3.2.10): these UIDs are gone; `is_earlier`: they were gone before."""

    is_earlier: bool
    uids: SequenceSet


@dataclass(frozen=True, slots=True)
class Identification:
    """ID: what the server says about itself, names in small letters; empty where it says NIL."""

    fields: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class NamespacePrefix:
    """The beginning of names, and what divides their levels."""

    prefix: str
    delimiter: str | None


@dataclass(frozen=True, slots=True)
class Namespace:
    """NAMESPACE (RFC 2342): where one's own, other people's and shared mailboxes are."""

    personal: tuple[NamespacePrefix, ...]
    others: tuple[NamespacePrefix, ...]
    shared: tuple[NamespacePrefix, ...]


@dataclass(frozen=True, slots=True)
class OtherData:
    """Untagged data that has no type here: QUOTA, THREAD, SORT, METADATA and the like."""

    name: str
    number: int | None
    """What stood before the name, as in `* 5 NAME`."""
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Unparsed:
    """A line that is no response that we understand. The next one is read as if this had not been."""

    line: bytes
    """Its beginning: at most 1,000 octets of what a server chose to say, so not for people."""
    why: str
    is_fatal: bool = False
    """Nothing is read any more: close the connection."""


Response = (
    Tagged | Untagged | Continuation | Capability | Enabled | Listed | MailboxStatus | Flags | Search | ESearch
    | Exists | Recent | Expunge | Fetch | Vanished | Identification | Namespace | OtherData | Unparsed
)  # fmt: skip
