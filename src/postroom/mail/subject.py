"""What the beginning of a subject says: that a mail answers another one or sends it on (RFC 5322 3.6.5)."""

import re

from postroom.mail.languages.subjects import ANSWER, FORWARD

_COUNT = r"\s*(?:\[\d{1,3}\]|\(\d{1,3}\)|\^\d{1,3})?\s*[:\uff1a]"
_ANSWER = re.compile(rf"(?:{'|'.join(map(re.escape, ANSWER))}){_COUNT}", re.IGNORECASE)
_PREFIX = re.compile(rf"(?:{'|'.join(map(re.escape, ANSWER + FORWARD))}){_COUNT}\s*", re.IGNORECASE)
_MOST_PREFIXES = 20


def is_answer_subject(subject: str) -> bool:
    """Tell whether a subject begins as that of an answer does."""
    return _ANSWER.match(subject.lstrip()[:40]) is not None


def has_prefix(subject: str) -> bool:
    """Tell whether a subject begins as that of an answer does, or of a mail that is sent on."""
    return _PREFIX.match(subject.lstrip()[:40]) is not None


def bare_subject(subject: str) -> str:
    """Return the subject without what answers and forwards put in front."""
    subject = subject.strip()[:998]
    for _ in range(_MOST_PREFIXES):
        match = _PREFIX.match(subject)
        if match is None:
            break
        subject = subject[match.end() :]
    return subject
