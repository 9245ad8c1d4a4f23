"""IMAP providers: where their servers are, and how a person gives access.

A workspace's connection names a provider by its code, as SuperIMAP does. Ours
are below; an operator adds more by a TOML file (POSTROOM_IMAP_PROVIDERS), a
table for each code with the names that a connection's own settings have too.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import msgspec

from postroom.base.errors import SettingsError
from postroom.ledger.account_rows import AccountRow, ConnectionRow, Security


class Kind(StrEnum):
    """How a person gives access."""

    PASSWORD = "password"  # noqa: S105  the word of the API
    OAUTH2 = "oauth2"


@dataclass(frozen=True, slots=True)
class Service:
    """A server's address."""

    host: str
    port: int
    security: Security

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Server:
    """Where an account's mail is read and handed in."""

    imap: Service | None = None
    """None: nobody said it yet; autodetection asks."""
    smtp: Service | None = None


@dataclass(frozen=True, slots=True)
class OAuth:
    """A provider's OAuth 2.0 (RFC 6749)."""

    authorize_url: str = ""
    token_url: str = ""
    revoke_url: str = ""
    """RFC 7009; empty: it has none."""
    userinfo_url: str = ""
    """OpenID Connect Core 5.3: where the address is asked that an ID token does not tell; empty: nowhere."""
    scope: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    """What else the authorization request carries."""


@dataclass(frozen=True, slots=True)
class Provider:
    """An IMAP provider, whatever the account."""

    code: str
    """Such as `GMAIL_OAUTH2`."""
    title: str
    kind: Kind
    server: Server = Server()
    oauth: OAuth = OAuth()
    idle_seconds: int = 1_500
    """After so long IDLE is begun anew; RFC 2177 wants less than 29 minutes, some providers much less."""
    has_idle: bool = True
    """False: its IDLE tells nothing, whatever it announces."""


_IMAPS, _SUBMISSIONS, _SUBMISSION = 993, 465, 587
_LEAST_IDLE, _MOST_IDLE = 20, 1_740


def _imaps(host: str) -> Service:
    return Service(host, _IMAPS, Security.TLS)


def _starttls(host: str) -> Service:
    return Service(host, _SUBMISSION, Security.STARTTLS)


_GMAIL = Server(_imaps("imap.gmail.com"), _starttls("smtp.gmail.com"))
_MICROSOFT = Server(_imaps("outlook.office365.com"), _starttls("smtp.office365.com"))

SHIPPED: tuple[Provider, ...] = (
    Provider(
        "GMAIL_OAUTH2",
        "Gmail",
        Kind.OAUTH2,
        _GMAIL,
        OAuth(
            "https://accounts.google.com/o/oauth2/v2/auth",
            "https://oauth2.googleapis.com/token",
            "https://oauth2.googleapis.com/revoke",
            "https://openidconnect.googleapis.com/v1/userinfo",
            "https://mail.google.com/ openid email",
            # Only so there is a refresh token, and at each consent again.
            (("access_type", "offline"), ("prompt", "consent")),
        ),
    ),
    Provider(
        "MICROSOFT_OAUTH2",
        "Microsoft 365 and Outlook.com",
        Kind.OAUTH2,
        _MICROSOFT,
        OAuth(
            "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
            "https://login.microsoftonline.com/common/oauth2/v2.0/token",
            scope="https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send "
            "offline_access openid email",
            parameters=(("prompt", "select_account"),),
        ),
    ),
    Provider("GMAIL", "Gmail with an app password", Kind.PASSWORD, _GMAIL),
    Provider("OUTLOOK", "Microsoft with a password", Kind.PASSWORD, _MICROSOFT),
    Provider(
        "YAHOO",
        "Yahoo and AOL with an app password",
        Kind.PASSWORD,
        Server(_imaps("imap.mail.yahoo.com"), Service("smtp.mail.yahoo.com", _SUBMISSIONS, Security.TLS)),
        idle_seconds=170,
    ),
    Provider(
        "ICLOUD",
        "iCloud with an app password",
        Kind.PASSWORD,
        Server(_imaps("imap.mail.me.com"), _starttls("smtp.mail.me.com")),
    ),
    Provider(
        "FASTMAIL",
        "Fastmail with an app password",
        Kind.PASSWORD,
        Server(_imaps("imap.fastmail.com"), Service("smtp.fastmail.com", _SUBMISSIONS, Security.TLS)),
    ),
    Provider("PLAIN", "Any IMAP server with a password", Kind.PASSWORD),
    Provider("OAUTH2", "Any IMAP server with OAuth 2.0", Kind.OAUTH2),
)

_ALIASES = {"OUTLOOK_OAUTH2": "MICROSOFT_OAUTH2"}


