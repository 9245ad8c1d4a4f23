"""One fetch of a pixel or a link: as it arrives, and as it is understood."""

from enum import StrEnum
from typing import NamedTuple

import msgspec

from postroom.events.record import Facts
from postroom.ledger.rows import HitRow


class HitKind(StrEnum):
    """What was fetched; the word stands in `hit.kind`."""

    OPEN = "open"
    CLICK = "click"


class Hit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A hit as the door saw it: all that is known without the database. One line of the spool."""

    id: int
    kind: HitKind
    recipient_id: int
    position: int
    """Link position; 0 for a pixel."""
    at_ms: int
    host_workspace_id: int
    """Whose host was asked; 0 is the installation's own, which answers for every workspace."""
    method: str
    address: str
    """Network address of the client; empty when unknown."""
    user_agent: str
    fields: dict[str, str]
    """Header fields that labels rest on (`machines.EVIDENCE_FIELDS`), by lower-case name."""
    target: str
    """Where a click was sent; empty for a pixel."""


class Labelled(NamedTuple):
    """A hit with whose it is and what it is taken for, ready to be recorded."""

    row: HitRow
    facts: Facts
    event_id: int
    target: str
