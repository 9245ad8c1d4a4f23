"""Suppressions in the dashboard: what stands, why, would this be mailed, lists in and out."""

import csv
import io
import re
import tracemalloc
from typing import Any

import httpx
import pytest
from dashboard_browser import World
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from postroom.base.clock import DAY_MS
from postroom.base.ids import show_id
from postroom.doors.dashboard import suppression_csv
from postroom.doors.dashboard import suppressions as pages
from postroom.doors.dashboard.session import form_token
from postroom.doors.dashboard.suppression_csv import ListReader, bare, guarded
from postroom.events.evidence import evidence_of
from postroom.ledger.rows import SuppressionRow
from postroom.store import suppressions
from postroom.store.database import statement

LIST = "/w/one/suppressions"
EVIL = '"><script>alert(1)</script>'


@pytest.fixture
async def world(pages: World) -> World:
    return pages


async def suppress(world: World, address: str, scope: str = "all", *, name: str = "one", **fields: Any) -> None:
    workspace = await world.workspace(name)
    given: dict[str, Any] = {
        "id": world.services.ids.next(), "workspace_id": workspace.id, "address_key": address, "scope": scope,
        "reason": "asked by phone", "source": "api", "evidence": "", "expires_ms": None,
        "created_ms": world.clock.now_ms(),
    }  # fmt: skip
    row = SuppressionRow(**{**given, **fields})
    await world.services.database.write(lambda tx: suppressions.put(tx, row))


async def standing(world: World, name: str = "one") -> list[tuple[str, str, str, str, int | None]]:
    workspace = await world.workspace(name)
    rows = await world.services.database.read(lambda conn: suppressions.page(conn, workspace.id, 1 << 62, 5000))
    return sorted((row.address_key, row.scope, row.reason, row.source, row.expires_ms) for row in rows)


async def events(world: World) -> list[tuple[str, int]]:
    asked = statement("SELECT kind, count(*) FROM event GROUP BY kind ORDER BY kind")
    return [tuple(row) for row in await world.services.database.read(lambda conn: conn.all(asked))]  # type: ignore[misc]


async def upload(world: World, content: bytes, path: str = f"{LIST}/import", **fields: str) -> httpx.Response:
    """Post a list and return the page that the answer leads to, or the form with its errors."""
    cookie = world.client.cookies["postroom"]
    answer = await world.client.post(
        path,
        data={"csrf": form_token(cookie), "scope": "all", "reason": "", **fields},
        files={"file": ("list.csv", content, "text/csv")},
    )
    return await world.get(answer.headers["location"]) if answer.status_code == 303 else answer


def words(page: httpx.Response) -> str:
    main = LexborHTMLParser(page.text).css_first("main")
    assert main is not None, page.text
    return re.sub(r"\s+", " ", main.text(separator=" "))


async def test_an_empty_list_says_how_to_fill_it(world: World) -> None:
    told = words(await world.get(LIST))
    assert "Nobody is suppressed" in told
    assert "curl" in told


