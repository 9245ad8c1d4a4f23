"""Settings: a TOML file and `POSTROOM_*` variables, read once and handed in.

Each field of `Settings` is one setting. Its variable is `POSTROOM_` and the
field's name in capitals, its TOML key the field's name. A variable wins over
the file (`postroom.toml` in the data folder, or POSTROOM_CONFIG); a variable
with `_FILE` behind its name is read from the file that it names. Nothing else
in Postroom reads the environment.
"""

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from importlib import import_module
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from postroom.base.errors import SettingsError
from postroom.base.log_forms import FORMS, Form

ROLES = ("submission", "inbound", "api", "track", "deliver", "watch", "upkeep")

Network = IPv4Network | IPv6Network
_LEVELS = ("debug", "info", "warning", "error")
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


@dataclass(frozen=True, slots=True)
class Listener:
    """Where a door listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _text(value: str) -> str:
    return value


def _path(value: str) -> Path:
    return Path(value).expanduser()


def _listener(value: str) -> Listener | None:
    if not value:
        return None
    host, colon, port = value.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ValueError("an address and a port, such as 127.0.0.1:8025, or nothing")
    return Listener(host.strip("[]") or "127.0.0.1", int(port))


def _networks(value: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in value.split(",") if part.strip())
    except ValueError as error:
        raise ValueError("networks between commas, such as 127.0.0.0/8,::1/128") from error


def _roles(value: str) -> frozenset[str]:
    roles = frozenset(part.strip() for part in value.split(",") if part.strip())
    if "all" in roles:
        return frozenset(ROLES)
    if not roles or not roles <= set(ROLES):
        raise ValueError(f"`all` or some of {', '.join(ROLES)}")
    return roles


def _url(value: str) -> str:
    parts = urlsplit(value)
    if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
        raise ValueError("an http or https address without query, such as https://mail.example.com")
    return value.rstrip("/")


def _database(value: str) -> str:
    if value and not value.startswith(("sqlite:", "postgresql://", "postgres://")):
        raise ValueError("sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME")
    return value


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not value.isdecimal() or not least <= int(value) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(value)

    return parse


def _days(value: str) -> timedelta:
    try:
        days = float(value)
    except ValueError as error:
        raise ValueError("a number of days, such as 5") from error
    if not 0 < days <= 30:
        raise ValueError("a number of days above 0, at most 30")
    return timedelta(days=days)


def _hostname(value: str) -> str:
    labels = value.rstrip(".").split(".")
    if len(value) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("a host name of letters, digits, hyphens and dots, such as mail.example.com")
    return value.rstrip(".")


def _level(value: str) -> str:
    if value not in _LEVELS:
        raise ValueError(f"one of {', '.join(_LEVELS)}")
    return value


def _log_form(value: str) -> str:
    if value not in FORMS:
        raise ValueError(f"one of {', '.join(FORMS)}")
    return value


def _setting(parse: Callable[[str], Any], default: str, sentence: str, *, secret: bool = False) -> Any:
    return field(metadata={"parse": parse, "default": default, "sentence": sentence, "secret": secret})


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, checked. Text fields that are empty mean what their sentence says."""

    data: Path = _setting(_path, "./data", "Folder of the database, keys, spool and journals.")
    database_url: str = _setting(
        _database, "", "sqlite:///PATH or postgresql://…; empty is postroom.db in the data folder.", secret=True
    )
    public_url: str = _setting(
        _url, "", "How people reach /o /c /u and /users of this installation; empty is the HTTP listener's own address."
    )
    http: Listener | None = _setting(_listener, "127.0.0.1:8025", "Listener of API, pages and public addresses.")
    public_http: Listener | None = _setting(
        _listener, "", "Second listener that serves /o /c /u and /users only; empty is off."
    )
    submission: Listener | None = _setting(_listener, "127.0.0.1:2525", "SMTP submission with STARTTLS.")
    submissions: Listener | None = _setting(_listener, "", "SMTP submission with implicit TLS; empty is off.")
    inbound: Listener | None = _setting(
        _listener, "127.0.0.1:2526", "SMTP door for mail from outside, with STARTTLS; empty is off."
    )
    resolver: str = _setting(_text, "", "host:port of the DNS resolver; empty is that of the system.")
    transport: str = _setting(
        _text, "sandbox", "Way out: sandbox, direct, smtp://user:pass@host:port or smtps://….", secret=True
    )
    roles: frozenset[str] = _setting(_roles, "all", f"What this process does: all, or some of {', '.join(ROLES)}.")
    hostname: str = _setting(
        _hostname,
        "localhost.localdomain",
        "Name in EHLO, Received and Message-ID, and the installation's own rp. host.",
    )
    tls_cert: str = _setting(_text, "", "PEM certificate chain of the SMTP doors; read again on change.")
    tls_key: str = _setting(_text, "", "PEM key of POSTROOM_TLS_CERT; without both a self-signed one is made.")
    trusted_proxies: tuple[Network, ...] = _setting(_networks, "", "Networks whose X-Forwarded-For is believed.")
    trusted_relays: tuple[Network, ...] = _setting(
        _networks, "", "Networks of MTAs in front of the inbound door, whose Received names the client for SPF."
    )
    secret: str = _setting(
        _text,
        "",
        "Master key, 64 hexadecimal digits, or the newest and older ones between commas; empty is secret.key in the "
        "data folder.",
        secret=True,
    )
    allow_private: tuple[Network, ...] = _setting(
        _networks,
        "",
        "Private networks that direct delivery, webhooks, mail servers of accounts and OAuth may dial; normally none.",
    )
    direct_port: int = _setting(_whole(1, 65535), "25", "Port of MX hosts in direct delivery; others are for tests.")
    helpers: int = _setting(
        _whole(0, 64), "2", "Processes that make attempts beside the owner; 0 makes them in the owner."
    )
    site_connections: int = _setting(_whole(1, 1000), "20", "Connections to one site at a time, over all nodes.")
    message_size_mb: int = _setting(_whole(1, 1024), "60", "Largest mail that the doors take, in MiB.")
    give_up_days: timedelta = _setting(_days, "5", "Days after the first try when a deferred recipient has failed.")
    watch_accounts: int = _setting(_whole(1, 100_000), "500", "Most mailbox accounts that one node watches.")
    watch_mail_kb: int = _setting(
        _whole(1, 65_536), "1024", "Largest mail of a mailbox that is fetched, in KiB; of larger ones the header."
    )
    watch_workers: int = _setting(
        _whole(1, 64), "5", "How many batches of found mail one node reads and packs at a time."
    )
    watch_connections_per_second: int = _setting(
        _whole(1, 10_000), "50", "Connections that one node opens to the same IMAP host in a second."
    )
    tracer_seconds: int = _setting(
        _whole(0, 86_400), "600", "Each node that watches sends tracers to one of its accounts so often; 0 sends none."
    )
    tracers: int = _setting(_whole(1, 20), "3", "How many tracers are sent each time.")
    tracer_lost_seconds: int = _setting(
        _whole(30, 86_400), "600", "A tracer that has not arrived after so long is told as lost."
    )
    metrics_from: tuple[Network, ...] = _setting(
        _networks, "127.0.0.0/8,::1/128", "Networks that may read /metrics; others get 404."
    )
    imap_providers: str = _setting(
        _text, "", "TOML file of more IMAP providers, by code; empty: those that are shipped (docs/mailboxes.md)."
    )
    log_level: str = _setting(_level, "info", "Least level that is logged: debug, info, warning or error.")
    log_format: Form = _setting(
        _log_form, "auto", "Form of the log: json, console (to be read), or auto: console where it is a terminal."
    )

    @property
    def database(self) -> str:
        """The database's address, made of the data folder where none is set."""
        return self.database_url or f"sqlite:///{(self.data / 'postroom.db').absolute()}"

    @property
    def return_path_host(self) -> str:
        """The host of machine addresses until a domain has its own."""
        return f"rp.{self.hostname.lower()}"


