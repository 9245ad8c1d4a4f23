"""What is kept of what is told about somebody who was erased: nothing that a peer, an agent or the person wrote. Pure.

A report, a complaint or a hit may come back later and name the address again.
"""

from collections.abc import Mapping

import msgspec

from postroom.base.tokens import HIDDEN
from postroom.events import evidence

_KEPT = frozenset(
    (
        "try", "duration_ms", "tls", "label", "first", "position", "from", "by", "scope", "scopes", "next_try_ms",
        "inbound_id", "kind", "hard", "status", "reply_code", "suppressed",
    )
)  # fmt: skip
_KEPT_EVIDENCE = ("by", "recipient", "inbound_id")


def is_erased(address_key: str) -> bool:
    """Tell whether the keyed hash of an erased address stands in its place."""
    return address_key.startswith(HIDDEN)


def trimmed(detail: Mapping[str, object]) -> dict[str, object]:
    """Return what stays of an event's detail."""
    return {**{name: value for name, value in detail.items() if name in _KEPT}, "erased": True}


def origin_alone(stored: str) -> str:
    """Return a suppression's evidence without what it quotes: who caused it, by public ids."""
    fields = evidence.fields_of(stored)
    kept = {name: fields[name] for name in _KEPT_EVIDENCE if name in fields}
    # An empty line says that somebody quoted one; who unsubscribed is told by how.
    line = {} if "by" in kept or not kept else {"evidence": ""}
    return msgspec.json.encode({**kept, **line}).decode() if kept else ""
