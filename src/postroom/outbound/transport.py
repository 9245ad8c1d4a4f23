"""The ways out: what a transport is given, what it returns, and how a setting names one.

*sandbox* keeps the copy, *smarthost* hands it to one named host, *direct* to the
MX hosts of the recipient's domain. A transport takes values and returns values;
it never touches the store. All values can travel to a helper process.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from postroom.base.errors import WrongInput
from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.mail.envelope import Envelope
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp.abilities import Abilities
from postroom.net.smtp.client import Endpoint
from postroom.net.smtp.dialogue import Credentials, TlsPolicy
from postroom.net.smtp.transaction import AttemptJournal

_EXPECTED = "`sandbox`, `direct`, `smtp://user:password@host:port` or `smtps://user:password@host:port`"


class TransportKind(StrEnum):
    """How a copy leaves."""

    SANDBOX = "sandbox"
    SMARTHOST = "smarthost"
    DIRECT = "direct"


@dataclass(frozen=True, slots=True)
class TransportSetting:
    """A transport as POSTROOM_TRANSPORT or a workspace names it."""

    kind: TransportKind
    host: str = ""
    """The smarthost's name or address, as written."""
    port: int = 0
    tls: TlsPolicy = TlsPolicy.OPPORTUNISTIC
    implicit_tls: bool = False
    credentials: Credentials | None = None


@dataclass(frozen=True, slots=True)
class NextHop:
    """Where a copy goes next, with the addresses already found and checked."""

    kind: TransportKind
    site: str
    """What shares one receiving system; limits and pauses are per site."""
    provider: str = "other"
    groups: tuple[tuple[Endpoint, ...], ...] = ()
    """Groups of equal preference, the most preferred first. Empty in the sandbox."""
    seconds: float = 0.0
    """How long this may be believed, from when it was found."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A signed copy as it goes into DATA."""

    pieces: Iterable[bytes]
    """Header fields, empty line and body; lines end with CRLF, no dot-stuffing. May be gone through again."""
    size_bytes: int
    eight_bit: bool
    """It has bytes above 127 and goes as BODY=8BITMIME."""


Render = Callable[[Abilities], Awaitable[Rendered | SmtpReply]]
"""Makes the copy in the form that these abilities allow, or tells as a permanent reply why there is none (5.6.3)."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One copy for one recipient, to be tried once."""

    next_hop: NextHop
    envelope: Envelope
    """With one recipient; the reverse-path is the copy's own. `body` is set from what was rendered."""
    render: Render
    journal: AttemptJournal
    urgent: bool = False
    """Transactional mail: it takes the next connection that is free."""


@dataclass(frozen=True, slots=True)
class TransportResult:
    """What came of a delivery."""

    outcome: Outcome
    kept: bytes | None = None
    """The copy that the sandbox keeps, zlib-compressed; settle writes it."""


class Transport(Protocol):
    """One way out."""

    async def deliver(self, delivery: Delivery) -> TransportResult:
        """Try once. Peers' refusals and lost connections are outcomes; cancelling cuts the connection."""
        ...


def parse_transport(text: str) -> TransportSetting:
    """Return what a setting means. Raises WrongInput, whose text never repeats a password.

    A smarthost's user and password are percent-encoded. Query: `tls=none|opportunistic|required|verify`;
    without it smtp:// is opportunistic and smtps:// verifies the certificate.
    """
    text = text.strip()
    if text in ("sandbox", "direct"):
        return TransportSetting(TransportKind(text))
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise _wrong(f"expected {_EXPECTED}; the host or port is wrong") from error
    if parts.scheme not in ("smtp", "smtps"):
        raise _wrong(f"expected {_EXPECTED}")
    if not host or parts.path not in ("", "/") or parts.fragment or port == 0:
        raise _wrong(f"expected {_EXPECTED}; a password's `/`, `?`, `#` and `@` are written as %2F, %3F, %23 and %40")
    implicit = parts.scheme == "smtps"
    return TransportSetting(
        TransportKind.SMARTHOST,
        host,
        port or (465 if implicit else 587 if parts.username else 25),
        _tls_policy(parts, implicit),
        implicit,
        _credentials(parts),
    )


def site_of(setting: TransportSetting) -> str:
    """Return the site of a transport that has only one: the sandbox, or the smarthost's host and port."""
    if setting.kind is TransportKind.SMARTHOST:
        return f"{setting.host}:{setting.port}"
    return setting.kind.value


def deferred(status: str, text: str, *, code: int = 451, next_hop: str = "", site_busy: bool = False) -> Outcome:
    """Return the outcome of a transient failure that no peer told us."""
    return Outcome(OutcomeKind.DEFERRED, SmtpReply(code, status, text), next_hop, site_busy=site_busy)


def failed(status: str, text: str, *, code: int = 550) -> Outcome:
    """Return the outcome of a permanent failure that no peer told us."""
    return Outcome(OutcomeKind.FAILED, SmtpReply(code, status, text))


def _tls_policy(parts: SplitResult, implicit: bool) -> TlsPolicy:
    choices = [policy.value for policy in TlsPolicy]
    policy = TlsPolicy.VERIFY if implicit else TlsPolicy.OPPORTUNISTIC
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name != "tls" or value not in choices:
            raise _wrong(f"the only query is ?tls= with one of {', '.join(choices)}")
        policy = TlsPolicy(value)
    if implicit and policy in (TlsPolicy.NONE, TlsPolicy.OPPORTUNISTIC):
        raise _wrong("smtps:// is TLS from the first byte: ?tls= can only be required or verify")
    return policy


def _credentials(parts: SplitResult) -> Credentials | None:
    if parts.username is None:
        return None
    username, password = unquote(parts.username), unquote(parts.password or "")
    if not username or not password:
        raise _wrong("a smarthost's login has a user and a password: smtp://user:password@host:port")
    if "\0" in username or "\0" in password:
        raise _wrong("a smarthost's user and password have no zero byte")
    return Credentials(username, password)


def _wrong(message: str) -> WrongInput:
    return WrongInput("transport", message)
