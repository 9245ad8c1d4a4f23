"""Tables of what happened and of its consequences."""

from sqlalchemy import Index, PrimaryKeyConstraint, Table, UniqueConstraint, text

from postroom.ledger import rows
from postroom.store.schema.columns import big, big_or_null, id_column, metadata, small, text_column

event = Table(
    "event",
    metadata,
    id_column(),
    big("workspace_id"),
    big_or_null("message_id"),
    big_or_null("recipient_id"),
    text_column("kind"),
    big("at_ms"),
    text_column("detail"),
    big_or_null("account_id"),
    Index(None, "workspace_id", "id"),
    Index(None, "message_id", "id"),
)
# An accepted event tells of a message and has no recipient.
Index(
    "event_recipient_id",
    event.c.recipient_id,
    event.c.id,
    sqlite_where=text("recipient_id IS NOT NULL"),
)

suppression = Table(
    "suppression",
    metadata,
    id_column(),
    big("workspace_id"),
    text_column("address_key"),
    text_column("scope"),
    text_column("reason"),
    text_column("source"),
    text_column("evidence"),
    big_or_null("expires_ms"),
    big("created_ms"),
    UniqueConstraint("workspace_id", "address_key", "scope"),
    # The list, newest first.
    Index(None, "workspace_id", "id"),
)

hit = Table(
    "hit",
    metadata,
    id_column(),
    big("workspace_id"),
    big("recipient_id"),
    text_column("kind"),
    small("position"),
    big("at_ms"),
    text_column("method"),
    text_column("address"),
    text_column("user_agent"),
    text_column("evidence"),
    text_column("label"),
    small("rules"),
    Index(None, "workspace_id", "id"),
    Index(None, "recipient_id"),
)

counter = Table(
    "counter",
    metadata,
    big("workspace_id"),
    big("hour"),
    text_column("dimension"),
    text_column("key"),
    big("node"),
    *(big(name, default=0) for name in rows.COUNTERS),
    PrimaryKeyConstraint("workspace_id", "hour", "dimension", "key", "node"),
    sqlite_with_rowid=False,
)
