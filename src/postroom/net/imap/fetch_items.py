"""What FETCH asks for, item by item. RFC 3501 6.4.5, 3516 4.2; pure. For the server's side."""

import re
from dataclasses import dataclass

from postroom.net.imap.values import Value

_MACROS = {
    "ALL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"),
    "FAST": ("FLAGS", "INTERNALDATE", "RFC822.SIZE"),
    "FULL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"),
}
_SECTION = re.compile(
    r"(BODY|BINARY)(\.PEEK|\.SIZE)?\[(.*)\](?:<([0-9]{1,10})\.([0-9]{1,10})>)?", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class FetchItem:
    """One item that a client asks for."""

    name: str
    """In capitals: `UID`, `FLAGS`, `BODY` (of BODY, BODY[…] and BODY.PEEK[…]), `BINARY`, `BINARY.SIZE` …"""
    section: str | None = None
    """What stands in the square brackets, in capitals; None where there are none."""
    is_peek: bool = False
    r"""Do not set \Seen."""
    origin: int | None = None
    """Of a part of the octets, the first, and how many."""
    count: int | None = None

    @property
    def answer(self) -> str:
        """How the item is called in the response: without PEEK, with the origin only."""
        if self.section is None:
            return self.name
        return f"{self.name}[{self.section}]" + ("" if self.origin is None else f"<{self.origin}>")


def read_fetch_items(value: Value) -> tuple[FetchItem, ...] | None:
    """Return the items of FETCH's second argument, a macro written out; None where it is no such thing."""
    if isinstance(value, str) and value.upper() in _MACROS:
        return tuple(FetchItem(name) for name in _MACROS[value.upper()])
    words = value if isinstance(value, tuple) else (value,)
    items = [_item(word) for word in words]
    return None if not items or None in items else tuple(item for item in items if item is not None)


def _item(word: Value) -> FetchItem | None:
    if not isinstance(word, str):
        return None
    match = _SECTION.fullmatch(word)
    if match is None:
        return None if "[" in word or "]" in word else FetchItem(word.upper())
    kind, option = match[1].upper(), (match[2] or "").upper()
    if option == ".SIZE" and kind != "BINARY":
        return None
    name = kind + option if option == ".SIZE" else kind
    origin, count = (int(match[4]), int(match[5])) if match[4] else (None, None)
    return FetchItem(name, match[3].upper(), option == ".PEEK", origin, count)
