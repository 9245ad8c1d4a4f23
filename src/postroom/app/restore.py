"""`postroom restore`: a backup becomes the database of this data folder, and sends nothing by itself."""

import asyncio
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from postroom.app.backup import Told
from postroom.app.master_keys import read_keys
from postroom.base.clock import SystemClock
from postroom.base.errors import PostroomError, SettingsError
from postroom.base.ids import IdSource, first_id_at
from postroom.base.secrets import Sealer
from postroom.cluster.nodes import Nodes, data_id_of, read_boot_id
from postroom.config import Settings
from postroom.store import backup_file, migrate, postgresql_tools, restorations
from postroom.store.data_folder import lock_data_folder
from postroom.store.database import open_database
from postroom.store.faults import NewerDatabase
from postroom.store.nodes import OUT_AFTER_MS
from postroom.store.secrets import WrongMasterKey, check_master_key, is_master_key
from postroom.upkeep.backup import KEY_FILE, Manifest, NoBackup, read_backup
from postroom.upkeep.restore import Held, check_clock, hold_everything

_STAYS = {"lock", "postroom.toml", "self-signed.crt", "self-signed.key", KEY_FILE}
"""What a data folder may hold and still be empty."""
_ASIDE = "before-restore-"
_NAMES_OF_KEY = f"POSTROOM_SECRET or {KEY_FILE}"


class NotEmpty(PostroomError):
    """There is a database already."""


def restore(settings: Settings, source: Path, *, replace: bool, told: Told) -> dict[str, Any]:
    """Make a backup the database of this installation; return what is held back.

    Raises FolderInUse where a server runs, NotEmpty, NoBackup, NewerDatabase,
    ClockBehind and other PostroomErrors. Cut off half-way it leaves a database
    that refuses to be used; `replace` then begins anew.
    """
    lock = lock_data_folder(settings.data)
    try:
        told("checking", 0, 0)
        manifest = _checked(settings, source)
        key = _right_key(settings, source, manifest)
        aside = _make_room(settings, replace=replace)
        if settings.database.startswith("sqlite:"):
            _place(settings, source, manifest, told)
        else:
            told("pg_restore", 0, 0)
            postgresql_tools.load(settings.database, source / manifest.database, manifest.made_ms)
        if key is not None and not settings.secret:
            _write_key(settings.data / KEY_FILE, key)
        held = asyncio.run(_hold(settings, manifest, key, told))
        _let_go(settings)
    finally:
        lock.release()
    return {
        "restored": str(source),
        "made_at": manifest.made_at,
        "held": held.held,
        "in_doubt": held.in_doubt,
        "paused_endpoints": held.endpoints,
        "moved_aside": aside,
        "has_key": bool(settings.secret) or (settings.data / KEY_FILE).exists(),
    }


def _checked(settings: Settings, source: Path) -> Manifest:
    manifest = read_backup(source)
    engine = "sqlite" if settings.database.startswith("sqlite:") else "postgresql"
    if manifest.engine != engine:
        raise NoBackup(f"{source} is a backup of {manifest.engine}, and POSTROOM_DATABASE_URL names {engine}")
    if int(manifest.schema) > int(migrate.HEAD):
        raise NewerDatabase(
            f"the backup has version {manifest.schema} and this Postroom knows versions up to {migrate.HEAD}: "
            f"restore it with Postroom {manifest.postroom} or newer"
        )
    if engine == "sqlite":
        backup_file.check_copy(source / manifest.database)
    else:
        postgresql_tools.check_dump(source / manifest.database)
    now_ms = SystemClock().now_ms()
    if now_ms <= manifest.made_ms:
        raise SettingsError(f"this machine's clock is before the time of the backup ({manifest.made_at}): set it right")
    return manifest


def _right_key(settings: Settings, source: Path, manifest: Manifest) -> str | None:
    """Return the key of the backup, else that of this installation, else None. Raises WrongMasterKey."""
    found = (source / KEY_FILE, settings.data / KEY_FILE)
    key = settings.secret or next((path.read_text().strip() for path in found if path.exists()), None)
    if key is not None and manifest.engine == "sqlite":
        canary = backup_file.sealed_canary(source / manifest.database)
        if canary is not None and not is_master_key(Sealer(*read_keys(key, _NAMES_OF_KEY)), canary):
            raise WrongMasterKey(
                f"POSTROOM_SECRET (or {KEY_FILE} in {source} or {settings.data}) is not the key of this backup: "
                "put the right one there"
            )
    return key


