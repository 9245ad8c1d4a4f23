"""Watched mailboxes: connections, accounts, who watches them, and what was found."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns, make the tables."""
    op.add_column("event", sa.Column("account_id", BIG, nullable=True))
    op.add_column(
        "webhook_endpoint", sa.Column("form", sa.Text(), server_default=sa.text("'standard'"), nullable=False)
    )
    _create_partners()
    _create_accounts()
    _create_mailboxes()
    _create_mail()
    _create_events()
    _create_dances()


def _create_partners() -> None:
    op.create_table(
        "partner",
        sa.Column("workspace_id", BIG, autoincrement=False, nullable=False),
        sa.Column("success_url", sa.Text(), nullable=False),
        sa.Column("failure_url", sa.Text(), nullable=False),
        sa.Column("redirects", sa.Text(), nullable=False),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("created_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", name="partner_pkey"),
    )
    op.create_table(
        "partner_key",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", BIG, nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], name="partner_key_workspace_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="partner_key_pkey"),
        sa.UniqueConstraint("hash", name="partner_key_hash_key"),
    )
    op.create_index("partner_key_workspace_id_id", "partner_key", ["workspace_id", "id"], unique=False)
    op.create_table(
        "connection",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("client_secret", sa.LargeBinary(), nullable=True),
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("created_ms", BIG, nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], name="connection_workspace_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="connection_pkey"),
        sa.UniqueConstraint("workspace_id", "provider", name="connection_workspace_id_provider_key"),
    )


def _create_accounts() -> None:
    op.create_table(
        "account",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("connection_id", BIG, nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("tag_key", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("password", sa.LargeBinary(), nullable=True),
        sa.Column("refresh_token", sa.LargeBinary(), nullable=True),
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("mailboxes", sa.Text(), nullable=False),
        sa.Column("is_tracer", sa.Integer(), nullable=False),
        sa.Column("is_archived", sa.Integer(), nullable=False),
        sa.Column("connected_ms", BIG, nullable=True),
        sa.Column("created_ms", BIG, nullable=False),
        sa.Column("changed_ms", BIG, nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], name="account_workspace_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="account_pkey"),
        sa.UniqueConstraint("connection_id", "tag_key", name="account_connection_id_tag_key_key"),
    )
    op.create_index("account_changed_ms_id", "account", ["changed_ms", "id"], unique=False)
    op.create_index("account_workspace_id_id", "account", ["workspace_id", "id"], unique=False)
    op.create_table(
        "account_owner",
        sa.Column("account_id", BIG, autoincrement=False, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("node", BIG, nullable=True),
        sa.Column("epoch", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("last_number", BIG, server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="account_owner_pkey"),
    )
    op.create_index("account_owner_node", "account_owner", ["node"], unique=False)
    op.create_table(
        "account_status",
        sa.Column("account_id", BIG, autoincrement=False, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'unconnected'"), nullable=False),
        sa.Column("why", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("since_ms", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("failures", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("retry_ms", BIG, nullable=True),
        sa.Column("auth_failed_ms", BIG, nullable=True),
        sa.Column("token_expires_ms", BIG, nullable=True),
        sa.Column("last_mail_ms", BIG, nullable=True),
        sa.Column("last_login_ms", BIG, nullable=True),
        sa.Column("server", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="account_status_pkey"),
    )
    op.create_index("account_status_workspace_id_state", "account_status", ["workspace_id", "state"], unique=False)


def _create_mailboxes() -> None:
    op.create_table(
        "mailbox",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("account_id", BIG, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("uid_validity", BIG, nullable=False),
        sa.Column("first_uid", BIG, nullable=False),
        sa.Column("uid_next", BIG, nullable=False),
        sa.Column("highest_modseq", BIG, nullable=False),
        sa.Column("sweep_next", BIG, nullable=True),
        sa.Column("checked_ms", BIG, nullable=False),
        sa.Column("audited_ms", BIG, nullable=False),
        sa.Column("trust", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="mailbox_pkey"),
        sa.UniqueConstraint("account_id", "name", name="mailbox_account_id_name_key"),
    )


def _create_mail() -> None:
    op.create_table(
        "account_mail",
        sa.Column("mailbox_id", BIG, nullable=False),
        sa.Column("uid_validity", BIG, nullable=False),
        sa.Column("uid", BIG, nullable=False),
        sa.Column("account_id", BIG, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("number", BIG, nullable=True),
        sa.Column("size_bytes", BIG, nullable=False),
        sa.Column("sent_ms", BIG, nullable=True),
        sa.Column("internal_ms", BIG, nullable=True),
        sa.Column("noticed_ms", BIG, nullable=False),
        sa.Column("fetched_ms", BIG, nullable=False),
        sa.Column("recorded_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", "uid_validity", "uid", name="account_mail_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "account_mail_number",
        "account_mail",
        ["account_id", "number"],
        unique=False,
        sqlite_where=sa.text("number IS NOT NULL"),
        postgresql_where=sa.text("number IS NOT NULL"),
    )
    op.create_index(
        "account_mail_workspace_id_recorded_ms", "account_mail", ["workspace_id", "recorded_ms"], unique=False
    )


def _create_events() -> None:
    op.create_table(
        "account_event",
        sa.Column("account_id", BIG, nullable=False),
        sa.Column("number", BIG, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("event_id", BIG, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("told_ms", BIG, nullable=True),
        sa.Column("given_up_ms", BIG, nullable=True),
        sa.PrimaryKeyConstraint("account_id", "number", name="account_event_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("account_event_workspace_id_at_ms", "account_event", ["workspace_id", "at_ms"], unique=False)
    op.create_table(
        "account_content",
        sa.Column("account_id", BIG, nullable=False),
        sa.Column("number", BIG, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "number", name="account_content_pkey"),
    )
    op.create_index(
        "account_content_workspace_id_created_ms", "account_content", ["workspace_id", "created_ms"], unique=False
    )


def _create_dances() -> None:
    op.create_table(
        "connect_dance",
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", BIG, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("verifier", sa.LargeBinary(), nullable=False),
        sa.Column("success_url", sa.Text(), nullable=False),
        sa.Column("failure_url", sa.Text(), nullable=False),
        sa.Column("expires_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("state", name="connect_dance_pkey"),
    )
    op.create_index("connect_dance_expires_ms", "connect_dance", ["expires_ms"], unique=False)
    op.create_table(
        "tracer",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("account_id", BIG, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("sent_ms", BIG, nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("arrived_ms", BIG, nullable=True),
        sa.Column("lost_ms", BIG, nullable=True),
        sa.Column("stages", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="tracer_pkey"),
        sa.UniqueConstraint("account_id", "code", name="tracer_account_id_code_key"),
    )
    op.create_index("tracer_workspace_id_id", "tracer", ["workspace_id", "id"], unique=False)
