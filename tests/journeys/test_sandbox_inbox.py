"""The sandbox inbox in Chromium: a person opens and clicks, and a hostile mail does nothing."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from dashboard_browser import Client, chromium, log_in, logged_in_page, violations
from peers.process import wait_until
from playwright.sync_api import Browser, Page
from running_server import RunningServer, submit

from postroom.base.ids import show_id

# Without "Headless", which no person's browser says.
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR4nGP4z8AARAwQCgAf7gP9i18U1AAAAABJRU5ErkJggg=="
)
HOSTILE = """<!doctype html><html><head><title>x</title>
<base href="https://evil.test/" target="_top">
<meta http-equiv="refresh" content="0;url=/w/default/queue">
<meta http-equiv="refresh" content="0;url=javascript:top.hit=1">
<link rel="stylesheet" href="/static/x/postroom.css"><style>@import url("/static/x/postroom.css");</style>
<script>top.hit=1; parent.hit=1; document.title="ran"; fetch("/hit")</script>
<script src="/hit.js"></script></head>
<body onload="document.title='ran'"><h1 id="seen">Dear customer</h1>
<img src="x" onerror="document.title='ran'">
<svg onload="document.title='ran'"><script>document.title='ran'</script></svg>
<iframe src="/w/default/queue" name="inner"></iframe><object data="/w/default/queue"></object>
<embed src="/w/default/queue"><iframe srcdoc="<script>top.hit=1</script>"></iframe>
<form id="form" action="/logout" method="post" target="_top"><input name="csrf" value="x">
<button id="send">Go</button></form>
<a id="script" href="javascript:top.hit=1">a</a> <a id="top" href="/w/default/queue" target="_top">b</a>
<a id="data" href="data:text/html,<script>opener.hit=1</script>">c</a>
<math><mi id="math" href="/w/default/queue">m</mi></math>
<details open ontoggle="document.title='ran'"><summary>s</summary></details>
<div style="background:url(javascript:top.hit=1);position:fixed;inset:0;pointer-events:none">over all</div>
</body></html>"""


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with RunningServer() as running:
        yield running


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[Client]:
    with log_in(server) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def send(server: RunningServer, **fields: Any) -> str:
    """Hand a mail in by the API and return the path of its copy once the sandbox has it."""
    made = server.api.post("/messages", {"from": "ada@example.com", "subject": "Hello", "to": "bob@a.test", **fields})
    return when_kept(server, made["id"])


def when_kept(server: RunningServer, message_id: str) -> str:
    (recipient,) = server.wait_for_state(message_id, "delivered").values()
    return f"/w/default/sandbox/{recipient['id']}"


def labels(server: RunningServer, path: str) -> dict[str, str]:
    """Return the labels of a copy's hits by their kind."""
    recipient_id = next(r for (r,) in server.rows("SELECT id FROM recipient") if path.endswith(show_id("rcp", r)))
    return dict(server.rows("SELECT kind, label FROM hit WHERE recipient_id = ?", recipient_id))


def test_who_opens_and_clicks_in_the_inbox_is_recorded_as_a_person(
    server: RunningServer, client: Client, browser: Browser
) -> None:
    target = f"{client.base}/health/live"
    path = send(server, html=f'<p>Look at <a href="{target}">this</a>.</p>')

    with logged_in_page(browser, client) as page:
        page.set_extra_http_headers({"User-Agent": CHROME})
        page.context.set_extra_http_headers({"User-Agent": CHROME})
        page.goto("/w/default/sandbox")
        page.locator(".inbox a").first.click()
        wait_until(lambda: "open" in labels(server, path), "the open is recorded", 20)
        with page.context.expect_page() as opened:
            page.frame_locator("iframe").get_by_role("link", name="this").click()
        opened.value.wait_for_url(target)
        assert opened.value.evaluate("window.opener") is None
        wait_until(lambda: "click" in labels(server, path), "the click is recorded", 20)
        page.goto("/w/default/sandbox")
        marks = page.locator(".inbox-marks").first.inner_text().split()
        assert sorted(marks) == ["clicked", "opened"]

    assert labels(server, path) == {"open": "human", "click": "human"}


