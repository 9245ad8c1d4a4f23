"""Leaving the mailings of a workspace, from the mail's own fields and links to the next mail that does not come."""

import re
from collections.abc import Iterator

import pytest
from peers.smtp_sink import Mail, SmtpSink
from running_server import Answer, RunningServer

HOST = "mail.postroom.test"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def _behind_proxy() -> Iterator[tuple[RunningServer, SmtpSink]]:
    with SmtpSink() as sink:
        server = RunningServer(
            vouched=["example.com"], transport=f"smtp://{sink.address}?tls=none", public_url=f"https://{HOST}"
        )
        with server:
            yield server, sink


@pytest.fixture
def server(_behind_proxy: tuple[RunningServer, SmtpSink]) -> RunningServer:
    """A server whose public address is https, as behind a proxy."""
    return _behind_proxy[0]


@pytest.fixture
def taken(_behind_proxy: tuple[RunningServer, SmtpSink]) -> SmtpSink:
    """Where its mail arrives."""
    return _behind_proxy[1]


def bulk(server: RunningServer, taken: SmtpSink, address: str) -> Mail:
    """Send a mailing with a link to leave it, and return what arrived."""
    html = '<p>News <a href="https://there.test/">there</a> <a href="{{unsubscribe_url}}">leave</a></p>'
    message = {"from": "news@example.com", "to": [address], "subject": "News", "html": html, "stream": "bulk"}
    sent = server.api.post("/messages", {**message, "headers": {"List-Unsubscribe": "<mailto:leave@example.com>"}})
    server.wait_for_state(sent["id"], "delivered")
    (mail,) = taken.mails_to(address)
    return mail


def page_of(mail: Mail) -> str:
    """Return the path of the unsubscribe page that the header names."""
    found = re.search(rb"\r\nList-Unsubscribe: <https://mail\.postroom\.test(/u/[\w-]+)>,\r\n <mailto:u-", mail.data)
    assert found, mail.data
    return found[1].decode()


def post(server: RunningServer, path: str, body: bytes) -> Answer:
    return server.fetch("POST", path, host=HOST, fields=FORM, body=body)


def states_of_next(server: RunningServer, address: str) -> dict[str, str]:
    """Return in which states a mail of each stream is accepted."""
    message = {"from": "news@example.com", "to": [address], "text": "x"}
    streams = ("bulk", "transactional")
    answers = {stream: server.api.post("/messages", {**message, "stream": stream}) for stream in streams}
    return {stream: answer["recipients"][0]["state"] for stream, answer in answers.items()}


def test_one_click_stops_mailings_but_not_receipts(server: RunningServer, taken: SmtpSink) -> None:
    mail = bulk(server, taken, "one-click@taker.test")
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in mail.data

    answer = post(server, page_of(mail), b"List-Unsubscribe=One-Click")
    again = post(server, page_of(mail), b"List-Unsubscribe=One-Click")

    assert (answer.status, again.status) == (200, 200)
    assert "location" not in answer.fields
    assert "set-cookie" not in answer.fields
    assert states_of_next(server, "one-click@taker.test") == {"bulk": "suppressed", "transactional": "queued"}
    told = server.rows(
        "SELECT count(*) FROM event e JOIN recipient r ON r.id = e.recipient_id "
        "WHERE e.kind = 'unsubscribed' AND r.address = 'one-click@taker.test'"
    )
    assert told == [(1,)]


def test_looking_at_the_page_changes_nothing_and_its_button_acts(server: RunningServer, taken: SmtpSink) -> None:
    mail = bulk(server, taken, "page@taker.test")
    in_body = re.search(rb'href="https://mail\.postroom\.test(/u/[\w-]+)"', mail.data)
    assert in_body
    path = in_body[1].decode()

    looked = server.fetch("GET", path, host=HOST)
    glanced = server.fetch("HEAD", path, host=HOST)
    assert (looked.status, glanced.status, glanced.body) == (200, 200, b"")
    assert b"example.com" in looked.body
    assert b"page@taker.test" not in looked.body
    assert states_of_next(server, "page@taker.test")["bulk"] == "queued"

    left = post(server, path, b"action=unsubscribe")
    assert b"leave@example.com" in left.body
    assert states_of_next(server, "page@taker.test")["bulk"] == "suppressed"

    post(server, path, b"action=undo")
    assert states_of_next(server, "page@taker.test")["bulk"] == "queued"


def test_a_forged_token_leads_nowhere(server: RunningServer, taken: SmtpSink) -> None:
    path = page_of(bulk(server, taken, "forged@taker.test"))
    # Not the last letter: some of its bits carry nothing.
    forged = f"{path[:-2]}{'A' if path[-2] != 'A' else 'B'}{path[-1]}"

    assert post(server, forged, b"List-Unsubscribe=One-Click").status == 404
    assert server.fetch("GET", path, host="elsewhere.test").status == 404
    assert states_of_next(server, "forged@taker.test")["bulk"] == "queued"


def test_counters_tell_of_who_left(server: RunningServer, taken: SmtpSink) -> None:
    mail = bulk(server, taken, "counted@taker.test")
    before = server.api.get("/stats?interval=total")["items"][0]["unsubscribes"]

    post(server, page_of(mail), b"List-Unsubscribe=One-Click")

    assert server.api.get("/stats?interval=total")["items"][0]["unsubscribes"] == before + 1
    assert server.command("recount").startswith("0 of ")
    assert server.command("relabel", "--since", "2026-01-31").startswith("0 of 0 opens and clicks")
