"""Tables of the installation and of who uses it."""

from sqlalchemy import CheckConstraint, Column, Index, Table, Text, UniqueConstraint, text

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

workspace = Table(
    "workspace",
    metadata,
    id_column(),
    text_column("name"),
    big("created_ms"),
    text_column("transport", default=""),
    text_column("in_doubt_transactional", default="retry"),
    text_column("in_doubt_bulk", default="hold"),
    small("keep_addresses", default=1),
    UniqueConstraint("name"),
)

node = Table(
    "node",
    metadata,
    id_column("number"),
    text_column("data_id"),
    text_column("boot_id"),
    big("seen_ms"),
    text_column("roles"),
    UniqueConstraint("data_id"),
    CheckConstraint("number BETWEEN 0 AND 1023", name="number"),
)

secret = Table(
    "secret",
    metadata,
    Column("name", Text, primary_key=True, nullable=False),
    blob("sealed"),
    big("created_ms"),
)

api_key = Table(
    "api_key",
    metadata,
    id_column(),
    workspace_fk(),
    text_column("name"),
    text_column("hint"),
    blob("hash"),
    big("created_ms"),
    UniqueConstraint("hash"),
)

smtp_login = Table(
    "smtp_login",
    metadata,
    id_column(),
    workspace_fk(),
    text_column("username"),
    blob("hash"),
    text_column("stream"),
    big("created_ms"),
    UniqueConstraint("username"),
)

domain = Table(
    "domain",
    metadata,
    id_column(),
    workspace_fk(),
    text_column("name"),
    text_column("proof"),
    small("vouched"),
    big_or_null("proved_ms"),
    text_column("selector"),
    blob("rsa_key"),
    text_column("ed25519_selector"),
    blob_or_null("ed25519_key"),
    big_or_null("return_path_seen_ms"),
    big_or_null("tracking_seen_ms"),
    big_or_null("checked_ms"),
    big("created_ms"),
    text_column("problems", default=""),
    UniqueConstraint("workspace_id", "name"),
)
# A proved name belongs to one workspace.
Index(
    "domain_owned_name",
    domain.c.name,
    unique=True,
    sqlite_where=text("proved_ms IS NOT NULL OR vouched = 1"),
)

writer = Table(
    "writer",
    metadata,
    id_column(),
    big("group_number"),
    big("used_ms"),
    comment="One row an open database: the number of its last committed group (store.group tells why).",
)
