"""SuperIMAP keys: each opens SuperIMAP's API for its workspace, and the newest signs its webhooks.

Shown once, like every key; but kept sealed and not only as a hash, because
what signs must be known.
"""

from postroom.access import audit
from postroom.access.audit import COMMAND, Actor
from postroom.access.keys import NewSecret, Remembered
from postroom.access.workspaces import Workspaces
from postroom.base.clock import Clock
from postroom.base.errors import WrongInput
from postroom.base.ids import IdSource
from postroom.base.secrets import Sealer, new_secret, secret_hash
from postroom.ledger.account_rows import PartnerKeyRow
from postroom.ledger.rows import WorkspaceRow
from postroom.store import accounts
from postroom.store.database import Database, Tx

_HINT_LETTERS = 8
_MOST_KEYS = 20


class PartnerKeys:
    """SuperIMAP keys of all workspaces."""

    def __init__(self, database: Database, workspaces: Workspaces, ids: IdSource, clock: Clock, sealer: Sealer) -> None:
        self._database = database
        self._workspaces = workspaces
        self._ids = ids
        self._clock = clock
        self._sealer = sealer
        self._known: Remembered[PartnerKeyRow] = Remembered(clock)

    async def check(self, key: str) -> WorkspaceRow | None:
        """Return the workspace that a SuperIMAP key opens, or None. Raises TryLater where the store cannot say."""
        presented = secret_hash(key)
        row = await self._known.find(
            presented, lambda: self._database.read(lambda conn: accounts.partner_key_by_hash(conn, presented))
        )
        return await self._workspaces.get(row.workspace_id) if row else None

    async def create(self, workspace: WorkspaceRow, *, by: Actor = COMMAND) -> NewSecret:
        """Make a key; it signs from now on, and those before still open. Raises WrongInput where there are 20."""
        if len(await self.list(workspace)) >= _MOST_KEYS:
            raise WrongInput("workspace", f"a workspace has at most {_MOST_KEYS} SuperIMAP keys; delete one")
        secret, key_id, now_ms = new_secret(), self._ids.next(), self._clock.now_ms()
        sealed = self._sealer.seal(secret.encode(), f"partner_key/{key_id}/sealed")
        row = PartnerKeyRow(key_id, workspace.id, secret[:_HINT_LETTERS], secret_hash(secret), sealed, now_ms)
        note_id = self._ids.next()

        def write(tx: Tx) -> None:
            tx.add(row)
            audit.note(tx, note_id, now_ms, by, "partner_key.create", subject=row.hint, workspace_id=workspace.id)

        await self._database.write(write)
        return NewSecret(key_id, row.hint, secret)

    async def delete(self, workspace: WorkspaceRow, key_id: int, *, by: Actor = COMMAND) -> bool:
        """Delete a key; tell whether there was one. It opens for 15 seconds more at most, and signs no more at once."""
        note_id, now_ms = self._ids.next(), self._clock.now_ms()

        def write(tx: Tx) -> bool:
            hint = accounts.delete_partner_key(tx, workspace.id, key_id)
            if hint is not None:
                audit.note(tx, note_id, now_ms, by, "partner_key.delete", subject=hint, workspace_id=workspace.id)
            return hint is not None

        return await self._database.write(write)

    async def list(self, workspace: WorkspaceRow) -> list[PartnerKeyRow]:
        """Return the SuperIMAP keys of a workspace, newest first."""
        return await self._database.read(lambda conn: accounts.partner_keys(conn, workspace.id))
