"""Operators' commands about what is kept: backups, periods of retention."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from postroom.app.control import Operation
from postroom.app.services import Services
from postroom.ledger.keeping_rows import KeepingRow
from postroom.store import keeping
from postroom.store.database import Tx
from postroom.upkeep.periods import check_periods, periods_of, read_period, show_period

Arguments = Mapping[str, Any]
_PERIODS = ("bodies", "hits", "ledger", "sandbox")


class KeepingOperations:
    """Operations on what is kept and for how long."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def by_name(self) -> dict[str, Operation]:
        """Return the operations by the names that commands use."""
        return {"backup.copy": self.copy, "workspace.keep": self.keep}

    async def copy(self, arguments: Arguments) -> dict[str, Any]:
        """Copy the database to an empty file."""
        await self._services.database.copy(Path(arguments["path"]), lambda done, whole: None)
        return {"path": arguments["path"]}

    async def keep(self, arguments: Arguments) -> dict[str, Any]:
        """Set how long a workspace keeps what, where that is given; return all periods."""
        services = self._services
        workspace = await services.workspaces.named(arguments["workspace"])
        given = {f"{name}_ms": read_period(arguments[name], name) for name in _PERIODS if arguments.get(name)}

        def write(tx: Tx) -> KeepingRow:
            row = keeping.keeping_of(tx, workspace.id)
            if given:
                row = row._replace(**given)
                check_periods(periods_of(row))
                keeping.set_periods(tx, row)
            return row

        periods = periods_of(await services.database.write(write))
        return {
            "workspace": workspace.name,
            **{name: show_period(getattr(periods, f"{name}_ms")) for name in _PERIODS},
        }