INHERITED_NAMES = ("http", "public_http", "submission", "submissions", "inbound")
"""Doors whose listening sockets a supervisor may hold: FileDescriptorName= of its sockets, and names of settings."""
_FIRST_INHERITED = 3
"""sd_listen_fds(3)."""


@dataclass(frozen=True, slots=True)
class Supervision:
    """What the supervisor that started this process has put into its environment; empty where nobody did."""

    sockets: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Descriptors of listening sockets by a name of INHERITED_NAMES."""
    notify_socket: str = ""
    """Where it wants to hear of readiness; empty for nowhere."""
    watchdog_seconds: float | None = None
    """It takes us for stuck after so long without a word; None: it does not ask."""


def read_supervision(process_id: int, environment: Mapping[str, str] = os.environ) -> Supervision:
    """Return what the supervisor said to this process. Raises SettingsError for sockets without a known name.

    The forms are those of sd_listen_fds(3), sd_notify(3) and sd_watchdog_enabled(3).
    """
    sockets: dict[str, tuple[int, ...]] = {}
    # Variables that a parent left behind were meant for the parent.
    if environment.get("LISTEN_PID") == str(process_id):
        count = int(environment.get("LISTEN_FDS", "0") or "0")
        names = environment.get("LISTEN_FDNAMES", "").split(":")
        for position in range(count):
            name = names[position] if position < len(names) else ""
            if name not in INHERITED_NAMES:
                expected = ", ".join(INHERITED_NAMES)
                raise SettingsError(f"LISTEN_FDNAMES: socket {position + 1} is {name!r}, but expected is {expected}")
            sockets[name] = (*sockets.get(name, ()), _FIRST_INHERITED + position)
    watchdog = None
    if environment.get("WATCHDOG_PID", str(process_id)) == str(process_id) and environment.get("WATCHDOG_USEC"):
        watchdog = int(environment["WATCHDOG_USEC"]) / 1_000_000
    return Supervision(sockets, environment.get("NOTIFY_SOCKET", ""), watchdog)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What an MTA has put into the environment of a command that it pipes a mail into."""

    reverse_path: str | None
    """Empty: the null reverse-path. None: it is not told."""
    recipients: tuple[str, ...]
    """Forms of the one envelope recipient, that which the sender wrote first; empty where it is not told."""


