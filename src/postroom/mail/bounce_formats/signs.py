"""Signs of a report by a mail system: who sent it, what its subject and its sentences say.

None decides alone: `bounce_formats.report` weighs them together.
"""

import re
from collections.abc import Sequence

from postroom.mail.bounce_formats import words
from postroom.mail.bounce_formats.named import ADDRESS
from postroom.mail.languages import letters
from postroom.mail.received import Received
from postroom.mail.subject import has_prefix

_ADDRESS = re.compile(ADDRESS)
_PERMANENT = re.compile(r"(?<![\w.-])5(?:\d\d[ -]|\.\d{1,3}\.\d{1,3}(?![\w.]))")


def is_from_system(mail: Received) -> bool:
    """Tell whether the mail's From is that of a mail system, or empty."""
    author = mail.header.value("from")
    return not author.strip(" <>") or words.SYSTEM_NAMES.search(author) is not None


def is_by_program(mail: Received) -> bool:
    """Tell whether the header names a program that wrote the mail (RFC 3834 5, and list servers)."""
    submitted = mail.header.value("auto-submitted").lower()
    return submitted.startswith("auto") or "x-mlserver" in mail.header or "x-failed-recipients" in mail.header


def reads_like_a_letter(mail: Received, told: Sequence[str]) -> bool:
    """Tell whether a person seems to write: has a name, greets, asks, says what he did, or closes a letter."""
    author = mail.header.value("from")
    name = author.rpartition("<")[0].strip(" \"'")
    if name and "@" not in name and words.PROGRAM_NAMES.search(name) is None:
        return True
    lines = (mail.header.value("subject")[-2:], *told[:12], *told[12:][-6:])
    return any(letters.LETTER.search(line.strip()) for line in lines)


def has_null_path(mail: Received) -> bool:
    """Tell whether the mail was sent with the null reverse-path."""
    return mail.header.raw("return-path").strip() == b"<>"


def is_answer(subject: str) -> bool:
    """Tell whether a subject begins like that of an answer or of a forwarded mail."""
    return has_prefix(subject) and words.FAILED_AT_END.search(subject) is None


def is_failing(line: str) -> bool:
    """Tell whether a sentence could tell of a failure."""
    return words.FAILING.search(line) is not None


def is_failing_subject(subject: str) -> bool:
    """Tell whether a subject says that something was not delivered."""
    return words.FAILING_SUBJECT.search(subject) is not None and not is_answer(subject)


def addresses_in_failing_subject(subject: str) -> list[str]:
    """Return the addresses that a subject names, where it says that something was not delivered."""
    return _ADDRESS.findall(subject) if is_failing_subject(subject) else []


def is_delay(subject: str, text: str) -> bool:
    """Tell whether a report without fields for programs says that the mail is still being tried."""
    if words.GIVEN_UP.search(text) is not None:
        return False
    # A permanent answer is final, whatever the sentences around it say.
    is_final = _PERMANENT.search(text) is not None
    return words.DELAYED.search(subject) is not None or (not is_final and words.DELAYED.search(text) is not None)
