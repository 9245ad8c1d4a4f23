"""The domain pages: a domain is added, its records shown, checked and the result kept, and deleted."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dashboard_browser import World, dashboard
from selectolax.lexbor import LexborHTMLParser

from postroom.base.clock import ManualClock
from postroom.base.ids import IdSource
from postroom.base.secrets import Sealer
from postroom.base.threads import Threads
from postroom.domains.records import Installation
from postroom.domains.registry import Domains
from postroom.store.database import open_database, statement

AUDIT = statement("SELECT action, subject, operator FROM audit WHERE action LIKE 'domain%' ORDER BY id")


class Zone:
    """DNS that holds what a test puts into it."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[str, ...]] = {}

    async def texts(self, name: str) -> tuple[str, ...]:
        return self.found.get(name, ())

    async def mail_hosts(self, name: str) -> tuple[str, ...]:
        return ()

    async def alias_of(self, name: str) -> str | None:
        return None

    async def addresses(self, name: str) -> frozenset[str]:
        return frozenset()


@pytest.fixture
def zone() -> Zone:
    return Zone()


@pytest.fixture
async def world(tmp_path: Path, zone: Zone) -> AsyncIterator[World]:
    clock, slow = ManualClock(), Threads("slow", 1)
    database = await open_database(f"sqlite:///{tmp_path}/postroom.db", clock=clock)
    domains = Domains(
        database, IdSource(2, clock), clock, Sealer(b"s" * 32), zone,
        Installation("mail.postroom.test", "postroom.test"), slow,
    )  # fmt: skip
    async with dashboard(database, clock, domains=domains) as world:
        yield world
    await database.close()
    slow.close()


def texts(html: str, css: str) -> list[str]:
    return [" ".join(node.text().split()) for node in LexborHTMLParser(html).css(css)]


async def test_an_added_domain_shows_its_records_to_copy(world: World) -> None:
    answer = await world.post("/w/one/domains", name=" Shop.Example. ")
    page = (await world.get(answer.headers["location"])).text

    assert answer.headers["location"] == "/w/one/domains/shop.example"
    names = texts(page, ".record-parts > div:nth-child(2) code")
    assert names[0] == "_postroom.shop.example"
    assert len(names) == 7
    copied = [node.attributes["data-copy"] for node in LexborHTMLParser(page).css("[data-copy]")]
    assert set(texts(page, ".record-parts > div:nth-child(3) code")) <= set(copied)
    assert "Nobody has looked yet" in page
    assert "postroom domain create shop.example --vouched --workspace one" in page


async def test_what_is_wrong_with_a_name_stands_beside_its_field(world: World) -> None:
    for name in ("", "localhost", "a b.example"):
        answer = await world.post("/w/one/domains", name=name)

        assert answer.status_code == 422
        assert texts(answer.text, "#e-name")


async def test_a_check_marks_each_record_and_is_kept(world: World, zone: Zone) -> None:
    await world.post("/w/one/domains", name="shop.example")
    row = (await world.services.domains.list(await world.workspace("one")))[0]
    zone.found["_postroom.shop.example"] = (f"postroom-proof={row.proof}",)
    zone.found["_dmarc.shop.example"] = ("v=DMARC1; p=reject",)

    answer = await world.post("/w/one/domains/shop.example/check")
    page = (await world.get(answer.headers["location"])).text
    again = (await world.get("/w/one/domains/shop.example")).text

    assert "2 of 7 records are seen" in texts(page, ".flash")[0]
    for one in (page, again):
        assert texts(one, ".record-head .badge") == ["Seen", "Not seen", "Not seen", "Seen"] + ["Not seen"] * 3
        assert "Proved" in texts(one, ".domain-state .badge")
    assert "Proved" in texts((await world.get("/w/one/domains")).text, "td .badge")


async def test_a_check_by_script_answers_the_changed_part_and_announces_it(world: World) -> None:
    await world.post("/w/one/domains", name="shop.example")
    world.client.headers["hx-request"] = "true"

    answer = await world.post("/w/one/domains/shop.example/check")

    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert texts(answer.text, "#told")[0].startswith("0 of 7 records are seen. Missing: Proof,")


async def test_a_domain_of_another_workspace_is_not_there(world: World) -> None:
    await world.post("/w/two/domains", name="shop.example")

    assert (await world.get("/w/one/domains/shop.example")).status_code == 404
    for action in ("check", "delete"):
        assert (await world.post(f"/w/one/domains/shop.example/{action}")).status_code == 404
    assert len(await world.services.domains.list(await world.workspace("two"))) == 1


async def test_deleting_is_noted_with_who_did_it(world: World) -> None:
    await world.post("/w/one/domains", name="shop.example")

    answer = await world.post("/w/one/domains/shop.example/delete")
    page = (await world.get(answer.headers["location"])).text

    assert "shop.example is deleted" in page
    assert "No domain yet" in page
    noted = await world.services.database.read(lambda conn: conn.all(AUDIT, ()))
    assert noted == [
        ("domain.create", "shop.example", "ada@example.com"),
        ("domain.delete", "shop.example", "ada@example.com"),
    ]
