"""The rows of operators, their sessions, and the log of what they did; in the form of `ledger.rows`."""

from typing import NamedTuple


class OperatorRow(NamedTuple):
    """A person who looks after the installation. Operators see all workspaces."""

    id: int
    name: str
    """Name or e-mail address to log in with, as it was typed."""
    name_key: str
    """`name` with letter case folded; unique."""
    password_hash: str
    """argon2id in its usual text form."""
    created_ms: int
    password_ms: int
    """When the password was set; an older half-done login does not go on."""
    totp_secret: bytes | None = None
    """Sealed for `operator/ID/totp_secret`; None: a password is enough."""
    totp_step: int = 0
    """The last time step (RFC 6238 4.2) whose code was taken: none is taken twice."""
    failures: int = 0
    """Wrong passwords and codes since the last login."""
    locked_until_ms: int = 0
    """Nobody logs in as this operator before; 0: not locked."""


class OperatorSessionRow(NamedTuple):
    """A browser in which an operator is logged in; only the SHA-256 of its cookie is stored."""

    id: int
    operator_id: int
    hash: bytes
    created_ms: int
    seen_ms: int
    """When it was last used, to within some minutes."""
    address: str
    user_agent: str


class RecoveryCodeRow(NamedTuple):
    """A code that stands in for a lost authenticator, once; only its SHA-256 is stored."""

    id: int
    operator_id: int
    hash: bytes
    used_ms: int | None = None


class FirstLinkRow(NamedTuple):
    """A link that makes the first operator; all go when there is one. Only the SHA-256 of its token is stored."""

    hash: bytes
    created_ms: int
    expires_ms: int


class AuditRow(NamedTuple):
    """What an operator did: a fact, never changed."""

    id: int
    at_ms: int
    operator_id: int | None
    """None: a command at the machine itself."""
    operator: str
    """The name at that time, which stays when the operator is deleted."""
    workspace_id: int | None
    """None: it concerns the installation."""
    action: str
    """What was done, such as `api_key.create`."""
    subject: str
    """What it was done to, for people."""
    detail: str
    address: str
    """From where; empty for commands."""
