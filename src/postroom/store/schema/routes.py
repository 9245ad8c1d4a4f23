"""Tables of routes: which mail goes where, what is still to be handed on, and the log of it."""

from sqlalchemy import Index, PrimaryKeyConstraint, Table

from postroom.store.schema.columns import (
    big,
    big_or_null,
    blob_or_null,
    id_column,
    metadata,
    small,
    text_column,
    workspace_fk,
)

route = Table(
    "route",
    metadata,
    id_column(),
    workspace_fk(),
    small("position"),
    text_column("recipient"),
    text_column("sender"),
    text_column("kinds"),
    text_column("action"),
    text_column("target"),
    blob_or_null("secret"),
    small("is_enabled"),
    text_column("description"),
    big("created_ms"),
    Index(None, "workspace_id", "position", "id"),
)

route_outbox = Table(
    "route_outbox",
    metadata,
    big("inbound_id"),
    big("route_id"),
    big("workspace_id"),
    text_column("target"),
    big("due_ms"),
    big("epoch", default=0),
    small("tries", default=0),
    PrimaryKeyConstraint("inbound_id", "route_id"),
    # What is due of a route, without a look at the rows.
    Index(None, "route_id", "due_ms", "inbound_id"),
    sqlite_with_rowid=False,
)

route_attempt = Table(
    "route_attempt",
    metadata,
    id_column(),
    big("workspace_id"),
    big("inbound_id"),
    big("route_id"),
    text_column("action"),
    text_column("target"),
    big("at_ms"),
    big("duration_ms"),
    small("succeeded"),
    big_or_null("status"),
    text_column("why"),
    big_or_null("message_id"),
    text_column("response_body"),
    # What became of a mail, and what went to a target.
    Index(None, "inbound_id", "id"),
    Index(None, "route_id", "id"),
)