async def test_the_list_is_asked_for_a_cause(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for source in ("bounce", "delivery", "complaint", "unsubscribe", "import", "operator", "api"):
        await suppress(world, f"{source}@a.test", source=source)

    def addresses(page: httpx.Response) -> set[str]:
        return {one.text(strip=True) for one in LexborHTMLParser(page.text).css(".who")}

    found = {
        cause: addresses(await world.get(LIST, cause=cause))
        for cause in ("dead", "complaints", "unsubscribes", "given", "nonsense")
    }
    monkeypatch.setattr(pages, "_WINDOW", 3)
    monkeypatch.setattr(pages, "SECONDS", 0)
    cut = await world.get(LIST, cause="dead")
    onward = LexborHTMLParser(cut.text).css_first(".searched a")

    assert found["dead"] == {"bounce@a.test", "delivery@a.test"}
    assert (found["complaints"], found["unsubscribes"]) == ({"complaint@a.test"}, {"unsubscribe@a.test"})
    assert found["given"] == {"import@a.test", "operator@a.test", "api@a.test"}
    assert len(found["nonsense"]) == 7
    assert "Nobody is suppressed for this so far" in words(cut)
    assert onward is not None
    assert "cause=dead" in str(onward.attributes["href"])


async def test_the_line_that_condemned_an_address_is_quoted_and_can_be_undone(world: World) -> None:
    mail = show_id("inb", 9)
    asked = f'{{"by":"reply","inbound_id":"{mail}","recipient":7,"evidence":"please take me off your list."}}'
    await suppress(world, "wish@a.test", "bulk", source="unsubscribe", evidence=asked)
    report = show_id("inb", 11)
    told = evidence_of("550 5.1.1 no such user", 5, report)
    await suppress(world, "dead@a.test", reason="bounced", source="bounce", evidence=told)

    page = await world.get(LIST)

    tree = LexborHTMLParser(page.text)
    assert [one.text(strip=True) for one in tree.css(".said")] == [
        "550 5.1.1 no such user", "please take me off your list.",
    ]  # fmt: skip
    assert f'href="/w/one/inbound/{mail}"' in page.text
    assert f'href="/w/one/inbound/{report}"' in page.text
    assert f'href="/w/one/recipients/{show_id("rcp", 5)}"' in page.text
    assert "by a bounce that came back" in words(page)
    assert [one.text(strip=True) for one in tree.css("td.actions summary")] == ["Undo", "Undo"]


async def test_the_list_tells_who_what_why_since_when_and_after_which_mail(world: World) -> None:
    await suppress(world, "old@a.test", expires_ms=world.clock.now_ms() - 1)
    await suppress(
        world, "left@a.test", "bulk", reason="unsubscribed", source="unsubscribe",
        evidence='{"by":"page","recipient":7,"user_agent":"Firefox"}',
    )  # fmt: skip
    page = await world.get(LIST)
    rows = LexborHTMLParser(page.text).css("tbody tr")
    first = re.sub(r"\s+", " ", rows[0].text(separator=" "))
    for told in (
        "left@a.test",
        "bulk mail",
        "unsubscribed",
        "by the recipient's own unsubscribe",
        "on the unsubscribe page; user agent: Firefox",
    ):
        assert told in first
    link = rows[0].css_first("td a")
    assert link is not None
    assert link.attributes["href"] == f"/w/one/recipients/{show_id('rcp', 7)}"
    assert "expired" in rows[1].text()
    assert "take it off only where they have asked you to" in first


async def test_the_list_is_paged(world: World) -> None:
    for number in range(60):
        await suppress(world, f"a{number}@a.test")
    first = LexborHTMLParser((await world.get(LIST)).text)
    older = first.css_first('a[rel="next"]')
    assert older is not None
    assert len(first.css("tbody tr")) == 50
    assert len(LexborHTMLParser((await world.get(str(older.attributes["href"]))).text).css("tbody tr")) == 10


async def test_would_this_address_be_mailed(world: World) -> None:
    await suppress(world, "ada@a.test", "bulk", reason="unsubscribed")
    told = words(await world.get(LIST, address=" ADA@A.test "))
    assert "Transactional mail to ADA@A.test would be sent." in told
    assert "Bulk mail to ADA@A.test would not be sent. It is suppressed for bulk mail: unsubscribed." in told
    told = words(await world.get(LIST, address="new@a.test"))
    assert told.count("would be sent.") == 2
    assert "new@a.test is not on the list" in told
    await suppress(world, "gone@a.test", expires_ms=world.clock.now_ms())
    assert words(await world.get(LIST, address="gone@a.test")).count("would be sent.") == 2


async def test_what_is_no_address_is_said_beside_the_field(world: World) -> None:
    page = await world.get(LIST, address=EVIL)
    assert page.status_code == 422
    assert "<script>alert" not in page.text
    assert LexborHTMLParser(page.text).css_first("#e-address") is not None


async def test_addresses_are_added_with_event_and_a_line_in_the_log_that_names_none(world: World) -> None:
    answer = await world.post(
        f"{LIST}/add", addresses="Ada@A.test\n\nbob@b.test,\n", scope="bulk", reason="asked", expires="2026-03-01"
    )
    assert answer.status_code == 303
    march = 1_772_323_200_000
    assert await standing(world) == [
        ("ada@a.test", "bulk", "asked", "operator", march),
        ("bob@b.test", "bulk", "asked", "operator", march),
    ]
    assert await events(world) == [("suppression_added", 2)]
    assert "Bulk mail to 2 addresses is stopped" in words(await world.get(LIST))
    asked = statement("SELECT action, subject, detail FROM audit WHERE action = 'suppression.add'")
    assert await world.services.database.read(lambda conn: [tuple(row) for row in conn.all(asked)]) == [
        ("suppression.add", "", "2 addresses, bulk")
    ]


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("addresses", "", "Write at least one address."),
        ("addresses", "ok@a.test\nnothing", "Line 2: 'nothing' has no @"),
        ("addresses", "a@a.test\n" * 1001, "import a longer list"),
        ("scope", "everything", "Choose which mail is stopped."),
        ("expires", "soon", "Write a date such as"),
        ("expires", "2020-01-01", "This day has begun already."),
        ("reason", "x" * 501, "At most 500 characters."),
    ],
)
async def test_a_wrong_form_adds_nothing_and_says_so_beside_its_field(
    world: World, field: str, value: str, told: str
) -> None:
    given = {"addresses": "ok@a.test", "scope": "all", "reason": "", "expires": "", field: value}
    answer = await world.post(f"{LIST}/add", **given)
    assert answer.status_code == 422
    error = LexborHTMLParser(answer.text).css_first(f"#e-{field}")
    assert error is not None
    assert told in error.text()
    assert await standing(world) == []


