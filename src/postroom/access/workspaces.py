"""The workspaces in memory: every accept and every claim asks for one."""

from collections.abc import Mapping
from types import MappingProxyType

from postroom.access import audit
from postroom.access.audit import COMMAND, Actor
from postroom.base.clock import Clock
from postroom.base.errors import WrongInput
from postroom.base.ids import IdSource
from postroom.ledger.rows import WorkspaceRow
from postroom.store import workspaces
from postroom.store.database import Database, Tx

_KEEP_SECONDS = 30.0


class Workspaces:
    """All workspaces, read again every 30 seconds because another node may change them."""

    def __init__(self, database: Database, ids: IdSource, clock: Clock) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock
        self._rows: dict[int, WorkspaceRow] = {}
        self._read_at = float("-inf")

    @property
    def rows(self) -> Mapping[int, WorkspaceRow]:
        """What was read last, by id."""
        return MappingProxyType(self._rows)

    async def get(self, workspace_id: int) -> WorkspaceRow | None:
        """Return a workspace, at most 30 seconds old, or None where there is none of this id."""
        if workspace_id not in self._rows or self._clock.monotonic() - self._read_at > _KEEP_SECONDS:
            await self.refresh()
        return self._rows.get(workspace_id)

    async def refresh(self) -> None:
        """Read all workspaces again."""
        rows = await self._database.read(workspaces.all_workspaces)
        self._rows = {row.id: row for row in rows}
        self._read_at = self._clock.monotonic()

    async def named(self, name: str) -> WorkspaceRow:
        """Return the workspace of this name. Raises WrongInput where there is none."""
        row = await self._database.read(lambda conn: workspaces.workspace_named(conn, name))
        if row is None:
            raise WrongInput(
                "workspace", f"there is no workspace {name!r}; `postroom workspace create {name}` makes it"
            )
        return row

    async def create(self, name: str, transport: str = "", *, by: Actor = COMMAND) -> WorkspaceRow:
        """Make a workspace. Raises WrongInput where the name is taken or unfit."""
        if not name or len(name) > 100 or not name.isprintable() or name != name.strip():
            raise WrongInput("name", "a workspace needs a name of 1 to 100 printable characters")
        # The name is a part of the addresses of its pages.
        if "/" in name or "\\" in name or name in (".", ".."):
            raise WrongInput("name", "the name of a workspace has no / or \\ and is more than dots")
        row = WorkspaceRow(self._ids.next(), name, self._clock.now_ms(), transport)

        note_id = self._ids.next()

        def write(tx: Tx) -> None:
            tx.add(row)
            audit.note(tx, note_id, row.created_ms, by, "workspace.create", subject=name, workspace_id=row.id)

        if await self._database.read(lambda conn: workspaces.workspace_named(conn, name)) is not None:
            raise WrongInput("name", f"there is a workspace {name!r} already")
        await self._database.write(write)
        await self.refresh()
        return row
