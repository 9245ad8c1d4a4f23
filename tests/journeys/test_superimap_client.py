"""A client written from SuperIMAP's README alone, and from our page for what is ours, works against a running server.

It has the standard library only, as a reader of that page would begin.
"""

import base64
import hashlib
import hmac
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from peers.dovecot import Dovecot
from peers.http_receiver import HttpReceiver, answer
from peers.process import wait_until
from peers.require import ROOT, require_peer
from running_server import RunningServer

MAIL = (
    b"From: Bob <bob@example.net>\r\nTo: ann@example.com\r\nSubject: caf\xe9\r\n"
    b"Message-ID: <1@example.net>\r\n\r\nHi\r\n"
)
CALLBACKS = {
    "success": "http://my-app.test/connect_callback?success=1",
    "failure": "http://my-app.test/connect_callback?failure=1",
}


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """A browser that shows where it is sent."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Resource:
    """What the README's `RestClient::Resource` does: header fields for all requests, and forms for bodies."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self.url = url
        self.headers = headers

    def __getitem__(self, part: str) -> "Resource":
        return Resource(f"{self.url}/{part}", self.headers)

    def get(self) -> Any:
        return self._ask("GET")

    def post(self, **fields: str) -> Any:
        return self._ask("POST", fields)

    def put(self, **fields: str) -> Any:
        return self._ask("PUT", fields)

    def delete(self) -> Any:
        return self._ask("DELETE")

    def raw(self) -> bytes:
        return browse(self.url, headers=self.headers)[2]

    def _ask(self, method: str, fields: Mapping[str, str] | None = None) -> Any:
        body = urllib.parse.urlencode(fields).encode() if fields is not None else None
        status, _, answered = browse(self.url, method, body, self.headers)
        if status >= 400:
            raise AssertionError(f"{status} {answered.decode()}")
        return json.loads(answered) if answered else None


def browse(
    url: str, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] = {}
) -> tuple[int, dict[str, str], bytes]:
    """Return status, header and body; nothing is followed."""
    opener = urllib.request.build_opener(NoRedirects)
    try:
        with opener.open(urllib.request.Request(url, body, dict(headers), method=method), timeout=30) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()


def is_signed(body: bytes, api_key: str) -> bool:
    """The README's check of a webhook."""
    json_params = json.loads(body)
    sha1, timestamp = json_params["sha1"], json_params["timestamp"]
    expected = hmac.new(api_key.encode(), f"{timestamp}{sha1}".encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, json_params["signature"])


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with RunningServer(allow_private="127.0.0.0/8") as running:
        yield running


@pytest.fixture(scope="module")
def key(server: RunningServer) -> str:
    return server.command("key", "create", "--superimap").strip()


@pytest.fixture
def api(server: RunningServer, key: str) -> Resource:
    headers = {"x-api-key": key, "content-type": "application/json", "accept": "application/json"}
    return Resource(f"http://127.0.0.1:{server.http_port}/api/v1", headers)


def test_the_readmes_example_creates_a_user_and_sends_people_to_connect_and_disconnect(api: Resource) -> None:
    api["connections"].post(imap_provider_code="GMAIL_OAUTH2")
    api["connections"]["GMAIL_OAUTH2"].put(oauth2_client_id="client.example", oauth2_client_secret="hidden")
    api["partner"].put(redirects="http://my-app.test")
    users = api["connections"]["GMAIL_OAUTH2"]["users"]

    users.post(tag="MY_USER")
    connect_url = users["MY_USER"].get()["connect_url"]
    status, header, _ = browse(connect_url + "?" + urllib.parse.urlencode(CALLBACKS))

    assert status in (302, 303)
    there = urllib.parse.urlsplit(header["location"])
    asked = dict(urllib.parse.parse_qsl(there.query))
    assert f"{there.scheme}://{there.netloc}" == "https://accounts.google.com"
    assert (asked["client_id"], asked["response_type"], asked["access_type"]) == ("client.example", "code", "offline")
    assert asked["state"]
    assert asked["code_challenge_method"] == "S256"

    disconnect_url = users["MY_USER"].get()["disconnect_url"]
    success = {"success": "http://my-app.test/disconnect_callback?success=1"}
    assert browse(disconnect_url + "?" + urllib.parse.urlencode(success))[0] in (200, 302, 303)

    assert users.get() == [{"tag": "MY_USER", "email": None}]
    assert users["MY_USER"].delete() is None
    users["MY_USER"].put(archived="false")
    assert api["connections"].get() == [{"imap_provider_code": "GMAIL_OAUTH2", "users_count": 1}]
    assert api["connections"]["GMAIL_OAUTH2"].delete() is None
    assert api["connections"].get() == []


