"""The client's side of SMTP as plain procedures: what to write, how many replies to wait for, what they mean.

A procedure is a generator. It yields steps, the adapter (`client`) performs them
and sends back `Answers`; in the end it returns a value. Nothing here does I/O, so
a test plays the server by hand. This file opens a session (greeting, EHLO or HELO,
STARTTLS, AUTH: RFC 5321 3.1, RFC 3207, RFC 4954); `transaction` sends a mail.

A peer's refusal is a reply, everything else that goes wrong is a `Trouble`.
"""

import base64
from collections.abc import Generator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeVar

from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp.abilities import HELO_ONLY, Abilities, abilities_from_ehlo

T = TypeVar("T")

TRANSCRIPT_LINE = 500
"""Longest line of a transcript, in characters."""
TRANSCRIPT_LENGTH = 4096
"""Longest transcript, in characters: the message story keeps one per attempt."""


class Phase(StrEnum):
    """How far a session or a transaction came."""

    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"
    """Content is under way, its final dot has not been written: safe to repeat."""
    FINAL_DOT = "final_dot"
    """The final dot was written: without a reply nobody knows who has the mail."""


class TroubleKind(StrEnum):
    """Why there is no reply."""

    UNREACHABLE = "unreachable"
    """No connection: refused, no route, time limit."""
    CLOSED = "closed"
    TIMEOUT = "timeout"
    MALFORMED = "malformed"
    """The peer does not speak SMTP, or answers what was not asked."""
    TLS = "tls"
    """The handshake failed, or the certificate is not the host's."""
    POLICY = "policy"
    """We do not go on: no STARTTLS where TLS is required, no AUTH mechanism that we speak."""
    BUSY = "busy"
    """All our own connections to the endpoint were in use for too long."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What went wrong where no reply tells it, as a sentence for the operator."""

    kind: TroubleKind
    text: str


class TlsPolicy(StrEnum):
    """How a session is protected. With implicit TLS only `REQUIRED` and `VERIFY` make sense."""

    NONE = "none"
    OPPORTUNISTIC = "opportunistic"
    """STARTTLS where offered, any certificate (RFC 7435)."""
    REQUIRED = "required"
    """No mail without TLS, any certificate."""
    VERIFY = "verify"
    """No mail without TLS and a certificate for the host's name from a trusted authority."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A login at a smarthost or at the server of a person's account."""

    username: str
    password: str
    is_token: bool = False
    """`password` is an OAuth access token: XOAUTH2, or OAUTHBEARER (RFC 7628)."""

    def __repr__(self) -> str:
        return f"Credentials({self.username!r}, …)"


@dataclass(frozen=True, slots=True)
class SmtpTimeouts:
    """Seconds to wait, from RFC 5321 4.5.3.2. Each reply has its limit anew; single bytes do not extend it."""

    connect: float = 30.0
    """Not in the RFC: systems give up after two minutes, which holds a slot for too long."""
    greeting: float = 300.0
    command: float = 300.0
    """EHLO, STARTTLS (and the handshake), AUTH, MAIL, RCPT."""
    data: float = 120.0
    """Between DATA and 354; with PIPELINING it counts as a command."""
    block: float = 180.0
    """For the peer to take some of the content that waits."""
    final: float = 600.0


class Exchange(NamedTuple):
    """Write `data` (may be empty) and wait for `replies` replies, `timeout` seconds for each."""

    data: bytes
    replies: int
    timeout: float


class Write(NamedTuple):
    """Write a block of content and wait until there is room for the next. Replies that come are given early."""

    data: bytes
    timeout: float


class StartTls(NamedTuple):
    """Forget unread bytes and shake hands."""

    timeout: float


Step = Exchange | Write | StartTls


class Answers(NamedTuple):
    """What came. Fewer replies than asked for always go with a trouble."""

    replies: list[SmtpReply]
    trouble: Trouble | None = None


