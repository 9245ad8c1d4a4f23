"""The installation's own secrets: master key, token keys, names."""

import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from postroom.base.errors import SettingsError
from postroom.config import Settings
from postroom.domains.records import Installation

_KEY_BYTES = 32


def master_key(settings: Settings) -> bytes:
    """Return POSTROOM_SECRET, or the data folder's secret.key, which is made (0600) where it is missing.

    Raises SettingsError for a value that is not 64 hexadecimal digits.
    """
    if settings.secret:
        return _from_hex(settings.secret, "POSTROOM_SECRET")
    path = settings.data / "secret.key"
    try:
        return _from_hex(path.read_text().strip(), str(path))
    except FileNotFoundError:
        return _make(path)


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


def _make(path: Path) -> bytes:
    key = secrets.token_bytes(_KEY_BYTES)
    # O_EXCL: of two processes that start at once, one makes it and the other reads it.
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _from_hex(path.read_text().strip(), str(path))
    with os.fdopen(descriptor, "w") as file:
        file.write(key.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return key


def _from_hex(text: str, name: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise SettingsError(f"{name} has to hold 64 hexadecimal digits (32 random bytes)")
    return key
