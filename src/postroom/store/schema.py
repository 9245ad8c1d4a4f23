"""All tables, as SQLAlchemy Core sees them.

The columns of a table are the fields of its row type in `ledger.rows`, in
the same order; a test holds that. Core serves the migrations, their check and
reads that pages build up (`Conn.select`); what is written goes by text SQL.

An index costs each insert. One stands here only when a query reads it.
"""

from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from postroom.ledger import rows

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "pk": "%(table_name)s_pkey",
    }
)

BIG = BigInteger().with_variant(Integer(), "sqlite")
"""A 64-bit integer. SQLite's INTEGER has 64 bits, and only this word makes a primary key its rowid."""


def _id(name: str = "id") -> Column[int]:
    return Column(name, BIG, primary_key=True, autoincrement=False)


def _big(name: str, *, default: int | None = None) -> Column[int]:
    """Return a BIGINT column that is never null."""
    return Column(name, BIG, nullable=False, server_default=None if default is None else text(str(default)))


def _big_or_null(name: str) -> Column[int]:
    return Column(name, BIG, nullable=True)


def _int(name: str, *, default: int | None = None) -> Column[int]:
    """Return a small number or a truth value, never null."""
    return Column(name, Integer, nullable=False, server_default=None if default is None else text(str(default)))


def _text(name: str, *, default: str | None = None) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=None if default is None else text(f"'{default}'"))


def _blob(name: str) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=False)


def _blob_or_null(name: str) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=True)


def _workspace_fk() -> Column[int]:
    # Only small tables carry a foreign key: on the others each insert would pay for looking it up.
    return Column("workspace_id", BIG, ForeignKey("workspace.id"), nullable=False)


workspace = Table(
    "workspace",
    metadata,
    _id(),
    _text("name"),
    _big("created_ms"),
    _text("transport", default=""),
    _text("in_doubt_transactional", default="retry"),
    _text("in_doubt_bulk", default="hold"),
    _int("keep_addresses", default=1),
    UniqueConstraint("name"),
)

node = Table(
    "node",
    metadata,
    _id("number"),
    _text("data_id"),
    _text("boot_id"),
    _big("seen_ms"),
    _text("roles"),
    UniqueConstraint("data_id"),
    CheckConstraint("number BETWEEN 0 AND 1023", name="number"),
)

secret = Table(
    "secret",
    metadata,
    Column("name", Text, primary_key=True, nullable=False),
    _blob("sealed"),
    _big("created_ms"),
)

api_key = Table(
    "api_key",
    metadata,
    _id(),
    _workspace_fk(),
    _text("name"),
    _text("hint"),
    _blob("hash"),
    _big("created_ms"),
    UniqueConstraint("hash"),
)

smtp_login = Table(
    "smtp_login",
    metadata,
    _id(),
    _workspace_fk(),
    _text("username"),
    _blob("hash"),
    _text("stream"),
    _big("created_ms"),
    UniqueConstraint("username"),
)

domain = Table(
    "domain",
    metadata,
    _id(),
    _workspace_fk(),
    _text("name"),
    _text("proof"),
    _int("vouched"),
    _big_or_null("proved_ms"),
    _text("selector"),
    _blob("rsa_key"),
    _text("ed25519_selector"),
    _blob_or_null("ed25519_key"),
    _big_or_null("return_path_seen_ms"),
    _big_or_null("tracking_seen_ms"),
    _big_or_null("checked_ms"),
    _big("created_ms"),
    UniqueConstraint("workspace_id", "name"),
)
# A proved name belongs to one workspace.
Index(
    "domain_owned_name",
    domain.c.name,
    unique=True,
    sqlite_where=text("proved_ms IS NOT NULL OR vouched = 1"),
    postgresql_where=text("proved_ms IS NOT NULL OR vouched = 1"),
)

content = Table(
    "content",
    metadata,
    _big("workspace_id"),
    _blob("key"),
    _big("size_bytes"),
    _big_or_null("upload_id"),
    _blob_or_null("body"),
    _blob("plan"),
    _blob("links"),
    _big("created_ms"),
    PrimaryKeyConstraint("workspace_id", "key"),
)
# The orphan sweep asks which uploads a content row links.
Index(
    "content_upload_id",
    content.c.upload_id,
    sqlite_where=text("upload_id IS NOT NULL"),
    postgresql_where=text("upload_id IS NOT NULL"),
)

content_chunk = Table(
    "content_chunk",
    metadata,
    _big("upload_id"),
    _int("number"),
    _blob("data"),
    _big("created_ms"),
    PrimaryKeyConstraint("upload_id", "number"),
)

message = Table(
    "message",
    metadata,
    _id(),
    _big("workspace_id"),
    _blob("content_key"),
    _text("kind"),
    _text("stream"),
    _text("source"),
    _text("reverse_path"),
    _text("author_address"),
    _text("author_domain"),
    _big_or_null("domain_id"),
    _text("subject"),
    _text("message_id"),
    _text("tags"),
    _text("metadata"),
    _int("track"),
    _int("token_key_id"),
    _text("return_path_host"),
    _text("tracking_url"),
    _int("smtputf8"),
    _text("ret"),
    _text("envid"),
    _big("size_bytes"),
    _big_or_null("send_at_ms"),
    _big("created_ms"),
    _text("unsubscribe", default=""),
    Index(None, "workspace_id", "id"),
    Index(None, "workspace_id", "message_id"),
)

