"""Wiring of webhooks: who tells the events of this process's database."""

import random

from postroom.app.services import Services
from postroom.webhooks.worker import Worker


def make_webhook_worker(services: Services) -> Worker:
    """Return the worker of this process."""
    return Worker(
        database=services.database,
        clock=services.clock,
        ids=services.ids,
        sealer=services.sealer,
        client=services.http_client,
        chance=random.random,
        slow=services.slow,
    )
