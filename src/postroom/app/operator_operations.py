"""The commands about operators, in the form of `app.operations`."""

from collections.abc import Mapping
from typing import Any

from postroom.access.audit import COMMAND
from postroom.app.control import Operation
from postroom.app.services import Services
from postroom.base.ids import show_id
from postroom.doors.http.words import show_time
from postroom.ledger.operator_rows import OperatorRow

Arguments = Mapping[str, Any]


class OperatorOperations:
    """What can be done with operators at the machine itself."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def by_name(self) -> dict[str, Operation]:
        """Return the operations by the names that commands use."""
        return {
            "operator.create": self.create,
            "operator.list": self.list,
            "operator.password": self.set_password,
            "operator.unlock": self.unlock,
            "operator.delete": self.delete,
        }

    async def create(self, arguments: Arguments) -> dict[str, Any]:
        """Make an operator."""
        row = await self._services.operators.create(arguments["name"], arguments["password"], COMMAND)
        return self._shown(row)

    async def list(self, arguments: Arguments) -> list[dict[str, Any]]:
        """Return all operators."""
        return [self._shown(row) for row in await self._services.operators.list()]

    async def set_password(self, arguments: Arguments) -> dict[str, Any]:
        """Set a password; with `without_code` a lost authenticator goes too."""
        services = self._services
        row = await services.operators.named(arguments["name"])
        await services.operators.set_password(row.id, arguments["password"], COMMAND)
        if arguments.get("without_code") and row.totp_secret is not None:
            await services.authenticators.remove(row, COMMAND)
        return self._shown(await services.operators.named(row.name))

    async def unlock(self, arguments: Arguments) -> dict[str, Any]:
        """Let an operator log in again."""
        row = await self._services.operators.named(arguments["name"])
        await self._services.operators.unlock(row, COMMAND)
        return self._shown(await self._services.operators.named(row.name))

    async def delete(self, arguments: Arguments) -> dict[str, Any]:
        """Delete an operator."""
        row = await self._services.operators.named(arguments["name"])
        await self._services.operators.delete(row, COMMAND)
        return {"deleted": row.name}

    def _shown(self, row: OperatorRow) -> dict[str, Any]:
        locked = row.locked_until_ms > self._services.clock.now_ms()
        return {
            "id": show_id("opr", row.id),
            "name": row.name,
            "totp": row.totp_secret is not None,
            "locked_until": show_time(row.locked_until_ms) if locked else None,
            "created": show_time(row.created_ms),
        }
