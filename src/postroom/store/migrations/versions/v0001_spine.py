"""The tables of the spine: tenants, mail, recipients, events, counters."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_tenants()
    _create_mail()
    _create_recipients()
    _create_facts()
    _create_sites_and_counters()


def _create_tenants() -> None:
    """The installation and who uses it."""
    op.create_table(
        "workspace",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_ms", BIG, nullable=False),
        sa.Column("transport", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("in_doubt_transactional", sa.Text(), server_default=sa.text("'retry'"), nullable=False),
        sa.Column("in_doubt_bulk", sa.Text(), server_default=sa.text("'hold'"), nullable=False),
        sa.Column("keep_addresses", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="workspace_pkey"),
        sa.UniqueConstraint("name", name="workspace_name_key"),
    )
    op.create_table(
        "node",
        sa.Column("number", BIG, autoincrement=False, nullable=False),
        sa.Column("data_id", sa.Text(), nullable=False),
        sa.Column("boot_id", sa.Text(), nullable=False),
        sa.Column("seen_ms", BIG, nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.CheckConstraint("number BETWEEN 0 AND 1023", name="node_number_check"),
        sa.PrimaryKeyConstraint("number", name="node_pkey"),
        sa.UniqueConstraint("data_id", name="node_data_id_key"),
    )
    op.create_table(
        "secret",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("name", name="secret_pkey"),
    )
    op.create_table(
        "writer",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("group_number", BIG, nullable=False),
        sa.Column("used_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id", name="writer_pkey"),
        comment="One row an open database: the number of its last committed group (store.group tells why).",
    )
    op.create_table(
        "api_key",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", BIG, nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], name="api_key_workspace_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="api_key_pkey"),
        sa.UniqueConstraint("hash", name="api_key_hash_key"),
    )
    op.create_table(
        "smtp_login",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("created_ms", BIG, nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], name="smtp_login_workspace_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="smtp_login_pkey"),
        sa.UniqueConstraint("username", name="smtp_login_username_key"),
    )
    op.create_table(
        "domain",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("proof", sa.Text(), nullable=False),
        sa.Column("vouched", sa.Integer(), nullable=False),
        sa.Column("proved_ms", BIG, nullable=True),
        sa.Column("selector", sa.Text(), nullable=False),
        sa.Column("rsa_key", sa.LargeBinary(), nullable=False),
        sa.Column("ed25519_selector", sa.Text(), nullable=False),
        sa.Column("ed25519_key", sa.LargeBinary(), nullable=True),
        sa.Column("return_path_seen_ms", BIG, nullable=True),
        sa.Column("tracking_seen_ms", BIG, nullable=True),
        sa.Column("checked_ms", BIG, nullable=True),
        sa.Column("created_ms", BIG, nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], name="domain_workspace_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="domain_pkey"),
        sa.UniqueConstraint("workspace_id", "name", name="domain_workspace_id_name_key"),
    )
    op.create_index(
        "domain_owned_name",
        "domain",
        ["name"],
        unique=True,
        sqlite_where=sa.text("proved_ms IS NOT NULL OR vouched = 1"),
        postgresql_where=sa.text("proved_ms IS NOT NULL OR vouched = 1"),
    )


def _create_mail() -> None:
    """What was submitted."""
    op.create_table(
        "content",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("size_bytes", BIG, nullable=False),
        sa.Column("upload_id", BIG, nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("plan", sa.LargeBinary(), nullable=False),
        sa.Column("links", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "key", name="content_pkey"),
    )
    op.create_index(
        "content_upload_id",
        "content",
        ["upload_id"],
        unique=False,
        sqlite_where=sa.text("upload_id IS NOT NULL"),
        postgresql_where=sa.text("upload_id IS NOT NULL"),
    )
    op.create_table(
        "content_chunk",
        sa.Column("upload_id", BIG, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("upload_id", "number", name="content_chunk_pkey"),
    )
    op.create_table(
        "message",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("content_key", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reverse_path", sa.Text(), nullable=False),
        sa.Column("author_address", sa.Text(), nullable=False),
        sa.Column("author_domain", sa.Text(), nullable=False),
        sa.Column("domain_id", BIG, nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("track", sa.Integer(), nullable=False),
        sa.Column("token_key_id", sa.Integer(), nullable=False),
        sa.Column("return_path_host", sa.Text(), nullable=False),
        sa.Column("tracking_url", sa.Text(), nullable=False),
        sa.Column("smtputf8", sa.Integer(), nullable=False),
        sa.Column("ret", sa.Text(), nullable=False),
        sa.Column("envid", sa.Text(), nullable=False),
        sa.Column("size_bytes", BIG, nullable=False),
        sa.Column("send_at_ms", BIG, nullable=True),
        sa.Column("created_ms", BIG, nullable=False),
        sa.Column("unsubscribe", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="message_pkey"),
    )
    op.create_index("message_workspace_id_id", "message", ["workspace_id", "id"], unique=False)
    op.create_index("message_workspace_id_message_id", "message", ["workspace_id", "message_id"], unique=False)
    op.create_table(
        "lane",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="lane_pkey"),
    )
    op.create_table(
        "sandbox_copy",
        sa.Column("recipient_id", BIG, autoincrement=False, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("reverse_path", sa.Text(), nullable=False),
        sa.Column("copy", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("recipient_id", name="sandbox_copy_pkey"),
    )
    op.create_index(
        "sandbox_copy_workspace_id_recipient_id", "sandbox_copy", ["workspace_id", "recipient_id"], unique=False
    )


def _create_recipients() -> None:
    """The unit of work."""
    op.create_table(
        "recipient",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("message_id", BIG, nullable=False),
        sa.Column("lane_id", BIG, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("address_key", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_ms", BIG, nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("notify", sa.Integer(), nullable=False),
        sa.Column("original", sa.Text(), nullable=False),
        sa.Column("merge", sa.Text(), nullable=False),
        sa.Column("epoch", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("node", BIG, nullable=True),
        sa.Column("lease_ms", BIG, nullable=True),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("first_tried_ms", BIG, nullable=True),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("reply_code", BIG, nullable=True),
        sa.Column("reply_status", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("next_hop", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("settled_ms", BIG, nullable=True),
        sa.Column("sent_hour", BIG, nullable=True),
        sa.Column("delayed_told", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("doubt_retried", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("opened_ms", BIG, nullable=True),
        sa.Column("human_opened_ms", BIG, nullable=True),
        sa.Column("clicked_ms", BIG, nullable=True),
        sa.Column("human_clicked_ms", BIG, nullable=True),
        sa.Column("unsubscribed_ms", BIG, nullable=True),
        sa.Column("complained_ms", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id", name="recipient_pkey"),
    )
    op.create_index("recipient_message_id", "recipient", ["message_id"], unique=False)
    op.create_index(
        "recipient_queue",
        "recipient",
        ["lane_id", "due_ms", "id"],
        unique=False,
        sqlite_where=sa.text("state IN ('queued', 'deferred')"),
        postgresql_where=sa.text("state IN ('queued', 'deferred')"),
    )
    op.create_index(
        "recipient_sending",
        "recipient",
        ["node"],
        unique=False,
        sqlite_where=sa.text("state = 'sending'"),
        postgresql_where=sa.text("state = 'sending'"),
    )
    op.create_index(
        "recipient_workspace_id_address_key_id", "recipient", ["workspace_id", "address_key", "id"], unique=False
    )
    op.create_index("recipient_workspace_id_domain_id", "recipient", ["workspace_id", "domain", "id"], unique=False)
    op.create_index("recipient_workspace_id_state_id", "recipient", ["workspace_id", "state", "id"], unique=False)


def _create_facts() -> None:
    """What happened, and what follows from it."""
    op.create_table(
        "event",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("message_id", BIG, nullable=True),
        sa.Column("recipient_id", BIG, nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="event_pkey"),
    )
    op.create_index("event_message_id_id", "event", ["message_id", "id"], unique=False)
    op.create_index(
        "event_recipient_id",
        "event",
        ["recipient_id", "id"],
        unique=False,
        sqlite_where=sa.text("recipient_id IS NOT NULL"),
        postgresql_where=sa.text("recipient_id IS NOT NULL"),
    )
    op.create_index("event_workspace_id_id", "event", ["workspace_id", "id"], unique=False)
    op.create_table(
        "suppression",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("address_key", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("expires_ms", BIG, nullable=True),
        sa.Column("created_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id", name="suppression_pkey"),
        sa.UniqueConstraint(
            "workspace_id", "address_key", "scope", name="suppression_workspace_id_address_key_scope_key"
        ),
    )
    op.create_table(
        "idempotency",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", BIG, nullable=False),
        sa.Column("expires_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "key", name="idempotency_pkey"),
    )
    op.create_table(
        "hit",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("recipient_id", BIG, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("rules", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="hit_pkey"),
    )
    op.create_index("hit_recipient_id", "hit", ["recipient_id"], unique=False)
    op.create_index("hit_workspace_id_id", "hit", ["workspace_id", "id"], unique=False)


def _create_sites_and_counters() -> None:
    """Where mail goes, and how much."""
    op.create_table(
        "destination",
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("expires_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("domain", name="destination_pkey"),
    )
    op.create_table(
        "counter",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("hour", BIG, nullable=False),
        sa.Column("dimension", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("node", BIG, nullable=False),
        sa.Column("outbound", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("sent", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("failed", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("complaints", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("opens_total", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("opens_unique", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("opens_human", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("clicks_total", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("clicks_unique", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("clicks_human", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("unsubscribes", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("inbound", BIG, server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "hour", "dimension", "key", "node", name="counter_pkey"),
        sqlite_with_rowid=False,
    )
