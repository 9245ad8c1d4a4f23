"""The dashboard in Debian's Chromium: what a newcomer and an operator do with it, and every page for everybody.

One server and one browser serve all of it; whoever comes first makes the first
operator. The browser says that it is an ordinary one: a person sits before it.
"""

import datetime
import json
import os
import re
import smtplib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urljoin, urlsplit

import pytest
from dashboard_browser import NAME, PASSWORD, Axe, Client, chromium, log_in, logged_in_page, violations
from peers.dns_server import DnsServer
from peers.http_receiver import HttpReceiver, answer
from peers.process import wait_until
from peers.require import require_peer
from peers.smtp_sink import SmtpSink
from playwright.sync_api import Browser, BrowserContext, Page, expect
from running_server import Api, RunningServer
from selectolax.lexbor import LexborHTMLParser

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
WORKSPACE_PAGES = (
    "", "activity", "inbound", "sandbox", "queue", "bounces", "complaints", "suppressions", "routes", "webhooks",
    "domains", "keys", "accounts", "tracers", "partner",
)  # fmt: skip
BOUNCE = b"""From: MAILER-DAEMON@mx.example.net
Subject: Undelivered
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b

<ada@example.net>: no such user
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; ada@example.net
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user
--b--
"""
WISH = b"""From: Ada <ada@example.net>
Subject: Re: Your order
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

Please take me off your list.

On Sat, Nov 21, 2026 at 9:00 AM The shop <shop@example.com> wrote:
> See your order
--b
Content-Type: text/html

<p>Please take me off your list. <a href="https://example.org/">Look</a></p>
--b
Content-Type: text/calendar; name=later.ics
Content-Disposition: attachment

BEGIN:VCALENDAR
--b--
"""
_ID = re.compile(r"\b([a-z]{3})_[a-z2-7]{13}\b")
_WIDTHS = (1440, 390)
_SCHEMES: dict[int, Literal["light", "dark"]] = {1440: "light", 390: "dark"}
"""Texts and what is behind them are the same at all widths, so each scheme is judged at one."""


@dataclass
class House:
    """A running server, the DNS that it asks, and a browser."""

    server: RunningServer
    dns: DnsServer
    browser: Browser

    @property
    def base(self) -> str:
        """Where the dashboard is."""
        return f"http://127.0.0.1:{self.server.http_port}"


@pytest.fixture(scope="module")
def _house() -> Iterator[House]:
    require_peer("chromium")
    with (
        DnsServer() as dns,
        # A first run: `serve` itself makes what is missing, and prints the link for the first operator.
        RunningServer(initialised=False, resolver=dns.address, allow_private="127.0.0.0/8") as server,
        chromium() as browser,
    ):
        yield House(server, dns, browser)


@pytest.fixture
def house(_house: House) -> Iterator[House]:
    """The house, with what the server logged meanwhile printed beside a failure."""
    before = len(_house.server.log())
    yield _house
    print(_house.server.log()[before:])


@pytest.fixture
def client(house: House) -> Iterator[Client]:
    """An operator without a browser, who also has an API key."""
    with log_in(house.server) as client:
        if not house.server.api.key:
            house.server.api = Api(house.server.http_port, house.server.command("key", "create").strip())
        yield client


@pytest.fixture
def page(house: House, client: Client) -> Iterator[Page]:
    """A browser's page of somebody who is logged in."""
    with context(house) as opened:
        opened.add_cookies([{"name": n, "value": v, "url": client.base} for n, v in client.cookies.items()])
        yield opened.new_page()


@contextmanager
def context(house: House) -> Iterator[BrowserContext]:
    """Open a browser as a person has it; the links of mails lead to an empty page."""
    opened = house.browser.new_context(base_url=house.base, user_agent=AGENT, viewport={"width": 1440, "height": 900})
    opened.set_default_timeout(15_000)
    opened.route(re.compile(r"https://example\.org/.*"), lambda route: route.fulfill(body="the target"))
    try:
        yield opened
    finally:
        opened.close()


# A newcomer


def test_a_newcomer_sees_the_story_of_a_first_mail(house: House) -> None:
    require_peer("curl")
    server = house.server
    with context(house) as opened:
        page = opened.new_page()
        begin_as_first_operator(page, server)
        log_out_and_in_again(page)
        line = page.locator(".empty .code code").first.inner_text()
        server.api = Api(server.http_port, key_made_on_its_page(page))

        answer = json.loads(run_in_shell(line, POSTROOM_KEY=server.api.key))
        server.wait_for_state(answer["id"], "delivered")

        page.goto("/w/default/")
        page.goto(f"/w/default/messages/{answer['id']}")
        expect(page.locator("main")).to_contain_text("ada@example.net")
        expect(page.locator("main")).to_contain_text("Delivered")
        open_and_click_in_the_sandbox(page, server)
        page.goto("/w/default/")
        for label in ("Opens", "Clicks"):
            figure = page.locator(".figure", has_text=label).first
            expect(figure.locator(".figure-value")).to_have_text("1")


