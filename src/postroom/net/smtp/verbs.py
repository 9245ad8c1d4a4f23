"""What each command does to a session: one function a verb (RFC 5321 4.1.1 and the extensions).

A verb replies, or returns an event that the adapter answers.
"""

from collections.abc import Callable

from postroom.mail.envelope import Envelope, EnvelopeRecipient
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp import replies
from postroom.net.smtp.auth import BadResponse, Challenge, SaslExchange
from postroom.net.smtp.commands import MailCommand, read_chunk, read_mail, read_rcpt
from postroom.net.smtp.events import (
    AuthAttempt,
    ContentBegins,
    ContentDropped,
    Event,
    MailGiven,
    RecipientGiven,
    TlsWanted,
)
from postroom.net.smtp.session_state import Phase, Reading, SessionState, Step, Waiting


def ehlo(state: SessionState, argument: str) -> Step:
    """EHLO: greet, and tell what we can."""
    if not _greeted(state, argument, extended=True):
        return None
    lines = [f"{state.rules.hostname} greets you", "PIPELINING", f"SIZE {state.rules.max_size_bytes}"]
    if state.offer_tls and not state.tls:
        lines.append("STARTTLS")
    if state.may_authenticate:
        lines.append("AUTH PLAIN LOGIN")
    lines += ["ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8"]
    if state.rules.offer_dsn:
        lines.append("DSN")
    lines += ["CHUNKING", "HELP"]
    state.say(SmtpReply(250, "", "\n".join(lines)))
    return _back_to_ready(state)


def helo(state: SessionState, argument: str) -> Step:
    """HELO: greet."""
    if not _greeted(state, argument, extended=False):
        return None
    state.say(SmtpReply(250, "", state.rules.hostname))
    return _back_to_ready(state)


def starttls(state: SessionState, argument: str) -> Step:
    """STARTTLS (RFC 3207)."""
    if argument.strip():
        return state.error(replies.NO_ARGUMENT)
    if state.tls:
        return state.error(replies.TLS_ACTIVE)
    if not state.offer_tls:
        return state.error(replies.TLS_NOT_AVAILABLE)
    if state.in_transaction:
        return state.error(replies.IN_TRANSACTION)
    state.say(replies.START_TLS)
    # RFC 3207 4.2: what was pipelined behind STARTTLS may be an attacker's.
    state.input.clear()
    state.reading = Reading.NOTHING
    return TlsWanted()


def auth(state: SessionState, argument: str) -> Step:
    """AUTH (RFC 4954)."""
    if state.phase is not Phase.READY:
        return state.error(replies.NEED_EHLO if state.phase is Phase.NEW else replies.IN_TRANSACTION)
    if not state.rules.offer_auth:
        return state.error(replies.NOT_IMPLEMENTED)
    if not state.may_authenticate:
        return state.error(replies.AUTH_NEEDS_TLS)
    if state.authenticated:
        return state.error(replies.AUTH_ALREADY)
    mechanism, _, initial = argument.strip().partition(" ")
    if mechanism.upper() not in ("PLAIN", "LOGIN"):
        return state.error(replies.AUTH_MECHANISM)
    state.sasl = SaslExchange(mechanism.upper())
    return _auth_step(state, state.sasl, initial.strip().encode() or None)


def auth_response(state: SessionState, response: bytes) -> Step:
    """Take a line of the SASL exchange that is open."""
    state.reading = Reading.COMMAND
    sasl, state.sasl = state.sasl, None
    if sasl is None or response == b"*":
        return state.error(replies.AUTH_CANCELLED)
    return _auth_step(state, sasl, response)


def mail(state: SessionState, argument: str) -> Step:
    """MAIL: a transaction begins."""
    if state.phase is not Phase.READY:
        return state.error(replies.NEED_EHLO if state.phase is Phase.NEW else replies.IN_TRANSACTION)
    if state.rules.require_auth and not state.authenticated:
        return state.error(replies.AUTH_REQUIRED if state.may_authenticate else replies.TLS_REQUIRED)
    command = read_mail(argument)
    if not isinstance(command, MailCommand):
        return state.error(command)
    if command.size_bytes is not None and command.size_bytes > state.rules.max_size_bytes:
        state.say(replies.TOO_LARGE)
        return None
    if not state.idle():
        return None
    state.envelope = command.envelope
    state.waiting = Waiting.MAIL
    return MailGiven(command.envelope)


def rcpt(state: SessionState, argument: str) -> Step:
    """RCPT: one more recipient."""
    if state.phase is not Phase.MAIL and state.phase is not Phase.RCPT:
        return state.error(replies.NEED_MAIL)
    recipient = read_rcpt(argument, smtputf8=state.envelope.smtputf8)
    if not isinstance(recipient, EnvelopeRecipient):
        # A list with wrong addresses in it is no attack, so it does not count as an error.
        state.say(recipient)
        return None
    if len(state.recipients) >= state.rules.max_recipients:
        state.say(replies.TOO_MANY_RECIPIENTS)
        return None
    state.pending_recipient = recipient
    state.waiting = Waiting.RCPT
    return RecipientGiven(state.envelope, recipient)


