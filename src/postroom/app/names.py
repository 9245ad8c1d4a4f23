"""The names and addresses under which the installation is reached."""

from urllib.parse import urlsplit

from postroom.base.errors import SettingsError
from postroom.config import Settings
from postroom.domains.records import Installation


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
    return f"http://{reached_at(listener.host)}:{listener.port}"


def dashboard_url(settings: Settings) -> str | None:
    """Return where operators find the dashboard, or None where this process has no listener for it.

    The public address where it is https, because cookies then go over https only; else the listener's own.
    """
    if settings.http is None:
        return None
    if settings.public_url.startswith("https:"):
        return settings.public_url
    return f"http://{reached_at(settings.http.host)}:{settings.http.port}"


def reached_at(host: str) -> str:
    """Return under which name a listener is reached from this machine, as it stands in front of a port."""
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
