"""Bytes from an SMTP server in, replies out. RFC 5321 4.2; no I/O.

A server may be hostile: lines and replies have limits, and whatever is not a
reply ends the reading with a sentence that says why. Afterwards nothing more
is read, since nobody can tell where the next reply begins.
"""

from postroom.mail.smtp_reply import SmtpReply, reply_from_lines

MAX_LINE_BYTES = 4096
"""RFC 5321 4.5.3.1.5 allows 512; some filters write whole paragraphs with a URL."""
MAX_LINES = 128
"""Of one reply. EHLO answers have about 20."""
MAX_WAITING = 1024
"""Replies that nobody has taken yet; the most recipients that one transaction has is 500."""

_KNOWN_LINES = 16


class ReplyReader:
    """Collects replies in the order in which they arrive.

    `fault` is empty until the server sends something that is no reply.
    `closing` is true once a 421 has come: the server ends the session (RFC 5321 3.8).
    """

    __slots__ = ("_known", "_lines", "_rest", "closing", "fault", "replies")

    def __init__(self) -> None:
        self.replies: list[SmtpReply] = []
        self.fault = ""
        self.closing = False
        self._rest = b""
        self._lines: list[bytes] = []
        self._known: dict[bytes, SmtpReply] = {}

    def feed(self, data: bytes) -> None:
        """Take bytes of any length; look at `replies`, `fault` and `closing` afterwards."""
        if self.fault:
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line[:-1] if line.endswith(b"\r") else line)
            if self.fault:
                return
        if len(self.replies) > MAX_WAITING:
            self.fault = "the server sends replies that nobody asked for"
        if len(self._rest) > MAX_LINE_BYTES:
            self.fault = "a reply line is too long"

    def take(self, count: int) -> list[SmtpReply]:
        """Remove and return the first `count` replies, or fewer where not so many are there."""
        taken = self.replies[:count]
        del self.replies[:count]
        return taken

    @property
    def has_unread(self) -> bool:
        """Tell whether anything is left, a whole reply or the beginning of one."""
        return bool(self.replies or self._rest or self._lines)

    def forget(self) -> None:
        """Drop everything read: what came in clear before TLS may be anybody's (RFC 3207 4.2)."""
        self.replies, self._rest, self._lines = [], b"", []

    def _take(self, line: bytes) -> None:
        known = self._known.get(line)
        if known is not None and not self._lines:
            self.replies.append(known)
            return
        if len(line) > MAX_LINE_BYTES:
            self.fault = "a reply line is too long"
            return
        mark = line[3:4]
        if not line[:3].isdigit() or mark not in (b" ", b"-", b"") or (self._lines and self._lines[0][:3] != line[:3]):
            self.fault = f"not a reply: {line[:80]!r}"
            return
        if mark == b"-":
            self._lines.append(line)
            if len(self._lines) >= MAX_LINES:
                self.fault = "a reply has too many lines"
            return
        lines, self._lines = [*self._lines, line], []
        try:
            reply = reply_from_lines(lines)
        except ValueError:
            self.fault = f"not a reply: {line[:80]!r}"
            return
        self.replies.append(reply)
        self.closing = self.closing or reply.code == 421
        if len(lines) == 1 and reply.code < 400:
            # A server says the same to nearly every MAIL, RCPT and DATA: parsing it once halves the cost of a mail.
            if len(self._known) >= _KNOWN_LINES:
                self._known.clear()
            self._known[line] = reply
