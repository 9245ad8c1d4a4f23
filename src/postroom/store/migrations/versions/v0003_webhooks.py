"""Webhook endpoints, what they are still to be told, and the log of requests."""

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
