"""Wiring of what came back: the worker that understands mail that came in."""

import random

from postroom.app.outbound import Outbound
from postroom.app.services import Services
from postroom.inbound.worker import Worker


def make_inbound_worker(services: Services, outbound: Outbound) -> Worker:
    """Return the worker of this process."""
    return Worker(
        database=services.database,
        clock=services.clock,
        ids=services.ids,
        slow=services.slow,
        token_keys=services.token_keys,
        routes=services.routes.view,
        reports=outbound.notifications,
        chance=random.random,
        metrics=services.metrics,
    )
