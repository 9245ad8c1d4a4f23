"""What the last look at a domain's records found, so that its page can show it again."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("domain", sa.Column("problems", sa.Text(), server_default=sa.text("''"), nullable=False))
