"""Tables of mail that comes in."""

from sqlalchemy import Index, Table, text

from postroom.ledger.inbound_rows import InboundState
from postroom.store.schema.columns import big, big_or_null, blob_or_null, id_column, metadata, small, text_column

inbound_content = Table(
    "inbound_content",
    metadata,
    id_column(),
    big("workspace_id"),
    big("size_bytes"),
    big_or_null("upload_id"),
    blob_or_null("body"),
    big("created_ms"),
    Index(None, "workspace_id", "id"),
)
# The orphan sweep asks which uploads are linked.
Index(
    "inbound_content_upload_id",
    inbound_content.c.upload_id,
    sqlite_where=text("upload_id IS NOT NULL"),
)

inbound = Table(
    "inbound",
    metadata,
    id_column(),
    big("workspace_id"),
    big("content_id"),
    big("received_ms"),
    text_column("source"),
    text_column("peer"),
    text_column("helo"),
    text_column("tls"),
    text_column("reverse_path"),
    text_column("recipient"),
    text_column("recipient_key"),
    text_column("destination"),
    big_or_null("own_recipient_id"),
    text_column("author"),
    text_column("author_name"),
    text_column("subject"),
    text_column("message_id"),
    big("size_bytes"),
    text_column("verdicts"),
    text_column("state", default=InboundState.WAITING.value),
    big("due_ms", default=0),
    big("epoch", default=0),
    big_or_null("node"),
    big("lease_ms", default=0),
    small("tries", default=0),
    text_column("kind", default=""),
    text_column("detail", default=""),
    big_or_null("answers_recipient_id"),
    big_or_null("answers_message_id"),
    big_or_null("route_id"),
    small("is_counted", default=0),
    big_or_null("reviewed_ms"),
    text_column("author_key", default=""),
    Index(None, "workspace_id", "id"),
    Index(None, "workspace_id", "kind", "id"),
    Index(None, "workspace_id", "recipient_key", "id"),
    Index(None, "workspace_id", "author_key", "id"),
    Index(None, "content_id"),
)
# What was given up, which is rare.
Index(
    "inbound_failed",
    inbound.c.id,
    sqlite_where=text("state = 'failed'"),
)
# What waits for the worker.
Index(
    "inbound_waiting",
    inbound.c.due_ms,
    inbound.c.id,
    sqlite_where=text("state = 'waiting'"),
)
# What came back to a recipient, for its story, and to a message.
Index(
    "inbound_answers",
    inbound.c.answers_recipient_id,
    inbound.c.id,
    sqlite_where=text("answers_recipient_id IS NOT NULL"),
)
Index(
    "inbound_answers_message",
    inbound.c.answers_message_id,
    inbound.c.id,
    sqlite_where=text("answers_message_id IS NOT NULL"),
)
