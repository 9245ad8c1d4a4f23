"""What somebody wants changed of a connection or an account, and what comes of it: pure, but for the sealing."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec

from postroom.accounts.providers import Kind, Overrides, Provider, overrides_of, server_of
from postroom.base.errors import WrongInput
from postroom.base.secrets import CannotOpen, Sealer
from postroom.ledger.account_rows import AccountRow, ConnectionRow, Security
from postroom.net.address_guard import Network, allowed
from postroom.net.http_client import url_problem

SECRET_TEXT = "- encrypted -"  # noqa: S105 - SuperIMAP's
"""What SuperIMAP shows in place of a secret; written back, it changes nothing."""
MOST_TAG = 200
_MOST_TEXT = 500
_MOST_SECRET = 8_192
_MOST_MAILBOXES = 20
_MOST_SERVER = 4_000

_encode_names = msgspec.json.Encoder().encode
_decode_names = msgspec.json.Decoder(list[str]).decode


@dataclass(frozen=True, slots=True)
class ConnectionChange:
    """What is to be another of a connection. None changes nothing, an empty text clears."""

    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    server: Mapping[str, object] = field(default_factory=dict)
    """Members of `Overrides` by their names."""


@dataclass(frozen=True, slots=True)
class AccountChange:
    """What is to be another of an account. None changes nothing, an empty text clears."""

    tag: str | None = None
    email: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    server: Mapping[str, object] = field(default_factory=dict)
    """Members of `Overrides` by their names."""
    mailboxes: tuple[str, ...] | None = None
    """Names as people read them; empty: INBOX."""
    is_tracer: bool | None = None
    is_archived: bool | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """What an account is after a change."""

    row: AccountRow
    was_connected: bool
    new_credentials: bool
    """It logs in with something else than before."""
    is_other_mailbox: bool
    """It is somebody else's mailbox, or one on another server: what is known of its mail holds no more."""
    told_email: str
    """The address that an event of this change tells: of what is disconnected, the one before."""


class AccountRules:
    """What an account and a connection may be."""

    def __init__(self, sealer: Sealer, allow_private: tuple[Network, ...]) -> None:
        self._sealer = sealer
        self._allow_private = allow_private

    def connection(self, row: ConnectionRow, change: ConnectionChange) -> ConnectionRow:
        """Return a connection after a change. Raises WrongInput."""
        server = self._server(row.server, change.server)
        secret = row.client_secret
        if change.client_secret is not None and change.client_secret != SECRET_TEXT:
            _text("oauth2_client_secret", change.client_secret, _MOST_SECRET)
            secret = self._seal(change.client_secret, f"connection/{row.id}/client_secret")
        client_id = row.client_id if change.client_id is None else change.client_id.strip()
        _text("oauth2_client_id", client_id, _MOST_TEXT)
        return row._replace(client_id=client_id, client_secret=secret, server=server)

    def account(
        self, row: AccountRow, change: AccountChange, connection: ConnectionRow, provider: Provider, now_ms: int
    ) -> Changed:
        """Return an account after a change. Raises WrongInput."""
        tag = row.tag if change.tag is None else change.tag
        _check_tag(tag)
        _check_kind(provider, change)
        email = row.email if change.email is None else change.email.strip()
        username = row.username if change.username is None else change.username.strip()
        if not email and "@" in username:
            email = username
        for name, value in (("email", email), ("login_username", username)):
            _text(name, value, _MOST_TEXT)
        after = row._replace(
            tag=tag,
            tag_key=tag_key(tag),
            email=email,
            username=username,
            password=self._secret(row.password, change.password, f"account/{row.id}/password", "login_password"),
            refresh_token=self._secret(
                row.refresh_token, change.refresh_token, f"account/{row.id}/refresh_token", "oauth2_refresh_token"
            ),
            server=self._server(row.server, change.server),
            mailboxes=row.mailboxes if change.mailboxes is None else _mailboxes(change.mailboxes),
            is_tracer=row.is_tracer if change.is_tracer is None else int(change.is_tracer),
            is_archived=row.is_archived if change.is_archived is None else int(change.is_archived),
            changed_ms=max(now_ms, row.changed_ms + 1),
        )
        return self._changed(row, after, connection, provider, now_ms)

    def _changed(
        self, row: AccountRow, after: AccountRow, connection: ConnectionRow, provider: Provider, now_ms: int
    ) -> Changed:
        login_before, login = _login(row), _login(after)
        new_server = server_of(provider, connection, row) != server_of(provider, connection, after)
        # Only what is there matters: another password is the same mailbox, another name is not.
        is_other = (login_before, login) != ("", "") and login_before.casefold() != login.casefold()
        new_credentials = (
            row.password is not after.password
            or row.refresh_token is not after.refresh_token
            or row.username != after.username
            or is_other
            or new_server
        )
        secret = after.password if provider.kind is Kind.PASSWORD else after.refresh_token
        is_connected = secret is not None and bool(login)
        if is_connected and server_of(provider, connection, after).imap is None:
            raise WrongInput(
                "imap_host",
                f"imap_host is missing: {provider.code} knows no IMAP server; name it, or have the person go to "
                "connect_url, where it is found out",
            )
        connected_ms = None if not is_connected else now_ms if new_credentials else row.connected_ms or now_ms
        return Changed(
            after._replace(connected_ms=connected_ms),
            row.connected_ms is not None,
            new_credentials and is_connected,
            bool(login_before) and (is_other or new_server),
            after.email or row.email,
        )

    def _secret(self, before: bytes | None, written: str | None, row: str, name: str) -> bytes | None:
        """Return a secret as it is kept; that which is kept, where the same is written again."""
        if written is None or written == SECRET_TEXT:
            return before
        _text(name, written, _MOST_SECRET)
        if not written:
            return None
        if before is not None:
            try:
                if hmac.compare_digest(self._sealer.open(before, row), written.encode()):
                    return before
            except CannotOpen:
                pass
        return self._seal(written, row)

    def _seal(self, secret: str, row: str) -> bytes | None:
        return self._sealer.seal(secret.encode(), row) if secret else None

    def _server(self, before: str, said: Mapping[str, object]) -> str:
        if not said:
            return before
        members = {**msgspec.to_builtins(overrides_of(before)), **said}
        try:
            after = msgspec.convert({name: value for name, value in members.items() if value is not None}, Overrides)
        except msgspec.ValidationError as error:
            name = str(error).rpartition("$.")[2].rstrip("`") if "$." in str(error) else "server"
            raise WrongInput(name, f"{name} cannot be used: {error}") from error
        self._check_server(after)
        text = after.to_json()
        if len(text) > _MOST_SERVER:
            raise WrongInput("server", f"the names of servers have {_MOST_SERVER} characters together at most")
        return text

    def _check_server(self, server: Overrides) -> None:
        for prefix, host, port, security in (
            ("imap", server.imap_host, server.imap_port, server.imap_security),
            ("smtp", server.smtp_host, server.smtp_port, server.smtp_security),
        ):
            if host and (len(host) > 253 or not host.isprintable() or any(letter in host for letter in " /@?#\\%")):
                raise WrongInput(f"{prefix}_host", f"{prefix}_host is no host name or address: {host!r}")
            if _is_address(host) and not allowed(host.strip("[]"), self._allow_private):
                raise WrongInput(
                    f"{prefix}_host",
                    f"{prefix}_host {host} is inside a network that may not be dialled: use a public address, "
                    "or have the operator open the network with POSTROOM_ALLOW_PRIVATE",
                )
            if not 0 <= port <= 65535:
                raise WrongInput(f"{prefix}_port", f"{prefix}_port is a port from 1 to 65535")
            if security is Security.PLAIN and not self._allow_private:
                raise WrongInput(
                    f"{prefix}_security",
                    f"{prefix}_security is tls or starttls: without either, passwords could be read on the way. "
                    "plain is for networks that the operator opens with POSTROOM_ALLOW_PRIVATE",
                )
        for name in ("authorize_url", "token_url", "revoke_url", "userinfo_url"):
            url = getattr(server, name)
            problem = url_problem(url, self._allow_private) if url else None
            if problem:
                raise WrongInput(f"oauth2_{name}", f"oauth2_{name}: {problem}")


