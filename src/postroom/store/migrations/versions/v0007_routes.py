"""Routes of mail that comes in, and what is still to be handed on."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _create_routes()
    _create_outbox()
    _create_attempts()


def _create_routes() -> None:
    op.create_table(
        "route",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("kinds", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("is_enabled", sa.Integer(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created_ms", BIG, nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], name="route_workspace_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="route_pkey"),
    )
    op.create_index("route_workspace_id_position_id", "route", ["workspace_id", "position", "id"], unique=False)


def _create_outbox() -> None:
    op.create_table(
        "route_outbox",
        sa.Column("inbound_id", BIG, nullable=False),
        sa.Column("route_id", BIG, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("due_ms", BIG, nullable=False),
        sa.Column("epoch", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("inbound_id", "route_id", name="route_outbox_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "route_outbox_route_id_due_ms_inbound_id", "route_outbox", ["route_id", "due_ms", "inbound_id"], unique=False
    )


def _create_attempts() -> None:
    op.create_table(
        "route_attempt",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("inbound_id", BIG, nullable=False),
        sa.Column("route_id", BIG, nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("duration_ms", BIG, nullable=False),
        sa.Column("succeeded", sa.Integer(), nullable=False),
        sa.Column("status", BIG, nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("message_id", BIG, nullable=True),
        sa.Column("response_body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="route_attempt_pkey"),
    )
    op.create_index("route_attempt_inbound_id_id", "route_attempt", ["inbound_id", "id"], unique=False)
    op.create_index("route_attempt_route_id_id", "route_attempt", ["route_id", "id"], unique=False)
