"""Operators, their sessions, and the log of what they did."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "operator",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("created_ms", BIG, nullable=False),
        sa.Column("password_ms", BIG, nullable=False),
        sa.Column("totp_secret", sa.LargeBinary(), nullable=True),
        sa.Column("totp_step", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("locked_until_ms", BIG, server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="operator_pkey"),
        sa.UniqueConstraint("name_key", name="operator_name_key_key"),
    )
    _create_sessions()
    op.create_table(
        "first_link",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", BIG, nullable=False),
        sa.Column("expires_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("hash", name="first_link_pkey"),
    )
    op.create_table(
        "audit",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("operator_id", BIG, nullable=True),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("workspace_id", BIG, nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="audit_pkey"),
    )


def _create_sessions() -> None:
    """What an operator logs in with and is logged in by."""
    op.create_table(
        "operator_session",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("operator_id", BIG, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", BIG, nullable=False),
        sa.Column("seen_ms", BIG, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["operator_id"], ["operator.id"], name="operator_session_operator_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="operator_session_pkey"),
        sa.UniqueConstraint("hash", name="operator_session_hash_key"),
    )
    op.create_index("operator_session_operator_id", "operator_session", ["operator_id"])
    op.create_table(
        "recovery_code",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("operator_id", BIG, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("used_ms", BIG, nullable=True),
        sa.ForeignKeyConstraint(["operator_id"], ["operator.id"], name="recovery_code_operator_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="recovery_code_pkey"),
        sa.UniqueConstraint("operator_id", "hash", name="recovery_code_operator_id_hash_key"),
    )
