"""What we say to authorization servers. OAuth 2.0 (RFC 6749) with PKCE (RFC 7636), Bearer (6750), revocation (7009).

Refusals are told apart by what follows from them. `invalid_grant` says that the
person's authorization is over (`GrantRefused`). Everything else, from a name
that is not found to a client secret that is wrong, says nothing about the
person (`TokenServerAway`); where an operator has to act, its words say so.
Texts of others are shown shortened, and never a code, a token or a secret.
"""

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from postroom.accounts.providers import OAuth
from postroom.base.clock import Clock
from postroom.base.errors import PostroomError
from postroom.net.http_client import HttpAnswer, HttpClient, NoAnswer, read_url

_LONGEST_TOKEN = 16_384
_LONGEST_LIFE_SECONDS = 10 * 366 * 86_400
_VERIFIER_BYTES = 48
"""64 letters; RFC 7636 4.1 asks for 43 to 128."""
_MOST_WORDS = 200
_ADDRESS_CLAIMS = ("email", "preferred_username", "upn")
"""OpenID Connect Core 5.1; the second and third are what Microsoft has where there is no `email`."""
_ADDRESS_OF_USERINFO = (*_ADDRESS_CLAIMS, "mail", "userPrincipalName")
_ADDRESS = re.compile(r"[^\s@<>\"]{1,64}@[^\s@<>\"]{1,255}")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_FORM: tuple[tuple[str, str], ...] = (
    ("Content-Type", "application/x-www-form-urlencoded"),
    ("Accept", "application/json"),
    ("Accept-Encoding", "identity"),
)


class GrantRefused(PostroomError):
    """The authorization server does not take a code or refresh token (any more): RFC 6749 5.2, `invalid_grant`."""


class TokenServerAway(PostroomError):
    """No token could be had, for another reason. Never an authentication failure: try again later."""


@dataclass(frozen=True, slots=True)
class Client:
    """Us, as an authorization server knows us (RFC 6749 2)."""

    server: OAuth
    client_id: str
    client_secret: str = field(repr=False)
    """Empty: a public client."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a token endpoint gave (RFC 6749 5.1)."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    """Empty: none, or the one before stays."""
    ends_ms: int | None
    """When the access token ends; None: the server does not say."""
    email: str
    """What the ID token says; empty where it says nothing."""


def new_verifier() -> str:
    """Return a code verifier (RFC 7636 4.1), which also serves as a `state`."""
    return base64.urlsafe_b64encode(secrets.token_bytes(_VERIFIER_BYTES)).decode()


def challenge_of(verifier: str) -> str:
    """Return the code challenge of a verifier by S256 (RFC 7636 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def authorization_url(client: Client, *, state: str, verifier: str, redirect_uri: str, hint: str = "") -> str:
    """Return where a browser asks for authorization (RFC 6749 4.1.1, RFC 7636 4.3).

    `hint` is the address that the person is expected to choose. Raises TokenServerAway
    where the provider has no usable address.
    """
    where = client.server.authorize_url
    _check_url(where, "authorization")
    asked = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": redirect_uri,
        "scope": client.server.scope,
        "state": state,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
        **dict(client.server.parameters),
    }
    if hint:
        # OpenID Connect Core 3.1.2.1; others ignore it (RFC 6749 3.1).
        asked["login_hint"] = hint
    return where + ("&" if urlsplit(where).query else "?") + urlencode({k: v for k, v in asked.items() if v})