Procedure = Generator[Step, Answers, T]


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How to open a session with one server."""

    hostname: str
    """Our name in EHLO: a domain name or an address literal."""
    tls: TlsPolicy = TlsPolicy.OPPORTUNISTIC
    implicit_tls: bool = False
    """TLS is there from the first byte (RFC 8314 3.3)."""
    credentials: Credentials | None = None
    clear_password: bool = False
    """A password may be sent without TLS: the server is on this machine, or the operator asked for it."""
    timeouts: SmtpTimeouts = field(default_factory=SmtpTimeouts)


@dataclass(frozen=True, slots=True)
class Refused:
    """No session. `reply` is the server's where it sent one, else `trouble` tells why."""

    phase: Phase
    reply: SmtpReply | None
    trouble: Trouble | None
    transcript: str = ""


def open_session(settings: SessionSettings) -> Procedure[Abilities | Refused]:
    """Read the greeting, introduce ourselves, protect the session and log in."""
    talk = Talk()
    limit = settings.timeouts
    greeting = yield from talk.ask(b"", limit.greeting)
    if greeting is None or greeting.code != 220:
        return talk.refused(Phase.GREETING, greeting)
    abilities = yield from _introduce(talk, settings)
    secure = settings.implicit_tls
    if isinstance(abilities, Abilities) and not secure and settings.tls is not TlsPolicy.NONE:
        refused = yield from _start_tls(talk, settings, abilities)
        if refused is not None:
            return refused
        secure = talk.secure
        if secure:
            # RFC 3207 4.2: what was offered in clear does not count any more.
            abilities = yield from _introduce(talk, settings)
    if isinstance(abilities, Abilities) and settings.credentials is not None:
        refused = yield from _log_in(talk, settings, abilities, secure)
        if refused is not None:
            return refused
    return abilities


class Talk:
    """Asks and notes: one command, one reply, and the transcript of both."""

    __slots__ = ("lines", "secure", "trouble")

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.trouble: Trouble | None = None
        self.secure = False

    def ask(self, command: bytes, timeout: float, shown: str | None = None) -> Procedure[SmtpReply | None]:
        """Send one command and return its reply, or None and set `trouble`. `shown` stands for a secret."""
        data = command + b"\r\n" if command else b""
        answers = yield Exchange(data, 1, timeout)
        if command:
            self.lines.append("> " + (shown if shown is not None else command.decode("utf-8", "replace")))
        self.trouble = answers.trouble
        if not answers.replies:
            return None
        self.lines.append("< " + str(answers.replies[0]))
        return answers.replies[0]

    def answer(self, response: bytes, timeout: float) -> Procedure[SmtpReply | None]:
        """Send the answer to a challenge, which may be an empty line, and return the reply to it."""
        answers = yield Exchange(response + b"\r\n", 1, timeout)
        self.lines.append("> ***" if response else ">")
        self.trouble = answers.trouble
        if not answers.replies:
            return None
        self.lines.append("< " + str(answers.replies[0]))
        return answers.replies[0]

    def refused(self, phase: Phase, reply: SmtpReply | None, trouble: Trouble | None = None) -> Refused:
        """Return the refusal with what was said so far."""
        trouble = None if reply is not None and trouble is None else trouble or self.trouble
        if trouble is not None:
            self.lines.append("! " + trouble.text)
        return Refused(phase, reply, trouble, transcript(self.lines))


def transcript(lines: list[str]) -> str:
    """Return the lines of a conversation as text of bounded length."""
    return "\n".join(line[:TRANSCRIPT_LINE] for line in lines)[:TRANSCRIPT_LENGTH]


def _introduce(talk: Talk, settings: SessionSettings) -> Procedure[Abilities | Refused]:
    name = settings.hostname.encode("ascii", "replace")
    reply = yield from talk.ask(b"EHLO " + name, settings.timeouts.command)
    if reply is not None and reply.code // 100 == 2:
        return abilities_from_ehlo(reply)
    if reply is None or not reply.is_permanent:
        return talk.refused(Phase.EHLO, reply)
    # RFC 5321 3.2: a server that does not know EHLO knows HELO.
    reply = yield from talk.ask(b"HELO " + name, settings.timeouts.command)
    if reply is not None and reply.code // 100 == 2:
        return HELO_ONLY
    return talk.refused(Phase.EHLO, reply)


