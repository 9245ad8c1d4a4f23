"""The audit log: who did what, when, from where.

A change that an operator makes is noted in the transaction that makes it, so
that neither stands without the other.
"""

from dataclasses import dataclass

from postroom.ledger.operator_rows import AuditRow
from postroom.store.database import Tx

_MOST_TEXT = 500
_MOST_ADDRESS = 64


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something."""

    operator_id: int | None
    """None: a command at the machine itself."""
    name: str
    address: str = ""
    """Network address; empty for commands."""


COMMAND = Actor(None, "command line")
"""Whoever runs `postroom …` at the machine."""


def note(
    tx: Tx,
    row_id: int,
    now_ms: int,
    by: Actor,
    action: str,
    *,
    subject: str = "",
    detail: str = "",
    workspace_id: int | None = None,
) -> None:
    """Append to the audit log. `row_id` is a new id, made before the transaction like every id.

    `action` is a word such as `api_key.create`, `subject` what it was done to,
    `detail` what else is worth knowing: no secrets, no bodies.
    """
    tx.add(
        AuditRow(
            id=row_id,
            at_ms=now_ms,
            operator_id=by.operator_id,
            operator=by.name,
            workspace_id=workspace_id,
            action=action,
            subject=_text(subject),
            detail=_text(detail),
            address=by.address[:_MOST_ADDRESS],
        )
    )


def _text(value: str) -> str:
    # PostgreSQL stores no NUL.
    return value[:_MOST_TEXT].replace("\x00", "")
