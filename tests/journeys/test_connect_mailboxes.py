"""People connect their mailboxes in Chromium: by OAuth 2.0 with real servers, by a password; then they are watched."""

import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from dashboard_browser import chromium, logged_in_page, violations
from peers.dovecot import Dovecot
from peers.http_receiver import HttpReceiver, answer
from peers.oidc import OidcServer
from peers.process import PeerFailed, wait_until
from peers.require import require_peer
from playwright.sync_api import Browser, Page
from running_server import RunningServer, fetch

EMAIL = "ada@mail.test"
GRACE = "grace@mail.test"
PASSWORD = "correct horse battery"
OAUTH, PLAIN = "GMAIL_OAUTH2", "PLAIN"
ACCESS_SECONDS = 2
"""So short that each new login needs another token."""
PICTURES = os.environ.get("POSTROOM_TEST_PICTURES", "")
"""A folder for pictures of the pages, for people to look at."""


def soak(*values: object) -> Any:
    """Return a case that only the long run makes: another one shows the same."""
    return pytest.param(*values, marks=pytest.mark.soak)


@dataclass
class World:
    """A Postroom, an application that it tells, the servers of a mail provider, and a browser."""

    server: RunningServer
    app: HttpReceiver
    oidc: OidcServer
    dovecot: Dovecot
    key: str
    browser: Browser

    def api(self, method: str, path: str, value: object = None) -> Any:
        """Ask SuperIMAP's API and return its JSON."""
        header = {"x-api-key": self.key, "content-type": "application/json"}
        body = b"" if value is None else json.dumps(value).encode()
        said = fetch(self.server.http_port, method, f"/api/v1{path}", fields=header, body=body)
        assert said.status in (200, 201, 204), (said.status, said.body)
        return said.json if said.body else None

    def user(self, code: str, tag: str) -> dict[str, Any]:
        """Return a user; one that is not there is made, without credentials."""
        tags = [one["tag"] for one in self.api("GET", f"/connections/{code}/users")]
        if tag not in tags:
            self.api("POST", f"/connections/{code}/users", {"tag": tag})
        found: dict[str, Any] = self.api("GET", f"/connections/{code}/users/{tag}")
        return found

    def link(self, code: str, tag: str, which: str = "connect_url", joint: str = "?") -> str:
        """Return a link as an application hands it to its user's browser."""
        ways = {"success": self.app.url("/ok?from=postroom"), "failure": self.app.url("/no")}
        return str(self.user(code, tag)[which]) + joint + urlencode(ways)

    def kinds(self, code: str, tag: str) -> list[str]:
        """Return the kinds of a user's events, by their numbers."""
        items = self.api("GET", f"/connections/{code}/users/{tag}/events?after=0")["items"]
        return [one["kind"] for one in items]

    def wait_until_watched(self, tag: str) -> None:
        """Wait until a user's mailbox has a cursor: what was there before is not told."""
        asked = "SELECT state FROM account_status JOIN account ON account.id = account_id WHERE tag = ?"
        wait_until(lambda: self.server.rows(asked, tag) == [("watching",)], f"{tag} is watched", 40)

    def wait_for(self, code: str, tag: str, *kinds: str) -> None:
        """Wait until a user's events are these."""
        try:
            wait_until(lambda: self.kinds(code, tag) == list(kinds), f"the events are {kinds}", 40)
        except Exception as error:
            raise AssertionError(
                (self.kinds(code, tag), self.server.log()[-1500:], self.dovecot.log()[-800:])
            ) from error


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    for peer in ("dovecot", "oidc-provider", "chromium"):
        require_peer(peer)
    with RunningServer(initialised=False, allow_private="127.0.0.0/8") as server, HttpReceiver() as app:
        callback = f"http://127.0.0.1:{server.http_port}/users/connect/callback"
        for path in ("/ok?from=postroom", "/no?error=access_denied"):
            app.behave(path, answer(200, b"<title>the application</title>", content_type="text/html"))
        with (
            OidcServer(callback, access_seconds=ACCESS_SECONDS) as oidc,
            Dovecot({EMAIL: PASSWORD, GRACE: PASSWORD}, oauth2=oidc.for_dovecot) as dovecot,
            chromium() as browser,
        ):
            key = server.command("key", "create", "--superimap").strip()
            made = World(server, app, oidc, dovecot, key, browser)
            partner = {"redirects": [app.url("")], "user_connected_webhook": app.url("/hook")}
            made.api("PUT", "/partner", partner)
            imap = {"imap_host": "127.0.0.1", "imap_port": dovecot.imap_port, "imap_security": "plain"}
            made.api("POST", "/connections", {"imap_provider_code": OAUTH})
            made.api("PUT", f"/connections/{OAUTH}", {**oidc.connection, **imap})
            made.api("POST", "/connections", {"imap_provider_code": PLAIN})
            yield made


