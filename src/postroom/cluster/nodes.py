"""This node among the others: its number, its heartbeat, who else is alive."""

import os
import secrets
from pathlib import Path

import structlog

from postroom.base.clock import Clock
from postroom.base.errors import PostroomError, TryLater
from postroom.ledger.rows import NodeRow
from postroom.store import nodes as store
from postroom.store.database import Database, StoreConflict

BEAT_SECONDS = 10.0
LET_GO_SECONDS = 25.0
"""Before the others take this node for dead: what only one may do ends here first."""
_LEASE_TRIES = 5
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

_log = structlog.get_logger(__name__)


class LostNumber(PostroomError):
    """Another node has this one's number: its ids could meet, so the process has to end."""


def read_boot_id(path: Path = _BOOT_ID) -> str:
    """Return a name of the machine's present run; the machine's next boot has another."""
    return path.read_text(encoding="ascii").strip()


def data_id_of(folder: Path) -> str:
    """Return the random name of a data folder, made at its first use and kept in its file `node.id`."""
    path = folder / "node.id"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    name = secrets.token_hex(16)
    with os.fdopen(descriptor, "w") as file:
        file.write(name + "\n")
        file.flush()
        os.fsync(file.fileno())
    return name


class Nodes:
    """The nodes of the installation as this one sees them. `join` first, then `run` as a task."""

    def __init__(self, database: Database, clock: Clock, data_id: str, boot_id: str, roles: str) -> None:
        """`roles` is what POSTROOM_ROLES says, for the others to see."""
        self._database = database
        self._clock = clock
        self._data_id = data_id
        self._boot_id = boot_id
        self._roles = roles
        self._beat_at = clock.monotonic()
        self.number = 0
        """This node's, after `join`."""
        self.live: tuple[NodeRow, ...] = ()
        """The nodes seen within 30 s at the last heartbeat, this one among them, by number."""

    async def join(self) -> int:
        """Lease this node's number, count under it, and return it. Raises NodeTaken, TryLater."""
        for attempt in range(_LEASE_TRIES):
            now = self._clock.now_ms()
            try:
                self.number = await self._database.write(
                    lambda tx: store.lease_number(tx, self._data_id, self._boot_id, self._roles, now)  # noqa: B023
                )
                break
            except StoreConflict:
                # Two new nodes met at one number; the other has it now.
                if attempt == _LEASE_TRIES - 1:
                    raise
        self._database.use_node(self.number)
        self._beat_at = self._clock.monotonic()
        await self._look()
        return self.number

    async def run(self) -> None:
        """Beat every 10 seconds until cancelled. Raises LostNumber."""
        while True:
            await self._clock.sleep(BEAT_SECONDS)
            try:
                await self.beat()
            except TryLater as error:
                _log.warning("no heartbeat", reason=str(error))

    async def beat(self) -> None:
        """Mark this node as alive and look who else is. Raises LostNumber, TryLater."""
        asked_at = self._clock.monotonic()
        now = self._clock.now_ms()
        alive = await self._database.write(lambda tx: store.beat(tx, self.number, self._data_id, self._boot_id, now))
        if not alive:
            raise LostNumber(f"node number {self.number} belongs to another node now")
        # From before the question: what took long must not lengthen our lease.
        self._beat_at = asked_at
        await self._look()

    async def leave(self) -> None:
        """Tell the others at once that this node is gone. Raises TryLater."""
        await self._database.write(lambda tx: store.leave(tx, self.number, self._data_id, self._boot_id))

    @property
    def must_let_go(self) -> bool:
        """True when this node has not renewed its heartbeat for 25 s: soon the others take what it owns."""
        return self._clock.monotonic() - self._beat_at >= LET_GO_SECONDS

    def numbers_with(self, role: str) -> tuple[int, ...]:
        """Return the numbers of the live nodes that have a role, `all` being every role."""
        return tuple(row.number for row in self.live if {role, "all"} & set(row.roles.split(",")))

    async def withdraw(self, role: str) -> None:
        """Tell the others that this node gives up a role and goes on living; until its next start. Raises TryLater."""
        roles = ",".join(sorted(set(self._roles.split(",")) - {role}))
        await self._database.write(lambda tx: store.set_roles(tx, self.number, self._data_id, self._boot_id, roles))
        self._roles = roles
        await self._look()

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of the live nodes, for `owners.owner_of`."""
        return tuple(row.number for row in self.live)

    async def _look(self) -> None:
        now = self._clock.now_ms()
        self.live = tuple(await self._database.read(lambda conn: store.live_nodes(conn, now)))
