"""What an SMTP server answers: reply code, enhanced status code and text as one value.

RFC 5321 4.2 (replies), RFC 2034 and RFC 3463 (enhanced status codes).
"""

import re
from dataclasses import dataclass

_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?: |$)")


@dataclass(frozen=True, slots=True)
class SmtpReply:
    """One reply, as we send it or as a peer sent it."""

    code: int
    """Reply code, 200 to 599."""
    enhanced: str
    """Enhanced status code such as `5.1.1`; empty where the peer sent none or one of another class."""
    text: str
    """Text without code and enhanced status; lines are joined by a line feed."""

    @property
    def is_success(self) -> bool:
        """2yz or 3yz."""
        return 200 <= self.code < 400

    @property
    def is_transient(self) -> bool:
        """4yz: a persistent transient failure, to be tried again."""
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        """5yz: a permanent failure."""
        return self.code >= 500

    @property
    def status(self) -> str:
        """The enhanced status code, or the general one of the reply's class."""
        return self.enhanced or f"{min(self.code // 100, 5)}.0.0"

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code), self.enhanced, self.text.replace("\n", " ")) if part)

    def to_wire(self) -> bytes:
        """Return the reply as it goes to a client, one line or several, ending in CRLF."""
        lines = self.text.split("\n")
        status = self.enhanced + " " if self.enhanced else ""
        head = [f"{self.code}-{status}{line}" for line in lines[:-1]]
        last = f"{self.code} {status}{lines[-1]}"
        return ("\r\n".join([*head, last]) + "\r\n").encode("utf-8", "replace")


def reply_from_lines(lines: list[bytes]) -> SmtpReply:
    """Return the reply that a peer sent as `lines` (without CRLF, each at least `NNN`).

    Bytes that are not UTF-8 become U+FFFD. The enhanced status code is taken from
    the first line and only where its class is that of the reply code (RFC 2034 4).
    Raises ValueError where a line has no reply code.
    """
    code = int(lines[0][:3])
    if not 200 <= code <= 599:
        raise ValueError(f"reply code {code}")
    texts = [line[4:].decode("utf-8", "replace") for line in lines]
    match = _ENHANCED.match(texts[0])
    if match is None or int(match[1]) != code // 100:
        return SmtpReply(code, "", "\n".join(texts))
    enhanced = match[0].rstrip()
    return SmtpReply(code, enhanced, "\n".join(text.removeprefix(enhanced).lstrip(" ") for text in texts))
