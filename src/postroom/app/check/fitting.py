"""Settings that are right each by itself and do not fit together."""

import os
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from postroom.app.check.findings import Finding, fail, ok, warn
from postroom.config import ROLES, Listener, Settings
from postroom.outbound.transport import TransportKind

_AREA = "settings"
_PUBLIC = "recipients reach links and pixels by it: set it to the https address that leads to this server"


def check_settings(settings: Settings, kind: TransportKind) -> list[Finding]:
    """Look for settings that contradict one another; `kind` is the installation's way out."""
    found = [*_leaving(settings, kind), *_listening(settings), *_sharing(settings)]
    sentence = "sandbox: nothing leaves this machine" if kind is TransportKind.SANDBOX else f"the way out is {kind}"
    return [ok(_AREA, sentence), *found]


def _leaving(settings: Settings, kind: TransportKind) -> Iterator[Finding]:
    if kind is TransportKind.SANDBOX:
        return
    name = settings.hostname
    if name.endswith((".localdomain", ".local")) or "." not in name:
        remedy = "set POSTROOM_HOSTNAME to this machine's name in DNS"
        blame = fail if kind is TransportKind.DIRECT else warn
        yield blame(_AREA, f"POSTROOM_HOSTNAME is {name}, which peers cannot look up", remedy)
    public = urlsplit(settings.public_url)
    if not settings.public_url or is_loopback(public.hostname or ""):
        yield warn(_AREA, f"POSTROOM_PUBLIC_URL is {settings.public_url or 'empty'}", _PUBLIC)
    elif public.scheme != "https":
        remedy = "one-click unsubscribing needs https (RFC 8058 3.1): put a TLS proxy in front"
        yield warn(_AREA, f"POSTROOM_PUBLIC_URL is {settings.public_url}", remedy)
    elif not settings.trusted_proxies and settings.http is not None and is_loopback(settings.http.host):
        remedy = "name the TLS proxy in POSTROOM_TRUSTED_PROXIES, else each open and click has the proxy's address"
        yield warn(_AREA, "POSTROOM_TRUSTED_PROXIES is empty and the public address is https", remedy)
    if "inbound" in settings.roles and settings.inbound is None:
        remedy = "open it, or have your MTA pipe what comes back into `postroom receive`"
        yield warn(_AREA, "POSTROOM_INBOUND is empty: bounces, complaints and replies do not come in", remedy)
    elif "inbound" in settings.roles and settings.inbound is not None and is_loopback(settings.inbound.host):
        known = "" if settings.trusted_relays else " (by SMTP: name it in POSTROOM_TRUSTED_RELAYS, for SPF)"
        remedy = f"an MTA on this machine has to hand over what comes back{known}, else listen on port 25"
        yield ok(_AREA, f"POSTROOM_INBOUND is {settings.inbound}, which other hosts do not reach", remedy)
    if kind is TransportKind.DIRECT and settings.direct_port != 25:
        yield warn(_AREA, f"POSTROOM_DIRECT_PORT is {settings.direct_port}", "MX hosts listen on 25: unset it")
    if settings.allow_private:
        shown = ", ".join(map(str, settings.allow_private))
        yield warn(_AREA, f"POSTROOM_ALLOW_PRIVATE lets mail go to {shown}", "unset it on a server with customers")


def _listening(settings: Settings) -> Iterator[Finding]:
    if bool(settings.tls_cert) != bool(settings.tls_key):
        yield fail(_AREA, "only one of POSTROOM_TLS_CERT and POSTROOM_TLS_KEY is set", "set both or neither")
    if _is_open(settings.http):
        remedy = "API keys would travel in clear text: listen on loopback behind a TLS proxy"
        yield warn(_AREA, f"POSTROOM_HTTP is {settings.http}, without TLS", remedy)
    for name, networks, does, remedy in (
        ("METRICS_FROM", settings.metrics_from, "lets everybody read /metrics", "name the network of your monitoring"),
        ("TRUSTED_PROXIES", settings.trusted_proxies, "believes everybody whose request it is", "name the TLS proxy"),
        ("TRUSTED_RELAYS", settings.trusted_relays, "believes everybody whose mail it is", "name the MTA in front"),
    ):
        if any(network.prefixlen == 0 for network in networks):
            yield warn(_AREA, f"POSTROOM_{name} {does}", remedy)
    if settings.http is None and not settings.public_url:
        yield fail(_AREA, "there is no HTTP listener and no POSTROOM_PUBLIC_URL", "set one of the two")


def _sharing(settings: Settings) -> Iterator[Finding]:
    missing = set(ROLES) - settings.roles
    if missing and settings.database.startswith("sqlite"):
        remedy = "on SQLite one process has all roles: set POSTROOM_ROLES=all, or use PostgreSQL"
        yield warn(_AREA, f"nobody has the roles {', '.join(sorted(missing))}", remedy)
    cores = os.cpu_count() or 1
    if settings.helpers > 2 * cores:
        yield warn(
            _AREA, f"{settings.helpers} helpers on {cores} cores", "one a core is enough: lower POSTROOM_HELPERS"
        )


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine only."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _is_open(listener: Listener | None) -> bool:
    return listener is not None and not is_loopback(listener.host)
