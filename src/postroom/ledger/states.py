"""The states of a recipient and the moves that are allowed between them."""

from enum import StrEnum


class RecipientState(StrEnum):
    """Where a recipient is. At any time in exactly one; the words are those of the API."""

    QUEUED = "queued"
    """Waits for its first try, or for `send_at`."""
    HELD = "held"
    """An operator holds it back until release."""
    SENDING = "sending"
    """A node has claimed it and tries now."""
    DEFERRED = "deferred"
    """A try ended in a persistent transient failure; the next one is due at `due_ms`."""
    DELIVERED = "delivered"
    """The next hop has accepted it."""
    FAILED = "failed"
    """Given up or permanently refused, or bounced after delivery."""
    SUPPRESSED = "suppressed"
    """Never tried: the address is suppressed."""
    CANCELLED = "cancelled"
    """Taken back before it was sent."""
    IN_DOUBT = "in_doubt"
    """In flight when the process died: DATA ended and no reply is known."""


_S = RecipientState

MOVES: dict[RecipientState, frozenset[RecipientState]] = {
    _S.QUEUED: frozenset({_S.SENDING, _S.HELD, _S.CANCELLED, _S.SUPPRESSED, _S.FAILED}),
    _S.HELD: frozenset({_S.QUEUED, _S.CANCELLED}),
    _S.SENDING: frozenset({_S.QUEUED, _S.DEFERRED, _S.DELIVERED, _S.FAILED, _S.SUPPRESSED, _S.IN_DOUBT}),
    _S.DEFERRED: frozenset({_S.SENDING, _S.QUEUED, _S.HELD, _S.CANCELLED, _S.FAILED, _S.SUPPRESSED}),
    _S.DELIVERED: frozenset({_S.FAILED}),
    _S.FAILED: frozenset({_S.QUEUED}),
    _S.SUPPRESSED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.IN_DOUBT: frozenset({_S.QUEUED, _S.DELIVERED, _S.FAILED, _S.CANCELLED}),
}

WAITING = (_S.QUEUED, _S.DEFERRED)
"""What a worker may claim once it is due."""

SETTLED = (_S.DELIVERED, _S.FAILED, _S.SUPPRESSED, _S.CANCELLED)
"""What needs no further work."""


def may_move(before: RecipientState, after: RecipientState) -> bool:
    """Tell whether the ledger allows this move."""
    return after in MOVES[before]


class Stream(StrEnum):
    """What a message is for; bulk mail carries unsubscribe fields and never delays the other."""

    TRANSACTIONAL = "transactional"
    BULK = "bulk"


class SuppressionScope(StrEnum):
    """Which mail a suppression stops."""

    ALL = "all"
    BULK = "bulk"
    TRANSACTIONAL = "transactional"
