"""Why recipients failed, failures for causes that may pass, counted over days, and an index of the suppression list."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the column, make the table and the index."""
    op.add_column("recipient", sa.Column("cause", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.create_table(
        "soft_failure",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("address_key", sa.Text(), nullable=False),
        sa.Column("day", BIG, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "address_key", "day", name="soft_failure_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("suppression_workspace_id_id", "suppression", ["workspace_id", "id"], unique=False)
