"""Tables of how long things are kept, and of what came back from a backup."""

from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table

from postroom.store.schema.columns import BIG, big, big_or_null, blob, id_column, metadata, text_column

workspace_keeping = Table(
    "workspace_keeping",
    metadata,
    Column("workspace_id", BIG, primary_key=True, autoincrement=False),
    big_or_null("bodies_ms"),
    big_or_null("hits_ms"),
    big_or_null("ledger_ms"),
    big_or_null("sandbox_ms"),
    big("sealed_hour", default=0),
    big("bodies_examined_id", default=0),
    big("bodies_done_id", default=0),
    big("ledger_examined_id", default=0),
    big("ledger_done_id", default=0),
)

keep_later = Table(
    "keep_later",
    metadata,
    big("workspace_id"),
    text_column("what"),
    big("message_id"),
    blob("content_key"),
    big("look_ms"),
    PrimaryKeyConstraint("workspace_id", "what", "message_id"),
    Index(None, "workspace_id", "what", "look_ms"),
    # Before a content goes: does another message still need it?
    Index(None, "workspace_id", "content_key"),
)

restoration = Table(
    "restoration",
    metadata,
    id_column(),
    big("backup_ms"),
    big_or_null("finished_ms"),
    big("held", default=0),
    big("in_doubt", default=0),
)