def test_a_server_that_knows_oauthbearer_alone_is_watched_too(world: World) -> None:
    with Dovecot({}, oauth2=world.oidc.for_dovecot, extra="auth_mechanisms = oauthbearer") as dovecot:
        imap = {"imap_host": "127.0.0.1", "imap_port": dovecot.imap_port, "imap_security": "plain"}
        world.api("POST", "/connections", {"imap_provider_code": "OAUTH2"})
        world.api("PUT", "/connections/OAUTH2", {**world.oidc.connection, **imap})
        _give_access(world, "modern", EMAIL, "OAUTH2")
        world.wait_until_watched("modern")
        assert "method=OAUTHBEARER" in dovecot.log()
        _deliver(dovecot, EMAIL, 9)
        world.wait_for("OAUTH2", "modern", "account_connected", "mail_arrived")
        world.api("DELETE", "/connections/OAUTH2")


def test_a_person_gives_access_at_the_provider_and_the_mailbox_is_watched_with_the_token(world: World) -> None:
    user = world.user(OAUTH, "ada")
    assert user["connected_at"] is None

    _give_access(world, "ada", EMAIL)

    user = world.user(OAUTH, "ada")
    assert user["email"] == EMAIL
    assert user["connected_at"] is not None
    world.wait_for(OAUTH, "ada", "account_connected")
    world.wait_until_watched("ada")
    assert "method=XOAUTH2" in world.dovecot.log()
    _deliver(world.dovecot, EMAIL, 1)
    world.wait_for(OAUTH, "ada", "account_connected", "mail_arrived")
    wait_until(lambda: bool(world.app.received("/hook")), "the application is told", 20)
    assert world.app.received("/hook")[0].json["email"] == EMAIL


@pytest.mark.soak
def test_a_token_that_has_ended_is_replaced_at_the_next_login_without_a_word(world: World) -> None:
    _give_access(world, "renewed", EMAIL)
    world.wait_for(OAUTH, "renewed", "account_connected")
    asked = world.oidc.token_requests()

    world.wait_until_watched("renewed")

    def needs_another() -> bool:
        before = _logins(world)
        world.dovecot.kick(EMAIL)
        wait_until(lambda: _logins(world) > before, "it logs in again", 40)
        return world.oidc.token_requests() > asked

    wait_until(needs_another, "a login needs another token", 60)
    _deliver(world.dovecot, EMAIL, 2)

    world.wait_for(OAUTH, "renewed", "account_connected", "mail_arrived")


def test_an_authorization_that_ends_is_told_once_and_a_token_endpoint_that_is_away_never(world: World) -> None:
    _give_access(world, "gone", GRACE)
    world.wait_for(OAUTH, "gone", "account_connected")
    world.wait_until_watched("gone")

    world.oidc.token_endpoint_down(503)
    asked = world.oidc.token_requests()

    def asks_in_vain() -> bool:
        with suppress(PeerFailed):
            # Nobody is logged in where it has just been thrown out.
            world.dovecot.kick(GRACE)
        return world.oidc.token_requests() > asked

    wait_until(asks_in_vain, "a token was asked for in vain", 30)
    assert world.kinds(OAUTH, "gone") == ["account_connected"]
    assert world.user(OAUTH, "gone")["connected_at"] is not None

    world.oidc.revoke_all()
    world.oidc.token_endpoint_down(0)
    asks_in_vain()
    world.wait_for(OAUTH, "gone", "account_connected", "account_auth_failed")


@pytest.mark.soak
def test_who_says_no_comes_back_with_an_error_and_nothing_is_connected(world: World) -> None:
    with logged_in_page(world.browser, None) as page:
        page.goto(world.link(OAUTH, "shy"))
        page.get_by_text("[ Cancel ]").click()
        page.wait_for_url(world.app.url("/no?error=access_denied"))
    assert world.user(OAUTH, "shy")["connected_at"] is None


@pytest.mark.parametrize("script", [False, soak(True)])
def test_a_password_mailbox_is_connected_on_our_page(world: World, script: bool) -> None:
    tag = f"typed-{script}"
    with logged_in_page(world.browser, None, script=script) as page:
        page.goto(world.link(PLAIN, tag, joint="&"))
        page.get_by_label("Email address").fill(GRACE)
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Connect").click()
        page.get_by_text("No mail server was found for mail.test").wait_for()
        assert page.get_by_label("Password").input_value() == ""
        _name_server(page, world, "wrong")
        page.get_by_text("does not take this address and password").wait_for()
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Connect").click()
        page.wait_for_url(world.app.url("/ok?from=postroom"))

    assert world.user(PLAIN, tag)["email"] == GRACE
    world.wait_for(PLAIN, tag, "account_connected")


