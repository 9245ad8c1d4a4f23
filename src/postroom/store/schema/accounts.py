"""Tables of watched mailboxes: connections, accounts, who watches them, and what was found."""

from sqlalchemy import Index, PrimaryKeyConstraint, Table, UniqueConstraint, text

from postroom.store.schema.columns import (
    big,
    big_or_null,
    blob,
    blob_or_null,
    id_column,
    metadata,
    small,
    text_column,
    workspace_fk,
)

partner = Table(
    "partner",
    metadata,
    id_column("workspace_id"),
    text_column("success_url"),
    text_column("failure_url"),
    text_column("redirects"),
    small("retries"),
    big("created_ms"),
)

partner_key = Table(
    "partner_key",
    metadata,
    id_column(),
    workspace_fk(),
    text_column("hint"),
    blob("hash"),
    blob("sealed"),
    big("created_ms"),
    UniqueConstraint("hash"),
    Index(None, "workspace_id", "id"),
)

connection = Table(
    "connection",
    metadata,
    id_column(),
    workspace_fk(),
    text_column("provider"),
    text_column("client_id"),
    blob_or_null("client_secret"),
    text_column("server"),
    big("created_ms"),
    UniqueConstraint("workspace_id", "provider"),
)

account = Table(
    "account",
    metadata,
    id_column(),
    workspace_fk(),
    big("connection_id"),
    text_column("tag"),
    text_column("tag_key"),
    text_column("email"),
    text_column("username"),
    blob_or_null("password"),
    blob_or_null("refresh_token"),
    text_column("server"),
    text_column("mailboxes"),
    small("is_tracer"),
    small("is_archived"),
    big_or_null("connected_ms"),
    big("created_ms"),
    big("changed_ms"),
    UniqueConstraint("connection_id", "tag_key"),
    Index(None, "workspace_id", "id"),
    # What somebody changed since the supervisor last looked.
    Index(None, "changed_ms", "id"),
)

account_owner = Table(
    "account_owner",
    metadata,
    id_column("account_id"),
    big("workspace_id"),
    big_or_null("node"),
    big("epoch", default=0),
    big("last_number", default=0),
    Index(None, "node"),
)

account_status = Table(
    "account_status",
    metadata,
    id_column("account_id"),
    big("workspace_id"),
    text_column("state", default="unconnected"),
    text_column("why", default=""),
    big("since_ms", default=0),
    big("failures", default=0),
    big_or_null("retry_ms"),
    big_or_null("auth_failed_ms"),
    big_or_null("token_expires_ms"),
    big_or_null("last_mail_ms"),
    big_or_null("last_login_ms"),
    text_column("server", default=""),
    Index(None, "workspace_id", "state"),
)

mailbox = Table(
    "mailbox",
    metadata,
    id_column(),
    big("account_id"),
    big("workspace_id"),
    text_column("name"),
    big("uid_validity"),
    big("first_uid"),
    big("uid_next"),
    big("highest_modseq"),
    big_or_null("sweep_next"),
    big("checked_ms"),
    big("audited_ms"),
    small("trust"),
    UniqueConstraint("account_id", "name"),
)

account_mail = Table(
    "account_mail",
    metadata,
    big("mailbox_id"),
    big("uid_validity"),
    big("uid"),
    big("account_id"),
    big("workspace_id"),
    text_column("outcome"),
    big_or_null("number"),
    big("size_bytes"),
    big_or_null("sent_ms"),
    big_or_null("internal_ms"),
    big("noticed_ms"),
    big("fetched_ms"),
    big("recorded_ms"),
    PrimaryKeyConstraint("mailbox_id", "uid_validity", "uid"),
    # The newest, for percentiles and for retention.
    Index(None, "workspace_id", "recorded_ms"),
    sqlite_with_rowid=False,
)
# The mail that an event of a number tells of.
Index(
    "account_mail_number",
    account_mail.c.account_id,
    account_mail.c.number,
    sqlite_where=text("number IS NOT NULL"),
)

account_event = Table(
    "account_event",
    metadata,
    big("account_id"),
    big("number"),
    big("workspace_id"),
    big("event_id"),
    text_column("kind"),
    big("at_ms"),
    big_or_null("told_ms"),
    big_or_null("given_up_ms"),
    PrimaryKeyConstraint("account_id", "number"),
    # Retention.
    Index(None, "workspace_id", "at_ms"),
    sqlite_with_rowid=False,
)

account_content = Table(
    "account_content",
    metadata,
    big("account_id"),
    big("number"),
    big("workspace_id"),
    blob("body"),
    big("created_ms"),
    PrimaryKeyConstraint("account_id", "number"),
    Index(None, "workspace_id", "created_ms"),
)

connect_dance = Table(
    "connect_dance",
    metadata,
    blob("state"),
    big("account_id"),
    big("workspace_id"),
    blob("verifier"),
    text_column("success_url"),
    text_column("failure_url"),
    big("expires_ms"),
    PrimaryKeyConstraint("state"),
    Index(None, "expires_ms"),
)

tracer = Table(
    "tracer",
    metadata,
    id_column(),
    big("account_id"),
    big("workspace_id"),
    text_column("code"),
    big("sent_ms"),
    text_column("why"),
    big_or_null("arrived_ms"),
    big_or_null("lost_ms"),
    text_column("stages", default=""),
    UniqueConstraint("account_id", "code"),
    Index(None, "workspace_id", "id"),
)
