"""`/health/ready`: whether mail can be taken in, and why not."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from http_api import Api, running_api

from postroom.base.clock import ManualClock
from postroom.doors.http.api import create_api
from postroom.store.database import Database, StoreLost, open_database


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    clock = ManualClock()
    database = await open_database(f"sqlite:///{tmp_path}/postroom.db", clock=clock)
    async with running_api(database, clock) as running:
        yield running
    await database.close()


async def ready(api: Api, reason: str | None = None) -> tuple[int, str, str]:
    """Return status, reason and Retry-After where the process has a reason of its own, or none."""
    app = create_api(replace(api.services, not_ready=lambda: reason))
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://postroom.test") as client:
        answer = await client.get("/health/ready")
    return answer.status_code, answer.json().get("detail", ""), answer.headers.get("retry-after", "")


async def test_it_is_ready_while_nothing_speaks_against_it(api: Api) -> None:
    assert await ready(api) == (200, "", "")


async def test_it_says_why_no_mail_is_taken_in(api: Api) -> None:
    assert await ready(api, "This process is stopping.") == (503, "This process is stopping.", "2")


async def test_it_is_not_ready_where_the_store_cannot_be_written(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Database, "trouble", StoreLost("the disk is full"))

    assert await ready(api) == (503, "The store cannot be written.", "2")


async def test_it_is_not_ready_where_the_store_cannot_be_read(api: Api) -> None:
    await api.services.database.close()

    assert await ready(api) == (503, "The store cannot be read.", "2")
