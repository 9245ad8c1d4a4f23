"""What a rule of bounces is, and how a line is held against all of them at once.

A phrase is lower-case text without accents. ` * ` in it stands for up to 120
characters, ` + ` for one word, `@` for an address. It begins at the beginning
of a word. Finding is a look into a table for every two words of the line, so
its time grows with the length of the line and of nothing else. Phrases that
condemn an address leave room for a name, not for a sentence about another.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

from postroom.mail.reasons import Reason

LONGEST_LINE = 2000
"""Characters of a line that are looked at. The longest replies of large providers have 700."""

GENERAL = re.compile(r"[45]\.0\.0")
"""An enhanced status code that says no more than its class (RFC 3463 3.1)."""

_GAP = 120
_BEGINNING = 3
_ADRESS = re.compile(r"\badress\b")
"""Who writes English as a second language, also in a server, writes it with one d."""
_GAPS = re.compile(r" ([*+]) ")
_WORD = re.compile(r"[@\w]+")
_ADDRESS = re.compile(r"<?[^\s<>()\[\]{}\"',;:@=]{1,64}@[a-z0-9._-]{1,255}>?", re.IGNORECASE)
_FRAGMENT = re.compile(r"(https?://[^\s#]{0,300})#\S*", re.IGNORECASE)
_CODE = re.compile(
    r"(?<![\w.])[45]\d\d[- ]['#(]{0,2}(?:[45]\.\d{1,3}\.\d{1,3}(?!\.?\d)\)?)?"
    + r"|[#(]{0,2}(?<![\w.])[45]\.\d{1,3}\.\d{1,3}(?!\.?\d)\)?"
)
_STATUS_AFTER_CODE = re.compile(r"(?<!\d)[45]\d\d[- ]['#(]{0,2}([45]\.\d{1,3}\.\d{1,3})(?!\.?\d)")
_STATUS = re.compile(r"(?<![\d.])([45]\.\d{1,3}\.\d{1,3})(?!\.?\d)")
_LOOKS = str.maketrans(
    # Letters that Unicode takes for letters of their own.
    {"ł": "l", "Ł": "l", "ø": "o", "Ø": "o", "\u0131": "i"}
    | {"\u2019": "'", "\u2018": "'", "\u00b4": "'", "`": "'", "\u201c": '"', "\u201d": '"', "\u2011": "-"}
)


class Rule(NamedTuple):
    """If one of the phrases stands in a line, the reason is this one."""

    name: str
    reason: Reason
    phrases: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    """The rule holds only for answers of these hosts; a part of their name each. Empty: of any."""
    statuses: tuple[str, ...] = ()
    """The rule holds only beside one of these enhanced status codes, written without class: `.4.1`."""
    is_sure: bool = False
    """Of NO_SUCH_USER only: needs no status and no SMTP command beside it to be believed."""


def says(block: str) -> tuple[str, ...]:
    """Return the phrases that `|` parts in a block of text."""
    return tuple(" ".join(phrase.split()) for phrase in block.split("|"))


class Line:
    """A told line, and as rules see it. Most lines are never looked at: the first tells enough."""

    __slots__ = ("_folded", "_status", "raw")

    def __init__(self, text: str) -> None:
        self.raw = " ".join(text[:LONGEST_LINE].split())
        """As it was told, with one space between words, cut."""
        self._folded: str | None = None
        self._status: str | None = None

    @property
    def status(self) -> str:
        """The enhanced status code that stands in it, or nothing."""
        if self._status is None:
            # A relay may write one of its own in front of the reply that it got, or a general one beside a real one.
            found = [*_STATUS_AFTER_CODE.findall(self.raw), *_STATUS.findall(self.raw)]
            self._status = next((one for one in found if not GENERAL.fullmatch(one)), found[0] if found else "")
        return self._status

    @property
    def folded(self) -> str:
        """Lower case, no accents, `@` for addresses, without reply and status codes."""
        if self._folded is None:
            self._folded = fold(_CODE.sub(" ", _FRAGMENT.sub(r"\1", _ADDRESS.sub("@", self.raw))))
        return self._folded


def fold(text: str) -> str:
    """Return `text` in lower case, without accents, with plain quotes and one space between words."""
    if not text.isascii():
        marked = unicodedata.normalize("NFKD", text.translate(_LOOKS))
        text = "".join(letter for letter in marked if not unicodedata.combining(letter))
    return _ADRESS.sub("address", " ".join(text.lower().translate(_LOOKS).split()))


class _Phrase(NamedTuple):
    place: int
    """Of its rule in the list."""
    pieces: tuple[str, ...]
    has_word: tuple[bool, ...]
    """For each piece but the first: exactly one word stands in front of it, not any text."""


class Rules:
    """A list of rules of which the first counts that fits, made ready for finding."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)
        self._by_words: dict[tuple[str, str], list[_Phrase]] = {}
        """By the first word and the beginning of the second, which is empty for phrases of one word."""
        self._unspaced: list[_Phrase] = []
        """Words of Chinese and Japanese have no space between them."""
        for place, rule in enumerate(self._rules):
            for told in rule.phrases:
                first, *others = _GAPS.split(told)
                pieces = (first, *others[1::2])
                phrase = _Phrase(place, tuple(map(fold, pieces)), tuple(gap == "+" for gap in others[::2]))
                words = _WORD.findall(phrase.pieces[0])
                if not phrase.pieces[0].startswith(words[0]):
                    raise ValueError(f"the phrase {told!r} of {rule.name} begins with no word")
                if told[0] > "\u2fff":
                    self._unspaced.append(phrase)
                else:
                    self._by_words.setdefault((words[0], _second(words)), []).append(phrase)

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules)

    def find(self, folded: str, host: str, status: str) -> Rule | None:
        """Return the first rule of the list that fits a folded line. `host` is in lower case."""
        best = len(self._rules)
        words = [(word[0], word.start()) for word in _WORD.finditer(folded)]
        for (word, start), (following, _) in zip_longest(words, words[1:], fillvalue=("", 0)):
            for key in ((word, following[:_BEGINNING]), (word, "")):
                for phrase in self._by_words.get(key, ()):
                    if phrase.place < best and _stands(folded, start, phrase) and self._holds(phrase, host, status):
                        best = phrase.place
        if self._unspaced and not folded.isascii():
            for phrase in self._unspaced:
                if phrase.place < best:
                    start = folded.find(phrase.pieces[0])
                    if start >= 0 and _stands(folded, start, phrase) and self._holds(phrase, host, status):
                        best = phrase.place
        return self._rules[best] if best < len(self._rules) else None

    def _holds(self, phrase: _Phrase, host: str, status: str) -> bool:
        rule = self._rules[phrase.place]
        if rule.hosts and not any(name in host for name in rule.hosts):
            return False
        return not rule.statuses or status[1:] in rule.statuses


def _second(words: Sequence[str]) -> str:
    """Return the beginning of a phrase's second word; the last word of a phrase may be cut in the line's word."""
    if len(words) == 1 or (len(words) == 2 and len(words[1]) < _BEGINNING):
        return ""
    return words[1][:_BEGINNING]


def _stands(folded: str, start: int, phrase: _Phrase) -> bool:
    first = phrase.pieces[0]
    if not folded.startswith(first, start):
        return False
    end = start + len(first)
    for piece, has_word in zip(phrase.pieces[1:], phrase.has_word, strict=True):
        found = folded.find(piece, end, end + _GAP + len(piece))
        if found < 0 or (has_word and len(folded[end:found].split()) != 1):
            return False
        end = found + len(piece)
    return True