class Providers:
    """The providers of an installation."""

    def __init__(self, more: Iterable[Provider] = ()) -> None:
        """`more`: those of the operator; one whose code is shipped takes its place."""
        self._by_code = {provider.code: provider for provider in (*SHIPPED, *more)}

    def get(self, code: str) -> Provider | None:
        """Return the provider of a code, whatever its case, or None."""
        code = code.upper()
        return self._by_code.get(_ALIASES.get(code, code))

    def all(self) -> list[Provider]:
        """Return all providers."""
        return list(self._by_code.values())


class Overrides(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What differs from a provider's own: JSON of a connection and of an account, empty members said nothing.

    The names are those of the API.
    """

    imap_host: str = ""
    imap_port: int = 0
    imap_security: Security | None = None
    smtp_host: str = ""
    smtp_port: int = 0
    smtp_security: Security | None = None
    authorize_url: str = ""
    token_url: str = ""
    revoke_url: str = ""
    userinfo_url: str = ""
    scope: str = ""

    def to_json(self) -> str:
        """Return it as it is kept; nothing said is the empty text."""
        text = _encode(self).decode()
        return "" if text == "{}" else text


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Overrides).decode
_NOTHING = Overrides()


def overrides_of(text: str) -> Overrides:
    """Return what a connection's or an account's `server` says."""
    return _decode(text) if text else _NOTHING


def server_of(provider: Provider, connection: ConnectionRow, account: AccountRow | None = None) -> Server:
    """Return where an account's mail is: its own server over the connection's over the provider's."""
    server = _with(provider.server, overrides_of(connection.server))
    return server if account is None else _with(server, overrides_of(account.server))


def oauth_of(provider: Provider, connection: ConnectionRow) -> OAuth:
    """Return the provider's OAuth 2.0 with what the connection says instead."""
    return _oauth_with(provider.oauth, overrides_of(connection.server))


def _with(server: Server, said: Overrides) -> Server:
    imap = _service(server.imap, said.imap_host, said.imap_port, said.imap_security, (_IMAPS, Security.TLS))
    smtp = _service(server.smtp, said.smtp_host, said.smtp_port, said.smtp_security, (_SUBMISSION, Security.STARTTLS))
    return Server(imap, smtp)


def _service(
    before: Service | None, host: str, port: int, security: Security | None, usual: tuple[int, Security]
) -> Service | None:
    if not host and before is None:
        return None
    if host or before is None:
        # Another host than the one before: its port and security are not known to be the same.
        before = Service(host, *usual)
        if port in (_IMAPS, _SUBMISSIONS):
            before = replace(before, security=Security.TLS)
        elif port:
            before = replace(before, security=Security.STARTTLS)
    return Service(before.host, port or before.port, security or before.security)


def _oauth_with(oauth: OAuth, said: Overrides) -> OAuth:
    return replace(
        oauth,
        authorize_url=said.authorize_url or oauth.authorize_url,
        token_url=said.token_url or oauth.token_url,
        # Another provider's server must not be told of this one's tokens.
        revoke_url=said.revoke_url or ("" if said.token_url else oauth.revoke_url),
        userinfo_url=said.userinfo_url or ("" if said.token_url else oauth.userinfo_url),
        scope=said.scope or oauth.scope,
    )


class _Written(Overrides, frozen=True, forbid_unknown_fields=True):
    """A provider as an operator writes it."""

    kind: Kind = Kind.PASSWORD
    title: str = ""
    parameters: dict[str, str] = {}
    idle_seconds: int = 1_500
    has_idle: bool = True


def read_providers(path: str) -> Providers:
    """Return the shipped providers and those of a TOML file; empty: the shipped ones. Raises SettingsError."""
    if not path:
        return Providers()
    try:
        tables = tomllib.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise SettingsError(f"POSTROOM_IMAP_PROVIDERS: {path} cannot be read: {error}") from error
    return Providers([_written(path, code, table) for code, table in tables.items()])


def _written(path: str, code: str, table: object) -> Provider:
    where = f"POSTROOM_IMAP_PROVIDERS: {path}: [{code}]"
    if not code.isascii() or not code.replace("_", "").isalnum() or code != code.upper():
        raise SettingsError(f"{where}: a code has capital letters, digits and _ only, such as EXAMPLE_OAUTH2")
    try:
        written = msgspec.convert(table, _Written)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{where}: {error}") from error
    if not _LEAST_IDLE <= written.idle_seconds <= _MOST_IDLE:
        raise SettingsError(f"{where}: idle_seconds is a whole number from {_LEAST_IDLE} to {_MOST_IDLE}")
    for name, port in (("imap_port", written.imap_port), ("smtp_port", written.smtp_port)):
        if not 0 <= port <= 65535:
            raise SettingsError(f"{where}: {name} is a port from 1 to 65535")
    oauth = replace(_oauth_with(OAuth(), written), parameters=tuple(written.parameters.items()))
    return Provider(
        code,
        written.title or code,
        written.kind,
        _with(Server(), written),
        oauth,
        written.idle_seconds,
        written.has_idle,
    )
