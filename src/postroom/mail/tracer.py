"""The mark of a tracer: a mail of ours to a watched account, sent to see how long it takes."""

import re

from postroom.mail.address_list import parse_mailbox
from postroom.mail.compose import Draft, compose

CODE_BYTES = 10
"""Of chance; the code is their hexadecimal digits."""

# Servers may fold the field or put a word such as [EXTERNAL] in front.
_MARK = re.compile(r"\bTRACER:\s*([0-9a-f]{20})\b")


def subject_of(code: str) -> str:
    """Return the subject of the tracer with this code."""
    return f"TRACER: {code}"


def code_in(subject: str) -> str | None:
    """Return the code that a subject carries, or None: then the mail is no tracer of anybody's.

    Whoever writes such a subject makes no tracer: `store.tracers.arrived` knows those that were sent.
    """
    found = _MARK.search(subject)
    return None if found is None else found[1]


def tracer_mail(address: str, code: str, message_id: str, date_ms: int) -> bytes:
    """Return the tracer that an account sends to itself. Raises WrongInput for what is no mail address."""
    box = parse_mailbox(address, field="email")
    text = f"{subject_of(code)}\n\nPostroom measures how long mail takes to this mailbox. Nobody needs to read this.\n"
    # RFC 3834 5: no machine answers this one.
    fields = (("Auto-Submitted", "auto-generated"),)
    draft = Draft(box, (box,), subject=subject_of(code), text=text, fields=fields)
    return compose(draft, message_id=message_id, date_ms=date_ms).content
