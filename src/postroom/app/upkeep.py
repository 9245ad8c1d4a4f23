"""Wiring of upkeep: which chores this process does, and how often."""

import random

from postroom.app.outbound import Outbound
from postroom.app.services import Services
from postroom.upkeep.accounts import AccountSweeps
from postroom.upkeep.chores import Chore, Sweeps, Upkeep
from postroom.upkeep.gone_nodes import GoneNodes
from postroom.upkeep.retention import Retention
from postroom.upkeep.routes import RouteSweeps
from postroom.upkeep.webhooks import WebhookSweeps

_GONE_SECONDS = 30.0
_DELETED_SECONDS = 300.0
_SWEEP_SECONDS = 3600.0


def make_upkeep(services: Services, outbound: Outbound) -> Upkeep:
    """Return the upkeep of this process."""
    database, clock = services.database, services.clock
    own = services.ids.node if "deliver" in services.settings.roles else None
    gone, sweeps = GoneNodes(database, outbound.recovery, clock, own), Sweeps(database, clock)
    retention, webhooks = Retention(database, clock), WebhookSweeps(database, clock)
    routes, accounts = RouteSweeps(database, clock), AccountSweeps(database, clock)
    chores = (
        Chore("nodes that are gone", _GONE_SECONDS, gone.settle),
        Chore("orphan uploads", _SWEEP_SECONDS, sweeps.uploads),
        Chore("expired idempotency keys", _SWEEP_SECONDS, sweeps.idempotency_keys),
        Chore("sessions that are over", _SWEEP_SECONDS, services.sessions.purge),
        Chore("old lines of the audit log", _SWEEP_SECONDS, sweeps.audit),
        Chore("old destinations", _SWEEP_SECONDS, sweeps.destinations),
        Chore("old sandbox copies", _SWEEP_SECONDS, retention.sandbox_copies),
        Chore("old contents", _SWEEP_SECONDS, retention.bodies),
        Chore("old hits", _SWEEP_SECONDS, retention.hits),
        Chore("old messages", _SWEEP_SECONDS, retention.ledger),
        Chore("old contents of mail that came in", _SWEEP_SECONDS, retention.inbound_contents),
        Chore("old mail that came in", _SWEEP_SECONDS, retention.inbound),
        Chore("old webhook requests", _SWEEP_SECONDS, webhooks.log),
        Chore("events for nobody", _SWEEP_SECONDS, webhooks.outbox),
        Chore("old tries of routes", _SWEEP_SECONDS, routes.log),
        Chore("mail for routes that are gone", _SWEEP_SECONDS, routes.outbox),
        Chore("old contents of watched mail", _SWEEP_SECONDS, retention.account_contents),
        Chore("old events of accounts", _SWEEP_SECONDS, retention.account_ledger),
        Chore("accounts that were deleted", _DELETED_SECONDS, accounts.gone),
        Chore("old tracers", _SWEEP_SECONDS, accounts.tracers),
        Chore("links to connect that are over", _SWEEP_SECONDS, accounts.dances),
        Chore("unused pages", _SWEEP_SECONDS, retention.unused_pages),
    )
    return Upkeep(chores, clock, random.random)
