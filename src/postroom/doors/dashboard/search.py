"""The search of the activity page: one line of text that is also the page's address. Pure.

`to:ada@example.net state:deferred since:2d welcome` is four terms. Terms with
the same word before the colon are alternatives, the others must all hold. What
stands alone is a word of the subject, except an address or an id, which mean
themselves. A value with white space stands in quotes. What cannot be
understood is explained and left out, never an error.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from postroom.base.clock import DAY_MS, HOUR_MS
from postroom.base.ids import first_id_at, parse_id
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.states import RecipientState, Stream
from postroom.mail.reasons import Reason

MAX_TEXT = 1000
MAX_TERMS = 20
SUBJECT_DAYS = 30
"""Words of the subject are looked for in this many days, unless the search names a time itself."""

WORD = "word"
OF_EVENTS = ("event", "label")
"""The keys that only events have."""
_ONLY_ONE = ("since", "before", "id")
KEYS = ("to", "domain", "state", "tag", "provider", "reason", "stream", "id", "event", "label", "since", "before")
"""The words before a colon, in the order in which the page lists them."""

_MAX_ID = (1 << 63) - 1
_ANY_EVENT = "any"
_STATES = tuple(state.value for state in RecipientState)
_STREAMS = tuple(stream.value for stream in Stream)
_REASONS = tuple(reason.value for reason in Reason)
_EVENTS = (_ANY_EVENT, *(kind.value for kind in EventKind))
_LABELS = ("human", "machine", "unknown")
_SPAN = re.compile(r"(\d{1,4})([mhdw])", re.ASCII)
_SPAN_MS = {"m": 60_000, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)?)?", re.ASCII | re.IGNORECASE)
_KEYED = re.compile(r"([A-Za-z_]+):")
_ID = re.compile(r"(?:msg|rcp)_[a-z2-7]{13}")
_ADDRESS = re.compile(r"[^\s@\"]+@[^\s@\"]+\.[^\s@\"]+")


class Term(NamedTuple):
    """One condition: a key of KEYS with its value, or WORD with a piece of the subject."""

    key: str
    value: str


class Problem(NamedTuple):
    """A piece of the search that is left out, and why."""

    text: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Search:
    """A search that was read."""

    terms: tuple[Term, ...] = ()
    problems: tuple[Problem, ...] = ()

    def values(self, key: str) -> tuple[str, ...]:
        """Return the values of a key, in the order in which they stand."""
        return tuple(term.value for term in self.terms if term.key == key)

    def without(self, term: Term) -> "Search":
        """Return the search without one term, for its chip."""
        return Search(tuple(one for one in self.terms if one != term))

    def with_term(self, key: str, value: str) -> "Search":
        """Return the search with one more term; of `since`, `before` and `id` only the last counts."""
        return Search(_add(self.terms, Term(key, value)))

    @property
    def is_of_events(self) -> bool:
        """Events are asked for, not recipients."""
        return any(term.key in OF_EVENTS for term in self.terms)

    def __str__(self) -> str:
        """Return the text that is read as this search again."""
        return " ".join(map(_shown, self.terms))


def parse_search(text: str) -> Search:
    """Return what a text asks for. Never raises; what it cannot mean is told in `problems`."""
    problems: list[Problem] = []
    if len(text) > MAX_TEXT:
        problems.append(Problem("…", f"only the first {MAX_TEXT} letters of a search are read"))
    terms: tuple[Term, ...] = ()
    for piece in _pieces(_clean(text[:MAX_TEXT])):
        found = _read(piece)
        if isinstance(found, Problem):
            problems.append(found)
        elif found is not None:
            terms = _add(terms, found)
    if len(terms) > MAX_TERMS:
        problems.append(Problem("…", f"only the first {MAX_TERMS} terms of a search are used"))
    return Search(terms[:MAX_TERMS], tuple(problems))


@dataclass(frozen=True, slots=True)
class Span:
    """A span of ids: those that were made from a time on and before another."""

    least_id: int | None
    before_id: int | None


def span_of(search: Search, now_ms: int) -> Span:
    """Return the ids of the asked time. Words of the subject reach SUBJECT_DAYS back where no time is named."""
    since, before = search.values("since"), search.values("before")
    least = _time_ms(since[0], now_ms) if since else None
    end = _time_ms(before[0], now_ms) if before else None
    if least is None and search.values(WORD):
        least = (end if end is not None else now_ms) - SUBJECT_DAYS * DAY_MS
    return Span(_id_at(least), _id_at(end))


def time_text(at_ms: int) -> str:
    """Return a time as a value of `since` and `before`, to the minute."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")


class _Piece(NamedTuple):
    key: str
    """In front of the colon, as written; empty where there is none."""
    value: str
    quoted: bool


def _clean(text: str) -> str:
    # A database takes neither NUL nor half a surrogate pair.
    return "".join(" " if letter < " " or letter == "\x7f" else letter for letter in text).encode(
        "utf-8", "replace"
    ).decode()  # fmt: skip


def _pieces(text: str) -> list[_Piece]:
    pieces = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        keyed = _KEYED.match(text, at)
        key = keyed[1] if keyed else ""
        start = keyed.end() if keyed else at
        if text[start : start + 1] == '"':
            value, at = _quoted(text, start + 1)
            pieces.append(_Piece(key, value, quoted=True))
            continue
        end = start
        while end < len(text) and not text[end].isspace():
            end += 1
        pieces.append(_Piece(key, text[start:end], quoted=False))
        at = end
    return pieces


