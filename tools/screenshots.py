"""Pictures of every page of the dashboard, for docs/dashboard.md and for whoever changed a page.

`make screenshots` starts a server in a temporary folder, fills it with `postroom demo` and a little of its own
(a domain that is checked, a webhook that fails), and takes each page in Debian's Chromium: 1,440 and 390 pixels
wide, and some in the dark. Names of pages as arguments take only those.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dashboard_browser import Client, chromium, log_in, logged_in_page
from peers.dns_server import DnsServer
from peers.http_receiver import HttpReceiver, answer
from peers.process import wait_until
from playwright.sync_api import FloatRect, Page
from running_server import Api, RunningServer

from postroom.base.ids import show_id
from tools.palette_png import smaller

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "screenshots"
MOST_BYTES = 7 << 19
"""Of all pictures together: they stay in git for ever."""
WIDE, NARROW = 1440, 390
_HEIGHTS = {WIDE: 1200, NARROW: 1600}
"""Of a window: a longer page is shown down to there."""
IN_THE_DARK = ("overview",)
NARROW_TOO = (
    "overview", "activity", "story", "inbound", "inbound-reply", "sandbox-copy", "queue", "bounces", "complaints",
    "routes", "suppressions", "webhook", "accounts", "account-watched", "connect", "tracers", "partner", "domain",
)  # fmt: skip
"""What the pages of docs show."""
_DOMAIN = "shop.example"
_NEWSLETTER = Path(__file__).with_name("newsletter.html")


@dataclass(frozen=True, slots=True)
class Scene:
    """A server with something on every page."""

    server: RunningServer
    client: Client
    pages: dict[str, str]
    """Name of a picture to its address."""


@contextmanager
def scene() -> Iterator[Scene]:
    """Start a server and fill it."""
    with ExitStack() as stack:
        dns = stack.enter_context(DnsServer())
        receiver = stack.enter_context(HttpReceiver())
        server = stack.enter_context(
            RunningServer(
                resolver=dns.address,
                allow_private="127.0.0.0/8",
                public_url="http://mail.example.com",
                hostname="mail.example.com",
            )
        )
        client = stack.enter_context(log_in(server))
        print(server.command("demo"))
        key = server.command("key", "create", "--name", "shop", "--workspace", "demo").strip()
        server.api = Api(server.http_port, key)
        # First, so that the letter is signed.
        domain = _domain(server, client, dns)
        letter = _letters(server)
        pages = {
            "overview": "/w/demo/?period=7d",
            "activity": "/w/demo/activity",
            **_stories(server),
            "sandbox": "/w/demo/sandbox",
            "sandbox-copy": f"/w/demo/sandbox/{letter}",
            "sandbox-links": f"/w/demo/sandbox/{letter}?view=links",
            **_came_in(server),
            "bounces": "/w/demo/bounces?period=30d",
            "complaints": "/w/demo/complaints",
            "routes": "/w/demo/routes?recipient=orders@lighthouse-books.example&sender=ada@example.net&kind=reply",
            "route-new": "/w/demo/routes/new",
            "queue": "/w/demo/queue",
            "queue-destination": "/w/demo/queue/recipients?domain=outlook.com",
            "suppressions": "/w/demo/suppressions",
            "suppressions-add": "/w/demo/suppressions/add",
            "suppressions-import": "/w/demo/suppressions/import",
            **_webhooks(server, client, receiver, dns),
            **_mailboxes(server, client),
            "domains": "/w/demo/domains",
            "domain": domain,
            "keys": "/w/demo/keys",
            "workspaces": "/workspaces",
            "settings": "/settings",
            "operators": "/settings/operators",
            "account": "/settings/account",
            "audit": "/settings/audit",
            "keeping": "/settings/keeping",
        }
        yield Scene(server, client, pages)


def _stories(server: RunningServer) -> dict[str, str]:
    """Return a recipient who clicked, one who waits for another try, and a message to many."""
    newest = "SELECT id FROM recipient WHERE {} ORDER BY id DESC LIMIT 1"
    ((clicked,),) = server.rows(newest.format("human_clicked_ms IS NOT NULL"))
    ((deferred,),) = server.rows(newest.format("state = 'deferred'"))
    ((message,),) = server.rows("SELECT message_id FROM recipient GROUP BY 1 ORDER BY count(*) DESC, 1 DESC LIMIT 1")
    return {
        "story": f"/w/demo/recipients/{show_id('rcp', clicked)}",
        "story-deferred": f"/w/demo/recipients/{show_id('rcp', deferred)}",
        "message": f"/w/demo/messages/{show_id('msg', message)}",
    }


def _came_in(server: RunningServer) -> dict[str, str]:
    """Return the list of what came in, a bounce, an answer, and the story of a recipient to whom a bounce came back."""
    newest = "SELECT id, answers_recipient_id FROM inbound WHERE kind = '{}' AND author <> '' ORDER BY id DESC LIMIT 1"
    ((bounce, bounced),) = server.rows(newest.format("bounce"))
    ((reply, _),) = server.rows(newest.format("reply"))
    return {
        "inbound": "/w/demo/inbound",
        "inbound-bounce": f"/w/demo/inbound/{show_id('inb', bounce)}",
        "inbound-reply": f"/w/demo/inbound/{show_id('inb', reply)}",
        "story-bounced": f"/w/demo/recipients/{show_id('rcp', bounced)}",
    }


def _mailboxes(server: RunningServer, client: Client) -> dict[str, str]:
    """Return the lists of accounts and tracers, an account with much mail, a link to connect one, partner and nodes."""
    tagged = "SELECT id FROM account WHERE tag = ?"
    ((busy,),), ((new,),) = server.rows(tagged, "user-alan"), server.rows(tagged, "user-intern")
    link = re.search(r"/users/connect/[\w-]+", client.get(f"/w/demo/accounts/{show_id('acc', new)}").text)
    if link is None:
        raise RuntimeError("the page of an account that nobody connected has no link")
    return {
        "accounts": "/w/demo/accounts",
        "account-watched": f"/w/demo/accounts/{show_id('acc', busy)}",
        "account-new": "/w/demo/accounts/new",
        "connection-new": "/w/demo/accounts/connections/new",
        "connect": link[0],
        "tracers": "/w/demo/tracers",
        "partner": "/w/demo/partner",
        "nodes": "/nodes",
    }


def _letters(server: RunningServer) -> str:
    """Send some mail that the sandbox keeps; return the recipient of the finest."""
    for subject, to in (("Your order 4711", "grace@example.net"), ("Reset your password", "alan@example.org")):
        text = f"Hello,\n\n{subject.lower()}: https://shop.example/?q={subject.split()[0].lower()}\n\nThe shop\n"
        server.api.post("/messages", {"from": f"hello@{_DOMAIN}", "to": [to], "subject": subject, "text": text})
    sent = server.api.post(
        "/messages",
        {
            "from": {"address": f"letters@{_DOMAIN}", "name": "Tea & Clay"},
            "to": ["ada@example.net"],
            "subject": "The autumn kiln is open",
            "html": _NEWSLETTER.read_text(),
            "stream": "bulk",
        },
    )
    server.wait_for_state(sent["id"], "delivered")
    recipient: str = sent["recipients"][0]["id"]
    return recipient


def _webhooks(server: RunningServer, client: Client, receiver: HttpReceiver, dns: DnsServer) -> dict[str, str]:
    """Make an endpoint that works and one that fails; return their pages."""
    dns.put("hooks.shop.example", "A", "127.0.0.1")
    receiver.behave("/crm", answer(503, b'{"error": "maintenance until 20:00"}', content_type="application/json"))
    made = {}
    for name, kinds in (("shop", ["delivered", "failed", "opened", "clicked"]), ("crm", ["unsubscribed", "delivered"])):
        fields = {
            "url": receiver.url(f"/{name}", "hooks.shop.example"),
            "description": f"The {name}'s events",
            "batch": "1",
        }
        made[name] = client.post("/w/demo/webhooks", **fields, kinds=kinds).headers["location"]
    thanks = {"subject": "Thank you for your order", "text": "It leaves tomorrow.", "tags": ["order"]}
    for number in range(3):
        server.api.post("/messages", {"from": f"a@{_DOMAIN}", "to": [f"buyer{number}@example.net"], **thanks})
    for path in ("/shop", "/crm"):
        wait_until(lambda path=path: len(receiver.received(path)) >= 3, f"{path} is told")  # type: ignore[misc]
    failed = "SELECT id FROM webhook_attempt WHERE succeeded = 0 ORDER BY id DESC LIMIT 1"
    wait_until(lambda: bool(server.rows(failed)), "a failure is in the log")
    attempt = f"{made['crm']}/attempts/{show_id('wha', server.rows(failed)[0][0])}"
    client.get("/w/demo/webhooks")
    return {"webhooks": "/w/demo/webhooks", "webhook": made["crm"], "webhook-request": attempt,
            "webhook-new": "/w/demo/webhooks/new"}  # fmt: skip


def _domain(server: RunningServer, client: Client, dns: DnsServer) -> str:
    """Make a domain whose owner has published most of its records; return its page."""
    made = server.api.post("/domains", {"name": _DOMAIN})
    for record in made["records"]:
        value = record["value"]
        if record["purpose"] in ("dmarc", "return_path_spf"):
            continue
        if record["purpose"] == "tracking":
            value = "cdn.other.example."
        elif record["type"] == "TXT":
            value = " ".join(f'"{value[at : at + 250]}"' for at in range(0, len(value), 250))
        else:
            value += "."
        dns.put(record["name"], record["type"], value)
    client.post(f"/w/demo/domains/{_DOMAIN}/check")
    client.get("/w/demo/domains")
    return f"/w/demo/domains/{_DOMAIN}"


_END = """() => {
  const pieces = [...document.querySelectorAll("main > *, nav.side > *, main:only-child")];
  const ends = pieces.map((piece) => piece.getBoundingClientRect().bottom);
  return Math.ceil(Math.max(...ends)) + 32;
}"""


def take(page: Page, lender: Page, path: str, file: Path) -> None:
    """Take one picture, of the page's own height where it is shorter than the window."""
    page.goto(path)
    page.wait_for_load_state("networkidle")
    width: int = page.evaluate("innerWidth")
    end: int = page.evaluate(_END)
    clip: FloatRect = {"x": 0, "y": 0, "width": width, "height": min(end, _HEIGHTS[width])}
    file.write_bytes(smaller(page.screenshot(clip=clip), lender))


def main(names: list[str]) -> int:
    """Take the pictures; the exit code is 1 where they are too large."""
    FOLDER.mkdir(exist_ok=True)
    with scene() as here, chromium() as browser:
        lender = browser.new_page()
        for width, dark in ((WIDE, False), (NARROW, False), (WIDE, True)):
            with logged_in_page(browser, here.client, width=width, height=_HEIGHTS[width], dark=dark) as page:
                for name, path in here.pages.items():
                    here_too = name in IN_THE_DARK if dark else width == WIDE or name in NARROW_TOO
                    if (names and name not in names) or not here_too:
                        continue
                    suffix = "-dark" if dark else "-narrow" if width == NARROW else ""
                    take(page, lender, path, FOLDER / f"{name}{suffix}.png")
        if not names or "login" in names:
            with logged_in_page(browser, None) as page:
                take(page, lender, f"{here.client.base}/login", FOLDER / "login.png")
    total = sum(file.stat().st_size for file in FOLDER.glob("*.png"))
    print(f"{len(list(FOLDER.glob('*.png')))} pictures, {total / 1e6:.1f} MB")
    return int(total > MOST_BYTES)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
