"""A fresh SQLite database for each test that asks for one: a copy of one that was migrated once."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dashboard_browser import World, dashboard

from postroom.base.clock import ManualClock
from postroom.store import sqlite_source
from postroom.store.database import open_database


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("template") / "postroom.db"
    sqlite_source.migrate_sqlite(path)
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a migrated SQLite file of this test's own."""
    path = tmp_path / "postroom.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
async def pages(sqlite_url: str) -> AsyncIterator[World]:
    """The dashboard with an operator logged in, over a database of this test's own."""
    clock = ManualClock()
    database = await open_database(sqlite_url, clock=clock)
    async with dashboard(database, clock) as world:
        yield world
    await database.close()
