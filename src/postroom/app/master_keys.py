"""The ring of master keys: from the settings, or a file of the data folder."""

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from postroom.base.errors import SettingsError
from postroom.base.secrets import KEY_BYTES
from postroom.config import Settings


def master_keys(settings: Settings) -> tuple[bytes, ...]:
    """Return the ring of POSTROOM_SECRET, or of the data folder's secret.key, which is made where it is missing.

    The newest key is the first. Raises SettingsError for what is not 64 hexadecimal digits a key.
    """
    if settings.secret:
        return read_keys(settings.secret, "POSTROOM_SECRET")
    path = key_file(settings)
    try:
        return read_keys(path.read_text(), str(path))
    except FileNotFoundError:
        return _make(path)


def key_file(settings: Settings) -> Path:
    """Return where the master keys are, unless they come from POSTROOM_SECRET."""
    return settings.data / "secret.key"


def read_keys(text: str, name: str) -> tuple[bytes, ...]:
    """Return the keys of a text, between commas or a line each. Raises SettingsError, which `name` is for."""
    keys = tuple(_from_hex(part, name) for part in text.replace(",", " ").split())
    if not keys:
        raise SettingsError(f"{name} has to hold 64 hexadecimal digits (32 random bytes)")
    return tuple(dict.fromkeys(keys))


def write_keys(path: Path, keys: Sequence[bytes]) -> None:
    """Replace a file of keys, at once and for good: a crash leaves the one before or this one."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        before = path.stat()
        if os.geteuid() == 0:
            # A command that root runs must not take the key away from the server's user.
            os.fchown(descriptor, before.st_uid, before.st_gid)
        file.write("".join(f"{key.hex()}\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _make(path: Path) -> tuple[bytes, ...]:
    key = secrets.token_bytes(KEY_BYTES)
    # O_EXCL: of two processes that start at once, one makes it and the other reads it.
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return read_keys(path.read_text(), str(path))
    with os.fdopen(descriptor, "w") as file:
        file.write(key.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return (key,)


def _from_hex(text: str, name: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise SettingsError(f"{name} has to hold 64 hexadecimal digits (32 random bytes)")
    return key
