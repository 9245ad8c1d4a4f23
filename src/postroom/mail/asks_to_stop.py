"""Whether a person asks for no more mail, or complains about it, in what he wrote himself.

Only short and clear sentences count; many languages are known
(`mail.languages.stopping`). What might mean somebody or something else, stands
in a long letter or is a question, is doubtful: a person should look at it. What
is quoted, and what our own footer says, must not be handed in:
`mail.quoted_text` takes it off.
"""

import re
from dataclasses import dataclass
from enum import Enum

from postroom.mail.languages import stopping as words

_MOST_SENTENCES = 40
_LONGEST_SENTENCE = 220
_LONGEST_TEXT = 4_000
"""Letters; what is longer is a letter or a newsletter, where such a sentence proves nothing."""
_LONGEST_CLEAR_TEXT = 700
"""Letters of a reply that is about nothing else."""
_MOST_CLEAR_SENTENCES = 8
_LONGER = 3
"""Spaces in a sentence that says more than a name and thanks."""

_BEGIN_A_SENTENCE = (
    r"i (?:never|did)|please\b|bitte\b|stop\b|(?:por )?favor\b|merci de\b|veuillez\b|proszę\b|прошу\b"
    + r"|(?:this is|it is|das ist|c'est|esto es|questo è|isto é|dit is|to jest|это)\b"
)
"""Behind a comma."""
_TELLS = ("says", "said", "think", "thinks", "thought", "meint", "sagt", "denkt")
_NOT_TOLD = "".join(rf"(?<!\b{verb})" for verb in _TELLS)
"""In front of it: not what a filter or another person says."""
_ENDS = re.compile(
    r"[\n\u3002\uff01\uff1f;]+|(?<=[.!?])[.!?]*(?:\s+|$)|" + _NOT_TOLD + r",\s(?=" + _BEGIN_A_SENTENCE + ")",
    re.IGNORECASE,
)
_SPACES = re.compile(r"\s+")
_AROUND = " \t*_#\"'`\u201c\u201d\u00ab\u00bb()[]{}<>.,:;!?\u3002\uff01\uff1f\u2026-\u2013\u2014~|/"
_QUESTION = re.compile(r"[?\uff1f]\s*[)\"'\u201d]?\s*$")


def _any(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


_STOP, _COMPLAIN = tuple(map(re.compile, words.STOP)), tuple(map(re.compile, words.COMPLAIN))
_NOT_MEANT, _MAYBE = _any(words.NOT_MEANT), _any(words.MAYBE)
_OTHERS, _THINGS = _any(words.OTHERS), _any(words.THINGS)
_HINTS = tuple(dict.fromkeys(words.HINTS))
_COMMANDS = frozenset(words.COMMANDS)
_POLITE = tuple(sorted(words.POLITE, key=len, reverse=True))


class _Means(Enum):
    NOTHING = 0
    MAYBE = 1
    STOP = 2
    COMPLAINT = 3


@dataclass(frozen=True, slots=True)
class Stop:
    """A wish for no more mail."""

    sentence: str
    """As written, at most 500 characters."""
    is_complaint: bool
    """It says that the mail is spam or was never asked for, or threatens; else it only wants to leave."""
    is_doubtful: bool
    """A person should look before anything follows."""


def asks_to_stop(written: str) -> Stop | None:
    """Return the clearest wish for no more mail in what a person wrote, or None. Any text is allowed."""
    written = written.strip()
    if len(written) > _LONGEST_TEXT:
        return None
    sentences = _sentences(written)
    is_long = len(written) > _LONGEST_CLEAR_TEXT or len(sentences) > _MOST_CLEAR_SENTENCES
    found: list[Stop] = []
    for sentence, plain in sentences:
        means = _judge(plain, is_alone=len(sentences) <= 4)
        if means is not _Means.NOTHING and not (is_long and means is _Means.MAYBE):
            is_doubtful = (
                is_long
                or means is _Means.MAYBE
                or _QUESTION.search(sentence) is not None
                or _OTHERS.search(plain) is not None
                or (means is _Means.STOP and _THINGS.search(plain) is not None)
                or (_is_bare(plain) and any(other.count(" ") >= _LONGER for _, other in sentences if other != plain))
            )
            found.append(Stop(sentence[:500], means is _Means.COMPLAINT, is_doubtful))
    # What is clear goes before what is doubtful, a complaint before a wish to leave.
    found.sort(key=lambda one: (one.is_doubtful, not one.is_complaint))
    return found[0] if found else None


def _sentences(text: str) -> list[tuple[str, str]]:
    """Return the sentences as written and made plain: those at the beginning and the end."""
    pieces = [piece.strip() for piece in _ENDS.split(text)]
    pieces = [piece for piece in pieces if any(map(str.isalnum, piece))]
    if len(pieces) > _MOST_SENTENCES:
        pieces = pieces[: _MOST_SENTENCES - 10] + pieces[-10:]
    return [(piece, _plain(piece)) for piece in pieces]


def _plain(sentence: str) -> str:
    if len(sentence) > _LONGEST_SENTENCE or "://" in sentence or "|" in sentence:
        return ""  # the last two: a footer
    lowered = sentence.lower().replace("\u2019", "'").replace("\u2018", "'").replace("i\u0307", "i")
    return _SPACES.sub(" ", lowered).strip(_AROUND)


def _judge(plain: str, *, is_alone: bool) -> _Means:
    if is_alone and _is_command(plain):
        return _Means.STOP
    if not any(hint in plain for hint in _HINTS) or _NOT_MEANT.search(plain):
        return _Means.NOTHING
    if any(pattern.search(plain) for pattern in _COMPLAIN):
        return _Means.COMPLAINT
    bare = _without_politeness(_without_politeness(plain))
    said = (plain,) if bare == plain else (plain, bare)
    if any(pattern.search(each) for pattern in _STOP for each in said):
        return _Means.STOP
    return _Means.MAYBE if _MAYBE.search(plain) else _Means.NOTHING


def _is_command(plain: str) -> bool:
    """Tell whether a sentence is a command and polite words around it, nothing else."""
    if len(plain) > 80:
        return False
    for _ in range(6):
        if plain in _COMMANDS:
            return True
        shorter = _without_politeness(plain)
        if shorter == plain:
            return False
        plain = shorter
    return plain in _COMMANDS


def _is_bare(plain: str) -> bool:
    return plain in words.BARE or _without_politeness(plain) in words.BARE


def _without_politeness(plain: str) -> str:
    for word in _POLITE:
        at_end, at_begin = plain.endswith(word), plain.startswith(word)
        if not at_end and not at_begin:
            continue
        rest = plain[len(word) :] if at_begin else plain[: -len(word)]
        beside = rest[:1] if at_begin else rest[-1:]
        if rest and (not word.isascii() or not beside.isalnum()):
            return rest.strip(_AROUND)
    return plain
