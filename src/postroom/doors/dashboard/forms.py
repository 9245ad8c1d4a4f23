"""Forms: what was typed, and what is wrong with it, beside its field."""

import re
from dataclasses import dataclass, field

from litestar.datastructures import UploadFile

from postroom.base.errors import WrongInput
from postroom.doors.dashboard.services import PageRequest

_LONGEST_FIELD = 1 << 20


@dataclass(slots=True)
class Form:
    """The fields of a form and their errors. An empty one is for a page that is shown first."""

    values: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    """All values of each field, for boxes that can be ticked together."""
    errors: dict[str, str] = field(default_factory=dict)
    """What is wrong, with the remedy, by field; "" for the form as a whole."""

    @property
    def ok(self) -> bool:
        """Nothing is wrong so far."""
        return not self.errors

    def get(self, name: str, default: str = "") -> str:
        """Return a field as it was typed."""
        return self.values.get(name, default)

    def text(self, name: str, needed: str = "", *, most: int = 1000) -> str:
        """Return a field without blanks around it; an empty one is wrong where `needed` says why."""
        value = self.get(name).strip()
        if not value and needed:
            self.errors.setdefault(name, needed)
        elif len(value) > most:
            self.errors.setdefault(name, f"At most {most:,} characters.")
        return value

    def all(self, name: str) -> list[str]:
        """Return all values of a field."""
        return self.lists.get(name, [])

    def wrong(self, error: WrongInput, *, known: tuple[str, ...] = ()) -> None:
        """Put an error beside its field; where the form has no such field (`known`), above the form."""
        name = error.field if not known or error.field in known else ""
        # In a terminal words to type stand between backticks.
        self.errors.setdefault(name, sentence(re.sub(r"`([^`]*)`", r"\1", str(error))))


async def read_form(request: PageRequest) -> Form:
    """Return the fields of a posted form, whatever its encoding. Files are not among them (`request.form` has them)."""
    posted = await request.form()
    form = Form()
    for name, value in posted.multi_items():
        if isinstance(value, UploadFile):
            continue
        # PostgreSQL stores no NUL.
        text = str(value)[:_LONGEST_FIELD].replace("\x00", "")
        form.values.setdefault(name, text)
        form.lists.setdefault(name, []).append(text)
    return form


def sentence(text: str) -> str:
    """Return the words of an error as a sentence: they are also parts of lines in a terminal."""
    if "." not in text.partition(" ")[0].rstrip(".:"):
        # A domain or an address is written as it is.
        text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else text + "."
