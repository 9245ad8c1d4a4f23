"""Tables of webhooks: endpoints, how each fares, what is still to be told, and the log of requests."""

from sqlalchemy import Index, PrimaryKeyConstraint, Table, text

from postroom.store.schema.columns import (
    big,
    big_or_null,
    blob,
    blob_or_null,
    id_column,
    metadata,
    small,
    text_column,
    workspace_fk,
)

webhook_endpoint = Table(
    "webhook_endpoint",
    metadata,
    id_column(),
    workspace_fk(),
    text_column("url"),
    text_column("description"),
    text_column("kinds"),
    text_column("stream"),
    small("batch"),
    text_column("state"),
    text_column("why"),
    big("state_ms"),
    blob("secret"),
    blob_or_null("old_secret"),
    big_or_null("old_secret_until_ms"),
    big("created_ms"),
    text_column("form", default="standard"),
    Index(None, "workspace_id", "id"),
)

webhook_progress = Table(
    "webhook_progress",
    metadata,
    id_column("endpoint_id"),
    big_or_null("node"),
    big("epoch", default=0),
    big("lease_ms", default=0),
    big("failures", default=0),
    big("quiet_until_ms", default=0),
    big_or_null("failing_since_ms"),
    big("resumed_ms", default=0),
    big_or_null("last_success_ms"),
    big_or_null("last_failure_ms"),
    text_column("last_error", default=""),
)

webhook_outbox = Table(
    "webhook_outbox",
    metadata,
    big("endpoint_id"),
    big("event_id"),
    big("recipient_id"),
    big("due_ms"),
    small("tries", default=0),
    big_or_null("first_tried_ms"),
    PrimaryKeyConstraint("endpoint_id", "event_id"),
    # What is due, and the recipients that are passed over, without a look at the rows.
    Index(None, "endpoint_id", "due_ms", "event_id", "recipient_id"),
    sqlite_with_rowid=False,
)
# Which event of a recipient comes first.
Index(
    "webhook_outbox_order",
    webhook_outbox.c.endpoint_id,
    webhook_outbox.c.recipient_id,
    webhook_outbox.c.event_id,
    sqlite_where=text("recipient_id <> 0"),
)

webhook_attempt = Table(
    "webhook_attempt",
    metadata,
    id_column(),
    big("workspace_id"),
    big("endpoint_id"),
    big("at_ms"),
    big("duration_ms"),
    small("succeeded"),
    big_or_null("status"),
    text_column("why"),
    small("is_test"),
    small("is_batch"),
    text_column("request_id"),
    small("event_count"),
    text_column("events"),
    text_column("request_header"),
    text_column("response_header"),
    text_column("response_body"),
    Index(None, "endpoint_id", "id"),
)
# The failures among many successes.
Index(
    "webhook_attempt_failed",
    webhook_attempt.c.endpoint_id,
    webhook_attempt.c.id,
    sqlite_where=text("succeeded = 0"),
)
