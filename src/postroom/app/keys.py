"""The installation's own secrets: master key, token keys, names."""

import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from postroom.base.errors import SettingsError
from postroom.base.secrets import KEY_BYTES
from postroom.config import Settings
from postroom.domains.records import Installation


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


def installation(settings: Settings) -> Installation:
    """Return the names under which this installation is reached."""
    return Installation(settings.hostname.lower(), urlsplit(public_url(settings)).hostname or settings.hostname)


def public_url(settings: Settings) -> str:
    """Return the beginning of the public addresses: POSTROOM_PUBLIC_URL, else the listener's own."""
    if settings.public_url:
        return settings.public_url
    listener = settings.public_http or settings.http
    if listener is None:
        raise SettingsError("POSTROOM_PUBLIC_URL is needed where this process has no HTTP listener")
    host = "127.0.0.1" if listener.host in ("0.0.0.0", "::") else listener.host  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{listener.port}" if ":" in host else f"http://{host}:{listener.port}"


def dashboard_url(settings: Settings) -> str | None:
    """Return where operators find the dashboard, or None where this process has no listener for it.

    The public address where it is https, because cookies then go over https only; else the listener's own.
    """
    if settings.http is None:
        return None
    if settings.public_url.startswith("https:"):
        return settings.public_url
    host = settings.http.host
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{settings.http.port}" if ":" in host else f"http://{host}:{settings.http.port}"


def return_path_host(settings: Settings) -> str:
    """Return the host of machine addresses until a domain has its own."""
    return f"rp.{settings.hostname.lower()}"


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