class AuthorizationServers:
    """Asks token, revocation and userinfo endpoints. Each request is made once and never followed elsewhere."""

    def __init__(self, http: HttpClient, clock: Clock) -> None:
        """`http` refuses addresses inside networks that may not be dialled, before it connects."""
        self._http = http
        self._clock = clock

    async def exchange(self, client: Client, code: str, *, verifier: str, redirect_uri: str) -> Tokens:
        """Return the tokens for an authorization code (RFC 6749 4.1.3). Raises GrantRefused, TokenServerAway."""
        asked = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        return await self._tokens(client, asked)

    async def refresh(self, client: Client, refresh_token: str) -> Tokens:
        """Return a new access token (RFC 6749 6). Raises GrantRefused, TokenServerAway."""
        return await self._tokens(client, {"grant_type": "refresh_token", "refresh_token": refresh_token})

    async def revoke(self, client: Client, token: str) -> bool:
        """Tell the server that a token is needed no more (RFC 7009 2.1); return whether it heard it.

        False also where it has no such endpoint. Raises nothing: who leaves is not held up by a server that is away.
        """
        if not client.server.revoke_url:
            return False
        try:
            answer = await self._post(client, client.server.revoke_url, "revocation", {"token": token})
        except TokenServerAway:
            return False
        # RFC 7009 2.2: 200 also for a token that is invalid already. Google says 400 then.
        return answer.status in (200, 204) or _json_object(answer.body).get("error") == "invalid_token"

    async def email_of(self, client: Client, tokens: Tokens) -> str:
        """Return the address of the account that was authorized, or an empty text where the provider does not say.

        It comes from the ID token, else from the userinfo endpoint (OpenID Connect Core 5.3).
        """
        if tokens.email or not client.server.userinfo_url:
            return tokens.email
        try:
            _check_url(client.server.userinfo_url, "userinfo")
            # RFC 6750 2.1
            header = [("Authorization", f"Bearer {tokens.access_token}"), *_FORM[1:]]
            answer = await self._http.get(client.server.userinfo_url, header)
        except (NoAnswer, ValueError, TokenServerAway):
            return ""
        return _address_in(_json_object(answer.body), _ADDRESS_OF_USERINFO) if answer.status == 200 else ""

    async def _tokens(self, client: Client, asked: Mapping[str, str]) -> Tokens:
        answer = await self._post(client, client.server.token_url, "token", asked)
        said = _json_object(answer.body)
        if answer.status == 200:
            return self._read(said)
        host = urlsplit(client.server.token_url).hostname
        error = said.get("error")
        if answer.status in (400, 401, 403) and error == "invalid_grant":
            raise GrantRefused(f"{host} says invalid_grant{_words(said)}")
        if isinstance(error, str) and error in _FOR_THE_OPERATOR:
            raise TokenServerAway(f"{host} says {error}{_words(said)}: {_FOR_THE_OPERATOR[error]}")
        shown = f" {error[:50]}" if isinstance(error, str) and error.isprintable() else ""
        raise TokenServerAway(f"{host} answers the request for a token with HTTP {answer.status}{shown}{_words(said)}")

    async def _post(self, client: Client, url: str, what: str, asked: Mapping[str, str]) -> HttpAnswer:
        _check_url(url, what)
        # RFC 6749 2.3.1. In the body first: that is what the large providers document.
        in_body = {"client_id": client.client_id, "client_secret": client.client_secret}
        fields = {**asked, **{name: value for name, value in in_body.items() if value}}
        answer = await self._send(url, what, _FORM, fields)
        if client.client_secret and answer.status in (400, 401):
            said = _json_object(answer.body)
            if said.get("error") in ("invalid_client", "unauthorized_client"):
                # Servers need not take it from there. A request that failed for this has used up no code.
                pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
                basic = ("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())
                answer = await self._send(url, what, (*_FORM, basic), asked)
        return answer

    async def _send(
        self, url: str, what: str, header: Sequence[tuple[str, str]], fields: Mapping[str, str]
    ) -> HttpAnswer:
        try:
            return await self._http.post(url, header, urlencode(fields).encode())
        except (NoAnswer, ValueError) as error:
            raise TokenServerAway(f"no answer from the {what} endpoint: {error}") from error

    def _read(self, said: Mapping[str, Any]) -> Tokens:
        access, refresh, seconds = said.get("access_token"), said.get("refresh_token", ""), said.get("expires_in")
        kind = said.get("token_type", "Bearer")
        if not _is_token(access) or not isinstance(kind, str) or kind.lower() != "bearer":
            raise TokenServerAway("the token endpoint answers 200 without a bearer token")
        if isinstance(seconds, str) and seconds.isdecimal():
            # Some servers write it as a text.
            seconds = int(seconds[:12])
        ends_ms = None
        if isinstance(seconds, int | float) and 0 < seconds < _LONGEST_LIFE_SECONDS:
            ends_ms = self._clock.now_ms() + int(seconds * 1000)
        return Tokens(str(access), refresh if _is_token(refresh) else "", ends_ms, _email_in(said.get("id_token")))


_FOR_THE_OPERATOR = {
    "invalid_client": "client id or client secret of the connection are wrong or have ended",
    "unauthorized_client": "the provider does not let this client use this grant: see its registration there",
    "unsupported_grant_type": "the token endpoint of the connection is another one",
    "invalid_scope": "the scope of the connection is not one that the provider knows",
    "invalid_request": "the provider does not understand the request: see the addresses of the connection",
}
"""RFC 6749 5.2: what these errors ask of whoever set the connection up."""


def _check_url(url: str, what: str) -> None:
    """Refuse what would show a secret to the network. Raises TokenServerAway."""
    try:
        parsed = read_url(url)
    except ValueError as error:
        raise TokenServerAway(f"the provider has no usable {what} endpoint: it {error}") from error
    # RFC 6749 3.1, 3.2: TLS. A loopback is no network.
    if parsed.scheme != "https" and parsed.host not in _LOOPBACK:
        raise TokenServerAway(f"the {what} endpoint must begin with https://")


def _email_in(id_token: object) -> str:
    """Return the address that an ID token tells.

    Its signature need not be checked: it came from the token endpoint itself,
    over TLS (OpenID Connect Core 3.1.3.7, point 6).
    """
    if not isinstance(id_token, str) or id_token.count(".") != 2 or len(id_token) > _LONGEST_TOKEN:
        return ""
    payload = id_token.split(".")[1]
    try:
        claims = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    except ValueError:
        return ""
    return _address_in(_json_object(claims), _ADDRESS_CLAIMS)


def _address_in(said: Mapping[str, Any], names: Sequence[str]) -> str:
    for name in names:
        value = said.get(name)
        if isinstance(value, str) and _ADDRESS.fullmatch(value) and value.isprintable():
            return value
    return ""


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _is_token(value: object) -> bool:
    # What goes into a SASL response (RFC 7628 3.1, XOAUTH2) must not hold its separators: visible ASCII only,
    # as RFC 6749 A.12 says.
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_TOKEN and value.isascii() and value.isprintable()


def _words(said: Mapping[str, Any]) -> str:
    text = said.get("error_description")
    if not isinstance(text, str) or not text.strip():
        return ""
    line = "".join(letter if letter.isprintable() else " " for letter in text.strip().splitlines()[0])
    return f" ({line[:_MOST_WORDS]})"
