"""Queue and suppressions in Chromium: mail is held and released, an address is taken on and off; axe finds nothing."""

from collections.abc import Iterator

import pytest
from dashboard_browser import Client, chromium, log_in, logged_in_page, violations
from peers.process import wait_until
from peers.smtp_sink import SmtpSink
from playwright.sync_api import Browser, Page
from running_server import RunningServer

QUEUE = "/w/default/queue"
LIST = "/w/default/suppressions"


@pytest.fixture(scope="module")
def closed_port() -> str:
    """The address of a smarthost that was there and is gone."""
    with SmtpSink() as sink:
        return sink.address


@pytest.fixture(scope="module")
def server(closed_port: str) -> Iterator[RunningServer]:
    with RunningServer(vouched=["example.com"], transport=f"smtp://{closed_port}") as running:
        yield running


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[Client]:
    with log_in(server) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def states(server: RunningServer) -> dict[str, int]:
    return dict(server.rows("SELECT state, count(*) FROM recipient GROUP BY state"))


def check(page: Page, *addresses: str) -> None:
    """Assert that pages fit their window and that axe finds nothing wrong."""
    for address in addresses:
        page.goto(address)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, address
        assert violations(page) == [], address


def test_a_destination_is_held_released_and_cancelled(server: RunningServer, client: Client, browser: Browser) -> None:
    server.api.post(
        "/messages",
        {"from": "ada@example.com", "to": ["a@a.test", "b@a.test", "c@b.test"], "subject": "x", "text": "x"},
    )
    wait_until(lambda: states(server).get("sending", 0) == 0, "nothing is being tried", 20)
    with logged_in_page(browser, client) as page:
        page.goto(QUEUE)
        page.get_by_role("button", name="Hold all mail to a.test").click()
        assert "2 recipients are held back" in page.locator(".flash").inner_text()
        assert states(server)["held"] == 2
        page.get_by_role("link", name="a.test").first.click()
        page.get_by_role("link", name="Held", exact=True).click()
        page.get_by_label("Choose a@a.test").check()
        page.get_by_role("button", name="Release", exact=True).first.click()
        assert "1 recipient is released" in page.locator(".flash").inner_text()
        page.goto(QUEUE)
        page.get_by_label("Cancel all mail to a.test").click()
        page.get_by_role("button", name="Cancel it all").locator("visible=true").click()
        assert "cancelled" in page.locator(".flash").inner_text()
    wait_until(lambda: states(server).get("cancelled", 0) == 2, "both are cancelled", 20)


def test_addresses_are_suppressed_looked_up_and_taken_off_without_script(
    server: RunningServer, client: Client, browser: Browser
) -> None:
    with logged_in_page(browser, client, script=False) as page:
        page.goto(LIST)
        page.get_by_role("link", name="Suppress addresses").click()
        page.get_by_label("Addresses").fill("ada@a.test\nnothing")
        page.get_by_role("button", name="Suppress").click()
        assert "Line 2" in page.locator("#e-addresses").inner_text()
        page.get_by_label("Addresses").fill("ada@a.test")
        page.get_by_label("What is stopped").select_option("bulk")
        page.get_by_role("button", name="Suppress").click()
        assert "Bulk mail to 1 address is stopped" in page.locator(".flash").inner_text()
        page.get_by_label("Would this address be mailed?").fill("ada@a.test")
        page.get_by_role("button", name="Look it up").click()
        assert "would not be sent" in page.locator(".answers").inner_text()
        page.get_by_label("Take ada@a.test off the list").click()
        page.get_by_role("button", name="Take it off").click()
        assert "is off the list" in page.locator(".flash").inner_text()
        page.get_by_role("link", name="Import CSV").click()
        page.get_by_label("File").set_input_files(
            {"name": "old.csv", "mimeType": "text/csv", "buffer": b"address\nbob@b.test\nnobody\n"}
        )
        page.get_by_role("button", name="Import").click()
        assert "Import of old.csv" in page.locator("h1").inner_text()
        assert "nobody" in page.locator("tbody").inner_text()


@pytest.mark.parametrize(("width", "dark"), [(1440, True), (390, False)])
def test_the_pages_fit_and_axe_finds_nothing(
    server: RunningServer, client: Client, browser: Browser, width: int, dark: bool
) -> None:
    server.api.post("/messages", {"from": "ada@example.com", "to": ["z@z.test"], "subject": "x", "text": "x"})
    server.api.post("/suppressions", {"address": "left@a.test", "scope": "bulk", "reason": "asked"})
    with logged_in_page(browser, client, width=width, dark=dark) as page:
        check(page, QUEUE, f"{QUEUE}/recipients?domain=z.test", LIST, f"{LIST}/add", f"{LIST}/import")
