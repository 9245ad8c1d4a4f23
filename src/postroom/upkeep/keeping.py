"""How long a workspace keeps what: reading it, and changing it by hand."""

from collections.abc import Collection, Mapping
from dataclasses import fields

from postroom.ledger.keeping_rows import KeepingRow
from postroom.store import keeping
from postroom.store.database import Conn, Database, Tx
from postroom.store.together import InTransaction, nothing_else
from postroom.upkeep.periods import Periods, check_periods, periods_of, read_period

KEPT = tuple(field.name.removesuffix("_ms") for field in fields(Periods))
"""What has a period of its own: `bodies`, `hits`, …"""


async def keeping_periods(database: Database, workspace_ids: Collection[int]) -> dict[int, Periods]:
    """Return how long each of these workspaces keeps what. Raises TryLater."""

    def read(conn: Conn) -> dict[int, Periods]:
        return {one: periods_of(keeping.keeping_of(conn, one)) for one in workspace_ids}

    return await database.read(read)


async def change_periods(
    database: Database,
    workspace_id: int,
    written: Mapping[str, str],
    in_transaction: InTransaction = nothing_else,
) -> Periods:
    """Set the periods that are `written` (a word of KEPT to `30d`); return all. Raises WrongInput and TryLater.

    `in_transaction` runs in the same transaction.
    """
    given = {f"{name}_ms": read_period(text, name) for name, text in written.items()}

    def write(tx: Tx) -> KeepingRow:
        row = keeping.keeping_of(tx, workspace_id)._replace(**given)
        check_periods(periods_of(row))
        keeping.set_periods(tx, row)
        in_transaction(tx)
        return row

    return periods_of(await database.write(write))