def _quoted(text: str, at: int) -> tuple[str, int]:
    """Return the value up to the closing quote or the end, and where what follows begins."""
    value = []
    while at < len(text):
        if text[at] == "\\" and at + 1 < len(text):
            value.append(text[at + 1])
            at += 2
        elif text[at] == '"':
            return "".join(value).strip(), at + 1
        else:
            value.append(text[at])
            at += 1
    return "".join(value).strip(), at


def _read(piece: _Piece) -> Term | Problem | None:
    key, value, quoted = piece
    if not key:
        return _bare(value, quoted=quoted)
    name = key.lower()
    if name not in KEYS:
        if not value:
            # `Re:` is a word of many subjects.
            return Term(WORD, f"{key}:")
        words = ", ".join(f"{one}:" for one in KEYS)
        return Problem(f"{key}:", f'there is no “{key}:”; there are {words} (or put it in quotes: "{key}:{value}")')
    if not value:
        return Problem(f"{key}:", f"“{key}:” needs a value, {_EXAMPLES[name]}")
    read = _READERS.get(name)
    if read is None:
        return Term(name, value)
    read_value = read(value)
    if isinstance(read_value, Problem):
        return read_value
    return Term(name, read_value)


def _bare(value: str, *, quoted: bool) -> Term | None:
    if not value:
        return None
    if not quoted and _ID.fullmatch(value) and _is_id(value):
        return Term("id", value)
    if not quoted and _ADDRESS.fullmatch(value):
        return Term("to", value)
    return Term(WORD, value)


def _add(terms: tuple[Term, ...], term: Term) -> tuple[Term, ...]:
    if term.key in _ONLY_ONE:
        terms = tuple(one for one in terms if one.key != term.key)
    return terms if term in terms else (*terms, term)


def _shown(term: Term) -> str:
    if term.key == WORD:
        plain = _pieces(term.value) == [_Piece("", term.value, quoted=False)]
        return term.value if plain and _bare(term.value, quoted=False) == term else _in_quotes(term.value)
    is_plain = not any(letter.isspace() for letter in term.value) and not term.value.startswith('"')
    return f"{term.key}:{term.value if is_plain else _in_quotes(term.value)}"


def _in_quotes(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


# What the values of the keys may be


def _one_of(key: str, words: tuple[str, ...]) -> Callable[[str], str | Problem]:
    def read(value: str) -> str | Problem:
        word = value.lower().replace("-", "_").replace(" ", "_")
        if word in words:
            return word
        return Problem(f"{key}:{value}", f"“{value}” is no {key}; there are {', '.join(words)}")

    return read


def _address(value: str) -> str | Problem:
    if "@" in value:
        return value
    return Problem(f"to:{value}", f"“to:” takes a whole address; for everybody at a domain write domain:{value}")


def _domain(value: str) -> str | Problem:
    return value.rpartition("@")[2] or Problem(f"domain:{value}", f"“domain:” needs a value, {_EXAMPLES['domain']}")


def _id(value: str) -> str | Problem:
    if _is_id(value):
        return value
    return Problem(f"id:{value}", f"“{value}” is no id; {_EXAMPLES['id']}")


def _is_id(value: str) -> bool:
    return parse_id("msg", value) is not None or parse_id("rcp", value) is not None


def _time(key: str) -> Callable[[str], str | Problem]:
    def read(value: str) -> str | Problem:
        if _time_ms(value, 0) is not None:
            return value
        return Problem(f"{key}:{value}", f"“{value}” is no time; {_EXAMPLES[key]}")

    return read


def _time_ms(value: str, now_ms: int) -> int | None:
    """Return a time as epoch milliseconds: so long before `now_ms`, or a date, in UTC where it names no offset."""
    span = _SPAN.fullmatch(value)
    if span is not None:
        return now_ms - int(span[1]) * _SPAN_MS[span[2]]
    if _TIME.fullmatch(value) is None:
        return None
    try:
        time = datetime.fromisoformat(value.upper())
        time = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
        return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        return None


def _id_at(at_ms: int | None) -> int | None:
    return None if at_ms is None else min(first_id_at(at_ms), _MAX_ID)


_EXAMPLES = {
    "to": "such as to:ada@example.net",
    "domain": "such as domain:example.net",
    "state": f"one of {', '.join(_STATES)}",
    "tag": "such as tag:welcome",
    "provider": "such as provider:google",
    "reason": f"one of {', '.join(_REASONS)}: why it failed",
    "stream": f"one of {', '.join(_STREAMS)}",
    "id": "write the id of a message (msg_…) or of a recipient (rcp_…)",
    "event": f"one of {', '.join(_EVENTS)}",
    "label": f"one of {', '.join(_LABELS)}: whose an open or a click is taken for",
    "since": "write since:2d (m, h, d, w) or since:2026-11-20",
    "before": "write before:2d (m, h, d, w) or before:2026-11-20",
}

_READERS: dict[str, Callable[[str], str | Problem]] = {
    "to": _address,
    "domain": _domain,
    "state": _one_of("state", _STATES),
    "stream": _one_of("stream", _STREAMS),
    "provider": str.lower,
    "reason": _one_of("reason", _REASONS),
    "id": _id,
    "event": _one_of("event", _EVENTS),
    "label": _one_of("label", _LABELS),
    "since": _time("since"),
    "before": _time("before"),
}
