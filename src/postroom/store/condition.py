"""What the database is and how it is set, for `postroom check`."""

from typing import NamedTuple

from postroom.store.database import Tx, statement
from postroom.store.nodes import database_now_ms
from postroom.store.transaction import Engine

_PRAGMAS = ("journal_mode", "synchronous", "foreign_keys", "auto_vacuum", "mmap_size")
_SETTINGS = ("fsync", "full_page_writes", "synchronous_commit")
_VERSION = statement(sqlite="SELECT sqlite_version()", postgresql="SELECT current_setting('server_version')")
_SCHEMA = statement("SELECT version_num FROM alembic_version")
_NEWEST = statement("SELECT max(id) FROM event")


class Condition(NamedTuple):
    """The database as the writer's connection sees it."""

    engine: Engine
    version: str
    schema: str
    settings: tuple[tuple[str, str], ...]
    """What a durable commit depends on, by name."""
    now_ms: int
    """Its clock; on SQLite the caller's."""
    newest_event_id: int | None


def condition(tx: Tx, now_ms: int) -> Condition:
    """Return the condition of the database. As a write: PRAGMAs belong to the connection that commits."""
    if tx.engine == "sqlite":
        asked = [(name, statement(f"PRAGMA {name}")) for name in _PRAGMAS]
    else:
        asked = [(name, statement(f"SELECT current_setting('{name}')")) for name in _SETTINGS]
    newest = tx.run(_NEWEST)[0][0]
    return Condition(
        tx.engine,
        str(tx.run(_VERSION)[0][0]).split(" ")[0],
        str(tx.run(_SCHEMA)[0][0]),
        tuple((name, str(tx.run(one)[0][0])) for name, one in asked),
        database_now_ms(tx, now_ms),
        int(newest) if newest is not None else None,
    )
