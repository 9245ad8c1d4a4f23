"""What an account logs in with: its password, or an access token that is new enough.

Access tokens live in memory only. They are refreshed before they end, by one
request at a time for an account, however many ask (`accounts.oauth`).
"""

from dataclasses import dataclass, field

from postroom.base.errors import PostroomError
from postroom.base.secrets import Sealer
from postroom.ledger.account_rows import AccountRow, ConnectionRow


class AuthRevoked(PostroomError):
    """The provider does not take the authorization any more (`invalid_grant`), or there are no credentials."""


class TokenServerAway(PostroomError):
    """No token could be had for any other reason. Never an authentication failure: try again later."""


@dataclass(frozen=True, slots=True)
class Password:
    """A login with a password."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Bearer:
    """A login with an access token."""

    user: str
    mechanism: str
    """`XOAUTH2`, or `OAUTHBEARER` (RFC 7628)."""
    token: str = field(repr=False)
    ends_ms: int | None = None
    """When the token ends; None: the provider does not say."""


class Credentials:
    """Opens the credentials of accounts. One per process."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    async def open(self, account: AccountRow, connection: ConnectionRow, provider: object) -> Password | Bearer:
        """Return what an account logs in with now. Raises AuthRevoked and TokenServerAway.

        `provider` is the connection's, with what connection and account say of their own server.
        """
        if account.password is None:
            raise AuthRevoked("the account is not connected")
        password = self._sealer.open(account.password, f"account/{account.id}/password").decode()
        return Password(account.username or account.email, password)

    def forget(self, account_id: int) -> None:
        """Forget an account's access token: the next `open` asks for another, as after a refused login."""
