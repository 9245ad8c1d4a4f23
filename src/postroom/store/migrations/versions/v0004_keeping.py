"""How long things are kept, erasure, and what a restored database holds back."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "sandbox_showing",
        sa.Column("recipient_id", BIG, autoincrement=False, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("shown_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("recipient_id", name="sandbox_showing_pkey"),
    )
    _create_message_tag()
    _create_keeping()
    op.create_table(
        "restoration",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("backup_ms", BIG, nullable=False),
        sa.Column("finished_ms", BIG, nullable=True),
        sa.Column("held", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("in_doubt", BIG, server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="restoration_pkey"),
    )
    op.add_column("content", sa.Column("used_ms", BIG, server_default=sa.text("0"), nullable=False))


def _create_keeping() -> None:
    op.create_table(
        "workspace_keeping",
        sa.Column("workspace_id", BIG, autoincrement=False, nullable=False),
        sa.Column("bodies_ms", BIG, nullable=True),
        sa.Column("hits_ms", BIG, nullable=True),
        sa.Column("ledger_ms", BIG, nullable=True),
        sa.Column("sandbox_ms", BIG, nullable=True),
        sa.Column("sealed_hour", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("bodies_examined_id", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("bodies_done_id", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("ledger_examined_id", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("ledger_done_id", BIG, server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", name="workspace_keeping_pkey"),
    )
    op.create_table(
        "keep_later",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("message_id", BIG, nullable=False),
        sa.Column("content_key", sa.LargeBinary(), nullable=False),
        sa.Column("look_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "what", "message_id", name="keep_later_pkey"),
    )
    op.create_index("keep_later_workspace_id_what_look_ms", "keep_later", ["workspace_id", "what", "look_ms"])
    op.create_index("keep_later_workspace_id_content_key", "keep_later", ["workspace_id", "content_key"])


def _create_message_tag() -> None:
    op.create_table(
        "message_tag",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("message_id", BIG, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "tag", "message_id", name="message_tag_pkey"),
        sqlite_with_rowid=False,
    )
    each = "json_each(m.tags)" if op.get_bind().dialect.name == "sqlite" else "json_array_elements_text(m.tags::json)"
    # What was accepted before is found by its tags too.
    op.execute(
        "INSERT INTO message_tag (workspace_id, tag, message_id) "
        f"SELECT DISTINCT m.workspace_id, t.value, m.id FROM message m, {each} t WHERE m.tags <> '[]'"
    )