def tag_key(tag: str) -> str:
    """Return what two tags that are the same have in common."""
    return tag.casefold()


def mailboxes_of(row: AccountRow) -> list[str]:
    """Return the mailboxes that are watched, as people read them."""
    return (_decode_names(row.mailboxes) if row.mailboxes else []) or ["INBOX"]


def restored(row: AccountRow, change: AccountChange) -> tuple[AccountRow, AccountChange]:
    """Return an archived account as if it were made again with a change: without credentials of before."""
    cleared = row._replace(email="", username="", password=None, refresh_token=None, server="", connected_ms=None)
    return cleared, replace(change, is_archived=bool(change.is_archived))


def _login(row: AccountRow) -> str:
    return row.username or row.email


def _check_tag(tag: str) -> None:
    if not tag.strip():
        raise WrongInput("tag", "tag can't be blank: choose a text that your application knows the user by")
    if tag in (".", ".."):
        raise WrongInput("tag", "tag cannot be dots alone: it is a part of addresses, which lose them")
    if len(tag) > MOST_TAG:
        raise WrongInput("tag", f"tag is too long: it has {MOST_TAG} characters at most")
    _text("tag", tag, MOST_TAG)


def _check_kind(provider: Provider, change: AccountChange) -> None:
    if provider.kind is Kind.OAUTH2 and change.password and change.password != SECRET_TEXT:
        raise WrongInput(
            "login_password",
            f"login_password is of no use: {provider.code} takes oauth2_refresh_token, or a person at connect_url",
        )
    if provider.kind is Kind.PASSWORD and change.refresh_token and change.refresh_token != SECRET_TEXT:
        raise WrongInput(
            "oauth2_refresh_token",
            f"oauth2_refresh_token is of no use: {provider.code} takes login_username and login_password",
        )


def _text(name: str, value: str, most: int) -> None:
    if len(value) > most:
        raise WrongInput(name, f"{name} is too long: it has {most} characters at most")
    if any(ord(letter) < 32 or ord(letter) == 127 or 0xD800 <= ord(letter) < 0xE000 for letter in value):
        raise WrongInput(name, f"{name} has a control character in it: take it out")


def _mailboxes(names: tuple[str, ...]) -> str:
    unique = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    if len(unique) > _MOST_MAILBOXES:
        raise WrongInput("mailboxes", f"mailboxes are too many: an account has {_MOST_MAILBOXES} watched ones at most")
    for name in unique:
        _text("mailboxes", name, _MOST_TEXT)
    return _encode_names(unique).decode() if unique and unique != ["INBOX"] else ""


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdecimal()
