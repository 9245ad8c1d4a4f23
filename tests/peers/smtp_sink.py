"""A recording SMTP server on loopback that keeps envelope and bytes exactly and answers as the test says.

```python
with SmtpSink() as sink:
    sink.on("RCPT", "550 5.1.1 No such user", recipient="nobody@example.test")
    sink.on("DOT", "451 4.3.0 Later", times=1)
    sink.on("DOT", DROP, connection=2)           # the second connection dies after the final dot
    … send to 127.0.0.1:sink.port …
    sink.wait_for(3)                             # three mails
    sink.mails[0].data                           # the content as it stood before dot-stuffing
```
Verbs: CONNECT, EHLO, HELO, MAIL, RCPT, DATA (the answer 354), DOT (the answer
after the final dot), BDAT (after the last chunk), STARTTLS, AUTH, RSET, NOOP,
QUIT. Rules are tried from the newest to the oldest.
"""

import base64
import contextlib
import re
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO

from peers.process import PeerFailed

ABILITIES = ("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "CHUNKING", "SIZE 104857600")


@dataclass(frozen=True, slots=True)
class Drop:
    """Answer by closing the connection without a word."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Answer nothing and keep the connection open until the sink ends."""


@dataclass(frozen=True, slots=True)
class Slow:
    """Answer after some seconds."""

    seconds: float
    reply: str


DROP = Drop()
SILENCE = Silence()
Reply = str | Drop | Silence | Slow
"""A text may have several lines: `250-one\\r\\n250 two`, without the last CRLF."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One accepted transaction."""

    reverse_path: str
    mail_parameters: tuple[str, ...]
    """As written after MAIL FROM:<…>: `SIZE=100`, `BODY=8BITMIME`."""
    recipients: tuple[str, ...]
    """The recipients that were accepted."""
    recipient_parameters: tuple[tuple[str, ...], ...]
    data: bytes
    """The content with dot-stuffing undone, line ends as sent, without the final dot's line."""
    connection: int
    """1 for the sink's first connection."""
    helo: str
    tls: bool
    login: str | None
    """The user name of AUTH."""


@dataclass
class _Rule:
    verb: str
    reply: Reply
    recipient: str | None
    connection: int | None
    times: int | None


@dataclass
class _Transaction:
    reverse_path: str | None = None
    mail_parameters: tuple[str, ...] = ()
    recipients: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    chunks: bytearray = field(default_factory=bytearray)


class SmtpSink:
    """Listens from the beginning to the end of its `with` block, a thread per connection."""

    def __init__(
        self,
        *,
        abilities: tuple[str, ...] = ABILITIES,
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        users: Mapping[str, str] | None = None,
        keep: bool = True,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        """`tls` offers STARTTLS (or is used at once); `users` offers AUTH PLAIN LOGIN; keep=False only counts.

        `host` and `port` are for a second sink that shares the first one's port at another loopback address.
        """
        self.abilities = abilities
        self.mails: list[Mail] = []
        self.connections = 0
        """How many connections were made so far."""
        self.accepted = 0
        """How many mails were accepted so far."""
        self.commands: list[tuple[int, str]] = []
        """Every command line with the number of its connection."""
        self.host = host
        self.port = port
        self._tls = tls
        self._implicit_tls = implicit_tls
        self._users = users
        self._keep = keep
        self._rules: list[_Rule] = []
        self._changed = threading.Condition()
        self._open: set[socket.socket] = set()
        self._ended = threading.Event()
        self._server: _Server | None = None

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{self.host}:{self.port}"

    def on(
        self,
        verb: str,
        reply: Reply,
        *,
        recipient: str | None = None,
        connection: int | None = None,
        times: int | None = None,
    ) -> None:
        """Answer `verb` with `reply`, only for one recipient or connection, only so many times where given.

        `recipient` fits the RCPT address, and after it every verb of a
        transaction that has this recipient accepted.
        """
        with self._changed:
            self._rules.insert(0, _Rule(verb.upper(), reply, recipient, connection, times))

    def wait_for(self, mails: int, seconds: float = 30) -> list[Mail]:
        """Return the mails once there are so many; raise PeerFailed after `seconds`."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.accepted >= mails, seconds):
                raise PeerFailed(f"the sink has {self.accepted} of {mails} mails after {seconds} s")
            return list(self.mails)

    def mails_to(self, recipient: str) -> list[Mail]:
        """Return the mails that this recipient got."""
        with self._changed:
            return [mail for mail in self.mails if recipient in mail.recipients]

    def clear(self) -> None:
        """Forget mails, commands and rules; connections stay open."""
        with self._changed:
            self.mails.clear()
            self.commands.clear()
            self._rules.clear()
            self.accepted = 0

    def drop_connections(self) -> None:
        """Close every open connection at once."""
        with self._changed:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> "SmtpSink":
        self._server = _Server(self)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True, name="smtp-sink").start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._server is not None:
            self._server.shutdown()
            self.drop_connections()
            self._server.server_close()

    def _begin(self, connection: socket.socket) -> int:
        with self._changed:
            self.connections += 1
            self._open.add(connection)
            return self.connections

    def _end(self, connection: socket.socket) -> None:
        with self._changed:
            self._open.discard(connection)

    def _replace(self, plain: socket.socket, encrypted: socket.socket) -> None:
        with self._changed:
            self._open.discard(plain)  # the TLS layer has taken its file descriptor
            self._open.add(encrypted)

    def _choose(self, verb: str, connection: int, recipients: list[str], default: Reply) -> Reply:
        with self._changed:
            for rule in self._rules:
                fits = rule.verb == verb and rule.times != 0 and rule.connection in (None, connection)
                if fits and (rule.recipient is None or rule.recipient in recipients):
                    if rule.times is not None:
                        rule.times -= 1
                    return rule.reply
        return default

    def _accept(self, mail: Mail) -> None:
        with self._changed:
            self.accepted += 1
            if self._keep:
                self.mails.append(mail)
            self._changed.notify_all()


class _Dropped(Exception):
    """This side ends the connection."""


class _Session(socketserver.BaseRequestHandler):
    server: "_Server"
    request: socket.socket

    def handle(self) -> None:
        self.sink = self.server.sink
        self.connection = self.request
        self.number = self.sink._begin(self.connection)
        self.helo, self.tls, self.login = "", False, None
        self.transaction = _Transaction()
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self.sink._implicit_tls:
                self._wrap()
            self.file: IO[bytes] = self.request.makefile("rb")
            self._say("CONNECT", "220 sink.test ESMTP")
            while line := self.file.readline():
                self._command(line.rstrip(b"\r\n").decode("utf-8", "surrogateescape"))
        except (_Dropped, OSError, ValueError):
            pass  # the peer, the script or the end of the sink cut the connection
        finally:
            self.sink._end(self.connection)
            if hasattr(self, "file"):
                self.file.close()
            with contextlib.suppress(OSError):
                self.request.close()

    def _command(self, line: str) -> None:
        if self.sink._keep:
            with self.sink._changed:
                self.sink.commands.append((self.number, line))
        verb, _, rest = line.partition(" ")
        verb = verb.upper()
        step = getattr(self, f"_{verb.lower()}", None) if verb in _VERBS else None
        if step is None:
            self._send("500 5.5.1 Command not known")
        else:
            step(rest)

    def _ehlo(self, rest: str) -> None:
        self.helo, self.transaction = rest, _Transaction()
        words = [*self.sink.abilities]
        if self.sink._tls is not None and not self.tls:
            words.append("STARTTLS")
        if self.sink._users is not None:
            words.append("AUTH PLAIN LOGIN")
        lines = ["sink.test", *words]
        marks = ["-"] * (len(lines) - 1) + [" "]
        self._say("EHLO", "\r\n".join(f"250{mark}{line}" for mark, line in zip(marks, lines, strict=True)))

    def _helo(self, rest: str) -> None:
        self.helo, self.transaction = rest, _Transaction()
        self._say("HELO", "250 sink.test")

    def _starttls(self, _: str) -> None:
        if self.sink._tls is None:
            self._send("502 5.5.1 Not here")
        elif self._say("STARTTLS", "220 2.0.0 Go ahead"):
            self.file.close()
            self._wrap()
            self.file = self.request.makefile("rb")
            self.helo = ""

    def _auth(self, rest: str) -> None:
        mechanism, _, initial = rest.partition(" ")
        if mechanism.upper() == "PLAIN":
            _, user, password = self._answer(initial or None, "").split("\0")
        else:
            user = self._answer(initial or None, "Username:")
            password = self._answer(None, "Password:")
        right = self.sink._users is not None and self.sink._users.get(user) == password
        if self._say("AUTH", "235 2.7.0 Welcome" if right else "535 5.7.8 Wrong user name or password"):
            self.login = user

    def _answer(self, given: str | None, challenge: str) -> str:
        if given is None:
            self._send("334 " + base64.b64encode(challenge.encode()).decode())
            given = self.file.readline().strip().decode()
        return "" if given == "=" else base64.b64decode(given).decode()

    def _mail(self, rest: str) -> None:
        address, parameters = _path(rest)
        if self._say("MAIL", "250 2.1.0 Ok", [address]):
            self.transaction = _Transaction(address, parameters)

    def _rcpt(self, rest: str) -> None:
        address, parameters = _path(rest)
        default = "250 2.1.5 Ok" if self.transaction.reverse_path is not None else "503 5.5.1 MAIL first"
        if self._say("RCPT", default, [address]):
            self.transaction.recipients.append((address, parameters))

    def _data(self, _: str) -> None:
        accepted = [address for address, _ in self.transaction.recipients]
        if not self._say("DATA", "354 Go ahead" if accepted else "503 5.5.1 No valid recipient", accepted):
            return
        content = bytearray()
        while (line := self.file.readline()) != b".\r\n":
            if not line:
                raise _Dropped
            content += line[1:] if line.startswith(b".") else line
        self._finish("DOT", bytes(content), accepted)

    def _bdat(self, rest: str) -> None:
        size, _, last = rest.partition(" ")
        self.transaction.chunks += self.file.read(int(size))
        accepted = [address for address, _ in self.transaction.recipients]
        if last.upper() != "LAST":
            self._send("250 2.0.0 Chunk taken" if accepted else "503 5.5.1 No valid recipient")
        elif accepted:
            self._finish("BDAT", bytes(self.transaction.chunks), accepted)
        else:
            self._send("503 5.5.1 No valid recipient")

    def _finish(self, verb: str, content: bytes, accepted: list[str]) -> None:
        taken, self.transaction = self.transaction, _Transaction()
        # The record is made before the reply leaves: who has read the 250 finds the mail in the sink.
        reply = self.sink._choose(verb, self.number, accepted, "250 2.0.0 Taken")
        if (reply.reply if isinstance(reply, Slow) else reply if isinstance(reply, str) else "").startswith("2"):
            parameters = tuple(given for _, given in taken.recipients)
            self.sink._accept(
                Mail(
                    taken.reverse_path or "",
                    taken.mail_parameters,
                    tuple(accepted),
                    parameters,
                    content,
                    self.number,
                    self.helo,
                    self.tls,
                    self.login,
                )
            )
        self._perform(reply)

    def _rset(self, _: str) -> None:
        self.transaction = _Transaction()
        self._say("RSET", "250 2.0.0 Ok")

    def _noop(self, _: str) -> None:
        self._say("NOOP", "250 2.0.0 Ok")

    def _quit(self, _: str) -> None:
        self._say("QUIT", "221 2.0.0 Bye")
        raise _Dropped

    def _say(self, verb: str, default: str, recipients: list[str] | None = None) -> bool:
        """Send the scripted reply or the default; tell whether it was positive."""
        return self._perform(self.sink._choose(verb, self.number, recipients or [], default))

    def _perform(self, reply: Reply) -> bool:
        match reply:
            case Drop():
                raise _Dropped
            case Silence():
                self.sink._ended.wait()
                raise _Dropped
            case Slow(seconds, text):
                time.sleep(seconds)
                return self._send(text)
            case str():
                return self._send(reply)

    def _send(self, text: str) -> bool:
        self.request.sendall(text.encode("utf-8", "surrogateescape") + b"\r\n")
        if text.startswith("421"):
            raise _Dropped
        return text[0] in "23"

    def _wrap(self) -> None:
        if self.sink._tls is None:
            raise ValueError("implicit TLS needs a context")
        self.request = self.sink._tls.wrap_socket(self.request, server_side=True)
        self.sink._replace(self.connection, self.request)
        self.connection, self.tls = self.request, True


_VERBS = {"EHLO", "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "QUIT"}


def _path(rest: str) -> tuple[str, tuple[str, ...]]:
    """Cut `FROM:<a@b> SIZE=1` into address and parameters; a quoted local-part may hold spaces and brackets."""
    found = re.match(r'\w+:\s*<((?:"(?:\\.|[^"\\])*"|[^>"])*)>(.*)', rest)
    if found is None:
        raise ValueError(f"not a path: {rest!r}")
    return found[1], tuple(found[2].split())


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(self, sink: SmtpSink) -> None:
        self.sink = sink
        super().__init__((sink.host, sink.port), _Session)
