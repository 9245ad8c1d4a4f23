"""Operators' commands about routes of mail that comes in."""

from collections.abc import Callable, Mapping
from typing import Any

from postroom.access import audit
from postroom.access.audit import COMMAND
from postroom.app.control import Operation
from postroom.app.services import Services
from postroom.base.errors import WrongInput
from postroom.base.ids import parse_id, show_id
from postroom.inbound.routes import Asked, asked_of
from postroom.ledger.route_rows import RouteAction, RouteRow
from postroom.ledger.rows import WorkspaceRow
from postroom.mail.verdict import MailKind
from postroom.store.database import Tx

Arguments = Mapping[str, Any]


class RouteOperations:
    """Operations on the routes of a workspace."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def by_name(self) -> dict[str, Operation]:
        """Return the operations by the names that commands use."""
        return {
            "route.create": self.create,
            "route.list": self.list,
            "route.test": self.test,
            "route.delete": self.delete,
        }

    async def create(self, arguments: Arguments) -> dict[str, Any]:
        """Make a route, the last in order."""
        workspace = await self._workspace(arguments)
        asked = Asked(
            recipient=arguments["recipient"],
            action=RouteAction(arguments["action"]),
            target=arguments["target"],
            sender=arguments["sender"],
            kinds=tuple(_kind(word) for word in arguments["kinds"]),
            description=arguments["description"],
        )
        note = self._note(workspace, "route.create", asked.recipient)
        row, secret = await self._services.routes.create(workspace.id, asked, in_transaction=note)
        return {**_shown(row), "secret": secret or None}

    async def list(self, arguments: Arguments) -> list[dict[str, Any]]:
        """Return the routes in the order in which they are asked."""
        workspace = await self._workspace(arguments)
        return [_shown(row) for row in await self._services.routes.list(workspace.id)]

    async def test(self, arguments: Arguments) -> dict[str, Any]:
        """Tell which route takes a mail, and why the others do not."""
        workspace = await self._workspace(arguments)
        kind = _kind(arguments["kind"]) if arguments["kind"] else None
        tested = await self._services.routes.test(workspace.id, arguments["recipient"], arguments["sender"], kind)
        return {
            "route": None if tested.route is None else _shown(tested.route),
            "at_rcpt": tested.at_rcpt.value,
            "why": tested.not_ours,
            "routes": [{**_shown(one.row), "why": one.why_not} for one in tested.routes],
        }

    async def delete(self, arguments: Arguments) -> dict[str, Any]:
        """Delete a route."""
        workspace = await self._workspace(arguments)
        route_id = parse_id("rte", arguments["id"])
        note = self._note(workspace, "route.delete", arguments["id"])
        if route_id is None or not await self._services.routes.delete(workspace.id, route_id, in_transaction=note):
            raise WrongInput("id", f"there is no route {arguments['id']!r}; `postroom route list` shows them")
        return {}

    async def _workspace(self, arguments: Arguments) -> WorkspaceRow:
        return await self._services.workspaces.named(arguments["workspace"])

    def _note(self, workspace: WorkspaceRow, action: str, subject: str) -> Callable[[Tx], None]:
        """Return what puts a change into the audit log, for the transaction that makes it."""
        row_id, now_ms = self._services.ids.next(), self._services.clock.now_ms()
        return lambda tx: audit.note(tx, row_id, now_ms, COMMAND, action, subject=subject, workspace_id=workspace.id)


def _shown(row: RouteRow) -> dict[str, Any]:
    return {
        "id": show_id("rte", row.id),
        "recipient": row.recipient,
        "sender": row.sender,
        "kinds": [kind.value for kind in asked_of(row).kinds],
        "action": row.action,
        "target": row.target,
        "enabled": bool(row.is_enabled),
    }


def _kind(word: str) -> MailKind:
    found = next((kind for kind in MailKind if kind.value == word), None)
    if found is None:
        raise WrongInput("kind", f"{word!r} is no kind of mail; known are {', '.join(MailKind)}")
    return found
