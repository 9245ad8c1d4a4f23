"""What a caller wants done in the transaction of a change: a note in the audit log, for instance."""

from collections.abc import Callable

from postroom.store.transaction import Tx

InTransaction = Callable[[Tx], None]


def nothing_else(tx: Tx) -> None:
    """Do nothing more in a transaction."""


def if_done(is_done: bool, tx: Tx, more: InTransaction) -> bool:
    """Do more in a transaction where there was something to change; return whether there was."""
    if is_done:
        more(tx)
    return is_done
