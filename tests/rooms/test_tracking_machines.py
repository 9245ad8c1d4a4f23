"""Labels: what shows a machine, what a person, and what is left open."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.tracking.machines import PROXY_AFTER_MS, Evidence, Label, judge

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
)
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
OUTLOOK = "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17328; Pro)"
OUTLOOK_OLD = (
    "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/7.0; .NET4.0C; Microsoft Outlook 15.0)"
)
THUNDERBIRD = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.3.0"
SAMSUNG = "Mozilla/5.0 (Linux; Android 14; SM-S911B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Mobile"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
GMAIL_AHEAD = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0"
)
YAHOO = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"
HOUR = 3_600_000


def evidence(user_agent: str = CHROME, **changed: object) -> Evidence:
    values: dict[str, object] = {
        "is_click": True,
        "method": "GET",
        "user_agent": user_agent,
        "fields": {},
        "since_delivery_ms": HOUR,
    }
    return Evidence(**(values | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize("user_agent", [CHROME, IPHONE, OUTLOOK, OUTLOOK_OLD, THUNDERBIRD, SAMSUNG])
@pytest.mark.parametrize("is_click", [True, False])
def test_browsers_and_mail_programs_are_human(user_agent: str, is_click: bool) -> None:
    assert judge(evidence(user_agent, is_click=is_click)).label is Label.HUMAN


@pytest.mark.parametrize(
    "user_agent",
    [
        "curl/8.5.0",
        "Wget/1.21",
        "python-requests/2.31.0",
        "Python/3.11 aiohttp/3.9",
        "Go-http-client/2.0",
        "okhttp/4.9",
        "Java/17.0.2",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "WhatsApp/2.23.20.0",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0 Safari/537.36",
        "BarracudaCentral/1.0",
        "Mimecast URL Scanner",
        "Mozilla/5.0 (compatible; Proofpoint URL Defense)",
        "Microsoft SafeLinks",
        "Mozilla/5.0 (Windows NT 10.0) BingPreview/1.0b",
        GMAIL_AHEAD,
    ],
)
def test_gateways_crawlers_and_libraries_are_machines(user_agent: str) -> None:
    assert judge(evidence(user_agent)).label is Label.MACHINE


def test_apple_mail_privacy_protection_is_a_machine() -> None:
    assert judge(evidence("Mozilla/5.0", is_click=False)).rule == "apple_privacy"
    assert judge(evidence("Mozilla/5.0", is_click=False)).label is Label.MACHINE


@pytest.mark.parametrize("user_agent", [GMAIL, YAHOO])
def test_an_image_proxy_is_human_only_when_a_known_delivery_is_a_minute_old(user_agent: str) -> None:
    def label(since_ms: int | None) -> Label:
        return judge(evidence(user_agent, is_click=False, since_delivery_ms=since_ms)).label

    assert label(PROXY_AFTER_MS) is Label.HUMAN
    assert label(PROXY_AFTER_MS - 1) is Label.UNKNOWN
    assert label(None) is Label.UNKNOWN


def test_head_is_a_machine() -> None:
    assert judge(evidence(method="HEAD")).label is Label.MACHINE


@pytest.mark.parametrize(
    "fields",
    [{"sec-purpose": "prefetch;prerender"}, {"purpose": "prefetch"}, {"x-purpose": "preview"}, {"x-moz": "prefetch"}],
)
def test_a_prefetch_is_a_machine(fields: dict[str, str]) -> None:
    assert judge(evidence(fields=fields)).label is Label.MACHINE


def test_a_robot_that_says_who_runs_it_is_a_machine() -> None:
    assert judge(evidence(fields={"from": "bingbot(at)microsoft.com"})).label is Label.MACHINE


def test_before_the_mail_was_delivered_nobody_can_have_read_it() -> None:
    assert judge(evidence(since_delivery_ms=-1)).label is Label.MACHINE


def test_a_hit_at_the_moment_of_delivery_is_a_machine_and_a_click_soon_after_is_left_open() -> None:
    assert judge(evidence(since_delivery_ms=500)).label is Label.MACHINE
    assert judge(evidence(since_delivery_ms=5_000)).label is Label.UNKNOWN
    assert judge(evidence(since_delivery_ms=11_000)).label is Label.HUMAN


def test_three_links_within_seconds_are_a_machine_and_two_are_not() -> None:
    assert judge(evidence(links_in_burst=3)).label is Label.MACHINE
    assert judge(evidence(links_in_burst=2)).label is Label.HUMAN
    assert judge(evidence(links_in_burst=2, links_in_pair=2)).label is Label.MACHINE


@pytest.mark.parametrize("user_agent", ["", "Something/1.0"])
def test_an_agent_that_nobody_knows_is_left_open(user_agent: str) -> None:
    assert judge(evidence(user_agent)).label is Label.UNKNOWN


def test_without_a_known_delivery_a_browser_is_left_open() -> None:
    assert judge(evidence(since_delivery_ms=None)).label is Label.UNKNOWN


@given(st.text(), st.text(), st.dictionaries(st.text(), st.text()), st.none() | st.integers())
def test_any_evidence_gets_a_label(agent: str, method: str, fields: dict[str, str], since: int | None) -> None:
    assert judge(evidence(agent, method=method, fields=fields, since_delivery_ms=since)).label in Label


@pytest.mark.parametrize("is_click", [False, True])
def test_a_copy_that_the_sandbox_has_shown_is_read_by_a_person_at_once(is_click: bool) -> None:
    asked = evidence(is_click=is_click, since_delivery_ms=100, was_shown=True)
    assert judge(asked).label is Label.HUMAN


def test_what_no_person_does_is_a_machine_in_the_sandbox_too() -> None:
    for changed in ({"method": "HEAD"}, {"fields": {"purpose": "prefetch"}}, {"links_in_burst": 3}):
        assert judge(evidence(since_delivery_ms=100, was_shown=True, **changed)).label is Label.MACHINE
    assert judge(evidence("curl/8.0", since_delivery_ms=100, was_shown=True)).label is Label.MACHINE
