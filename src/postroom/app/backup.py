"""`postroom backup`: the running server copies its SQLite file, this process sees to the rest."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from postroom import __version__
from postroom.app.control import call_control, control_path
from postroom.base.clock import SystemClock
from postroom.base.errors import SettingsError
from postroom.base.threads import Threads
from postroom.config import Settings
from postroom.inbound.arrived import FOLDER, waiting
from postroom.store import backup_file, postgresql_tools
from postroom.store.data_folder import lock_data_folder
from postroom.upkeep.backup import KEY_FILE, POSTGRESQL_FILE, SQLITE_FILE, Draft, make_manifest

Told = Callable[[str, int, int], None]
"""Called with what is being done, and how many bytes of how many; 0 of 0 where nobody knows."""

_LOOK_SECONDS = 0.2


def back_up(settings: Settings, target: Path, *, with_key: bool, told: Told) -> dict[str, Any]:
    """Write a backup and return what it holds. Raises PostroomError; then nothing is left of it."""
    clock = SystemClock()
    key = _key(settings) if with_key else None
    draft = Draft(target, clock.now_ms())
    try:
        if settings.database.startswith("sqlite:"):
            engine = "sqlite"
            path = draft.new_file(SQLITE_FILE)
            asyncio.run(_copy(settings, path, told))
            told("checking", 0, 0)
            made_ms = clock.now_ms()
            copied = backup_file.finish_copy(path, made_ms)
        else:
            engine = "postgresql"
            told("pg_dump", 0, 0)
            made_ms = clock.now_ms()
            copied = postgresql_tools.dump(settings.database, draft.new_file(POSTGRESQL_FILE))
        if key is not None:
            draft.put(KEY_FILE, key.encode() + b"\n")
        told("checking", 0, 0)
        manifest = make_manifest(
            draft, version=__version__, engine=engine, schema=copied.schema, made_ms=made_ms, counts=copied.counts
        )
        path = draft.finish(manifest)
    except BaseException:
        draft.drop()
        raise
    return {
        "path": str(path),
        "engine": engine,
        "schema": copied.schema,
        "made_at": manifest.made_at,
        "size_bytes": sum(kept.size_bytes for kept in manifest.files.values()),
        "has_key": manifest.has_key,
        "counts": copied.counts,
        # Not taken in from here: that would bring the tables up to date, and a backup is made before that.
        "arrived": len(waiting(settings.data / FOLDER)),
    }


async def _copy(settings: Settings, path: Path, told: Told) -> None:
    source = Path(settings.database.removeprefix("sqlite:///"))
    whole = _size(source)
    copying = asyncio.ensure_future(_copy_by_server(settings, source, path))
    while not copying.done():
        await asyncio.wait([copying], timeout=_LOOK_SECONDS)
        told("copying", min(_size(path), whole), whole)
    await copying


async def _copy_by_server(settings: Settings, source: Path, path: Path) -> None:
    with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
        await call_control(control_path(settings.data), "backup.copy", {"path": str(path)})
        return
    if not _size(source):
        raise SettingsError(f"there is no database at {source}: POSTROOM_DATA names the data folder")
    lock, copies = lock_data_folder(settings.data), Threads("copy", 1)
    try:
        await copies.run(lambda: backup_file.copy_unused(source, path))
    finally:
        copies.close()
        lock.release()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _key(settings: Settings) -> str:
    if settings.secret:
        return settings.secret
    path = settings.data / KEY_FILE
    try:
        return path.read_text().strip()
    except OSError as error:
        raise SettingsError(f"--with-key: {path} cannot be read: {error.strerror}") from error
