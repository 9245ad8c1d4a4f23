"""Failures for causes that may pass, by address and day."""

from sqlalchemy import PrimaryKeyConstraint, Table

from postroom.store.schema.columns import big, metadata, small, text_column

soft_failure = Table(
    "soft_failure",
    metadata,
    big("workspace_id"),
    text_column("address_key"),
    big("day"),
    text_column("reason"),
    small("failures", default=1),
    PrimaryKeyConstraint("workspace_id", "address_key", "day"),
    sqlite_with_rowid=False,
)
