"""Why mail failed, in the dashboard: by reason, provider and time."""

import json
import re

from dashboard_browser import World
from selectolax.lexbor import LexborHTMLParser

from postroom.base.clock import HOUR_MS
from postroom.doors.dashboard.bounces import MOST_LINES, bounces_of
from postroom.doors.dashboard.overview import PERIODS
from postroom.ledger.rows import CounterKey
from postroom.mail.reasons import Reason
from postroom.store.failure_counts import Failures

PAGE = "/w/one/bounces"
DAY = PERIODS[0]


async def fail(world: World, key: str, amount: int, hours_ago: int = 1) -> None:
    workspace = await world.workspace("one")
    hour = world.clock.now_ms() // HOUR_MS - hours_ago
    counter = CounterKey(workspace.id, hour, "provider_reason", key)
    await world.services.database.write(lambda tx: tx.count(counter, "failed", amount))


def rows_of(html: str) -> list[str]:
    table = LexborHTMLParser(html).css("table")[-1]
    return [re.sub(r"\s+", " ", row.text(separator=" ")).strip() for row in table.css("tbody tr")]


async def test_nothing_failed(pages: World) -> None:
    assert "Nothing failed in the last 7 days" in (await pages.get(PAGE)).text


async def test_failures_stand_by_reason_and_provider_and_lead_to_their_recipients(pages: World) -> None:
    await fail(pages, "google no_such_user", 3)
    await fail(pages, "microsoft-consumer no_such_user", 2, 30)
    await fail(pages, "google rate", 1)

    page = (await pages.get(PAGE)).text
    one = (await pages.get(PAGE, provider="google", period="24h")).text

    assert rows_of(page) == [
        "no such user There is no such mailbox. hard 5 3 2",
        "rate Too many mails or connections in too short a time. soft 1 1 \u2013",
    ]
    assert "q=state%3Afailed+reason%3Ano_such_user+provider%3Agoogle+since%3A" in page
    # The figure counts those of the period: so does the list that it leads to.
    figure = LexborHTMLParser(page).css_first("a.figure")
    assert figure is not None
    assert "q=state%3Afailed+since%3A" in str(figure.attributes["href"])
    assert [row.split()[-1] for row in rows_of(one)] == ["3", "1"]
    assert (await pages.get(PAGE, provider='"><script>', period="x")).status_code == 200


def test_the_chart_has_a_line_for_the_rest_and_never_less_than_nothing() -> None:
    reasons = list(Reason)[: MOST_LINES + 2]
    found = [Failures(100 + at, "google", reason.value, 10 - at) for at, reason in enumerate(reasons)]
    found += [Failures(99, "google", reasons[0].value, -1), Failures(101, "x", "a_word_of_later", 1)]

    view = bounces_of(found, DAY, 110, "")

    assert [one.label for one in view.series] == [
        *(reason.value.replace("_", " ") for reason in reasons[: MOST_LINES - 1]), "the rest",
    ]  # fmt: skip
    assert {len(one.amounts) for one in view.series} == {DAY.hours} == {len(view.at_ms)}
    assert min(amount for one in view.series for amount in one.amounts) == 0
    assert json.loads(view.chart)["labels"][0] == "no such user"
    assert view.lines[-1].reason == "a_word_of_later"
