"""The links by which people connect and disconnect their accounts.

A link is a capability: who holds it within its half hour may connect that one
account. Its path carries the account's id, the second of its end and their
HMAC, so that an application may append a query of its own.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from postroom.base.clock import Clock
from postroom.base.tokens import TokenKeys, TokenKind

LINK_MS = 1_800_000
"""SuperIMAP's own; long enough to look a password up."""
CONNECT_PATH = "/users/connect/"
DISCONNECT_PATH = "/users/disconnect/"
CALLBACK_PATH = "/users/connect/callback"
"""Where providers send people back to; it has to be registered with them."""


class Links:
    """Makes and reads links."""

    def __init__(self, public_url: str, keys: Callable[[], TokenKeys], clock: Clock) -> None:
        """`public_url` is the beginning of this installation's addresses, without a slash at its end."""
        self._public_url = public_url
        self._keys = keys
        self._clock = clock

    @property
    def callback_url(self) -> str:
        """Return the redirection endpoint (RFC 6749 3.1.2) of this installation."""
        return self._public_url + CALLBACK_PATH

    @property
    def is_https(self) -> bool:
        """People come by https."""
        return urlsplit(self._public_url).scheme == "https"

    def connect_url(self, account_id: int) -> str:
        """Return where a person connects an account; it works for half an hour."""
        return self._public_url + CONNECT_PATH + self._token(TokenKind.CONNECT, account_id)

    def disconnect_url(self, account_id: int) -> str:
        """Return where a person disconnects an account; it works for half an hour."""
        return self._public_url + DISCONNECT_PATH + self._token(TokenKind.DISCONNECT, account_id)

    def account_of(self, kind: TokenKind, text: str) -> int | None:
        """Return the id of the account that a link is for, or None: not made here, or too old. Any text is allowed."""
        token = self._keys().check_url_text(kind, text)
        if token is None or token.position * 1000 < self._clock.now_ms():
            return None
        return token.recipient_id

    def was_made_here(self, kind: TokenKind, text: str) -> bool:
        """Tell whether a link is one of ours, be it too old by now. Any text is allowed."""
        return self._keys().check_url_text(kind, text) is not None

    def _token(self, kind: TokenKind, account_id: int) -> str:
        keys = self._keys()
        end = (self._clock.now_ms() + LINK_MS) // 1000
        return keys.url_text(kind, keys.signs_with, account_id, end)
