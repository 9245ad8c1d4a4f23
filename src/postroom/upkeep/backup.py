"""A backup on the disk: a folder with the database, a manifest, and the master key where it was asked for.

It is written under a name that ends in `.part`, synced, and then renamed: what
has its own name is whole. Nothing is ever overwritten.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from postroom.base.errors import PostroomError, WrongInput
from postroom.store.backup_file import sync

MANIFEST = "manifest.json"
SQLITE_FILE = "postroom.db"
POSTGRESQL_FILE = "postroom.dump"
KEY_FILE = "secret.key"
_FORM = 1
_READ_BYTES = 1 << 20


class NoBackup(PostroomError):
    """A folder is no backup, or what is in it is not what was written."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of a backup."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What `manifest.json` says."""

    form: int
    postroom: str
    """Version that made the backup."""
    engine: str
    schema: str
    """Number of the database's last migration."""
    made_ms: int
    made_at: str
    """The same for people, RFC 3339."""
    has_key: bool
    counts: dict[str, int]
    """Rows by table."""
    files: dict[str, Kept]

    @property
    def database(self) -> str:
        """The name of the file that holds the database."""
        return SQLITE_FILE if self.engine == "sqlite" else POSTGRESQL_FILE


class Draft:
    """A backup that is being written. `finish` gives it its name, `drop` removes what there is of it."""

    def __init__(self, target: Path, made_ms: int) -> None:
        """`target` is a new name, or a folder in which the backup gets a name of its time. Raises WrongInput."""
        name = f"postroom-{datetime.fromtimestamp(made_ms / 1000, UTC):%Y-%m-%dT%H-%M-%SZ}"
        target = target.expanduser().absolute()
        # A folder that is a backup itself is not one to put backups in.
        is_place = target.is_dir() and not (target / MANIFEST).exists()
        self.path = target / name if is_place else target
        self.folder = self.path.with_name(self.path.name + ".part")
        if self.path.exists() or self.path.is_symlink():
            raise WrongInput("target", f"{self.path} is there already: a backup is never overwritten")
        try:
            self.folder.mkdir(mode=0o700)
        except FileExistsError as error:
            raise WrongInput(
                "target", f"{self.folder} is there: another backup is being written, or one was cut off; remove it"
            ) from error
        except OSError as error:
            raise WrongInput("target", f"{self.folder} cannot be made: {error.strerror}") from error

    def new_file(self, name: str) -> Path:
        """Return an empty file of the backup, readable by its owner only."""
        path = self.folder / name
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        return path

    def put(self, name: str, content: bytes) -> None:
        """Write a small file of the backup."""
        path = self.new_file(name)
        path.write_bytes(content)
        sync(path)

    def finish(self, manifest: Manifest) -> Path:
        """Write the manifest, sync everything and give the backup its name; return its path."""
        self.put(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
        sync(self.folder)
        if self.path.exists():
            raise WrongInput("target", f"{self.path} is there already: a backup is never overwritten")
        self.folder.rename(self.path)
        sync(self.path.parent)
        return self.path

    def drop(self) -> None:
        """Remove what was written so far."""
        shutil.rmtree(self.folder, ignore_errors=True)


def make_manifest(
    draft: Draft, *, version: str, engine: str, schema: str, made_ms: int, counts: dict[str, int]
) -> Manifest:
    """Return the manifest of the files that a draft holds."""
    files = {path.name: kept(path) for path in sorted(draft.folder.iterdir())}
    made_at = datetime.fromtimestamp(made_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Manifest(_FORM, version, engine, schema, made_ms, made_at, KEY_FILE in files, counts, files)


def read_backup(folder: Path) -> Manifest:
    """Return the manifest of a backup after comparing all its files. Raises NoBackup."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError as error:
        raise NoBackup(f"{folder} is no backup: it has no {MANIFEST}") from error
    except (OSError, msgspec.DecodeError) as error:
        raise NoBackup(f"{folder / MANIFEST} cannot be read: {error}") from error
    if manifest.form != _FORM:
        raise NoBackup(f"{folder} has form {manifest.form}, and this Postroom reads form {_FORM}: use a newer one")
    for name, expected in manifest.files.items():
        if Path(name).name != name:
            raise NoBackup(f"{folder / MANIFEST} names a file outside of the backup: {name}")
        try:
            found = kept(folder / name)
        except OSError as error:
            raise NoBackup(f"{folder / name} cannot be read: {error.strerror}") from error
        if found != expected:
            raise NoBackup(f"{folder / name} is not what was written: its SHA-256 or size differs from the manifest's")
    if manifest.database not in manifest.files:
        raise NoBackup(f"{folder} holds no {manifest.database}")
    return manifest


def kept(path: Path, told: Callable[[int], Any] = lambda size_bytes: None) -> Kept:
    """Return size and SHA-256 of a file. Raises OSError."""
    digest, size_bytes = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(_READ_BYTES):
            digest.update(piece)
            size_bytes += len(piece)
            told(len(piece))
    return Kept(size_bytes, digest.hexdigest())