def _make_room(settings: Settings, *, replace: bool) -> str | None:
    """Move what there is aside; return where it went. Raises NotEmpty unless `replace`."""
    found = [path for path in settings.data.iterdir() if path.name not in _STAYS and not path.name.startswith(_ASIDE)]
    stamp = datetime.now(UTC).strftime("%Y%m%d%H%M%S")
    is_sqlite = settings.database.startswith("sqlite:")
    source = Path(settings.database.removeprefix("sqlite:///")) if is_sqlite else None
    has_tables = not is_sqlite and not postgresql_tools.is_empty(settings.database)
    outside = [] if source is None else [path for path in _files_of(source) if path.exists() and path not in found]
    if (found or outside or has_tables) and not replace:
        what = "the database has tables" if has_tables else f"{settings.data} is not empty"
        raise NotEmpty(f"{what}: with --replace what is there is moved aside, not deleted")
    if has_tables:
        now_ms = SystemClock().now_ms()
        if alive := postgresql_tools.alive(settings.database, now_ms - OUT_AFTER_MS):
            raise NotEmpty(f"nodes {', '.join(map(str, alive))} are running on this database: stop all of them first")
        postgresql_tools.move_aside(settings.database, stamp)
    if not found and not outside:
        return None
    aside = settings.data / f"{_ASIDE}{stamp}"
    aside.mkdir(mode=0o700)
    for path in (*found, *outside):
        path.rename(aside / path.name)
    backup_file.sync(settings.data)
    return str(aside)


def _files_of(database: Path) -> list[Path]:
    return [database.with_name(database.name + end) for end in ("", "-wal", "-shm", ".restoring")]


def _place(settings: Settings, source: Path, manifest: Manifest, told: Told) -> None:
    target = _restoring(settings)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    whole = manifest.files[manifest.database].size_bytes
    with os.fdopen(descriptor, "wb") as copy, (source / manifest.database).open("rb") as file:
        done = 0
        while piece := file.read(1 << 20):
            copy.write(piece)
            done += len(piece)
            told("copying", done, whole)
        copy.flush()
        os.fsync(copy.fileno())


def _restoring(settings: Settings) -> Path:
    # Under another name until all is held: a server that is started meanwhile makes no mail go.
    path = Path(settings.database.removeprefix("sqlite:///"))
    return path.with_name(path.name + ".restoring")


async def _hold(settings: Settings, manifest: Manifest, key: str | None, told: Told) -> Held:
    clock = SystemClock()
    url = settings.database
    if url.startswith("sqlite:"):
        url = f"sqlite:///{_restoring(settings)}"
    database = await open_database(url, clock=clock)
    try:
        await check_clock(database, clock, manifest.made_ms)
        if key is not None:
            sealer = Sealer(*read_keys(key, _NAMES_OF_KEY))
            await database.write(lambda tx: check_master_key(tx, sealer, clock.now_ms()))
        await database.write(lambda tx: restorations.mark(tx, first_id_at(manifest.made_ms), manifest.made_ms))
        await database.write(restorations.forget_heartbeats)
        nodes = Nodes(database, clock, data_id_of(settings.data), read_boot_id(), "restore")
        ids = IdSource(await nodes.join(), clock)
        held = await hold_everything(database, ids, clock, manifest.made_ms, lambda count: told("holding", count, 0))
        await nodes.leave()
    finally:
        await database.close()
    return held


def _let_go(settings: Settings) -> None:
    if settings.database.startswith("sqlite:"):
        target = Path(settings.database.removeprefix("sqlite:///"))
        _restoring(settings).rename(target)
        backup_file.sync(target.parent)


def _write_key(path: Path, key: str) -> None:
    if path.exists() and path.read_text().strip() != key:
        shutil.copy2(path, path.with_name(f"{path.name}.before-restore"))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(key + "\n")
        file.flush()
        os.fsync(file.fileno())