def test_nothing_of_a_hostile_mail_runs_or_leaves_its_frame(
    server: RunningServer, client: Client, browser: Browser
) -> None:
    path = send(server, html=HOSTILE, track={"opens": False, "clicks": False})
    asked: list[str] = []

    with logged_in_page(browser, client) as page:
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path)
        here = page.url
        frame = page.frame_locator("iframe")
        frame.locator("#seen").wait_for()
        for name in ("script", "math", "send", "top", "data"):
            frame.locator(f"#{name}").click(force=True)
        page.wait_for_timeout(500)

        assert page.url == here
        assert page.evaluate("window.hit") is None
        assert page.title().startswith("Hello")
        inner = page.frames[1]
        assert inner.url.endswith("/html")
        assert inner.title() == "x"
        assert inner.locator("#seen").inner_text() == "Dear customer"
        # The one link that a browser follows opens a tab, which knows nothing of the page that it came from.
        tabs = [tab for tab in page.context.pages if tab is not page]
        assert {tab.url for tab in tabs} <= {"about:blank", f"{client.base}/w/default/queue"}
        assert all(tab.evaluate("window.opener") is None for tab in tabs)

    assert not [url for url in asked if "/hit" in url or "evil.test" in url or "/logout" in url]
    assert client.get("/w/default/sandbox").status_code == 200, "it did not log us out"


def test_a_copy_that_is_opened_by_itself_is_in_the_same_walls(
    server: RunningServer, client: Client, browser: Browser
) -> None:
    path = send(server, html=HOSTILE, track={"opens": False, "clicks": False})
    with logged_in_page(browser, client) as page:
        page.goto(f"{path}/html")
        page.wait_for_timeout(300)
        assert page.url.endswith("/html")
        assert page.title() == "x"


def test_an_image_of_the_mail_is_shown_from_its_own_parts(
    server: RunningServer, client: Client, browser: Browser
) -> None:
    logo = {"filename": "logo.png", "content": base64.b64encode(PNG).decode(), "content_type": "image/png"}
    path = send(server, html='<img id="logo" src="cid:logo">', attachments=[{**logo, "content_id": "logo"}])
    with logged_in_page(browser, client) as page:
        page.goto(path)
        image = page.frame_locator("iframe").locator("#logo")
        image.wait_for()
        wait_until(lambda: bool(image.evaluate("image => image.naturalWidth == 2")), "the image is there", 10)


def test_a_mail_of_ten_megabytes_is_shown(server: RunningServer, client: Client, browser: Browser) -> None:
    row = b"<tr><td>" + b"x" * 200 + b"</td></tr>\r\n"
    html = b"<h1 id=seen>Large</h1><table>" + row * (10_000_000 // len(row)) + b"</table>"
    head = b"From: a@example.com\r\nSubject: Large\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n"
    with server.smtp() as smtp:
        path = when_kept(server, submit(smtp, "a@example.com", ["big@a.test"], head + html))
    with logged_in_page(browser, client) as page:
        page.goto(path)
        page.frame_locator("iframe").locator("#seen").wait_for()
        assert client.get(f"{path}?view=source").status_code == 200
        assert client.get(f"{path}?view=links").status_code == 200


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_the_pages_of_the_inbox_fit_and_axe_finds_nothing(
    server: RunningServer, client: Client, browser: Browser, width: int, dark: bool
) -> None:
    path = send(server, html="<p>Hello</p>", text="Hello https://a.test/")
    with logged_in_page(browser, client, width=width, dark=dark) as page:
        for address in ("/w/default/sandbox", path, f"{path}?view=links"):
            page.goto(address)
            assert violations(page) == [], address
            assert _overflow(page) <= 0, address


def _overflow(page: Page) -> int:
    found: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return found
