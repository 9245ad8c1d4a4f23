"""The rows of watched mailboxes: providers' connections, accounts, who watches them, and what was found.

In the form of `ledger.rows`.
"""

from enum import StrEnum
from typing import NamedTuple

from postroom.base.meaning import WordWithMeaning


class AccountState(WordWithMeaning):
    """How an account is watched. The value is the word of the API; the sentence stands on pages."""

    UNCONNECTED = "unconnected", "Nobody has connected it yet, or it was disconnected."
    CONNECTING = "connecting", "Its server is being asked."
    WATCHING = "watching", "Its server tells of new mail at once."
    POLLING = "polling", "Its server cannot tell of new mail, so it is asked again and again."
    AWAY = "away", "Its server does not answer, or asks to wait; it is tried again."
    REFUSED = "refused", "Its server does not take the password or the authorization."
    ARCHIVED = "archived", "It is not watched any more until it is restored."


class Outcome(WordWithMeaning):
    """What became of one mail of a watched mailbox. Each UID of an epoch has exactly one."""

    DELIVERED = "delivered", "An event tells of it with its bytes."
    TRUNCATED = "truncated", "It is larger than what is fetched: an event tells of it without its bytes."
    TRACER = "tracer", "A tracer of ours: its time was taken, no event tells of it."
    VANISHED = "vanished", "It was gone before it could be fetched."


class Security(StrEnum):
    """How a connection to an account's server is protected."""

    TLS = "tls"
    """TLS from the first octet."""
    STARTTLS = "starttls"
    """STARTTLS, and no login without it."""
    PLAIN = "plain"
    """None. Taken for addresses within POSTROOM_ALLOW_PRIVATE only."""


class PartnerRow(NamedTuple):
    """What a workspace set for its accounts: where people come back to. SuperIMAP's partner."""

    workspace_id: int
    success_url: str
    """Where a person goes after the connect dance, where the link names nothing else; empty: a page of ours."""
    failure_url: str
    redirects: str
    """JSON list of origins (`https://app.example.com`) that links may send people back to."""
    retries: int
    """Most tries of a webhook in SuperIMAP's form; 0: for three days."""
    created_ms: int


class PartnerKeyRow(NamedTuple):
    """A SuperIMAP key: opens SuperIMAP's API and signs its webhooks; the newest signs."""

    id: int
    workspace_id: int
    hint: str
    """The first letters, to recognise it by."""
    hash: bytes
    sealed: bytes
    """Sealed for `partner_key/ID/sealed`."""
    created_ms: int


class ConnectionRow(NamedTuple):
    """A workspace's credentials for an IMAP provider."""

    id: int
    workspace_id: int
    provider: str
    """Code of the provider, such as `GMAIL_OAUTH2`; one connection a workspace and provider."""
    client_id: str
    client_secret: bytes | None
    """Sealed for `connection/ID/client_secret`."""
    server: str
    """JSON object of what differs from the provider's own: host, port, security of IMAP and SMTP; or empty."""
    created_ms: int


class AccountRow(NamedTuple):
    """A mailbox account that is watched. SuperIMAP's user. It changes only when somebody changes it."""

    id: int
    workspace_id: int
    connection_id: int
    tag: str
    """As the workspace wrote it."""
    tag_key: str
    """Case-folded; unique among the accounts of a connection."""
    email: str
    username: str
    """What logs in; empty: the email address."""
    password: bytes | None
    """Sealed for `account/ID/password`."""
    refresh_token: bytes | None
    """Sealed for `account/ID/refresh_token`."""
    server: str
    """JSON object of its own IMAP and SMTP server, where the provider leaves that open; or empty."""
    mailboxes: str
    """JSON list of the mailboxes to watch; empty means INBOX."""
    is_tracer: int
    """1: tracers are sent to it."""
    is_archived: int
    connected_ms: int | None
    """Since when its credentials are there; None: it is not connected."""
    created_ms: int
    changed_ms: int
    """When somebody changed it last; watchers read it again then."""


