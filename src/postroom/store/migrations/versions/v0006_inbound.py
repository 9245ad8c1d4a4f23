"""Mail that comes in, and its bytes."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _create_content()
    _create_inbound()


def _create_content() -> None:
    op.create_table(
        "inbound_content",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("size_bytes", BIG, nullable=False),
        sa.Column("upload_id", BIG, nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("created_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id", name="inbound_content_pkey"),
    )
    op.create_index("inbound_content_workspace_id_id", "inbound_content", ["workspace_id", "id"], unique=False)
    op.create_index(
        "inbound_content_upload_id",
        "inbound_content",
        ["upload_id"],
        unique=False,
        sqlite_where=sa.text("upload_id IS NOT NULL"),
        postgresql_where=sa.text("upload_id IS NOT NULL"),
    )


def _create_inbound() -> None:
    op.create_table(
        "inbound",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("content_id", BIG, nullable=False),
        sa.Column("received_ms", BIG, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("helo", sa.Text(), nullable=False),
        sa.Column("tls", sa.Text(), nullable=False),
        sa.Column("reverse_path", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("recipient_key", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("own_recipient_id", BIG, nullable=True),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("author_name", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("size_bytes", BIG, nullable=False),
        sa.Column("verdicts", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'waiting'"), nullable=False),
        sa.Column("due_ms", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("epoch", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("node", BIG, nullable=True),
        sa.Column("lease_ms", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("kind", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("detail", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("answers_recipient_id", BIG, nullable=True),
        sa.Column("answers_message_id", BIG, nullable=True),
        sa.Column("route_id", BIG, nullable=True),
        sa.Column("is_counted", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("reviewed_ms", BIG, nullable=True),
        sa.Column("author_key", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="inbound_pkey"),
    )
    op.create_index("inbound_workspace_id_id", "inbound", ["workspace_id", "id"], unique=False)
    op.create_index("inbound_workspace_id_kind_id", "inbound", ["workspace_id", "kind", "id"], unique=False)
    op.create_index(
        "inbound_workspace_id_recipient_key_id", "inbound", ["workspace_id", "recipient_key", "id"], unique=False
    )
    op.create_index("inbound_workspace_id_author_key_id", "inbound", ["workspace_id", "author_key", "id"], unique=False)
    op.create_index(
        "inbound_failed",
        "inbound",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state = 'failed'"),
        postgresql_where=sa.text("state = 'failed'"),
    )
    op.create_index("inbound_content_id", "inbound", ["content_id"], unique=False)
    op.create_index(
        "inbound_waiting",
        "inbound",
        ["due_ms", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        "inbound_answers",
        "inbound",
        ["answers_recipient_id", "id"],
        unique=False,
        sqlite_where=sa.text("answers_recipient_id IS NOT NULL"),
        postgresql_where=sa.text("answers_recipient_id IS NOT NULL"),
    )
    op.create_index(
        "inbound_answers_message",
        "inbound",
        ["answers_message_id", "id"],
        unique=False,
        sqlite_where=sa.text("answers_message_id IS NOT NULL"),
        postgresql_where=sa.text("answers_message_id IS NOT NULL"),
    )