async def test_an_address_is_taken_off_by_its_scope(world: World) -> None:
    await suppress(world, "ada@a.test", "bulk")
    await suppress(world, "ada@a.test", "all")
    assert (await world.post(f"{LIST}/remove", address="ada@a.test", scope="bulk")).status_code == 303
    assert [one[1] for one in await standing(world)] == ["all"]
    assert await events(world) == [("suppression_removed", 1)]
    assert "ada@a.test is off the list: bulk mail to it is sent again" in words(await world.get(LIST))
    await world.post(f"{LIST}/remove", address="ada@a.test", scope="bulk")
    assert "was not on the list any more" in words(await world.get(LIST))


async def test_a_list_with_names_of_columns_in_any_order_is_imported(world: World) -> None:
    content = (
        "Reason;E-Mail;scope;expires;other\r\n"
        "left;Ada@A.test;bulk;2027-01-31;x\r\n"
        "\r\n"
        ";bob@b.test;;;\r\n"
        ";nobody;;;\r\n"
        ";carl@c.test;weekly;;\r\n"
        ";dora@d.test;;2020-01-01;\r\n"
        ";ada@a.test;bulk;;\r\n"
    )
    told = words(await upload(world, b"\xef\xbb\xbf" + content.encode(), reason="old list"))
    assert await standing(world) == [
        ("ada@a.test", "bulk", "old list", "import", None),
        ("bob@b.test", "all", "old list", "import", None),
    ]
    assert "Added 2" in told
    assert "Wrong lines 3" in told
    for line in ("5 , nobody, , , 'nobody' has no @", "6 , carl@c.test, weekly", "7 , dora@d.test"):
        assert line in told
    assert "'weekly' is no scope" in told
    assert "it has expired already" in told


async def test_a_list_without_names_is_imported_and_again_renewed(world: World) -> None:
    lines = "".join(f"a{number}@a.test\n" for number in range(600)).encode()
    assert "Added 600" in words(await upload(world, lines))
    again = words(await upload(world, lines, scope="all", reason="again"))
    assert "Added 0" in again
    assert "Stood there already 600" in again
    assert len(await standing(world)) == 600
    assert await events(world) == [("suppression_added", 1200)]


@pytest.mark.parametrize(
    "content",
    [b"\x00\xff\xfe", b'"', b'"never closed,' + b"x\n" * 100_000, b"x" * 300_000, b"a@a.test," * 50_000,
     b"=1+1\n@SUM(A1)\n"],
    ids=["bytes", "quote", "unclosed", "one line", "many cells", "formulas"],
)  # fmt: skip
async def test_a_broken_list_adds_nothing_and_names_its_lines(world: World, content: bytes) -> None:
    page = await upload(world, content)
    assert page.status_code == 200
    assert "Wrong lines" in words(page)
    assert [one for one in await standing(world) if one[0] != "a@a.test"] == []


async def test_imports_are_listed_for_whoever_was_cut_off(world: World) -> None:
    await upload(world, b"a@a.test\nnobody\n")
    told = words(await world.get(f"{LIST}/import"))
    assert "list.csv" in told
    assert "running" not in told
    assert "list.csv" not in words(await world.get("/w/two/suppressions/import"))
    workspace = await world.workspace("one")
    ((key, result),) = world.services.imports.of(workspace.id)
    result.is_running = True
    assert "It is running" in words(await world.get(f"{LIST}/imports/{key}"))


async def test_no_file_is_said_beside_its_field(world: World) -> None:
    answer = await world.post(f"{LIST}/import", scope="all")
    assert answer.status_code == 422
    assert "Choose a file." in words(answer)


async def test_the_result_of_another_workspace_is_not_shown(world: World) -> None:
    page = await upload(world, b"a@a.test\n")
    path = str(page.request.url.path)
    assert (await world.get(path.replace("/w/one/", "/w/two/"))).status_code == 404