class AccountOwnerRow(NamedTuple):
    """Which node watches an account, and the number of its last event. Written when it moves and with each event."""

    account_id: int
    workspace_id: int
    node: int | None = None
    epoch: int = 0
    """Grows each time it moves; who writes events must name it."""
    last_number: int = 0
    """Number of its last event; events of an account are numbered without a gap."""


class AccountStatusRow(NamedTuple):
    """How the watching goes, for people; written at transitions."""

    account_id: int
    workspace_id: int
    state: str = AccountState.UNCONNECTED.value
    """A word of AccountState."""
    why: str = ""
    """What its server said, in words, without secrets."""
    since_ms: int = 0
    failures: int = 0
    """Tries that failed since the last time it was watched for five minutes."""
    retry_ms: int | None = None
    """When it is tried again."""
    auth_failed_ms: int | None = None
    """Since when its credentials are refused; the workspace was told then."""
    token_expires_ms: int | None = None
    last_mail_ms: int | None = None
    last_login_ms: int | None = None
    server: str = ""
    """JSON object of what the server is: banner or ID, capabilities, abilities that it only claims to have."""


class MailboxRow(NamedTuple):
    """A watched mailbox of an account and its cursor: what lies below it has an outcome."""

    id: int
    account_id: int
    workspace_id: int
    name: str
    """As the server writes it (RFC 3501 5.1.3)."""
    uid_validity: int
    """The epoch of its UIDs. All that stands here is about this epoch."""
    first_uid: int
    """Where watching began: what lies below came before, unless a sweep takes it."""
    uid_next: int
    """Every UID from `first_uid` up to this one, excluded, has an outcome or was never there."""
    highest_modseq: int
    """RFC 7162; 0: the server has none."""
    sweep_next: int | None
    """A sweep tells of old mail too: the next UID that it looks at, up to `first_uid`; None: no sweep."""
    checked_ms: int
    """When the cursor was last compared with the server."""
    audited_ms: int
    """When every UID of the epoch was last compared with the server."""
    trust: int
    """How many drift checks in a row found nothing that the server had not told of."""


class AccountMailRow(NamedTuple):
    """What became of one mail, and when it passed which stage."""

    mailbox_id: int
    uid_validity: int
    uid: int
    account_id: int
    workspace_id: int
    outcome: str
    """A word of Outcome."""
    number: int | None
    """Number of the event that tells of it."""
    size_bytes: int
    sent_ms: int | None
    """When the last server before the provider handed it over: the newest Received field's time."""
    internal_ms: int | None
    """INTERNALDATE, which has whole seconds."""
    noticed_ms: int
    """When we knew that there is something new."""
    fetched_ms: int
    recorded_ms: int


class AccountEventRow(NamedTuple):
    """An event of an account under its number."""

    account_id: int
    number: int
    """From 1, without a gap."""
    workspace_id: int
    event_id: int
    kind: str
    at_ms: int
    told_ms: int | None = None
    """When the first receiver of a webhook in SuperIMAP's form took it."""
    given_up_ms: int | None = None
    """When it was given up: a receiver sees the gap and fetches it."""


class AccountContentRow(NamedTuple):
    """The bytes of a mail that was found, as the server gave them."""

    account_id: int
    number: int
    workspace_id: int
    body: bytes
    """In the form of `base.packing`."""
    created_ms: int


class ConnectDanceRow(NamedTuple):
    """A person who is connecting or disconnecting an account, between two pages."""

    state: bytes
    """SHA-256 of OAuth's `state` or of the form's token."""
    account_id: int
    workspace_id: int
    verifier: bytes
    """PKCE's code verifier (RFC 7636), sealed for `connect_dance/STATE/verifier`."""
    success_url: str
    failure_url: str
    expires_ms: int


class TracerRow(NamedTuple):
    """A marked mail that was sent to an account to see how long it takes."""

    id: int
    account_id: int
    workspace_id: int
    code: str
    """What its subject carries: `TRACER: CODE`."""
    sent_ms: int
    why: str
    """What went wrong with the sending; empty: it was sent."""
    arrived_ms: int | None = None
    lost_ms: int | None = None
    """When it was told as lost."""
    stages: str = ""
    """JSON object of milliseconds by stage: provider, notify, fetch, queue."""
