"""The dashboard over a database of its own, for each test that asks for it."""

from collections.abc import AsyncIterator

import pytest
from dashboard_browser import World, dashboard

from postroom.base.clock import ManualClock
from postroom.store.database import open_database


@pytest.fixture
async def pages(sqlite_url: str) -> AsyncIterator[World]:
    """The dashboard with an operator logged in, over a database of this test's own."""
    clock = ManualClock()
    database = await open_database(sqlite_url, clock=clock)
    async with dashboard(database, clock) as world:
        yield world
    await database.close()
