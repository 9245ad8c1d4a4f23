"""What a suppression rests on: the line that said so, our mail that it is about, and the mail that brought it. Pure.

It is stored as a JSON object; what the API was given stands as it was given.
"""

import msgspec

from postroom.base.ids import show_id

_LINE, _RECIPIENT, _INBOUND = "evidence", "recipient", "inbound_id"
_OWN = frozenset({_LINE, _RECIPIENT, _INBOUND})


def evidence_of(line: str, recipient_id: int, inbound_id: str = "") -> str:
    """Return what is stored of a line that a peer answered, or that stands in the mail `inbound_id` (public)."""
    named = {_RECIPIENT: show_id("rcp", recipient_id), **({_INBOUND: inbound_id} if inbound_id else {})}
    return msgspec.json.encode({**named, _LINE: line}).decode()


def fields_of(stored: str) -> dict[str, object]:
    """Return the fields of evidence that is stored with its origin; empty where it is nothing but a text."""
    try:
        return msgspec.json.decode(stored, type=dict[str, object]) if stored.startswith("{") else {}
    except msgspec.DecodeError:
        return {}


def quoted_line(stored: str) -> str:
    """Return the line alone where `evidence_of` wrote it, else what is stored: for API and export."""
    fields = fields_of(stored)
    return str(fields[_LINE]) if {_LINE, _RECIPIENT} <= fields.keys() <= _OWN else stored


def named_in(stored: str) -> tuple[str, str]:
    """Return the public ids of our recipient and of the mail that came in; empty where evidence names none."""
    fields = fields_of(stored)
    recipient, inbound = fields.get(_RECIPIENT, ""), fields.get(_INBOUND, "")
    return (recipient if isinstance(recipient, str) else "", inbound if isinstance(inbound, str) else "")
