"""The rows of the database as frozen values; one NamedTuple a table, fields in column order.

A row is also the tuple that the driver stores. Ids are 63-bit integers
(`base.ids`), times whole milliseconds since the epoch (`_ms`), truth values 0
or 1, JSON is text. Columns that are written only later have the default that
a new row carries.
"""

from typing import NamedTuple


class WorkspaceRow(NamedTuple):
    """A tenant. Everything else belongs to one."""

    id: int
    name: str
    created_ms: int
    transport: str = ""
    """A transport of its own, as POSTROOM_TRANSPORT writes it; empty means that of the installation."""
    in_doubt_transactional: str = "retry"
    """`retry` (once more, marked) or `hold` (left to the operator)."""
    in_doubt_bulk: str = "hold"
    keep_addresses: int = 1
    """0: hits are kept without their network address."""


class NodeRow(NamedTuple):
    """A running (or former) process; its number is part of the ids that it makes."""

    number: int
    """0 to 1023, primary key."""
    data_id: str
    """Random name of its data folder: the same folder gets the same number again."""
    boot_id: str
    seen_ms: int
    roles: str


class SecretRow(NamedTuple):
    """A sealed value of the installation: the canary and the token keys (`token_key/7`)."""

    name: str
    sealed: bytes
    created_ms: int


class ApiKeyRow(NamedTuple):
    """An API key; only its SHA-256 is stored."""

    id: int
    workspace_id: int
    name: str
    hint: str
    """The first letters, to recognise it by."""
    hash: bytes
    created_ms: int


class SmtpLoginRow(NamedTuple):
    """A login at the submission door; only the SHA-256 of its password is stored."""

    id: int
    workspace_id: int
    username: str
    """Unique in the installation."""
    hash: bytes
    stream: str
    """`transactional`, `bulk`, or empty where each message says it."""
    created_ms: int


class DomainRow(NamedTuple):
    """A DNS domain that a workspace sends from."""

    id: int
    workspace_id: int
    name: str
    """Lower-case A-labels. A proved name belongs to one workspace; unproved claims may coexist."""
    proof: str
    """The value that the TXT record has to hold."""
    vouched: int
    proved_ms: int | None
    selector: str
    rsa_key: bytes
    """Sealed PKCS#8 DER for `domain/ID/rsa_key`."""
    ed25519_selector: str
    ed25519_key: bytes | None
    """Sealed PKCS#8 DER for `domain/ID/ed25519_key`, or None."""
    return_path_seen_ms: int | None
    """When `rp.NAME` was last seen to point here; None: the installation's own host serves."""
    tracking_seen_ms: int | None
    """When `go.NAME` was last seen to point here."""
    checked_ms: int | None
    created_ms: int
    problems: str = ""
    """What the last check found: JSON of purposes and problems, a problem empty where seen; empty before a check."""


class ContentRow(NamedTuple):
    """The bytes of a message without Bcc and X-Postroom fields, stored once a workspace."""

    workspace_id: int
    key: bytes
    """First 16 bytes of SHA-256 over the content and the compile options."""
    size_bytes: int
    upload_id: int | None
    """Where the content lies in `content_chunk`; None where `body` holds it."""
    body: bytes | None
    """zlib-compressed content; None once retention took it or where chunks hold it."""
    plan: bytes
    """The compiled form: segments with offsets, versioned (`outbound.compile`)."""
    links: bytes
    """The link table, kept when the body goes: zlib-compressed msgpack list of targets by position."""
    created_ms: int
    used_ms: int = 0
    """When another message used it last, to within an hour; 0: none but those of its first hour."""


class ContentChunkRow(NamedTuple):
    """A piece of a large content, written while it is received."""

    upload_id: int
    number: int
    data: bytes
    created_ms: int


class MessageRow(NamedTuple):
    """One submission."""

    id: int
    workspace_id: int
    content_key: bytes
    kind: str
    """`shared`: all copies show the same header fields; `personal`: each recipient is the only To."""
    stream: str
    source: str
    """`smtp`, `http`, `notify` (a report of ours) or `route` (mail that came in and is passed on)."""
    reverse_path: str
    """The author's own, for our DSNs; empty is the null reverse-path. Copies carry ours."""
    author_address: str
    author_domain: str
    """Of the author; of mail that is passed on, the domain of ours that got it."""
    domain_id: int | None
    """The proved domain that signs; None in the sandbox for a domain that is not ours."""
    subject: str
    """Decoded, at most 998 characters."""
    message_id: str
    """The Message-ID field's value with angle brackets."""
    tags: str
    """JSON list of text."""
    metadata: str
    """JSON object of text."""
    track: int
    """`outbound.submission.Track` as bits."""
    token_key_id: int
    return_path_host: str
    """Host of the reverse-path and of r-, u-, f- addresses, fixed at accept so that attempts are equal."""
    tracking_url: str
    """Beginning of the public addresses, such as `https://go.example.com`, fixed at accept."""
    smtputf8: int
    ret: str
    envid: str
    size_bytes: int
    send_at_ms: int | None
    created_ms: int
    unsubscribe: str = ""
    """JSON: the author's own List-Unsubscribe and -Post values that ours replaced."""