lane = Table("lane", metadata, _id(), _big("workspace_id"), _text("stream"), _text("domain"))

recipient = Table(
    "recipient",
    metadata,
    _id(),
    _big("workspace_id"),
    _big("message_id"),
    _big("lane_id"),
    _text("address"),
    _text("address_key"),
    _text("domain"),
    _text("state"),
    _big("due_ms"),
    _text("provider"),
    _int("notify"),
    _text("original"),
    _text("merge"),
    _big("epoch", default=0),
    _big_or_null("node"),
    _big_or_null("lease_ms"),
    _int("tries", default=0),
    _big_or_null("first_tried_ms"),
    _text("reason", default=""),
    _big_or_null("reply_code"),
    _text("reply_status", default=""),
    _text("next_hop", default=""),
    _big_or_null("settled_ms"),
    _big_or_null("sent_hour"),
    _int("delayed_told", default=0),
    _int("doubt_retried", default=0),
    _big_or_null("opened_ms"),
    _big_or_null("human_opened_ms"),
    _big_or_null("clicked_ms"),
    _big_or_null("human_clicked_ms"),
    _big_or_null("unsubscribed_ms"),
    _big_or_null("complained_ms"),
    Index(None, "message_id"),
    Index(None, "workspace_id", "address_key", "id"),
    Index(None, "workspace_id", "domain", "id"),
    Index(None, "workspace_id", "state", "id"),
)
# The queue: what waits, by lane and time. Delivered recipients leave it.
Index(
    "recipient_queue",
    recipient.c.lane_id,
    recipient.c.due_ms,
    recipient.c.id,
    sqlite_where=text("state IN ('queued', 'deferred')"),
    postgresql_where=text("state IN ('queued', 'deferred')"),
)
# What a node has in flight: after a crash its own recipients are found by this.
Index(
    "recipient_sending",
    recipient.c.node,
    sqlite_where=text("state = 'sending'"),
    postgresql_where=text("state = 'sending'"),
)

event = Table(
    "event",
    metadata,
    _id(),
    _big("workspace_id"),
    _big_or_null("message_id"),
    _big_or_null("recipient_id"),
    _text("kind"),
    _big("at_ms"),
    _text("detail"),
    Index(None, "workspace_id", "id"),
    Index(None, "message_id", "id"),
)
# An accepted event tells of a message and has no recipient.
Index(
    "event_recipient_id",
    event.c.recipient_id,
    event.c.id,
    sqlite_where=text("recipient_id IS NOT NULL"),
    postgresql_where=text("recipient_id IS NOT NULL"),
)

suppression = Table(
    "suppression",
    metadata,
    _id(),
    _big("workspace_id"),
    _text("address_key"),
    _text("scope"),
    _text("reason"),
    _text("source"),
    _text("evidence"),
    _big_or_null("expires_ms"),
    _big("created_ms"),
    UniqueConstraint("workspace_id", "address_key", "scope"),
)

idempotency = Table(
    "idempotency",
    metadata,
    _big("workspace_id"),
    _text("key"),
    _blob("body_hash"),
    _int("status"),
    _blob("answer"),
    _big("created_ms"),
    _big("expires_ms"),
    PrimaryKeyConstraint("workspace_id", "key"),
)

destination = Table(
    "destination",
    metadata,
    Column("domain", Text, primary_key=True, nullable=False),
    _text("site"),
    _text("provider"),
    _big("expires_ms"),
)

hit = Table(
    "hit",
    metadata,
    _id(),
    _big("workspace_id"),
    _big("recipient_id"),
    _text("kind"),
    _int("position"),
    _big("at_ms"),
    _text("method"),
    _text("address"),
    _text("user_agent"),
    _text("evidence"),
    _text("label"),
    _int("rules"),
    Index(None, "workspace_id", "id"),
    Index(None, "recipient_id"),
)

sandbox_copy = Table(
    "sandbox_copy",
    metadata,
    _id("recipient_id"),
    _big("workspace_id"),
    _text("reverse_path"),
    _blob("copy"),
    _big("created_ms"),
    Index(None, "workspace_id", "recipient_id"),
)

counter = Table(
    "counter",
    metadata,
    _big("workspace_id"),
    _big("hour"),
    _text("dimension"),
    _text("key"),
    _big("node"),
    *(_big(name, default=0) for name in rows.COUNTERS),
    PrimaryKeyConstraint("workspace_id", "hour", "dimension", "key", "node"),
    sqlite_with_rowid=False,
)

writer = Table(
    "writer",
    metadata,
    _id(),
    _big("group_number"),
    _big("used_ms"),
    comment="One row an open database: the number of its last committed group (store.group tells why).",
)

ROWS: dict[type[NamedTuple], Table] = {
    rows.WorkspaceRow: workspace,
    rows.NodeRow: node,
    rows.SecretRow: secret,
    rows.ApiKeyRow: api_key,
    rows.SmtpLoginRow: smtp_login,
    rows.DomainRow: domain,
    rows.ContentRow: content,
    rows.ContentChunkRow: content_chunk,
    rows.MessageRow: message,
    rows.LaneRow: lane,
    rows.RecipientRow: recipient,
    rows.EventRow: event,
    rows.SuppressionRow: suppression,
    rows.IdempotencyRow: idempotency,
    rows.DestinationRow: destination,
    rows.HitRow: hit,
    rows.SandboxCopyRow: sandbox_copy,
}
"""Which table holds which row type, in the order in which a group is written."""
