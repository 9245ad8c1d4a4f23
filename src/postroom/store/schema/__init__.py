"""All tables, as SQLAlchemy Core sees them; one module a group.

The columns of a table are the fields of its row type in `ledger`, in
the same order; a test holds that. Core serves the migrations, their check and
reads that pages build up (`Conn.select`); what is written goes by text SQL.

An index costs each insert. One stands here only when a query reads it. One over
a part of the rows says so in SQLite's word alone: PostgreSQL's, which the
migrations have, would load its dialect into every process (2 MB).
"""

from typing import NamedTuple

from sqlalchemy import Table

from postroom.ledger import (
    account_rows,
    cause_rows,
    inbound_rows,
    keeping_rows,
    operator_rows,
    route_rows,
    rows,
    webhook_rows,
)
from postroom.store.schema import accounts, causes, facts, inbound, keeping, mail, operators, routes, tenants, webhooks
from postroom.store.schema.columns import metadata

__all__ = [
    "ROWS",
    "accounts",
    "causes",
    "facts",
    "inbound",
    "keeping",
    "mail",
    "metadata",
    "operators",
    "routes",
    "tenants",
    "webhooks",
]

ROWS: dict[type[NamedTuple], Table] = {
    rows.WorkspaceRow: tenants.workspace,
    rows.NodeRow: tenants.node,
    rows.SecretRow: tenants.secret,
    rows.ApiKeyRow: tenants.api_key,
    rows.SmtpLoginRow: tenants.smtp_login,
    rows.DomainRow: tenants.domain,
    rows.ContentRow: mail.content,
    rows.ContentChunkRow: mail.content_chunk,
    rows.MessageRow: mail.message,
    rows.MessageTagRow: mail.message_tag,
    rows.LaneRow: mail.lane,
    rows.RecipientRow: mail.recipient,
    rows.EventRow: facts.event,
    rows.SuppressionRow: facts.suppression,
    rows.IdempotencyRow: mail.idempotency,
    rows.DestinationRow: mail.destination,
    rows.HitRow: facts.hit,
    rows.SandboxCopyRow: mail.sandbox_copy,
    rows.SandboxShowingRow: mail.sandbox_showing,
    operator_rows.OperatorRow: operators.operator,
    operator_rows.OperatorSessionRow: operators.operator_session,
    operator_rows.RecoveryCodeRow: operators.recovery_code,
    operator_rows.FirstLinkRow: operators.first_link,
    operator_rows.AuditRow: operators.audit,
    webhook_rows.WebhookEndpointRow: webhooks.webhook_endpoint,
    webhook_rows.WebhookProgressRow: webhooks.webhook_progress,
    webhook_rows.WebhookOutboxRow: webhooks.webhook_outbox,
    webhook_rows.WebhookAttemptRow: webhooks.webhook_attempt,
    keeping_rows.KeepingRow: keeping.workspace_keeping,
    keeping_rows.KeepLaterRow: keeping.keep_later,
    keeping_rows.RestorationRow: keeping.restoration,
    inbound_rows.InboundContentRow: inbound.inbound_content,
    inbound_rows.InboundRow: inbound.inbound,
    route_rows.RouteRow: routes.route,
    route_rows.RouteOutboxRow: routes.route_outbox,
    route_rows.RouteAttemptRow: routes.route_attempt,
    cause_rows.SoftFailureRow: causes.soft_failure,
    account_rows.PartnerRow: accounts.partner,
    account_rows.PartnerKeyRow: accounts.partner_key,
    account_rows.ConnectionRow: accounts.connection,
    account_rows.AccountRow: accounts.account,
    account_rows.AccountOwnerRow: accounts.account_owner,
    account_rows.AccountStatusRow: accounts.account_status,
    account_rows.MailboxRow: accounts.mailbox,
    account_rows.AccountMailRow: accounts.account_mail,
    account_rows.AccountEventRow: accounts.account_event,
    account_rows.AccountContentRow: accounts.account_content,
    account_rows.ConnectDanceRow: accounts.connect_dance,
    account_rows.TracerRow: accounts.tracer,
}
"""Which table holds which row type, in the order in which a group is written."""
