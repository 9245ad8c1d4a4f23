"""A person is erased from a running installation: by command, down to the bytes of the file."""

import json
import re
import subprocess

import pytest
from peers.process import PeerFailed, wait_until
from running_server import RunningServer

ADDRESS = "Grace.Hopper@taker.test"


def count_in_file(server: RunningServer) -> int:
    """Count the address in the database's files, by another process than the one that has them open."""
    files = [str(path) for path in (server.folder / "data").glob("postroom.db*") if not path.name.endswith("shm")]
    raw = b"".join(subprocess.run(["cat", file], check=True, capture_output=True).stdout for file in files)
    return raw.lower().count(ADDRESS.lower().encode())


def test_an_erased_person_is_nowhere_in_the_file(sandbox: RunningServer) -> None:
    api = sandbox.api
    link = '<a href="https://shop.test/?for=grace.hopper%40taker.test">shop</a>'
    both = {"to": [ADDRESS, "bob@taker.test"], "subject": f"for {ADDRESS}", "html": f"<p>{ADDRESS} {link}</p>"}
    ids = [
        api.post("/messages", {"from": "a@example.com", **both})["id"],
        api.post("/messages", {"from": "a@example.com", "to": [ADDRESS], "subject": "you", "text": "you"})["id"],
    ]
    for message_id in ids:
        sandbox.wait_for_state(message_id, "delivered")
    copy = sandbox.kept(ADDRESS)[0].decode()
    pixel = re.search(r"http://mail.postroom.test(/o/[^\"']+)", copy)
    assert pixel is not None
    events = sandbox.rows("SELECT count(*) FROM event WHERE kind = 'opened'")[0][0]
    sandbox.fetch("GET", pixel[1], host="mail.postroom.test")
    wait_until(
        lambda: bool(sandbox.rows("SELECT count(*) FROM event WHERE kind = 'opened'")[0][0] > events),
        "it is opened",
        20,
    )
    api.post("/suppressions", {"address": ADDRESS, "scope": "bulk", "reason": "she asked"})
    with pytest.raises(PeerFailed, match="author"):
        sandbox.command("erase", "a@example.com")

    done = json.loads(sandbox.command("erase", ADDRESS, "--json"))

    assert done["left"] == []
    assert (done["recipients"], done["contents"], done["suppressions"]) == (2, 2, 1)
    assert count_in_file(sandbox) == 0
    assert sandbox.kept("bob@taker.test") == []
    assert json.loads(sandbox.command("recount", "--json"))["differences"] == []
    bulk = {"from": "a@example.com", "to": [ADDRESS], "subject": "news", "text": "news", "stream": "bulk"}
    (again,) = api.post("/messages", bulk)["recipients"]
    assert again["state"] == "suppressed"
    (noted,) = sandbox.rows("SELECT subject, action FROM audit WHERE action = 'person.erase' ORDER BY id DESC LIMIT 1")
    assert re.fullmatch("erased:[a-z2-7]{26}", noted[0])


def test_an_operator_says_how_long_a_workspace_keeps_what(sandbox: RunningServer) -> None:
    sandbox.command("workspace", "create", "short")
    set_ = json.loads(sandbox.command("workspace", "keep", "short", "--bodies", "36h", "--ledger", "90d", "--json"))
    assert set_ == {"workspace": "short", "bodies": "36h", "hits": "30d", "ledger": "90d", "sandbox": "30d"}
    assert "bodies   36h" in sandbox.command("workspace", "keep", "short")
    with pytest.raises(PeerFailed, match="1d to 3650d"):
        sandbox.command("workspace", "keep", "short", "--hits", "5m")
    with pytest.raises(PeerFailed, match="lengthen the ledger"):
        sandbox.command("workspace", "keep", "short", "--bodies", "100d")
