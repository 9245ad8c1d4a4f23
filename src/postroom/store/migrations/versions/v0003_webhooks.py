"""Webhook endpoints, what they are still to be told, and the log of requests."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _create_endpoints()
    _create_outbox()
    _create_attempts()


def _create_endpoints() -> None:
    op.create_table(
        "webhook_endpoint",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("kinds", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("state_ms", BIG, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("old_secret", sa.LargeBinary(), nullable=True),
        sa.Column("old_secret_until_ms", BIG, nullable=True),
        sa.Column("created_ms", BIG, nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], name="webhook_endpoint_workspace_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="webhook_endpoint_pkey"),
    )
    op.create_index("webhook_endpoint_workspace_id_id", "webhook_endpoint", ["workspace_id", "id"], unique=False)
    op.create_table(
        "webhook_progress",
        sa.Column("endpoint_id", BIG, autoincrement=False, nullable=False),
        sa.Column("node", BIG, nullable=True),
        sa.Column("epoch", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("lease_ms", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("failures", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("quiet_until_ms", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("failing_since_ms", BIG, nullable=True),
        sa.Column("resumed_ms", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("last_success_ms", BIG, nullable=True),
        sa.Column("last_failure_ms", BIG, nullable=True),
        sa.Column("last_error", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("endpoint_id", name="webhook_progress_pkey"),
    )


def _create_outbox() -> None:
    op.create_table(
        "webhook_outbox",
        sa.Column("endpoint_id", BIG, nullable=False),
        sa.Column("event_id", BIG, nullable=False),
        sa.Column("recipient_id", BIG, nullable=False),
        sa.Column("due_ms", BIG, nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("first_tried_ms", BIG, nullable=True),
        sa.PrimaryKeyConstraint("endpoint_id", "event_id", name="webhook_outbox_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "webhook_outbox_endpoint_id_due_ms_event_id_recipient_id",
        "webhook_outbox",
        ["endpoint_id", "due_ms", "event_id", "recipient_id"],
        unique=False,
    )
    op.create_index(
        "webhook_outbox_order",
        "webhook_outbox",
        ["endpoint_id", "recipient_id", "event_id"],
        unique=False,
        sqlite_where=sa.text("recipient_id <> 0"),
        postgresql_where=sa.text("recipient_id <> 0"),
    )


def _create_attempts() -> None:
    op.create_table(
        "webhook_attempt",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("endpoint_id", BIG, nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("duration_ms", BIG, nullable=False),
        sa.Column("succeeded", sa.Integer(), nullable=False),
        sa.Column("status", BIG, nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("is_test", sa.Integer(), nullable=False),
        sa.Column("is_batch", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.Column("events", sa.Text(), nullable=False),
        sa.Column("request_header", sa.Text(), nullable=False),
        sa.Column("response_header", sa.Text(), nullable=False),
        sa.Column("response_body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="webhook_attempt_pkey"),
    )
    op.create_index("webhook_attempt_endpoint_id_id", "webhook_attempt", ["endpoint_id", "id"], unique=False)
    op.create_index(
        "webhook_attempt_failed",
        "webhook_attempt",
        ["endpoint_id", "id"],
        unique=False,
        sqlite_where=sa.text("succeeded = 0"),
        postgresql_where=sa.text("succeeded = 0"),
    )
