"""Operators of a running server: the first link, commands, the lock, the listeners."""

import json
from collections.abc import Iterator

import pytest
from dashboard_browser import PASSWORD, Client, log_in
from peers.process import free_port
from running_server import RunningServer, fetch


@pytest.fixture(scope="module")
def _server() -> Iterator[RunningServer]:
    with RunningServer(public_http=f"127.0.0.1:{free_port()}", trusted_proxies="127.0.0.0/8") as server:
        yield server


@pytest.fixture
def server(_server: RunningServer) -> RunningServer:
    return _server


def test_init_gives_a_link_for_the_first_operator_until_there_is_one(server: RunningServer) -> None:
    first = json.loads(server.command("init", "--json"))["dashboard"]
    assert f"Dashboard: http://127.0.0.1:{server.http_port}/first/" in server.log()

    with log_in(server):
        later = json.loads(server.command("init", "--json"))["dashboard"]

    assert first.startswith(f"http://127.0.0.1:{server.http_port}/first/")
    assert later == f"http://127.0.0.1:{server.http_port}"
    assert server.fetch("GET", first[first.index("/first/") :]).status == 404


def test_an_operator_made_by_command_logs_in_and_is_unlocked_by_command(server: RunningServer) -> None:
    made = json.loads(server.command("operator", "create", "grace", "--json"))
    client = Client(server)
    client.get("/login")
    for _ in range(3):
        wrong = client.post("/login", name="grace", password="a wrong one")
    locked = client.post("/login", name="grace", password=made["password"])
    listed = {one["name"]: one for one in json.loads(server.command("operator", "list", "--json"))}
    server.command("operator", "unlock", "grace")
    unlocked = client.post("/login", name="grace", password=made["password"])

    assert "locked for an hour" in wrong.text
    assert locked.status_code == 403
    assert listed["grace"]["locked_until"] is not None
    assert unlocked.status_code == 303
    server.command("operator", "password", "grace", "--password-stdin", input=b"another sentence\n")
    assert client.get("/settings").status_code == 303, "a new password ends all sessions"
    client.close()


def test_the_dashboard_stands_at_the_main_listener_only(server: RunningServer) -> None:
    public = int(server.environment()["POSTROOM_PUBLIC_HTTP"].rpartition(":")[2])

    for path in ("/", "/login", "/first/x", "/w/default/", "/static/x/postroom.css", "/settings"):
        assert fetch(public, "GET", path).status == 404, path
        assert server.fetch("GET", path).status in (200, 303, 404), path
    assert server.fetch("GET", "/login").status == 200


def test_behind_a_proxy_a_session_tells_the_address_of_the_browser(server: RunningServer) -> None:
    with log_in(server) as client:
        browser = Client(server, **{"x-forwarded-for": "198.51.100.9, 192.0.2.44"})
        browser.get("/login")
        browser.post("/login", name="ada@example.com", password=PASSWORD)
        assert "192.0.2.44" in client.get("/settings/account").text
        assert "198.51.100.9" not in client.get("/settings/account").text, "anybody may have written that"
        browser.close()