_NULL_PATHS = ("", "<>", "MAILER-DAEMON", "#@[]")
"""The null reverse-path as Postfix's pipe(8) and qmail-command(8) may write it."""


def read_delivery(environment: Mapping[str, str] = os.environ, *, qmail: bool) -> Delivery:
    """Return the envelope as local(8) of Postfix tells it, or with `qmail` as qmail-command(8) does.

    Postfix's RECIPIENT is what aliases made of ORIGINAL_RECIPIENT. With a virtual domain of qmail the local-part
    of RECIPIENT has a prefix, which is not part of EXT, nor of DEFAULT behind `.qmail-default`.
    """
    sender = environment.get("SENDER")
    told = [environment.get(name, "") for name in ("ORIGINAL_RECIPIENT", "RECIPIENT")]
    if qmail and (host := environment.get("HOST")):
        told += [f"{local}@{host}" for name in ("LOCAL", "EXT", "DEFAULT") if (local := environment.get(name))]
    return Delivery(
        null_or(sender) if sender is not None else None, tuple(dict.fromkeys(address for address in told if address))
    )


def null_or(reverse_path: str) -> str:
    """Return a reverse-path as MTAs write it for commands, the null one as the empty text."""
    return "" if reverse_path in _NULL_PATHS else reverse_path


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings. Raises SettingsError that names the key and what was expected."""
    config = environment.get("POSTROOM_CONFIG", "")
    path = Path(config) if config else Path(environment.get("POSTROOM_DATA", "./data")) / "postroom.toml"
    known = {setting.name: setting for setting in fields(Settings)}
    _refuse_unknown(environment, set(known))
    file = _read_file(path, set(known), required=bool(config))
    values = {name: _value(name, setting.metadata, environment, file) for name, setting in known.items()}
    return Settings(**values)


def _value(name: str, metadata: Mapping[str, Any], environment: Mapping[str, str], file: Mapping[str, str]) -> Any:
    variable = f"POSTROOM_{name.upper()}"
    source, text = variable, environment.get(variable)
    if text is None and (named := environment.get(variable + "_FILE")):
        source, text = variable + "_FILE", _content(variable + "_FILE", named)
    if text is None and name in file:
        source, text = name, file[name]
    if text is None:
        text = str(metadata["default"])
    try:
        return metadata["parse"](text.strip())
    except ValueError as error:
        shown = "" if metadata["secret"] else f" is {text!r},"
        raise SettingsError(f"{source}{shown} but expected is {error}") from error


def _content(variable: str, path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise SettingsError(f"{variable} names {path}, which cannot be read: {error.strerror}") from error


def _read_file(path: Path, known: set[str], *, required: bool) -> dict[str, str]:
    try:
        text = path.read_text()
        # Loaded only where there is a file: `postroom receive` is started for every mail. Its error is a ValueError.
        content: dict[str, Any] = import_module("tomllib").loads(text)
    except FileNotFoundError as error:
        if required:
            raise SettingsError(f"POSTROOM_CONFIG names {path}, which does not exist") from error
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
    for key in content:
        if key not in known:
            raise SettingsError(f"{path}: {key} is no setting; known are {', '.join(sorted(known))}")
    return {key: ",".join(map(str, value)) if isinstance(value, list) else str(value) for key, value in content.items()}


def _refuse_unknown(environment: Mapping[str, str], known: set[str]) -> None:
    # A misspelt variable that is passed over silently is worse than a stop.
    variables = {f"POSTROOM_{name.upper()}" for name in known}
    allowed = variables | {variable + "_FILE" for variable in variables} | {"POSTROOM_CONFIG", "POSTROOM_REQUIRE_PEERS"}
    for variable in environment:
        if variable.startswith("POSTROOM_") and variable not in allowed and not variable.startswith("POSTROOM_TEST_"):
            raise SettingsError(f"{variable} is no setting; docs/settings.md lists them all")
