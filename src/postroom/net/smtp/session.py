"""The server's side of an SMTP session without I/O: bytes in, events and replies out.

RFC 5321 with STARTTLS (3207), AUTH (4954), PIPELINING (2920), SIZE (1870), 8BITMIME
(6152), SMTPUTF8 (6531), ENHANCEDSTATUSCODES (2034), CHUNKING (3030) and DSN (3461).
No socket, clock or task: `server` and `connection` bring these.

Use: `receive` what came, call `next_event` until it returns None, send `take_output`. Some
events want an `answer` before the next one; until then `next_event` returns None. The phases
are in `session_state`, what a command does in `verbs`.

Attacks it is built against: content that ends where only some see an end (`data`), commands
injected in plain text behind STARTTLS, BDAT sizes that leave the two sides out of step, HTTP
aimed at this port, endless lines, endless rubbish.
"""

from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp import replies
from postroom.net.smtp.data import DotContent, LineEnds, may_end
from postroom.net.smtp.events import ContentDropped, ContentEnds, ContentPiece, Event
from postroom.net.smtp.session_state import (
    MAX_AUTH_FAILURES,
    NEED_INPUT,
    Phase,
    Reading,
    SessionRules,
    SessionState,
    Step,
    Waiting,
)
from postroom.net.smtp.verbs import VERBS, auth_response

__all__ = ["MAX_AUTH_BYTES", "MAX_COMMAND_BYTES", "Session", "SessionRules"]

MAX_COMMAND_BYTES = 2048
"""RFC 5321 4.5.3.1.4 asks for 512, the extensions for about 1,200 more."""
MAX_AUTH_BYTES = 12_288
"""RFC 4954 4."""
LOOK_BYTES = 64 * 1024
"""Clients write in small pieces; content is worked on in larger ones, which costs a third."""
_LARGE_PIECE = 16 * 1024

_NOT_SMTP = (b"GET", b"POST", b"PUT", b"HEAD", b"CONNECT", b"OPTIONS", b"DELETE", b"PATCH")


