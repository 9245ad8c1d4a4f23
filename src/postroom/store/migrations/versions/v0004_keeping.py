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