def test_new_mail_reaches_the_webhook_signed_and_numbered_and_nothing_is_missing(
    server: RunningServer, api: Resource, key: str
) -> None:
    require_peer("dovecot")
    with Dovecot({"ann": "hunter2"}) as dovecot, HttpReceiver() as receiver:
        dovecot.deliver("ann", MAIL)
        hooks = {f"{name}_webhook": receiver.url(f"/{name}") for name in ("new_mail", "user_connected")}
        api["partner"].put(**hooks)
        api["connections"].post(imap_provider_code="PLAIN")
        users = api["connections"]["PLAIN"]["users"]
        made = users.post(
            tag="MY_USER",
            email="ann@example.com",
            login_username="ann",
            login_password="hunter2",
            imap_host="127.0.0.1",
            imap_port=str(dovecot.imap_port),
            imap_security="plain",
        )
        assert made["connected_at"]
        wait_until(lambda: receiver.received("/user_connected"), "the connected webhook", 20)
        connected = receiver.received("/user_connected")[0]
        assert is_signed(connected.body, key)
        assert connected.json["sha1"] == hashlib.sha1(b"MY_USER").hexdigest()
        assert (connected.json["user_tag"], connected.json["email"]) == ("MY_USER", "ann@example.com")

        wait_until(lambda: users["MY_USER"]["audit"].get()["mailboxes"], "the mailbox is watched", 20)
        dovecot.deliver("ann", MAIL)
        wait_until(lambda: receiver.received("/new_mail"), "the webhook of the mail", 20)
        hook = receiver.received("/new_mail")[0]
        body = hook.json
        assert is_signed(hook.body, key)
        assert body["sha1"] == hashlib.sha1(body["rfc822"].encode()).hexdigest()
        assert (body["imap_provider_code"], body["user_tag"]) == ("PLAIN", "MY_USER")
        assert body["envelope"]["message_id"] == "<1@example.net>"
        assert base64.b64decode(body["raw"]) == MAIL
        assert (connected.json["sequence_number"], body["sequence_number"]) == (1, 2)

        # What the page tells a receiver to do when it sees a gap.
        events = users["MY_USER"]["events?after=1"].get()
        assert [item["sequence_number"] for item in events["items"]] == [2]
        assert events["items"][0]["event_id"] == body["event_id"]
        assert users["MY_USER"]["events"]["2"]["raw"].raw() == MAIL

        # Old mail, by the same ledger.
        inbox = {"mailbox": "INBOX", "mailbox_name": "INBOX", "before_uid": 2}
        assert users["MY_USER"]["sweep"].post()["mailboxes"] == [inbox]
        wait_until(lambda: len(receiver.received("/new_mail")) == 2, "the webhook of the old mail", 20)
        assert receiver.received("/new_mail")[1].json["sequence_number"] == 3
        wait_until(lambda: users["MY_USER"]["audit"].get()["events"]["told"] == 3, "all are told", 20)
        audit = users["MY_USER"]["audit"].get()
        assert audit["events"]["given_up"] == 0
        assert audit["mailboxes"][0]["outcomes"]["delivered"]["mails"] == 2
        assert audit["mailboxes"][0]["absent"] == []

        listed = server.command("account", "list", "--state", "watching").split()
        assert json.loads(server.command("account", "show", listed[0]))["tag"] == "MY_USER"
        users["MY_USER"].delete()
        assert api["connections"]["PLAIN"].delete() is None
    assert "hunter2" not in server.log()
    assert "hidden" not in server.log()


