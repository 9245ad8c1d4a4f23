"""Which mail is not taken whoever it is for, as far as its content says."""

from postroom.mail.header import split_header
from postroom.mail.hops import is_loop
from postroom.mail.smtp_reply import SmtpReply

LOOP = SmtpReply(554, "5.4.6", "this mail goes in a circle")
HEADER_TOO_LARGE = SmtpReply(552, "5.3.4", "the header is too large")
_EMPTY = SmtpReply(550, "5.6.0", "this is no mail: it has neither header nor body")


def refusal(content: bytes, hostname: str, *, is_whole: bool) -> SmtpReply | None:
    """Return why a mail is not taken, or None. Of a large one `content` is the first block; `hostname` is ours."""
    header, body = split_header(content)
    if not content.strip():
        return _EMPTY
    if not is_whole and body >= len(content):
        return HEADER_TOO_LARGE
    return LOOP if is_loop(header, hostname) else None
