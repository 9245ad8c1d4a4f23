"""`POST /api/v1/erase`: a person leaves the workspace whose key asks."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from http_api import Api, letter, running_api

from postroom.base.clock import ManualClock
from postroom.store.database import open_database


@pytest.fixture
async def api(tmp_path: Any) -> AsyncIterator[Api]:
    """The API over a fresh store."""
    clock = ManualClock()
    database = await open_database(f"sqlite:///{tmp_path}/postroom.db", clock=clock)
    async with running_api(database, clock) as running:
        yield running
    await database.close()


async def test_an_erased_person_is_found_no_more_and_gets_no_mail_that_waited(api: Api) -> None:
    sent = (await api.client.post("/api/v1/messages", json=letter(to="Ada@Example.net"))).json()
    other = (await api.other.post("/api/v1/messages", json=letter(to="ada@example.net"))).json()

    answer = await api.client.post("/api/v1/erase", json={"address": "ada@example.net"})

    assert answer.status_code == 200
    told = answer.json()
    assert (told["recipients"], told["cancelled"], told["left"]) == (1, 1, [])
    assert (await api.client.get("/api/v1/recipients?address=ada@example.net")).json()["items"] == []
    (recipient,) = (await api.client.get(f"/api/v1/messages/{sent['id']}/recipients")).json()["items"]
    assert (recipient["address"], recipient["state"]) == ("(erased)", "cancelled")
    (untouched,) = (await api.other.get(f"/api/v1/messages/{other['id']}/recipients")).json()["items"]
    assert (untouched["address"], untouched["state"]) == ("ada@example.net", "queued")


async def test_what_is_no_address_is_refused_by_its_field(api: Api) -> None:
    answer = await api.client.post("/api/v1/erase", json={"address": "no address", "more": 1})
    assert answer.status_code == 422
    assert {one["field"] for one in answer.json()["errors"]} == {"address", "more"}


async def test_an_author_is_erased_only_when_that_is_said(api: Api) -> None:
    await api.client.post("/api/v1/messages", json=letter())
    refused = await api.client.post("/api/v1/erase", json={"address": "ada@example.com"})
    assert refused.status_code == 409
    assert "as_author" in refused.text


async def test_who_was_erased_can_be_taken_off_the_list_again(api: Api) -> None:
    await api.client.post("/api/v1/suppressions", json={"address": "ada@example.net", "scope": "bulk"})
    await api.client.post("/api/v1/erase", json={"address": "ada@example.net"})
    (found,) = (await api.client.get("/api/v1/suppressions/ada@example.net")).json()["items"]
    assert found["address"].startswith("erased:")
    assert (await api.client.get("/api/v1/suppressions?address=Ada@example.net")).json()["items"] == [found]
    assert (await api.client.delete("/api/v1/suppressions/ada@example.net")).status_code == 204
    assert (await api.client.get("/api/v1/suppressions/ada@example.net")).status_code == 404