def test_the_pages_receiver_handles_every_event_once_and_fetches_what_it_was_not_told(
    server: RunningServer, api: Resource, key: str
) -> None:
    require_peer("dovecot")
    page = (ROOT / "docs" / "mailboxes.md").read_text()
    handled: list[tuple[int, object]] = []
    receiving: dict[str, Any] = {"handle": lambda _, number, event: handled.append((number, event.get("raw_bytes")))}
    exec(page.partition("```python\n")[2].partition("```")[0], receiving)
    receiving.update(API=api.url, KEY=key)
    with Dovecot({"bob": "hunter2"}) as dovecot, HttpReceiver() as receiver:
        hook = receiver.url("/hook")
        server.command("partner", "set", "--new-mail-webhook", hook, "--user-connected-webhook", "", "--retries", "1")
        api["connections"].post(imap_provider_code="PLAIN")
        user = api["connections"]["PLAIN"]["users"]["tag%2F1"]
        api["connections"]["PLAIN"]["users"].post(
            tag="tag/1",
            login_username="bob",
            login_password="hunter2",
            imap_host="127.0.0.1",
            imap_port=str(dovecot.imap_port),
            imap_security="plain",
        )
        wait_until(lambda: user["audit"].get()["mailboxes"], "the mailbox is watched", 20)
        # One try only: this one is given up, and the receiver sees the gap at the next.
        receiver.behave("/hook", answer(500))
        dovecot.deliver("bob", MAIL)
        wait_until(lambda: user["audit"].get()["events"]["given_up_numbers"] == [2], "an event is given up", 20)
        receiver.behave("/hook", answer(200))
        dovecot.deliver("bob", MAIL)
        wait_until(lambda: len(receiver.received("/hook")) == 2, "the next one is told", 20)
        told = receiver.received("/hook")[1].body
        assert receiving["on_webhook"](told) == 200
        assert [number for number, _ in handled] == [1, 2, 3]
        assert [raw for _, raw in handled] == [None, MAIL, MAIL]
        assert receiving["on_webhook"](told) == 200
        assert len(handled) == 3
        assert receiving["on_webhook"](told.replace(b'"sha1":"', b'"sha1":"0')) == 401
        user["events"]["2"]["replay"].post()
        wait_until(lambda: len(receiver.received("/hook")) == 3, "it is told again", 20)
        assert user["audit"].get()["events"]["given_up"] == 0
        assert receiver.received("/hook")[2].json["sequence_number"] == 2

        assert "superimap, signs webhooks" in server.command("key", "list")
        api["connections"]["PLAIN"].delete()


def test_a_refused_password_is_told_once_and_the_right_one_is_tried_at_once(
    server: RunningServer, api: Resource, key: str
) -> None:
    require_peer("dovecot")
    with Dovecot({"eve": "right"}) as dovecot, HttpReceiver() as receiver:
        api["partner"].put(new_mail_webhook="", user_auth_failed_webhook=receiver.url("/refused"))
        api["connections"].post(imap_provider_code="PLAIN")
        users = api["connections"]["PLAIN"]["users"]
        server_of_hers = {"imap_host": "127.0.0.1", "imap_port": str(dovecot.imap_port), "imap_security": "plain"}
        users.post(tag="eve", login_username="eve", login_password="wrong", **server_of_hers)
        wait_until(lambda: receiver.received("/refused"), "the refusal is told", 20)
        told = receiver.received("/refused")[0]
        assert is_signed(told.body, key)
        assert (told.json["event"], told.json["user_tag"]) == ("account_auth_failed", "eve")
        users["eve"].put(login_password="right")
        wait_until(lambda: users["eve"]["audit"].get()["mailboxes"], "the mailbox is watched", 20)
        assert len(receiver.received("/refused")) == 1
        assert [item["kind"] for item in users["eve"]["events"].get()["items"]] == [
            "account_connected",
            "account_auth_failed",
            "account_connected",
        ]
        api["connections"]["PLAIN"].delete()


def test_a_wrong_key_and_a_wrong_body_are_told_in_superimaps_texts(api: Resource) -> None:
    status, _, body = browse(f"{api.url}/connections", headers={"x-api-key": "wrong"})
    assert (status, body) == (404, b"Partner not found. Check your api_key.")
    status, _, body = browse(f"{api.url}/connections", "POST", b"{", api.headers)
    assert (status, body.startswith(b"The body is no JSON")) == (400, True)
    status, _, body = browse(f"{api.url}/connections/NO/users/a%2Fb", headers=api.headers)
    assert (status, body) == (404, b"Imap Provider not found for 'NO'.")
