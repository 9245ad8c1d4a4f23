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