@pytest.mark.soak
def test_a_mailbox_is_disconnected_by_a_button_and_its_authorization_ends(world: World) -> None:
    _give_access(world, "leaving", EMAIL)
    with logged_in_page(world.browser, None) as page:
        page.goto(world.link(OAUTH, "leaving", "disconnect_url"))
        assert world.user(OAUTH, "leaving")["connected_at"] is not None
        page.get_by_role("button", name="Disconnect").click()
        page.wait_for_url(world.app.url("/ok?from=postroom"))
    user = world.user(OAUTH, "leaving")
    assert (user["connected_at"], user["email"]) == (None, None)
    assert world.kinds(OAUTH, "leaving")[-1] == "account_disconnected"


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1440, False), soak(390, False), soak(1440, True)])
def test_the_pages_are_accessible_and_fit(world: World, width: int, dark: bool) -> None:
    link, other = world.link(PLAIN, "looked-at"), world.link(OAUTH, "ada", "disconnect_url")
    with logged_in_page(world.browser, None, width=width, dark=dark) as page:
        page.goto(link)
        _look(page, f"form-{width}-{dark}")
        page.get_by_text("Server settings").click()
        _look(page, f"settings-{width}-{dark}")
        page.get_by_label("Email address").fill("somebody@nowhere.test")
        page.get_by_label("Password").fill("x")
        page.get_by_role("button", name="Connect").click()
        page.get_by_role("alert").wait_for()
        _look(page, f"problem-{width}-{dark}")
        for name, url in (("disconnect", other), ("gone", link.replace("/connect/", "/connect/x"))):
            page.goto(url)
            _look(page, f"{name}-{width}-{dark}")


def test_the_master_key_is_changed_while_mailboxes_are_watched(world: World) -> None:
    file = world.server.folder / "data" / "secret.key"
    old = file.read_text().split()

    first = json.loads(world.server.command("key", "rotate", "--json"))
    new, *rest = file.read_text().split()
    finished = json.loads(world.server.command("key", "rotate", "--finish", "--json"))

    assert (first["made"], first["unreadable"], rest) == (True, [], old)
    assert first["resealed"] >= 6, "accounts, the connection, keys of webhooks and tokens, the canary"
    assert finished["taken_out"] == 1
    assert (file.read_text().split(), file.stat().st_mode & 0o777) == ([new], 0o600)
    assert not any(key in world.server.log() for key in (new, *old))


def test_no_secret_stands_in_the_database_the_log_or_a_page(world: World) -> None:
    """After all the tests above, another master key among them: their passwords, tokens, codes and secrets."""
    world.server.stop(signal.SIGKILL)
    dump = b"".join(path.read_bytes() for path in _files(world.server.folder) if path.name != "secret.key")
    with closing(sqlite3.connect(world.server.folder / "data" / "postroom.db")) as database:
        dump += "\n".join(database.iterdump()).encode(errors="replace")
    planted = {
        "the password": PASSWORD.encode(),
        "the client secret": world.oidc.connection["oauth2_client_secret"].encode(),
        "the key of SuperIMAP": world.key.encode(),
        **{f"token {number}": token.encode() for number, token in enumerate(world.oidc.tokens())},
    }

    # The authorizations were all ended above; the password was not.
    logins = _logins(world, GRACE, "PLAIN")
    world.server.start()
    wait_until(lambda: _logins(world, GRACE, "PLAIN") > logins, "the newest key alone opens the password", 40)
    assert len(planted) > 6
    assert [name for name, secret in planted.items() if secret in dump or secret.hex().encode() in dump.lower()] == []


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _give_access(world: World, tag: str, login: str, code: str = OAUTH) -> None:
    """Go to the provider with a fresh browser, log in there, say yes, and arrive at the application."""
    with logged_in_page(world.browser, None) as page:
        page.goto(world.link(code, tag))
        page.locator("[name=login]").fill(login)
        page.locator("[name=password]").fill("whatever")
        page.get_by_role("button", name="Sign-in").click()
        page.get_by_role("button", name="Continue").click()
        page.wait_for_url(world.app.url("/ok?from=postroom"))


def _name_server(page: Page, world: World, password: str) -> None:
    page.get_by_label("Server", exact=True).first.fill("127.0.0.1")
    page.get_by_label("Port").first.fill(str(world.dovecot.imap_port))
    page.get_by_label("Protection").first.select_option("plain")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Connect").click()


def _look(page: Page, name: str) -> None:
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it needs no sideways scrolling"
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/connect-{name}.png", full_page=True)


def _deliver(dovecot: Dovecot, user: str, number: int) -> None:
    mail = b"From: x@example.test\r\nSubject: Hello\r\nMessage-ID: <%d@example.test>\r\n\r\nHi.\r\n" % number
    dovecot.deliver(user, mail)


def _logins(world: World, user: str = EMAIL, method: str = "XOAUTH2") -> int:
    return world.dovecot.log().count(f"Login: user=<{user}>, method={method}")
