"""API keys and SMTP logins: made here, shown once, checked by hash.

A check that succeeded is remembered for some seconds, so that a busy client
costs no read a request; a deleted key therefore works for that long at most.
"""

import hmac
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from postroom.access import audit
from postroom.access.audit import COMMAND, Actor
from postroom.access.workspaces import Workspaces
from postroom.base.clock import Clock
from postroom.base.errors import WrongInput
from postroom.base.ids import IdSource
from postroom.base.secrets import new_secret, secret_hash
from postroom.ledger.rows import ApiKeyRow, SmtpLoginRow, WorkspaceRow
from postroom.ledger.states import Stream
from postroom.store import keys
from postroom.store.database import Database, Tx

_KEEP_SECONDS = 15.0
_KEEP_ROWS = 4096
_HINT_LETTERS = 8

_Row = TypeVar("_Row")


class Remembered(OrderedDict[bytes, tuple[float, _Row]]):
    """Rows by the hash of what was presented, for some seconds."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    async def find(self, key: bytes, read: Callable[[], Awaitable[_Row | None]]) -> _Row | None:
        """Return what is remembered of `key`, else what `read` finds, and remember that."""
        found = self.get(key)
        if found and self._clock.monotonic() - found[0] < _KEEP_SECONDS:
            return found[1]
        row = await read()
        if row is not None:
            self[key] = (self._clock.monotonic(), row)
            self.move_to_end(key)
            if len(self) > _KEEP_ROWS:
                self.popitem(last=False)
        return row


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A secret that was just made: the only time that it is shown."""

    id: int
    name: str
    """Name of the key, or user name of the login."""
    secret: str


class ApiKeys:
    """API keys of all workspaces."""

    def __init__(self, database: Database, workspaces: Workspaces, ids: IdSource, clock: Clock) -> None:
        self._database = database
        self._workspaces = workspaces
        self._ids = ids
        self._clock = clock
        self._known: Remembered[ApiKeyRow] = Remembered(clock)

    async def check(self, key: str) -> WorkspaceRow | None:
        """Return the workspace that an API key opens, or None. Raises TryLater where the store cannot say."""
        presented = secret_hash(key)
        row = await self._known.find(
            presented, lambda: self._database.read(lambda conn: keys.api_key_by_hash(conn, presented))
        )
        return await self._workspaces.get(row.workspace_id) if row else None

    async def create(self, workspace: WorkspaceRow, name: str, *, by: Actor = COMMAND) -> NewSecret:
        """Make a key for a workspace; `name` is only for people."""
        secret = new_secret("pr_")
        row = ApiKeyRow(
            self._ids.next(), workspace.id, name, secret[:_HINT_LETTERS], secret_hash(secret), self._clock.now_ms()
        )

        note_id = self._ids.next()

        def write(tx: Tx) -> None:
            tx.add(row)
            audit.note(tx, note_id, row.created_ms, by, "api_key.create", subject=name, workspace_id=workspace.id)

        await self._database.write(write)
        return NewSecret(row.id, name, secret)

    async def delete(self, workspace: WorkspaceRow, key_id: int, *, by: Actor = COMMAND) -> bool:
        """Delete a key; tell whether there was one. It works for 15 seconds more at most."""
        note_id, now = self._ids.next(), self._clock.now_ms()

        def write(tx: Tx) -> bool:
            name = keys.delete_api_key(tx, workspace.id, key_id)
            if name is not None:
                audit.note(tx, note_id, now, by, "api_key.delete", subject=name, workspace_id=workspace.id)
            return name is not None

        return await self._database.write(write)

    async def list(self, workspace: WorkspaceRow) -> list[ApiKeyRow]:
        """Return the keys of a workspace, without their secrets."""
        return await self._database.read(lambda conn: keys.api_keys(conn, workspace.id))


@dataclass(frozen=True, slots=True)
class CheckedLogin:
    """What a correct user name and password open."""

    workspace: WorkspaceRow
    stream: Stream | None
    """The stream that the login fixes, or None."""


class SmtpLogins:
    """Logins of the submission door."""

    def __init__(self, database: Database, workspaces: Workspaces, ids: IdSource, clock: Clock) -> None:
        self._database = database
        self._workspaces = workspaces
        self._ids = ids
        self._clock = clock
        self._known: Remembered[SmtpLoginRow] = Remembered(clock)

    async def check(self, username: str, password: str) -> CheckedLogin | None:
        """Return what the login opens, or None. Raises TryLater where the store cannot say."""

        async def read() -> SmtpLoginRow | None:
            found = await self._database.read(lambda conn: keys.smtp_login_by_username(conn, username))
            return found if found and hmac.compare_digest(found.hash, secret_hash(password)) else None

        row = await self._known.find(secret_hash(f"{username}\0{password}"), read)
        workspace = await self._workspaces.get(row.workspace_id) if row else None
        return CheckedLogin(workspace, Stream(row.stream) if row.stream else None) if row and workspace else None

    async def create(
        self, workspace: WorkspaceRow, username: str, stream: Stream | None, *, by: Actor = COMMAND
    ) -> NewSecret:
        """Make a login. Raises WrongInput where the user name is taken or unfit."""
        if not username or len(username) > 100 or not username.isascii() or not username.isprintable():
            raise WrongInput("username", "a user name has 1 to 100 printable ASCII characters")
        if await self._database.read(lambda conn: keys.smtp_login_by_username(conn, username)) is not None:
            raise WrongInput("username", f"the user name {username!r} is taken; choose another")
        password = new_secret()
        fixed = stream.value if stream else ""
        row = SmtpLoginRow(self._ids.next(), workspace.id, username, secret_hash(password), fixed, self._clock.now_ms())

        note_id = self._ids.next()

        def write(tx: Tx) -> None:
            tx.add(row)
            audit.note(
                tx, note_id, row.created_ms, by, "smtp_login.create", subject=username, workspace_id=workspace.id
            )

        await self._database.write(write)
        return NewSecret(row.id, username, password)

    async def delete(self, workspace: WorkspaceRow, login_id: int, *, by: Actor = COMMAND) -> bool:
        """Delete a login; tell whether there was one. It works for 15 seconds more at most."""
        note_id, now = self._ids.next(), self._clock.now_ms()

        def write(tx: Tx) -> bool:
            name = keys.delete_smtp_login(tx, workspace.id, login_id)
            if name is not None:
                audit.note(tx, note_id, now, by, "smtp_login.delete", subject=name, workspace_id=workspace.id)
            return name is not None

        return await self._database.write(write)

    async def list(self, workspace: WorkspaceRow) -> list[SmtpLoginRow]:
        """Return the logins of a workspace, without their passwords."""
        return await self._database.read(lambda conn: keys.smtp_logins(conn, workspace.id))