def begin_as_first_operator(page: Page, server: RunningServer) -> None:
    """Follow the link that the first start printed."""
    link = re.search(r"Dashboard: (http://\S+/first/\S+)", server.log())
    assert link, server.log()
    page.goto(link[1])
    page.get_by_label("Name or e-mail address").fill(NAME)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("The same password again").fill(PASSWORD)
    page.get_by_role("button", name="Make the operator").click()
    page.wait_for_url("**/w/default/")


def log_out_and_in_again(page: Page) -> None:
    """Log out by the menu, and in by name and password."""
    page.locator("summary", has_text=NAME).click()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login*")
    page.goto("/login")
    page.get_by_label("Name or e-mail address").fill(NAME)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/w/default/")


def key_made_on_its_page(page: Page) -> str:
    """Make an API key and return it, as the page shows it once."""
    page.goto("/w/default/keys")
    return key_made_here(page)


def key_made_here(page: Page) -> str:
    """Make a key on a workspace's page of keys."""
    page.locator("#new-key").get_by_label("Name").fill("mine")
    page.get_by_role("button", name="Make the key").click()
    return page.locator(".once code").first.inner_text()


def run_in_shell(line: str, **variables: str) -> str:
    """Run a line as a page shows it, letter by letter, and return what it printed."""
    done = subprocess.run(
        ["sh", "-c", line], env={**os.environ, **variables}, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def open_and_click_in_the_sandbox(page: Page, server: RunningServer) -> None:
    """Read the copy, follow its link, and return when both are recorded."""
    page.goto("/w/default/sandbox")
    page.get_by_role("link", name=re.compile("Hello")).first.click()
    link = page.frame_locator("iframe").get_by_role("link", name="this")
    with page.expect_popup() as opened:
        link.click()
    opened.value.wait_for_url("https://example.org/")
    server.wait_for_hits(2)


# A webhook


def test_a_webhook_that_failed_is_told_again(house: House, client: Client, page: Page) -> None:
    with HttpReceiver() as receiver:
        receiver.behave("/hook", answer(500, b'{"error": "disk full"}'))
        page.goto("/w/default/webhooks")
        page.get_by_role("link", name="New endpoint").first.click()
        page.get_by_label("Address").fill(receiver.url("/hook"))
        page.get_by_label("delivered", exact=True).check()
        page.get_by_role("button", name="Make the endpoint").click()
        expect(page.locator(".once code")).to_contain_text("whsec_")
        endpoint = page.url
        sent = house.server.api.post("/messages", {"from": "a@example.com", "to": ["hook@example.net"], "text": "x"})
        house.server.wait_for_state(sent["id"], "delivered")
        wait_until(lambda: bool(receiver.received("/hook")), "the receiver was asked")

        see(page, endpoint, "Failing")
        page.locator("#log tbody a").first.click()
        expect(page.locator("main")).to_contain_text("disk full")
        expect(page.locator("main")).to_contain_text("hook@example.net")
        receiver.behave("/hook", answer(204))
        page.get_by_role("button", name="Tell it again").click()

        expect(page.locator(".flash")).to_have_text("1 event is told again.")
        wait_until(lambda: len(receiver.received("/hook")) >= 2, "the receiver was told again")
        see(page, endpoint, "Working")
        assert len(set(receiver.told("/hook"))) == 1


def see(page: Page, address: str, label: str) -> None:
    """Load a page until its state is this: it is not written before the answer."""

    def is_seen() -> bool:
        page.goto(address)
        return page.locator(".card .badge").first.inner_text() == label

    wait_until(is_seen, f"{address} says {label}")


# The queue


def test_mail_that_waits_is_held_and_released(house: House, page: Page) -> None:
    """A smarthost puts a mail off; it is held, and once it is released it is tried at once."""
    with SmtpSink() as sink:
        sink.on("RCPT", "451 4.7.1 Greylisted, please come back later", times=1)
        api = Api(house.server.http_port, key_of_a_workspace_with_a_relay(page, f"smtp://{sink.address}"))
        house.server.command("domain", "create", "relay.example", "--vouched", "--workspace", "relay")
        sent = api.post("/messages", {"from": "a@relay.example", "to": ["late@held.example"], "text": "x"})["id"]
        wait_until(lambda: state(api, sent) == "deferred", "the mail is put off")
        row = page.get_by_role("row", name=re.compile("held.example"))

        page.goto("/w/relay/queue")
        expect(row).to_contain_text("1 deferred")
        page.get_by_role("button", name="Hold all mail to held.example").click()
        expect(page.locator(".flash")).to_be_visible()
        expect(row).to_contain_text("1 held")
        assert state(api, sent) == "held"
        page.get_by_role("button", name="Release all mail to held.example").click()

        wait_until(lambda: state(api, sent) == "delivered", "the mail is delivered")
        assert len(sink.mails_to("late@held.example")) == 1
        page.goto("/w/relay/queue")
        expect(page.locator("main")).to_contain_text("Nothing waits")


def key_of_a_workspace_with_a_relay(page: Page, transport: str) -> str:
    """Make the workspace `relay` and return a key of it."""
    page.goto("/workspaces")
    page.get_by_label("Name").fill("relay")
    page.get_by_label("Transport").fill(transport)
    page.get_by_role("button", name="workspace").click()
    page.wait_for_url("**/w/relay/keys")
    return key_made_here(page)


def state(api: Api, message_id: str) -> str:
    """Return the state of a message's only recipient."""
    found: str = api.recipients(message_id)[0]["state"]
    return found


# A domain


def test_a_domain_is_set_up_until_it_is_proved(house: House, page: Page) -> None:
    page.goto("/w/default/domains")
    page.get_by_label("Domain", exact=True).fill("shop.example")
    page.get_by_role("button", name="Add the domain").click()
    page.get_by_role("button", name="Check the records").click()
    told = page.locator("#told")
    expect(told).to_contain_text("0 of 7 records are seen")
    expect(page.locator(".record .found").first).to_contain_text("has no TXT record")

    for record in page.locator(".record").all():
        kind, name, value = (part.inner_text() for part in record.locator("dd code").all())
        publish(house.dns, kind, name, value)
    page.get_by_role("button", name="Check again").click()

    expect(told).to_have_text("All 7 records are seen.")
    expect(page.locator(".domain-state .badge")).to_have_text("Proved")
    expect(page.locator(".r-seen")).to_have_count(7)
    page.reload()
    expect(page.locator(".r-seen")).to_have_count(7)


def publish(dns: DnsServer, kind: str, name: str, value: str) -> None:
    """Do what a domain's owner does with a record of the page."""
    if kind == "TXT":
        value = " ".join(f'"{value[at : at + 250]}"' for at in range(0, len(value), 250))
    elif kind in ("MX", "CNAME"):
        value += "."
    dns.put(name, kind, value)


def test_a_piece_of_a_page_that_cannot_be_had_is_told_until_it_can(house: House, client: Client, page: Page) -> None:
    house.server.api.post("/domains", {"name": "broken.example"})
    error = "<!doctype html><main><h1>The database cannot be reached</h1><p>Nothing was changed.</p></main>"
    page.goto("/w/default/domains/broken.example")
    page.route("**/check", lambda route: route.fulfill(status=503, content_type="text/html", body=error), times=1)

    page.get_by_role("button", name="Check the records").click()
    expect(page.get_by_role("alert")).to_have_text("The database cannot be reached. Nothing was changed.")

    page.get_by_role("button", name="Check the records").click()
    expect(page.get_by_role("alert")).to_have_count(0)


# Every page


def fill(server: RunningServer, client: Client) -> None:
    """Make something for every page to show."""
    mail = {"from": "shop@example.com", "subject": "Your order", "tags": ["order"]}
    html = '<p>Thank you. <a href="https://shop.example/orders?id=1&amp;all=1">See your order</a></p>'
    for to in ("ada@example.net", "a.very.long.local-part-that-goes-on-and-on@a-long-name.of-a-host.example.net"):
        server.api.post("/messages", {**mail, "to": [to], "html": html})
    later = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=20)).isoformat()
    server.api.post("/messages", {**mail, "to": ["late@example.net"], "text": "x", "send_at": later})
    server.api.post("/suppressions", {"address": "gone@example.org", "scope": "all"})
    server.api.post("/messages", {**mail, "to": ["gone@example.org"], "text": "x"})
    server.api.post("/domains", {"name": "example.com"})
    server.api.post("/domains/example.com/check", {})
    come_back(server)
    client.post("/w/default/routes", recipient="*", action="store", kinds=["other"])
    # Nobody listens there: the log has a request without an answer.
    endpoint = client.post("/w/default/webhooks", url="http://127.0.0.1:9/hook", batch="1").headers["location"]
    client.post(f"{endpoint}/test")
    client.post("/w/default/accounts/connections", imap_provider_code="PLAIN", imap_host="127.0.0.1", imap_port="9")
    client.post("/w/default/accounts", connection="PLAIN", tag="ada", email="ada@example.net", login_password="x")


