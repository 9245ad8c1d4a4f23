"""The database and the queue in it."""

import re
from collections.abc import Iterator

from postroom.app.check.clock import check_times
from postroom.app.check.findings import Finding, fail, ok, warn
from postroom.app.services import Services
from postroom.base.errors import TryLater
from postroom.base.ids import made_at_ms
from postroom.ledger.rows import NodeRow
from postroom.ledger.states import RecipientState
from postroom.store.condition import Condition, condition
from postroom.store.database import Conn
from postroom.store.migrate import HEAD
from postroom.store.nodes import OUT_AFTER_MS, all_nodes
from postroom.store.queue import waiting_lanes
from postroom.store.queue_depth import MOST_COUNTED, queue_depth

_SAFE_SQLITE = (3, 51, 3)
_LATE_MS = 15 * 60_000
_LANES = 1000

_SQLITE_PRAGMAS = {
    "journal_mode": ("wal", fail),
    "synchronous": ("2", fail),
    "foreign_keys": ("1", fail),
    "auto_vacuum": ("2", warn),
    "mmap_size": ("0", warn),
}
"""What the writer's connection has to have, and how bad it is where it has not."""
_POSTGRESQL_SETTINGS = {
    "fsync": ("on", fail, "a crash of its machine may destroy the database: set fsync = on"),
    "full_page_writes": ("on", warn, "a crash of its machine may damage the database: set full_page_writes = on"),
    "synchronous_commit": ("on", warn, "what was answered 250 may be lost at its crash: set synchronous_commit = on"),
}


async def check_store(services: Services) -> list[Finding]:
    """Look at the database, its clock, the queue and the nodes."""
    clock = services.clock
    trouble = services.database.trouble
    if trouble is not None:
        return [
            fail("database", f"it cannot be written: {trouble}", "the log says since when; look at disk and server")
        ]
    workspaces = list(services.workspaces.rows)

    def look(conn: Conn) -> tuple[dict[str, int], int | None, list[NodeRow]]:
        due = min((lane.due_ms for lane in waiting_lanes(conn, limit=_LANES)), default=None)
        return queue_depth(conn, workspaces), due, all_nodes(conn)

    try:
        now = clock.now_ms()
        found = await services.database.write(lambda tx: condition(tx, now))
        depth, due_ms, nodes = await services.database.read(look)
    except TryLater as error:
        return [fail("database", f"it does not answer: {error}", "look at the disk, or at the database server")]
    newest = made_at_ms(found.newest_event_id) if found.newest_event_id is not None else None
    return [
        *_engine(found),
        *check_times(now, found.now_ms, newest),
        *_queue(depth, due_ms, now),
        *_nodes(nodes, found.now_ms, services.ids.node),
    ]


def _engine(found: Condition) -> Iterator[Finding]:
    name = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[found.engine]
    version = tuple(int(part) for part in re.findall(r"\d+", found.version)[:3])
    if found.engine == "sqlite" and version < _SAFE_SQLITE:
        hint = (
            "before 3.51.3 a WAL database can be damaged when one connection checkpoints while another commits; "
            "here only the writer's connection does both. Let no other program write to the file"
        )
        yield ok("database", f"{name} {found.version}", hint)
    else:
        yield ok("database", f"{name} {found.version}")
    if found.schema == HEAD:
        yield ok("database", f"the tables have version {found.schema}")
    else:
        remedy = "start the server of this version once: it brings them up to date"
        yield fail("database", f"the tables have version {found.schema}, this program needs {HEAD}", remedy)
    yield from _durability(found)


def _durability(found: Condition) -> Iterator[Finding]:
    settings, wrong = dict(found.settings), False
    if found.engine == "sqlite":
        for name, (expected, blame) in _SQLITE_PRAGMAS.items():
            if settings[name] != expected:
                wrong = True
                remedy = "stop the server, see that no other program changed the file, start it again"
                yield blame("database", f"PRAGMA {name} is {settings[name]}, expected is {expected}", remedy)
    else:
        for name, (expected, blame, remedy) in _POSTGRESQL_SETTINGS.items():
            if settings[name] != expected and not (
                name == "synchronous_commit" and settings[name].startswith("remote")
            ):
                wrong = True
                yield blame("database", f"{name} is {settings[name]}", remedy)
    if not wrong:
        yield ok("database", "a commit is on the disk before it is answered")


def _queue(depth: dict[str, int], due_ms: int | None, now_ms: int) -> Iterator[Finding]:
    shown = ", ".join(f"{_count(count)} {state}" for state, count in depth.items() if count) or "nothing waits"
    late = 0 if due_ms is None else now_ms - due_ms
    if late > _LATE_MS:
        remedy = "is a server with the role `deliver` running? `postroom queue list` says why mail waits"
        yield warn("queue", f"{shown}; the oldest has been due for {late // 60_000} minutes", remedy)
    else:
        yield ok("queue", shown)
    if depth.get(RecipientState.IN_DOUBT.value):
        remedy = "`postroom queue list --state in_doubt`; retry those who may get it twice, cancel the others"
        yield warn("queue", f"{_count(depth['in_doubt'])} recipients are in doubt", remedy)


def _count(count: int) -> str:
    return f"{MOST_COUNTED:,}+" if count >= MOST_COUNTED else f"{count:,}"


def _nodes(nodes: list[NodeRow], now_ms: int, own: int) -> Iterator[Finding]:
    live = [row for row in nodes if now_ms - row.seen_ms < OUT_AFTER_MS or row.number == own]
    yield ok("nodes", f"{len(live)} of {len(nodes)} nodes live")
    for row in nodes:
        # One that stopped in order has left its row with the time 0.
        if row not in live and row.seen_ms:
            ago = (now_ms - row.seen_ms) // 60_000
            remedy = "start it again on its data folder; where that is lost, what it had in flight becomes in doubt"
            yield warn("nodes", f"node {row.number} was last seen {ago} minutes ago", remedy)