class Session:
    """One session. Make it when the client may be greeted; its greeting is the first output."""

    def __init__(self, rules: SessionRules, *, tls: bool, offer_tls: bool, local: bool) -> None:
        """`tls`: it runs over TLS already. `local`: the peer is on loopback, so AUTH needs no TLS."""
        self._state = SessionState(rules, tls=tls, offer_tls=offer_tls, local=local)
        self._line_too_long = False
        self._stopping = False
        self._look = False
        """The input of DATA is worth a look: it may hold the end, or there is enough of it."""
        self._dots = DotContent()
        self._line_ends = LineEnds()
        self._size = 0
        self._dropped_bytes = 0
        self._state.say(SmtpReply(220, "", f"{rules.hostname} ESMTP Postroom"))

    # The adapter's side

    @property
    def closed(self) -> bool:
        """The session is over: send the output and close the connection."""
        return self._state.closed

    @property
    def tls(self) -> bool:
        """The session runs over TLS."""
        return self._state.tls

    @property
    def client_name(self) -> str:
        """What the client said in EHLO or HELO; empty before."""
        return self._state.client_name

    @property
    def extended(self) -> bool:
        """The client said EHLO."""
        return self._state.extended

    @property
    def in_content(self) -> bool:
        """Content is on its way, or its end waits for an answer."""
        state = self._state
        return (
            state.reading is Reading.DATA
            or state.reading is Reading.CHUNK
            or state.phase is Phase.CHUNKS
            or state.waiting is Waiting.CONTENT_END
        )

    @property
    def buffered_bytes(self) -> int:
        """How much input waits to be looked at."""
        return len(self._state.input)

    def receive(self, data: bytes) -> None:
        """Take input. It is looked at by `next_event`."""
        reading = self._state.reading
        if reading is not Reading.NOTHING and reading is not Reading.CLOSED:
            self._state.input.add(data)
            if reading is Reading.DATA and not self._look:
                self._look = len(data) >= _LARGE_PIECE or len(self._state.input) >= LOOK_BYTES or may_end(data)

    def take_output(self) -> bytes:
        """Return the replies made since the last call: one write for pipelined commands (RFC 2920 3.2)."""
        return self._state.take_output()

    def next_event(self) -> Event | None:
        """Return what happened next, or None: more input or an answer is needed, or it is over."""
        state = self._state
        while state.waiting is Waiting.NOTHING:
            if state.reading is Reading.COMMAND or state.reading is Reading.AUTH_RESPONSE:
                step = self._read_line()
            elif state.reading is Reading.DATA:
                step = self._read_data()
            elif state.reading is Reading.CHUNK:
                step = self._read_chunk()
            else:
                return None
            if step is NEED_INPUT:
                return None
            if step is not None:
                return step
        return None

    def answer(self, reply: SmtpReply) -> None:
        """Answer the last event. A 421 ends the session."""
        state = self._state
        waiting, state.waiting = state.waiting, Waiting.NOTHING
        if waiting is Waiting.RCPT:
            if reply.is_success:
                state.recipients.append(state.pending_recipient)
                state.phase = Phase.RCPT
        elif waiting is Waiting.MAIL:
            if reply.is_success:
                state.phase = Phase.MAIL
        elif waiting is Waiting.CONTENT_END:
            state.idle_commands = 0
            state.forget_transaction()
        elif waiting is Waiting.CONTENT_BEGIN:
            if state.reading is Reading.CHUNK:
                self.drop_content(reply)
                return  # the reply follows the octets of the chunk
            state.forget_transaction()
        elif waiting is Waiting.AUTH:
            self._answer_auth(reply)
            return
        elif not state.closed:
            raise RuntimeError("no event waits for an answer")
        if reply.code == 421:
            state.cut(reply)
        elif not state.closed:
            state.say(reply)

    def proceed(self) -> None:
        """Answer ContentBegins: the content may come."""
        state = self._state
        if state.waiting is not Waiting.CONTENT_BEGIN:
            raise RuntimeError("no content wants to begin")
        state.waiting = Waiting.NOTHING
        self._line_ends = LineEnds()
        self._size = 0
        if state.reading is Reading.CHUNK:
            state.phase = Phase.CHUNKS
        else:
            self._dots = DotContent()
            self._look = True
            state.reading = Reading.DATA
            state.say(replies.GO_AHEAD)

    def drop_content(self, reply: SmtpReply) -> None:
        """Throw away the content that is coming, then say `reply`: it cannot be taken."""
        if self._state.dropping is None:
            self._state.dropping = reply
            self._dropped_bytes = 0

    def start_tls(self) -> None:
        """Answer TlsWanted: what is received from now on has gone through TLS.

        Everything that the client said before is forgotten (RFC 3207 4.2).
        """
        state = self._state
        if state.reading is not Reading.NOTHING:
            return
        state.tls = True
        state.authenticated = False
        state.client_name = ""
        state.phase = Phase.NEW
        state.reading = Reading.COMMAND

    def stop(self) -> None:
        """End the session with 421, at once or after what is under way."""
        self._stopping = True
        state = self._state
        if state.waiting is Waiting.NOTHING and state.reading is not Reading.NOTHING and not self.in_content:
            state.cut(replies.SHUTTING_DOWN)

    def cut(self, reply: SmtpReply) -> None:
        """Say `reply` and end the session now."""
        self._state.cut(reply)

    # Lines

    def _read_line(self) -> Step:
        state = self._state
        if self._stopping and state.phase is not Phase.CHUNKS:
            state.cut(replies.SHUTTING_DOWN)
            return None
        line = state.input.take_line()
        if line is None:
            if len(state.input) > MAX_AUTH_BYTES:
                # Nothing of an endless line is kept; its end is answered.
                self._line_too_long = True
                state.input.clear()
            return NEED_INPUT
        wrong = self._wrong_line(line)
        if wrong is not None:
            state.reading = Reading.COMMAND
            state.sasl = None
            return state.error(wrong)
        if state.reading is Reading.AUTH_RESPONSE:
            return auth_response(state, line[:-2])
        return self._command(line[:-2])

    def _wrong_line(self, line: bytes) -> SmtpReply | None:
        if self._line_too_long or len(line) > MAX_AUTH_BYTES:
            self._line_too_long = False
            # RFC 4954 4
            return replies.AUTH_TOO_LONG if self._state.reading is Reading.AUTH_RESPONSE else replies.LINE_TOO_LONG
        if line[-2:] != b"\r\n" or line.count(b"\r") > 1 or b"\0" in line:
            return replies.BAD_LINE_END
        if len(line) > MAX_COMMAND_BYTES and self._state.reading is Reading.COMMAND and line[:5].upper() != b"AUTH ":
            return replies.LINE_TOO_LONG
        return None

    def _command(self, line: bytes) -> Step:
        word, _, rest = line.partition(b" ")
        word = word.upper()
        verb = VERBS.get(word)
        if verb is None:
            if word in _NOT_SMTP:
                self._state.cut(replies.NOT_SMTP)
                return None
            return self._state.error(replies.UNKNOWN_COMMAND)
        try:
            argument = rest.decode("utf-8")
        except UnicodeDecodeError:
            argument = "\0"
        if "\0" in argument:
            if word == b"BDAT":
                self._state.cut(replies.OUT_OF_STEP)
                return None
            return self._state.error(replies.BAD_CHARACTERS)
        return verb(self._state, argument)

    def _answer_auth(self, reply: SmtpReply) -> None:
        state = self._state
        if reply.is_success:
            state.authenticated = True
            state.auth_failures = 0
            state.say(reply)
            return
        state.auth_failures += 1
        if reply.code == 421:
            state.cut(reply)
            return
        state.say(reply)
        if state.auth_failures >= MAX_AUTH_FAILURES:
            state.cut(replies.TOO_MANY_AUTH_FAILURES)

    # Content

    def _read_data(self) -> Step:
        state = self._state
        if not self._look:
            return NEED_INPUT
        self._look = False
        data = state.input.take_all()
        content, used = self._dots.feed(data)
        ended = used >= 0
        if ended:
            state.input.put_back(data, used)
            state.reading = Reading.COMMAND
        return self._content(content, reply_due=ended, ended=ended)

    def _read_chunk(self) -> Step:
        state = self._state
        if len(state.input) < min(state.chunk_left, LOOK_BYTES):
            return NEED_INPUT
        data = state.input.take_all()
        if len(data) > state.chunk_left:
            state.input.put_back(data, state.chunk_left)
            data = data[: state.chunk_left]
        state.chunk_left -= len(data)
        chunk_ended = state.chunk_left == 0
        if chunk_ended:
            state.reading = Reading.COMMAND
        return self._content(data, reply_due=chunk_ended, ended=chunk_ended and state.chunk.last)

    def _content(self, raw: bytes, *, reply_due: bool, ended: bool) -> Step:
        """Take content; `ended`: nothing of it follows."""
        state = self._state
        if state.dropping is not None:
            self._dropped_bytes += len(raw)
            self._finish_dropped(state.dropping, reply_due)
            return None
        data = self._line_ends.feed(raw)
        if ended:
            data += self._line_ends.end()
        self._size += len(data)
        if self._size > state.rules.max_size_bytes:
            self.drop_content(replies.TOO_LARGE)
            self._finish_dropped(replies.TOO_LARGE, reply_due)
            return ContentDropped()
        if ended:
            state.waiting = Waiting.CONTENT_END
            state.phase = Phase.READY
            return ContentEnds(data, self._size)
        if reply_due:
            state.say(SmtpReply(250, "2.0.0", f"{state.chunk.size_bytes} octets received"))
        return ContentPiece(data) if data else None

    def _finish_dropped(self, reply: SmtpReply, reply_due: bool) -> None:
        state = self._state
        if reply_due:
            state.forget_transaction()
            if reply.code == 421:
                state.cut(reply)
            else:
                state.say(reply)
        elif self._dropped_bytes > state.rules.max_size_bytes:
            # The client was told what it may send and goes on: nobody waits for its end.
            state.say(reply)
            state.cut(replies.TOO_MANY_ERRORS)
