"""Refusals by a rule of the recipient's mailbox: Sieve's reject, told by an MDN of his mail system (RFC 5429 2.1.2)."""

import re

from postroom.mail.bounce_formats.delivery_status import read_blocks
from postroom.mail.bounce_formats.named import Named
from postroom.mail.bounce_formats.signs import is_from_system
from postroom.mail.received import Received

REFUSAL = "refused by a rule of the mailbox"
"""Name of this format. What such a report says is the recipient's own words, whatever they sound like."""

_DELETED = re.compile(
    r"^Disposition:[ \t]*automatic-action[ \t]*/[^;\n]*;[ \t]*deleted\b", re.IGNORECASE | re.MULTILINE
)
_MOST = 100_000


def read_refusal(mail: Received) -> list[Named]:
    """Return who refuses the mail; empty where the mail is no such report.

    A program of the reader says *deleted*, too, but in his own name.
    """
    if not is_from_system(mail):
        return []
    for number in mail.leaves(b"message/disposition-notification"):
        text = mail.text(number, _MOST)
        if _DELETED.search(text) is not None:
            return [Named(one.address, action="failed", family=REFUSAL) for one in read_blocks(text)]
    return []