def come_back(server: RunningServer) -> None:
    """Have a bounce and what a reader writes come in by the door, to the return address of a copy."""
    kept = "SELECT s.reverse_path FROM sandbox_copy s JOIN recipient r ON r.id = s.recipient_id WHERE r.address = ?"
    wait_until(lambda: bool(server.rows(kept, "ada@example.net")), "the copy is kept")
    ((return_address,), *_) = server.rows(kept, "ada@example.net")
    with smtplib.SMTP("127.0.0.1", server.inbound_port, "mx.example.net", timeout=30) as door:
        for reverse_path, mail in (("", BOUNCE), ("ada@example.net", WISH)):
            door.sendmail(reverse_path, [return_address], mail)
    done = "SELECT count(*) FROM inbound WHERE state = 'done'"
    wait_until(lambda: server.rows(done) == [(2,)], "what came in is understood")


def shape(path: str) -> str:
    """Return what pages of one kind have in common."""
    parts = urlsplit(path)
    view = re.search(r"\bview=\w+", parts.query)
    name = re.sub(r"^/w/[^/]+", "/w/…", _ID.sub(r"\1_…", parts.path))
    return name + (f"?{view[0]}" if view else "")


def pages(client: Client) -> tuple[dict[str, str], list[str]]:
    """Return one address for each kind of page that links lead to, by its shape, and what is not there."""
    found: dict[str, str] = {}
    broken: dict[str, str] = {}
    waiting = [f"/w/default/{one}" for one in WORKSPACE_PAGES] + ["/settings", "/nodes"]
    while waiting:
        path = waiting.pop(0)
        if shape(path) in found or shape(path) in broken:
            continue
        answer = client.get(path)
        if answer.is_redirect or "text/html" not in answer.headers.get("content-type", ""):
            continue
        if answer.status_code != 200:
            broken[shape(path)] = f"{path} answers {answer.status_code}"
            continue
        found[shape(path)] = path
        links = [node.attributes["href"] for node in LexborHTMLParser(answer.text).css("main a[href], header a[href]")]
        there = [urlsplit(urljoin(client.base + path, link or "")) for link in links]
        inside = [f"{one.path}?{one.query}" for one in there if f"{one.scheme}://{one.netloc}" == client.base]
        waiting += [one.rstrip("?") for one in inside if not one.startswith(("/static/", "/api/", "/c/", "/u/", "/o/"))]
    return found, list(broken.values())