async def test_what_is_exported_can_be_imported_again(world: World) -> None:
    await suppress(world, "+plus@a.test", "bulk", reason="=cmd|' /C calc'!A0", evidence='say "no", now\r\nor never')
    await suppress(world, "b@b.test", expires_ms=world.clock.now_ms() + DAY_MS)
    before = await standing(world)
    answer = await world.get(f"{LIST}/export")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"].startswith("attachment")
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == ["address", "scope", "reason", "source", "evidence", "expires", "created"]
    assert [row[0] for row in rows[1:]] == ["b@b.test", "'+plus@a.test"]
    assert rows[2][2].startswith("'=cmd")

    await upload(world, answer.content, path="/w/two/suppressions/import")
    again = await standing(world, "two")
    assert [(one[0], one[1], one[2], one[4]) for one in again] == [(o[0], o[1], o[2], o[4]) for o in before]


async def test_another_workspace_neither_sees_nor_changes_a_suppression(world: World) -> None:
    await suppress(world, "ada@a.test")
    theirs = "/w/two/suppressions"
    assert "ada@a.test" not in (await world.get(theirs)).text
    assert words(await world.get(theirs, address="ada@a.test")).count("would be sent.") == 2
    assert "ada@a.test" not in (await world.get(f"{theirs}/export")).text
    await world.post(f"{theirs}/remove", address="ada@a.test", scope="all")
    assert len(await standing(world)) == 1


@pytest.mark.parametrize("path", ["", "/add", "/import", "/export", "/imports/x"])
async def test_who_has_not_logged_in_sees_nothing(world: World, path: str) -> None:
    async with world.stranger() as client:
        assert (await client.get(LIST + path)).status_code == 303


@pytest.mark.parametrize("path", ["add", "remove", "import"])
async def test_a_change_without_the_token_is_refused(world: World, path: str) -> None:
    answer = await world.client.post(f"{LIST}/{path}", data={"addresses": "a@a.test", "scope": "all"})
    assert answer.status_code == 403
    assert await standing(world) == []


async def test_nothing_that_was_stored_becomes_markup(world: World) -> None:
    await suppress(
        world, f"{EVIL}@a.test", reason=EVIL, source=EVIL, evidence=f'{{"recipient":"rcp_{EVIL[1:]}","x":"<b>"}}'
    )
    for page in (await world.get(LIST), await upload(world, f"{EVIL},all\n".encode(), reason=EVIL)):
        assert page.status_code == 200
        assert "<script>alert" not in page.text


def test_a_list_is_read_in_constant_memory() -> None:
    class Lines(io.RawIOBase):
        """A million addresses that nobody holds."""

        def __init__(self) -> None:
            self.left = 1_000_000

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            count = min(self.left, len(buffer) // 20)
            self.left -= count
            content = b"".join(b"%012d@a.test\n" % (self.left + at) for at in range(count))
            buffer[: len(content)] = content
            return len(content)

    reader = ListReader(io.BufferedReader(Lines(), 64 << 10), "all", "", 0)
    tracemalloc.start()
    read = 0
    for _ in range(20):
        found = reader.next_slice(250)
        assert found is not None
        read += len(found.entries)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert read == 5_000
    assert peak < 2 << 20


@given(st.text("=+-@'a\t ", max_size=6))
def test_a_guarded_cell_starts_no_formula_and_comes_back(cell: str) -> None:
    assert not guarded(cell).startswith(("=", "+", "-", "@"))
    if not cell.startswith("'"):
        assert bare(guarded(cell)) == cell


@given(st.binary(max_size=300))
def test_any_bytes_are_read_as_a_list(content: bytes) -> None:
    reader = ListReader(io.BytesIO(content), "all", "", 0)
    for _ in range(400):
        found = reader.next_slice(3)
        if found is None:
            break
        assert all(entry.address_key for entry in found.entries)
    else:
        raise AssertionError("it does not end")


def test_times_are_read_in_utc() -> None:
    assert suppression_csv.read_time_ms("2026-01-31") == 1_769_817_600_000
    assert suppression_csv.read_time_ms("2026-01-31T01:00:00+01:00") == 1_769_817_600_000
    assert suppression_csv.read_time_ms("tomorrow") is None


async def test_a_file_of_somebody_who_has_not_logged_in_is_not_read(world: World) -> None:
    read = 0

    async def body() -> Any:
        nonlocal read
        for _ in range(100):
            read += 1
            yield b"x" * 1000

    async with world.stranger() as client:
        fields = {"content-type": "multipart/form-data; boundary=b"}
        answer = await client.post(f"{LIST}/import", content=body(), headers=fields)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert read == 0
