"""How long a workspace keeps what, in the dashboard."""

from dashboard_browser import World
from selectolax.lexbor import LexborHTMLParser

from postroom.store import operators
from postroom.upkeep.keeping import keeping_periods
from postroom.upkeep.periods import show_period

PAGE = "/settings/keeping"
GIVEN = {"bodies": "10d", "hits": "36h", "ledger": "500d", "sandbox": "5d"}


async def test_the_periods_of_every_workspace_are_shown(pages: World) -> None:
    page = LexborHTMLParser((await pages.get(PAGE)).text)

    rows = [" ".join(row.text(separator=" ").split()) for row in page.css("tbody tr")]

    assert rows == [f"{name} 30 days 30 days 400 days 30 days Change" for name in ("one", "two")]


async def test_periods_of_one_workspace_are_changed_and_noted(pages: World) -> None:
    workspace = await pages.workspace("one")

    answer = await pages.post(f"{PAGE}/one", **GIVEN)

    assert answer.headers["location"] == PAGE
    kept = (await keeping_periods(pages.services.database, [workspace.id]))[workspace.id]
    assert {name: show_period(getattr(kept, f"{name}_ms")) for name in GIVEN} == GIVEN
    noted = await pages.services.database.read(lambda conn: operators.audit_page(conn, 1 << 62, 1))
    assert (noted[0].action, noted[0].detail) == ("workspace.keep", "bodies 10d, hits 36h, ledger 500d, sandbox 5d")
    assert 'value="36h"' in (await pages.get(f"{PAGE}/one")).text


async def test_periods_that_cannot_be_are_told_beside_their_field(pages: World) -> None:
    unreadable = await pages.post(f"{PAGE}/one", **{**GIVEN, "hits": "soon"})
    contrary = await pages.post(f"{PAGE}/one", **{**GIVEN, "bodies": "600d"})

    assert (unreadable.status_code, contrary.status_code) == (422, 422)
    assert "such as 30d" in LexborHTMLParser(unreadable.text).css("#e-hits")[0].text()
    assert "lengthen the ledger" in LexborHTMLParser(contrary.text).css("#e-bodies")[0].text()
