"""What a server session tells its adapter. See `session` for who answers what."""

from dataclasses import dataclass

from postroom.mail.envelope import Envelope, EnvelopeRecipient


@dataclass(frozen=True, slots=True)
class AuthAttempt:
    """The client wants to authenticate: answer with 235 to let it in, else with the refusal."""

    username: str
    password: str


@dataclass(frozen=True, slots=True)
class MailGiven:
    """MAIL: answer with a reply. The envelope has no recipients yet."""

    envelope: Envelope


@dataclass(frozen=True, slots=True)
class RecipientGiven:
    """RCPT: answer with a reply. `envelope` is that of MAIL, without recipients."""

    envelope: Envelope
    recipient: EnvelopeRecipient


@dataclass(frozen=True, slots=True)
class ContentBegins:
    """DATA or the first BDAT: `proceed`, or answer with the reply that refuses."""

    envelope: Envelope


@dataclass(frozen=True, slots=True)
class ContentPiece:
    """Some content, with CRLF line ends; more follows. No answer."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ContentEnds:
    """The last of the content: answer with the reply that takes or refuses the message."""

    data: bytes
    size_bytes: int
    """Of the whole content as it was handed on."""


@dataclass(frozen=True, slots=True)
class ContentDropped:
    """What came since ContentBegins is void: too large, RSET, QUIT or a failed sink. No answer."""


@dataclass(frozen=True, slots=True)
class TlsWanted:
    """STARTTLS: send the output, call `start_tls`, do the handshake. No answer."""


Event = (
    AuthAttempt | MailGiven | RecipientGiven | ContentBegins | ContentPiece | ContentEnds | ContentDropped | TlsWanted
)