class MessageTagRow(NamedTuple):
    """A tag of a message, for the search: what is tagged so, newest first. Tags of `message.tags`, each once."""

    workspace_id: int
    tag: str
    message_id: int


class LaneRow(NamedTuple):
    """A queue of its own: one workspace's mail of one stream to one domain."""

    id: int
    """63 bits of SHA-256 over the other three: nobody has to look it up."""
    workspace_id: int
    stream: str
    domain: str
    """The recipients' domain, lower-case A-labels or an address literal."""


class RecipientRow(NamedTuple):
    """One envelope recipient of a message: the unit of work."""

    id: int
    workspace_id: int
    message_id: int
    lane_id: int
    address: str
    """As written; dialled so."""
    address_key: str
    """Local-part case-folded, domain as lower-case A-labels: for suppression and search."""
    domain: str
    state: str
    due_ms: int
    """When it may be claimed (queued, deferred)."""
    provider: str
    """Receiving provider's name, stamped at accept: `google`, `microsoft`, …, or `other`."""
    notify: int
    original: str
    """ORCPT as sent, or empty."""
    merge: str
    """JSON of values that only this copy shows (personal messages), or empty."""
    epoch: int = 0
    """Grows with each claim; who settles must name it."""
    node: int | None = None
    lease_ms: int | None = None
    """Until when the claim holds."""
    tries: int = 0
    first_tried_ms: int | None = None
    reason: str = ""
    """Why it is where it is, in words: the last reply, who holds it, which suppression."""
    reply_code: int | None = None
    reply_status: str = ""
    next_hop: str = ""
    settled_ms: int | None = None
    sent_hour: int | None = None
    """The hour in which it was counted as sent."""
    delayed_told: int = 0
    """1 after a delayed DSN."""
    doubt_retried: int = 0
    """1 after the one retry of a recipient in doubt."""
    opened_ms: int | None = None
    human_opened_ms: int | None = None
    clicked_ms: int | None = None
    human_clicked_ms: int | None = None
    unsubscribed_ms: int | None = None
    complained_ms: int | None = None
    cause: str = ""
    """Why it failed, a word of `mail.reasons.Reason`; empty unless it failed."""


class EventRow(NamedTuple):
    """A fact, never changed."""

    id: int
    workspace_id: int
    message_id: int | None
    recipient_id: int | None
    kind: str
    at_ms: int
    detail: str
    """JSON object; what it holds is told at each kind in docs/events.md."""
    account_id: int | None = None
    """The watched account that it tells of."""


class SuppressionRow(NamedTuple):
    """An address that gets no mail of a scope."""

    id: int
    workspace_id: int
    address_key: str
    scope: str
    """`all`, `bulk`, `transactional` or `list:ID`; one row a scope and address."""
    reason: str
    source: str
    """`api`, `operator`, `unsubscribe`, …"""
    evidence: str
    expires_ms: int | None
    created_ms: int


class IdempotencyRow(NamedTuple):
    """An Idempotency-Key of a workspace and what was answered to it."""

    workspace_id: int
    key: str
    body_hash: bytes
    status: int
    """HTTP status of the answer; 0 while the first request is running."""
    answer: bytes
    created_ms: int
    expires_ms: int


class DestinationRow(NamedTuple):
    """A recipients' domain and the site that its MX answer belongs to."""

    domain: str
    site: str
    provider: str
    expires_ms: int


class HitRow(NamedTuple):
    """One fetch of a pixel or a link, with its evidence."""

    id: int
    workspace_id: int
    recipient_id: int
    kind: str
    """`open` or `click`."""
    position: int
    at_ms: int
    method: str
    address: str
    user_agent: str
    evidence: str
    """JSON of further header fields that the label rests on."""
    label: str
    """`human`, `machine` or `unknown`."""
    rules: int
    """Version of the rules that labelled it."""


class SandboxCopyRow(NamedTuple):
    """A copy that the sandbox transport kept instead of sending."""

    recipient_id: int
    workspace_id: int
    reverse_path: str
    copy: bytes
    """zlib-compressed bytes as they would have gone over the wire, without dot-stuffing."""
    created_ms: int


class SandboxShowingRow(NamedTuple):
    """A copy in the sandbox was shown to somebody who is logged in; the first time counts."""

    recipient_id: int
    workspace_id: int
    shown_ms: int


class CounterKey(NamedTuple):
    """One row of counters; each node has its own rows, they are summed at reading."""

    workspace_id: int
    hour: int
    """Hours since the epoch, UTC."""
    dimension: str
    """`total`, `domain`, `stream`, `tag`, `provider`, `campaign`; of failed also `reason`, `provider_reason`."""
    key: str
    """Which domain, stream, …; empty for `total`; provider and reason with a space between for `provider_reason`."""


COUNTERS = (
    "outbound", "sent", "failed", "complaints",
    "opens_total", "opens_unique", "opens_human",
    "clicks_total", "clicks_unique", "clicks_human",
    "unsubscribes", "inbound",
)  # fmt: skip
"""The columns of table `counter` behind workspace_id, hour, dimension, key, node."""