def data(state: SessionState, argument: str) -> Step:
    """DATA: the content follows, up to CRLF.CRLF."""
    if argument.strip():
        return state.error(replies.NO_ARGUMENT)
    if state.phase is not Phase.RCPT:
        return state.error(_why_no_content(state))
    return _content_begins(state)


def bdat(state: SessionState, argument: str) -> Step:
    """BDAT: so many octets of content follow (RFC 3030 2).

    They follow whatever we answer, so they are always read.
    """
    chunk = read_chunk(argument)
    if chunk is None:
        # Where the octets end is unknown: what is read next as a command could be content.
        state.say(replies.BAD_CHUNK)
        state.cut(replies.OUT_OF_STEP)
        return None
    state.chunk = chunk
    state.chunk_left = chunk.size_bytes
    state.reading = Reading.CHUNK
    if state.phase is Phase.CHUNKS:
        return None
    if state.phase is Phase.RCPT:
        return _content_begins(state)
    state.dropping = _why_no_content(state)
    return None


def rset(state: SessionState, argument: str) -> Step:
    """RSET: forget the transaction."""
    if argument.strip():
        return state.error(replies.NO_ARGUMENT)
    if not state.idle():
        return None
    state.say(replies.OK)
    return _back_to_ready(state)


def noop(state: SessionState, argument: str) -> Step:
    """NOOP, with or without words."""
    return _idle(state, replies.OK)


def help_(state: SessionState, argument: str) -> Step:
    """HELP."""
    return _idle(state, replies.HELP)


def vrfy(state: SessionState, argument: str) -> Step:
    """VRFY: never tell (RFC 5321 3.5.3)."""
    return _idle(state, replies.VERIFY) if argument.strip() else state.error(replies.NEED_NAME)


def expn(state: SessionState, argument: str) -> Step:
    """EXPN: never tell."""
    return state.error(replies.NOT_IMPLEMENTED)


def quit_(state: SessionState, argument: str) -> Step:
    """QUIT."""
    if argument.strip():
        return state.error(replies.NO_ARGUMENT)
    had_content = state.phase is Phase.CHUNKS
    state.cut(replies.BYE)
    return ContentDropped() if had_content else None


VERBS: dict[bytes, Callable[[SessionState, str], Step]] = {
    b"EHLO": ehlo,
    b"HELO": helo,
    b"STARTTLS": starttls,
    b"AUTH": auth,
    b"MAIL": mail,
    b"RCPT": rcpt,
    b"DATA": data,
    b"BDAT": bdat,
    b"RSET": rset,
    b"NOOP": noop,
    b"VRFY": vrfy,
    b"EXPN": expn,
    b"HELP": help_,
    b"QUIT": quit_,
}


def _greeted(state: SessionState, argument: str, *, extended: bool) -> bool:
    name = argument.strip()
    if not name or not name.isprintable():
        state.error(replies.NEED_NAME)
        return False
    state.client_name, state.extended = name, extended
    return state.idle()


def _back_to_ready(state: SessionState) -> Event | None:
    had_content = state.phase is Phase.CHUNKS
    state.forget_transaction()
    state.phase = Phase.READY
    return ContentDropped() if had_content else None


def _idle(state: SessionState, reply: SmtpReply) -> Step:
    if state.idle():
        state.say(reply)
    return None


def _auth_step(state: SessionState, sasl: SaslExchange, response: bytes | None) -> Step:
    try:
        result = sasl.step(response)
    except BadResponse:
        return state.error(replies.AUTH_BAD_RESPONSE)
    if isinstance(result, Challenge):
        state.sasl = sasl
        state.reading = Reading.AUTH_RESPONSE
        state.say_wire(result.to_wire())
        return None
    state.waiting = Waiting.AUTH
    return AuthAttempt(result.username, result.password)


def _content_begins(state: SessionState) -> Step:
    state.waiting = Waiting.CONTENT_BEGIN
    given = state.envelope
    # dataclasses.replace takes ten times as long, and this runs for every message.
    state.envelope = Envelope(
        given.reverse_path, tuple(state.recipients), given.body, given.smtputf8, given.ret, given.envid
    )
    return ContentBegins(state.envelope)


def _why_no_content(state: SessionState) -> SmtpReply:
    if state.phase is Phase.MAIL:
        return replies.NEED_RCPT
    return replies.BAD_SEQUENCE if state.phase is Phase.CHUNKS else replies.NEED_MAIL
