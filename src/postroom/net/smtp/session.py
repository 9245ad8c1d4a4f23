"""The server's side of an SMTP session without I/O: bytes in, events and replies out.

RFC 5321 with STARTTLS (3207), AUTH (4954), PIPELINING (2920), SIZE (1870), 8BITMIME
(6152), SMTPUTF8 (6531), ENHANCEDSTATUSCODES (2034), CHUNKING (3030) and DSN (3461).
No socket, clock or task: `server` and `connection` bring these.

Use: `receive` what came, call `next_event` until it returns None, send `take_output`. Some
events want an `answer` before the next one; until then `next_event` returns None.

    NEW --EHLO--> READY --MAIL--> MAIL --RCPT--> RCPT --DATA .--> READY
                                          RCPT --BDAT--> CHUNKS --BDAT LAST--> READY
    RSET and EHLO lead back to READY; STARTTLS to NEW.

Attacks it is built against: content that ends where only some see an end (`data`), commands
injected in plain text behind STARTTLS, BDAT sizes that leave the two sides out of step, HTTP
aimed at this port, endless lines, endless rubbish.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from postroom.mail.envelope import Envelope, EnvelopeRecipient
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp import replies
from postroom.net.smtp.auth import BadResponse, Challenge, SaslExchange
from postroom.net.smtp.commands import Chunk, MailCommand, read_chunk, read_mail, read_rcpt
from postroom.net.smtp.data import DotContent, LineEnds
from postroom.net.smtp.events import (
    AuthAttempt,
    ContentBegins,
    ContentDropped,
    ContentEnds,
    ContentPiece,
    Event,
    MailGiven,
    RecipientGiven,
    TlsWanted,
)

MAX_COMMAND_BYTES = 2048
"""RFC 5321 4.5.3.1.4 asks for 512, the extensions for about 1,200 more."""
MAX_AUTH_BYTES = 12_288
"""RFC 4954 4."""
MAX_ERRORS = 20
MAX_IDLE_COMMANDS = 100
"""NOOP, RSET, VRFY, HELP, EHLO and MAIL since the last message; further ones count as errors."""
MAX_AUTH_FAILURES = 3


@dataclass(frozen=True, slots=True)
class SessionRules:
    """What is the same for all sessions of a door."""

    hostname: str
    """Our name in the greeting and in the answer to EHLO."""
    max_size_bytes: int
    max_recipients: int
    offer_auth: bool
    require_auth: bool
    """MAIL is refused with 530 until the client has authenticated."""


class _Phase(Enum):
    NEW = "no EHLO yet"
    READY = "no transaction"
    MAIL = "MAIL given"
    RCPT = "at least one recipient"
    CHUNKS = "between BDAT commands"


class _Reading(Enum):
    COMMAND = 1
    AUTH_RESPONSE = 2
    DATA = 3
    CHUNK = 4
    NOTHING = 5
    """The handshake of TLS is under way: what comes in plain text is thrown away."""
    CLOSED = 6


class _Waiting(Enum):
    NOTHING = 1
    AUTH = 2
    MAIL = 3
    RCPT = 4
    CONTENT_BEGIN = 5
    CONTENT_END = 6


class _NeedInput(Enum):
    NEED_INPUT = 1


_NEED_INPUT = _NeedInput.NEED_INPUT
_Step = Event | _NeedInput | None
"""An event, nothing to tell (go on), or nothing to do until more arrives."""

_IN_TRANSACTION = (_Phase.MAIL, _Phase.RCPT, _Phase.CHUNKS)
_NOT_SMTP = (b"GET", b"POST", b"PUT", b"HEAD", b"CONNECT", b"OPTIONS", b"DELETE", b"PATCH")


class Session:
    """One session. Make it when the client may be greeted; its greeting is the first output."""

    def __init__(self, rules: SessionRules, *, tls: bool, offer_tls: bool, local: bool) -> None:
        """`tls`: it runs over TLS already. `local`: the peer is on loopback, so AUTH needs no TLS."""
        self._rules = rules
        self._offer_tls = offer_tls
        self._local = local
        self.tls = tls
        self.authenticated = False
        self.client_name = ""
        """What the client said in EHLO or HELO."""
        self._arrived: list[bytes] = []
        self._arrived_bytes = 0
        self._buffer = b""
        self._position = 0
        self._output: list[bytes] = []
        self._phase = _Phase.NEW
        self._reading = _Reading.COMMAND
        self._waiting = _Waiting.NOTHING
        self._line_too_long = False
        self._stopping = False
        self._errors = 0
        self._idle_commands = 0
        self._auth_failures = 0
        self._sasl: SaslExchange | None = None
        self._envelope = Envelope("", ())
        self._recipients: list[EnvelopeRecipient] = []
        self._pending_recipient = EnvelopeRecipient("")
        self._dots = DotContent()
        self._line_ends = LineEnds()
        self._chunk = Chunk(0, False)
        self._chunk_left = 0
        self._size = 0
        self._dropped: SmtpReply | None = None
        """Why the content that still comes is thrown away: the reply at its end."""
        self._dropped_bytes = 0
        self._say(SmtpReply(220, "", f"{rules.hostname} ESMTP Postroom"))

    # ── the adapter's side ────────────────────────────────────────────────────────────────

    @property
    def closed(self) -> bool:
        """The session is over: send the output and close the connection."""
        return self._reading is _Reading.CLOSED

    @property
    def in_content(self) -> bool:
        """Content is on its way, or its end waits for an answer."""
        return (
            self._reading in (_Reading.DATA, _Reading.CHUNK)
            or self._phase is _Phase.CHUNKS
            or self._waiting is _Waiting.CONTENT_END
        )

    @property
    def buffered_bytes(self) -> int:
        """How much input waits to be looked at."""
        return self._arrived_bytes + len(self._buffer) - self._position

    def receive(self, data: bytes) -> None:
        """Take input. It is looked at by `next_event`."""
        if self._reading is not _Reading.NOTHING:
            self._arrived.append(data)
            self._arrived_bytes += len(data)

    def take_output(self) -> bytes:
        """Return the replies made since the last call: one write for pipelined commands (RFC 2920 3.2)."""
        if not self._output:
            return b""
        output = b"".join(self._output) if len(self._output) > 1 else self._output[0]
        self._output.clear()
        return output

    def next_event(self) -> Event | None:
        """Return what happened next, or None: more input or an answer is needed, or it is over."""
        while self._waiting is _Waiting.NOTHING:
            if self._reading is _Reading.COMMAND or self._reading is _Reading.AUTH_RESPONSE:
                step = self._read_line()
            elif self._reading is _Reading.DATA:
                step = self._read_data()
            elif self._reading is _Reading.CHUNK:
                step = self._read_chunk()
            else:
                return None
            if step is _NEED_INPUT:
                return None
            if step is not None:
                return step
        return None

    def answer(self, reply: SmtpReply) -> None:
        """Answer the last event. A 421 ends the session."""
        waiting, self._waiting = self._waiting, _Waiting.NOTHING
        if waiting is _Waiting.RCPT:
            if reply.is_success:
                self._recipients.append(self._pending_recipient)
                self._phase = _Phase.RCPT
        elif waiting is _Waiting.MAIL:
            if reply.is_success:
                self._phase = _Phase.MAIL
        elif waiting is _Waiting.CONTENT_END:
            self._idle_commands = 0
            self._forget_transaction()
        elif waiting is _Waiting.CONTENT_BEGIN:
            self._refuse_content(reply)
            if self._reading is _Reading.CHUNK:
                return  # the reply follows the octets of the chunk
        elif waiting is _Waiting.AUTH:
            self._authenticated_or_not(reply)
            return
        else:
            raise RuntimeError("no event waits for an answer")
        self._say(reply)
        if reply.code == 421:
            self._close()

    def proceed(self) -> None:
        """Answer ContentBegins: the content may come."""
        if self._waiting is not _Waiting.CONTENT_BEGIN:
            raise RuntimeError("no content wants to begin")
        self._waiting = _Waiting.NOTHING
        self._line_ends = LineEnds()
        self._size = 0
        if self._reading is _Reading.CHUNK:
            self._phase = _Phase.CHUNKS
        else:
            self._dots = DotContent()
            self._reading = _Reading.DATA
            self._say(replies.GO_AHEAD)

    def drop_content(self, reply: SmtpReply) -> None:
        """Throw away the content that is coming, then say `reply`: the adapter could not take it."""
        if self._dropped is None:
            self._dropped = reply
            self._dropped_bytes = 0

    def tls_started(self) -> None:
        """The handshake is done: everything that the client said before is forgotten (RFC 3207 4.2)."""
        self.tls = True
        self.authenticated = False
        self.client_name = ""
        self._forget_transaction()
        self._phase = _Phase.NEW
        self._reading = _Reading.COMMAND

    def stop(self) -> None:
        """End the session with 421, at once or after the content that is on its way."""
        self._stopping = True
        if self._waiting is _Waiting.NOTHING and not self.in_content and self._reading is not _Reading.NOTHING:
            self.cut(replies.SHUTTING_DOWN)

    def cut(self, reply: SmtpReply) -> None:
        """Say `reply` and end the session now."""
        if not self.closed:
            self._say(reply)
            self._close()

    # ── lines ─────────────────────────────────────────────────────────────────────────────

    def _gather(self) -> None:
        if self._arrived:
            if self._position < len(self._buffer):
                self._arrived.insert(0, self._buffer[self._position :])
            self._buffer = b"".join(self._arrived) if len(self._arrived) > 1 else self._arrived[0]
            self._position = 0
            self._arrived.clear()
            self._arrived_bytes = 0

    def _take_buffer(self) -> bytes:
        self._gather()
        data = self._buffer[self._position :] if self._position else self._buffer
        self._buffer = b""
        self._position = 0
        return data

    def _read_line(self) -> _Step:
        if self._stopping and self._phase is not _Phase.CHUNKS:
            self.cut(replies.SHUTTING_DOWN)
            return None
        self._gather()
        start = self._position
        end = self._buffer.find(b"\n", start)
        limit = MAX_AUTH_BYTES if self._reading is _Reading.AUTH_RESPONSE else MAX_COMMAND_BYTES
        if end < 0:
            if len(self._buffer) - start > max(limit, MAX_AUTH_BYTES):
                # Nothing of an endless line is kept; its end is answered.
                self._line_too_long = True
                self._buffer, self._position = b"", 0
            return _NEED_INPUT
        line = self._buffer[start : end + 1]
        self._position = end + 1
        if self._line_too_long:
            self._line_too_long = False
            return self._bad_line(replies.LINE_TOO_LONG)
        if not line.endswith(b"\r\n") or b"\r" in line[:-2] or b"\0" in line:
            return self._bad_line(replies.BAD_LINE_END)
        if self._reading is _Reading.AUTH_RESPONSE:
            return self._bad_line(replies.AUTH_TOO_LONG) if len(line) > limit else self._auth_response(line[:-2])
        return self._command(line[:-2])

    def _bad_line(self, reply: SmtpReply) -> _Step:
        self._reading = _Reading.COMMAND
        self._sasl = None
        return self._error(reply)

    def _command(self, line: bytes) -> _Step:
        word, _, rest = line.partition(b" ")
        verb = word.upper()
        if len(line) + 2 > (MAX_AUTH_BYTES if verb == b"AUTH" else MAX_COMMAND_BYTES):
            return self._bad_line(replies.LINE_TOO_LONG)
        handle = _COMMANDS.get(verb)
        if handle is None:
            if verb in _NOT_SMTP:
                self.cut(replies.NOT_SMTP)
                return None
            return self._error(replies.UNKNOWN_COMMAND)
        try:
            argument = rest.decode("utf-8")
        except UnicodeDecodeError:
            # What follows a BDAT is not commands, so a line that hides one cannot be read over.
            if verb == b"BDAT":
                self.cut(replies.OUT_OF_STEP)
                return None
            return self._error(replies.BAD_CHARACTERS)
        return handle(self, argument)

    # ── commands ──────────────────────────────────────────────────────────────────────────

    def _ehlo(self, argument: str) -> _Step:
        if not self._greeted(argument):
            return None
        lines = [f"{self._rules.hostname} greets you", "PIPELINING", f"SIZE {self._rules.max_size_bytes}"]
        if self._offer_tls and not self.tls:
            lines.append("STARTTLS")
        if self._may_authenticate:
            lines.append("AUTH PLAIN LOGIN")
        lines += ["ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8", "DSN", "CHUNKING", "HELP"]
        self._say(SmtpReply(250, "", "\n".join(lines)))
        return self._dropped_by_command()

    def _helo(self, argument: str) -> _Step:
        if not self._greeted(argument):
            return None
        self._say(SmtpReply(250, "", self._rules.hostname))
        return self._dropped_by_command()

    def _greeted(self, argument: str) -> bool:
        name = argument.strip()
        if not name or not name.isprintable():
            self._error(replies.NEED_NAME)
            return False
        self._count_idle()
        self.client_name = name
        return not self.closed

    def _starttls(self, argument: str) -> _Step:
        if argument.strip():
            return self._error(replies.NO_ARGUMENT)
        if self.tls:
            return self._error(replies.TLS_ACTIVE)
        if not self._offer_tls:
            return self._error(replies.TLS_NOT_AVAILABLE)
        if self._phase in _IN_TRANSACTION:
            return self._error(replies.IN_TRANSACTION)
        self._say(replies.START_TLS)
        # RFC 3207 4.2: what was pipelined behind STARTTLS may be an attacker's.
        self._take_buffer()
        self._reading = _Reading.NOTHING
        return TlsWanted()

    @property
    def _may_authenticate(self) -> bool:
        return self._rules.offer_auth and (self.tls or self._local)

    def _auth(self, argument: str) -> _Step:
        if self._phase is _Phase.NEW:
            return self._error(replies.NEED_EHLO)
        if self._phase in _IN_TRANSACTION:
            return self._error(replies.IN_TRANSACTION)
        if not self._rules.offer_auth:
            return self._error(replies.NOT_IMPLEMENTED)
        if not self._may_authenticate:
            return self._error(replies.AUTH_NEEDS_TLS)
        if self.authenticated:
            return self._error(replies.AUTH_ALREADY)
        mechanism, _, initial = argument.strip().partition(" ")
        if mechanism.upper() not in ("PLAIN", "LOGIN"):
            return self._error(replies.AUTH_MECHANISM)
        self._sasl = SaslExchange(mechanism.upper())
        return self._auth_step(initial.strip().encode() or None)

    def _auth_response(self, response: bytes) -> _Step:
        self._reading = _Reading.COMMAND
        if response == b"*":
            self._sasl = None
            return self._error(replies.AUTH_CANCELLED)
        return self._auth_step(response)

    def _auth_step(self, response: bytes | None) -> _Step:
        if self._sasl is None:
            raise RuntimeError("no AUTH command is open")
        try:
            result = self._sasl.step(response)
        except BadResponse:
            self._sasl = None
            return self._error(replies.AUTH_BAD_RESPONSE)
        if isinstance(result, Challenge):
            self._reading = _Reading.AUTH_RESPONSE
            self._output.append(result.to_wire())
            return None
        self._sasl = None
        self._waiting = _Waiting.AUTH
        return AuthAttempt(result.username, result.password)

    def _authenticated_or_not(self, reply: SmtpReply) -> None:
        self._say(reply)
        if reply.is_success:
            self.authenticated = True
            self._auth_failures = 0
            return
        self._auth_failures += 1
        if reply.code == 421:
            self._close()
        elif self._auth_failures >= MAX_AUTH_FAILURES:
            self.cut(replies.TOO_MANY_AUTH_FAILURES)

    def _mail(self, argument: str) -> _Step:
        if self._phase is not _Phase.READY:
            return self._error(replies.NEED_EHLO if self._phase is _Phase.NEW else replies.IN_TRANSACTION)
        if self._rules.require_auth and not self.authenticated:
            return self._error(replies.AUTH_REQUIRED if self._may_authenticate else replies.TLS_REQUIRED)
        command = read_mail(argument)
        if not isinstance(command, MailCommand):
            return self._error(command)
        if command.size_bytes is not None and command.size_bytes > self._rules.max_size_bytes:
            self._say(replies.TOO_LARGE)
            return None
        self._count_idle()
        if self.closed:
            return None
        self._envelope = command.envelope
        self._waiting = _Waiting.MAIL
        return MailGiven(command.envelope)

    def _rcpt(self, argument: str) -> _Step:
        if self._phase is not _Phase.MAIL and self._phase is not _Phase.RCPT:
            return self._error(replies.NEED_MAIL)
        recipient = read_rcpt(argument, smtputf8=self._envelope.smtputf8)
        if not isinstance(recipient, EnvelopeRecipient):
            # A list with wrong addresses in it is not an attack, so it does not count.
            self._say(recipient)
            return None
        if len(self._recipients) >= self._rules.max_recipients:
            self._say(replies.TOO_MANY_RECIPIENTS)
            return None
        self._pending_recipient = recipient
        self._waiting = _Waiting.RCPT
        return RecipientGiven(self._envelope, recipient)

    def _data(self, argument: str) -> _Step:
        if argument.strip():
            return self._error(replies.NO_ARGUMENT)
        if self._phase is not _Phase.RCPT:
            return self._error(self._why_no_content())
        return self._content_begins()

    def _bdat(self, argument: str) -> _Step:
        chunk = read_chunk(argument)
        if chunk is None:
            # Where the octets end is unknown: whatever is read next could be content.
            self._say(replies.BAD_CHUNK)
            self.cut(replies.OUT_OF_STEP)
            return None
        self._chunk = chunk
        self._chunk_left = chunk.size_bytes
        self._reading = _Reading.CHUNK
        if self._phase is _Phase.CHUNKS:
            return None
        if self._phase is _Phase.RCPT:
            return self._content_begins()
        self.drop_content(self._why_no_content())
        return None

    def _why_no_content(self) -> SmtpReply:
        if self._phase is _Phase.MAIL:
            return replies.NEED_RCPT
        return replies.BAD_SEQUENCE if self._phase is _Phase.CHUNKS else replies.NEED_MAIL

    def _rset(self, argument: str) -> _Step:
        if argument.strip():
            return self._error(replies.NO_ARGUMENT)
        self._count_idle()
        if self.closed:
            return None
        self._say(replies.OK)
        return self._dropped_by_command()

    def _noop(self, argument: str) -> _Step:
        return self._idle(replies.OK)

    def _help(self, argument: str) -> _Step:
        return self._idle(replies.HELP)

    def _vrfy(self, argument: str) -> _Step:
        return self._idle(replies.VERIFY) if argument.strip() else self._error(replies.NEED_NAME)

    def _expn(self, argument: str) -> _Step:
        return self._error(replies.NOT_IMPLEMENTED)

    def _quit(self, argument: str) -> _Step:
        if argument.strip():
            return self._error(replies.NO_ARGUMENT)
        self._say(replies.BYE)
        had_content = self._phase is _Phase.CHUNKS
        self._close()
        return ContentDropped() if had_content else None

    def _idle(self, reply: SmtpReply) -> _Step:
        self._count_idle()
        if not self.closed:
            self._say(reply)
        return None

    # ── content ───────────────────────────────────────────────────────────────────────────

    def _content_begins(self) -> _Step:
        self._waiting = _Waiting.CONTENT_BEGIN
        self._envelope = replace(self._envelope, recipients=tuple(self._recipients))
        return ContentBegins(self._envelope)

    def _refuse_content(self, reply: SmtpReply) -> None:
        if self._reading is _Reading.CHUNK:
            self.drop_content(reply)
        else:
            self._forget_transaction()

    def _read_data(self) -> _Step:
        data = self._take_buffer()
        if not data:
            return _NEED_INPUT
        content, used = self._dots.feed(data)
        ended = used >= 0
        if ended:
            self._buffer, self._position = data, used
            self._reading = _Reading.COMMAND
        return self._content(content, ended=ended, chunk_ended=ended)

    def _read_chunk(self) -> _Step:
        data = self._take_buffer() if self._chunk_left else b""
        if not data and self._chunk_left:
            return _NEED_INPUT
        if len(data) > self._chunk_left:
            self._buffer, self._position = data, self._chunk_left
            data = data[: self._chunk_left]
        elif not self._chunk_left:
            data = b""
        self._chunk_left -= len(data)
        chunk_ended = self._chunk_left == 0
        if chunk_ended:
            self._reading = _Reading.COMMAND
        return self._content(data, ended=chunk_ended and self._chunk.last, chunk_ended=chunk_ended)

    def _content(self, raw: bytes, *, ended: bool, chunk_ended: bool) -> _Step:
        """`ended`: the whole content is here. `chunk_ended`: a reply is due."""
        if self._dropped is None:
            data = self._line_ends.feed(raw)
            if ended:
                data += self._line_ends.end()
            self._size += len(data)
            if self._size <= self._rules.max_size_bytes:
                return self._good_content(data, ended=ended, chunk_ended=chunk_ended)
            self.drop_content(replies.TOO_LARGE)
            self._finish_dropped(chunk_ended)
            return ContentDropped()
        self._dropped_bytes += len(raw)
        self._finish_dropped(chunk_ended)
        return None

    def _good_content(self, data: bytes, *, ended: bool, chunk_ended: bool) -> _Step:
        if ended:
            self._waiting = _Waiting.CONTENT_END
            self._phase = _Phase.READY
            return ContentEnds(data, self._size, self._line_ends.found_bare)
        if chunk_ended:
            self._say(SmtpReply(250, "2.0.0", f"{self._chunk.size_bytes} octets received"))
        return ContentPiece(data) if data else None

    def _finish_dropped(self, chunk_ended: bool) -> None:
        if self._dropped is None:
            return
        if chunk_ended:
            reply = self._dropped
            self._forget_transaction()
            if reply.code == 503:
                self._error(reply)
            else:
                self._say(reply)
            if reply.code == 421:
                self._close()
        elif self._dropped_bytes > self._rules.max_size_bytes:
            # It has been told what it may send, and goes on: nobody waits for its end.
            self._say(self._dropped)
            self.cut(replies.TOO_MANY_ERRORS)

    def _dropped_by_command(self) -> Event | None:
        """Go back to READY; tell it where content was open."""
        had_content = self._phase is _Phase.CHUNKS
        self._forget_transaction()
        self._phase = _Phase.READY
        return ContentDropped() if had_content else None

    def _forget_transaction(self) -> None:
        self._envelope = Envelope("", ())
        self._recipients = []
        self._dropped = None
        self._dropped_bytes = 0
        if self._phase is not _Phase.NEW:
            self._phase = _Phase.READY

    # ── replies ───────────────────────────────────────────────────────────────────────────

    def _say(self, reply: SmtpReply) -> None:
        wire = _WIRE.get(reply)
        if wire is None:
            wire = reply.to_wire()
        self._output.append(wire)

    def _error(self, reply: SmtpReply) -> _Step:
        self._say(reply)
        self._errors += 1
        if self._errors >= MAX_ERRORS:
            self.cut(replies.TOO_MANY_ERRORS)
        return None

    def _count_idle(self) -> None:
        self._idle_commands += 1
        if self._idle_commands > MAX_IDLE_COMMANDS:
            self._errors += 1
            if self._errors >= MAX_ERRORS:
                self.cut(replies.TOO_MANY_ERRORS)

    def _close(self) -> None:
        self._reading = _Reading.CLOSED
        self._waiting = _Waiting.NOTHING
        self._arrived.clear()
        self._arrived_bytes = 0
        self._buffer, self._position = b"", 0


_COMMANDS: dict[bytes, Callable[[Session, str], _Step]] = {
    b"EHLO": Session._ehlo,
    b"HELO": Session._helo,
    b"STARTTLS": Session._starttls,
    b"AUTH": Session._auth,
    b"MAIL": Session._mail,
    b"RCPT": Session._rcpt,
    b"DATA": Session._data,
    b"BDAT": Session._bdat,
    b"RSET": Session._rset,
    b"NOOP": Session._noop,
    b"VRFY": Session._vrfy,
    b"EXPN": Session._expn,
    b"HELP": Session._help,
    b"QUIT": Session._quit,
}
_WIRE = {reply: reply.to_wire() for reply in (replies.OK, replies.SENDER_OK, replies.RECIPIENT_OK, replies.GO_AHEAD)}
