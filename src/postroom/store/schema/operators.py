"""Tables of operators, their sessions, and the log of what they did."""

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, Table, UniqueConstraint

from postroom.store.schema.columns import (
    BIG,
    big,
    big_or_null,
    blob,
    blob_or_null,
    id_column,
    metadata,
    small,
    text_column,
)


def _operator_fk() -> Column[int]:
    return Column("operator_id", BIG, ForeignKey("operator.id"), nullable=False)


operator = Table(
    "operator",
    metadata,
    id_column(),
    text_column("name"),
    text_column("name_key"),
    text_column("password_hash"),
    big("created_ms"),
    big("password_ms"),
    blob_or_null("totp_secret"),
    big("totp_step", default=0),
    small("failures", default=0),
    big("locked_until_ms", default=0),
    UniqueConstraint("name_key"),
)

operator_session = Table(
    "operator_session",
    metadata,
    id_column(),
    _operator_fk(),
    blob("hash"),
    big("created_ms"),
    big("seen_ms"),
    text_column("address"),
    text_column("user_agent"),
    UniqueConstraint("hash"),
    Index(None, "operator_id"),
)

recovery_code = Table(
    "recovery_code",
    metadata,
    id_column(),
    _operator_fk(),
    blob("hash"),
    big_or_null("used_ms"),
    UniqueConstraint("operator_id", "hash"),
)

first_link = Table(
    "first_link",
    metadata,
    Column("hash", LargeBinary, primary_key=True, nullable=False),
    big("created_ms"),
    big("expires_ms"),
)

audit = Table(
    "audit",
    metadata,
    id_column(),
    big("at_ms"),
    big_or_null("operator_id"),
    text_column("operator"),
    big_or_null("workspace_id"),
    text_column("action"),
    text_column("subject"),
    text_column("detail"),
    text_column("address"),
)
