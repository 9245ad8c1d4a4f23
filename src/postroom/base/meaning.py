"""Words of the API that say what they mean, for the docs and for pages that offer them to choose from."""

from enum import StrEnum
from typing import Self


class WordWithMeaning(StrEnum):
    """A word with one sentence. A member is written as the word and its meaning."""

    meaning: str
    """One sentence."""

    def __new__(cls, word: str, meaning: str) -> Self:
        """Make a member that is its word."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        return member