def complaints_about(page: Page, path: str, axe: Axe) -> list[str]:
    """Return what is wrong with a page at every width and in both colour schemes."""
    page.goto(path)
    told = axe.violations()
    for width in _WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        wide = page.evaluate("document.scrollingElement.scrollWidth")
        if wide > width:
            told.append(f"is {wide} pixels wide at {width}")
        scheme = _SCHEMES[width]
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        told += [f"{scheme}: {one}" for one in axe.contrast()]
    return told


def test_every_page_is_accessible_fits_every_screen_and_breaks_no_rule_of_its_own(house: House, client: Client) -> None:
    """axe in light and dark, no sideways scrolling, nothing in the console (a broken CSP stands there too)."""
    fill(house.server, client)
    found, broken = pages(client)
    wrong: dict[str, list[str]] = {}

    with logged_in_page(house.browser, client, width=_WIDTHS[0]) as page:
        said: list[str] = []
        axe = Axe(page)
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        for kind, path in found.items():
            said.clear()
            page.set_viewport_size({"width": _WIDTHS[0], "height": 900})
            if told := complaints_about(page, path, axe) + said:
                wrong[kind] = told

    assert (wrong, broken) == ({}, [])


def test_on_a_phone_the_pages_are_a_menu_that_keys_open_and_close(house: House, client: Client) -> None:
    with logged_in_page(house.browser, client, width=_WIDTHS[1]) as page:
        page.goto("/w/default/accounts")
        menu = page.locator(".pages-bar summary")
        expect(menu).to_contain_text("Accounts")
        expect(page.locator("nav.side")).to_be_hidden()
        menu.focus()
        page.keyboard.press("Enter")
        expect(page.locator(".pages-bar a:visible")).to_have_count(len(WORKSPACE_PAGES) + 2)
        wrong = violations(page)
        page.keyboard.press("Escape")
        expect(page.locator(".pages-bar a:visible")).to_have_count(0)
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url("**/w/default/")

    assert wrong == []


def test_pages_before_logging_in_and_one_that_is_not_there_are_accessible_too(house: House, client: Client) -> None:
    visitor = Client(house.server)
    wrong: dict[str, list[str]] = {}

    for who, paths in ((visitor, ("/login", "/first/wrong")), (client, ("/nothing",))):
        with logged_in_page(house.browser, who) as page:
            axe = Axe(page)
            for path in paths:
                if told := complaints_about(page, path, axe):
                    wrong[path] = told
    visitor.close()

    assert wrong == {}