def _start_tls(talk: Talk, settings: SessionSettings, abilities: Abilities) -> Procedure[Refused | None]:
    """Protect the session where possible; None means: go on, and `talk.secure` says how."""
    optional = settings.tls is TlsPolicy.OPPORTUNISTIC
    if not abilities.starttls:
        if optional:
            return None
        return talk.refused(
            Phase.STARTTLS, None, Trouble(TroubleKind.POLICY, "TLS is required and the server does not offer STARTTLS")
        )
    reply = yield from talk.ask(b"STARTTLS", settings.timeouts.command)
    if reply is None or reply.code != 220:
        # RFC 3207 4: after a refusal the client may go on in clear.
        return None if optional and reply is not None and reply.code != 421 else talk.refused(Phase.STARTTLS, reply)
    answers = yield StartTls(settings.timeouts.command)
    if answers.trouble is not None:
        return talk.refused(Phase.STARTTLS, None, answers.trouble)
    talk.secure = True
    return None


def _log_in(talk: Talk, settings: SessionSettings, abilities: Abilities, secure: bool) -> Procedure[Refused | None]:
    credentials = settings.credentials
    if credentials is None:
        return None
    if not secure and not settings.clear_password:
        text = "no TLS: the password is not sent in clear (add ?tls=none to the transport to allow it)"
        return talk.refused(Phase.AUTH, None, Trouble(TroubleKind.POLICY, text))
    if credentials.is_token:
        return (yield from _log_in_with_token(talk, credentials, abilities, settings.timeouts.command))
    username, password = credentials.username.encode(), credentials.password.encode()
    limit = settings.timeouts.command
    if "PLAIN" in abilities.auth:
        secret = base64.b64encode(b"\0" + username + b"\0" + password)
        reply = yield from talk.ask(b"AUTH PLAIN " + secret, limit, "AUTH PLAIN ***")
    elif "LOGIN" in abilities.auth:
        reply = yield from talk.ask(b"AUTH LOGIN", limit)
        if reply is not None and reply.code == 334:
            reply = yield from talk.ask(base64.b64encode(username), limit, "***")
        if reply is not None and reply.code == 334:
            reply = yield from talk.ask(base64.b64encode(password), limit, "***")
    else:
        text = "the server offers neither AUTH PLAIN nor AUTH LOGIN"
        return talk.refused(Phase.AUTH, None, Trouble(TroubleKind.POLICY, text))
    return None if reply is not None and reply.code // 100 == 2 else talk.refused(Phase.AUTH, reply)


def _log_in_with_token(
    talk: Talk, credentials: Credentials, abilities: Abilities, limit: float
) -> Procedure[Refused | None]:
    username, token = credentials.username.encode(), credentials.password.encode()
    if "XOAUTH2" in abilities.auth:
        mechanism, after_error = b"XOAUTH2", b""
        response = b"user=" + username + b"\x01auth=Bearer " + token + b"\x01\x01"
    elif "OAUTHBEARER" in abilities.auth:
        # RFC 7628 3.1; in a name of RFC 5801 4 `=` and `,` are written otherwise.
        mechanism, after_error = b"OAUTHBEARER", base64.b64encode(b"\x01")
        name = username.replace(b"=", b"=3D").replace(b",", b"=2C")
        response = b"n,a=" + name + b",\x01auth=Bearer " + token + b"\x01\x01"
    else:
        text = "the server offers neither AUTH XOAUTH2 nor AUTH OAUTHBEARER"
        return talk.refused(Phase.AUTH, None, Trouble(TroubleKind.POLICY, text))
    shown = f"AUTH {mechanism.decode()} ***"
    reply = yield from talk.ask(b"AUTH " + mechanism + b" " + base64.b64encode(response), limit, shown)
    if reply is not None and reply.code == 334:
        # RFC 7628 3.2.3: the error stands in the challenge, and the refusal follows an answer to it.
        reply = yield from talk.answer(after_error, limit)
    return None if reply is not None and reply.code // 100 == 2 else talk.refused(Phase.AUTH, reply)
