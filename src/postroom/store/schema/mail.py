"""Tables of mail and of its way out."""

from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, Text, text

from postroom.store.schema.columns import big, big_or_null, blob, blob_or_null, id_column, metadata, small, text_column

content = Table(
    "content",
    metadata,
    big("workspace_id"),
    blob("key"),
    big("size_bytes"),
    big_or_null("upload_id"),
    blob_or_null("body"),
    blob("plan"),
    blob("links"),
    big("created_ms"),
    big("used_ms", default=0),
    PrimaryKeyConstraint("workspace_id", "key"),
)
# The orphan sweep asks which uploads a content row links.
Index(
    "content_upload_id",
    content.c.upload_id,
    sqlite_where=text("upload_id IS NOT NULL"),
)

content_chunk = Table(
    "content_chunk",
    metadata,
    big("upload_id"),
    small("number"),
    blob("data"),
    big("created_ms"),
    PrimaryKeyConstraint("upload_id", "number"),
)

message = Table(
    "message",
    metadata,
    id_column(),
    big("workspace_id"),
    blob("content_key"),
    text_column("kind"),
    text_column("stream"),
    text_column("source"),
    text_column("reverse_path"),
    text_column("author_address"),
    text_column("author_domain"),
    big_or_null("domain_id"),
    text_column("subject"),
    text_column("message_id"),
    text_column("tags"),
    text_column("metadata"),
    small("track"),
    small("token_key_id"),
    text_column("return_path_host"),
    text_column("tracking_url"),
    small("smtputf8"),
    text_column("ret"),
    text_column("envid"),
    big("size_bytes"),
    big_or_null("send_at_ms"),
    big("created_ms"),
    text_column("unsubscribe", default=""),
    Index(None, "workspace_id", "id"),
    Index(None, "workspace_id", "message_id"),
)

message_tag = Table(
    "message_tag",
    metadata,
    big("workspace_id"),
    text_column("tag"),
    big("message_id"),
    PrimaryKeyConstraint("workspace_id", "tag", "message_id"),
    sqlite_with_rowid=False,
)

lane = Table("lane", metadata, id_column(), big("workspace_id"), text_column("stream"), text_column("domain"))

recipient = Table(
    "recipient",
    metadata,
    id_column(),
    big("workspace_id"),
    big("message_id"),
    big("lane_id"),
    text_column("address"),
    text_column("address_key"),
    text_column("domain"),
    text_column("state"),
    big("due_ms"),
    text_column("provider"),
    small("notify"),
    text_column("original"),
    text_column("merge"),
    big("epoch", default=0),
    big_or_null("node"),
    big_or_null("lease_ms"),
    small("tries", default=0),
    big_or_null("first_tried_ms"),
    text_column("reason", default=""),
    big_or_null("reply_code"),
    text_column("reply_status", default=""),
    text_column("next_hop", default=""),
    big_or_null("settled_ms"),
    big_or_null("sent_hour"),
    small("delayed_told", default=0),
    small("doubt_retried", default=0),
    big_or_null("opened_ms"),
    big_or_null("human_opened_ms"),
    big_or_null("clicked_ms"),
    big_or_null("human_clicked_ms"),
    big_or_null("unsubscribed_ms"),
    big_or_null("complained_ms"),
    text_column("cause", default=""),
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
)
# What a node has in flight: after a crash its own recipients are found by this.
Index(
    "recipient_sending",
    recipient.c.node,
    sqlite_where=text("state = 'sending'"),
)

sandbox_copy = Table(
    "sandbox_copy",
    metadata,
    id_column("recipient_id"),
    big("workspace_id"),
    text_column("reverse_path"),
    blob("copy"),
    big("created_ms"),
    Index(None, "workspace_id", "recipient_id"),
)

sandbox_showing = Table("sandbox_showing", metadata, id_column("recipient_id"), big("workspace_id"), big("shown_ms"))

destination = Table(
    "destination",
    metadata,
    Column("domain", Text, primary_key=True, nullable=False),
    text_column("site"),
    text_column("provider"),
    big("expires_ms"),
)

idempotency = Table(
    "idempotency",
    metadata,
    big("workspace_id"),
    text_column("key"),
    blob("body_hash"),
    small("status"),
    blob("answer"),
    big("created_ms"),
    big("expires_ms"),
    PrimaryKeyConstraint("workspace_id", "key"),
)
