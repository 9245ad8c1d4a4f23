"""Operators' commands about what is kept: backups, periods of retention."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from postroom.access.audit import COMMAND
from postroom.app.control import Operation
from postroom.app.erasing import Erasure
from postroom.app.services import Services
from postroom.mail.address import check_address
from postroom.upkeep.keeping import KEPT, change_periods, keeping_periods
from postroom.upkeep.periods import show_period

Arguments = Mapping[str, Any]


class KeepingOperations:
    """Operations on what is kept and for how long."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._erasure = Erasure(services)

    def by_name(self) -> dict[str, Operation]:
        """Return the operations by the names that commands use."""
        return {"backup.copy": self.copy, "workspace.keep": self.keep, "erase": self.erase}

    async def erase(self, arguments: Arguments) -> dict[str, Any]:
        """Erase a person, in one workspace or in all."""
        services = self._services
        address = check_address(arguments["address"])
        name = arguments.get("workspace")
        if name:
            among = [(await services.workspaces.named(name)).id]
        else:
            await services.workspaces.refresh()
            among = list(services.workspaces.rows)
        erased = await self._erasure.erase(
            address,
            among,
            COMMAND,
            everywhere=not name,
            as_author=bool(arguments.get("as_author")),
            compact=bool(arguments.get("compact")),
        )
        return asdict(erased)

    async def copy(self, arguments: Arguments) -> dict[str, Any]:
        """Copy the database to an empty file."""
        await self._services.database.copy(Path(arguments["path"]), lambda done, whole: None)
        return {"path": arguments["path"]}

    async def keep(self, arguments: Arguments) -> dict[str, Any]:
        """Set how long a workspace keeps what, where that is given; return all periods."""
        services = self._services
        workspace = await services.workspaces.named(arguments["workspace"])
        given = {name: arguments[name] for name in KEPT if arguments.get(name)}
        if given:
            periods = await change_periods(services.database, workspace.id, given)
        else:
            periods = (await keeping_periods(services.database, [workspace.id]))[workspace.id]
        return {
            "workspace": workspace.name,
            **{name: show_period(getattr(periods, f"{name}_ms")) for name in KEPT},
        }
