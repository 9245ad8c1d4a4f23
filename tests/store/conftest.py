"""A fresh database for each test, on both engines: copies of one that was migrated once."""

from collections.abc import AsyncIterator, Iterator

import pytest
from peers.postgres import Databases

from postroom.base.clock import ManualClock
from postroom.store import postgresql_source
from postroom.store.database import Database, open_database


@pytest.fixture
def postgresql_url(postgres: Databases) -> Iterator[str]:
    """The URL of a migrated PostgreSQL database of this test's own."""
    template = postgres.template_database("store", postgresql_source.migrate_postgresql)
    url = postgres.fresh_database(template)
    yield url
    postgres.drop_database(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh database, once on each engine."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still until the test moves it."""
    return ManualClock()


@pytest.fixture
async def database(database_url: str, clock: ManualClock) -> AsyncIterator[Database]:
    """A fresh open database, once on each engine."""
    opened = await open_database(database_url, clock=clock)
    yield opened
    await opened.close()
