"""The mails of an mbox file (RFC 4155): each behind a line that says from whom and when it came. Pure."""

import re
from collections.abc import Iterator

# What a mailbox program writes: the time as asctime(3) does. A sentence that begins with "From" has none.
_POSTMARK = rb"From [^\r\n]{0,998}?\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) +[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d[^\r\n]*\r?\n"
_FIRST = re.compile(_POSTMARK)
# Behind it a field stands, or another line that programs put in front.
_FURTHER = re.compile(rb"(?<=\n)\r?\n(?=" + _POSTMARK + rb">?[!-9;-~]+[ :])")


def mails_of(raw: bytes) -> Iterator[bytes]:
    """Yield the mails of a file, each with its mbox line in front; a file that is no mbox is one mail as it stands."""
    start = 0
    if _FIRST.match(raw):
        for further in _FURTHER.finditer(raw):
            yield raw[start : further.end()]
            start = further.end()
    yield raw[start:]
