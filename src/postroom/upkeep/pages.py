"""Deleting much, a page at a time."""

from collections.abc import Callable

from postroom.store.database import Database, Tx

PAGE = 500
"""Rows of one transaction, so that nobody waits long behind it."""


async def in_pages(database: Database, delete: Callable[[Tx], int]) -> int:
    """Call `delete`, which deletes PAGE rows at most, until it finds fewer; return how many it deleted."""
    total = 0
    while True:
        total += (deleted := await database.write(delete))
        if deleted < PAGE:
            return total
