"""A backup while mail flows, and what comes back from it: nothing that waited is sent by itself."""

import json
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mass_mail import hand_in
from peers.counting_sink import CountingSink
from peers.process import PeerFailed, wait_until
from peers.smtp_sink import SmtpSink
from running_server import RunningServer

LATER = (datetime.now(UTC) + timedelta(days=10)).isoformat(timespec="seconds")


@pytest.fixture
def server(sink: SmtpSink) -> Iterator[RunningServer]:
    """A server that sends through the sink."""
    with RunningServer(vouched=["example.com"], transport=f"smtp://{sink.address}", helpers="0") as running:
        yield running


def send(server: RunningServer, name: str, **fields: Any) -> str:
    body = {"from": "a@example.com", "to": [f"{name}@taker.test"], "subject": name, "text": name, **fields}
    message_id: str = server.api.post("/messages", body)["id"]
    return message_id


def put_off(sink: SmtpSink, name: str) -> None:
    sink.on("RCPT", "450 4.2.1 Greylisted", recipient=f"{name}@taker.test")


def take(sink: SmtpSink, name: str) -> None:
    sink.on("RCPT", "250 2.1.5 Ok", recipient=f"{name}@taker.test")


def backup(server: RunningServer, *words: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(server.command("backup", *words, "--json"))
    return made


def states(server: RunningServer) -> dict[str, str]:
    return dict(server.rows("SELECT address, state FROM recipient"))


def test_what_waited_in_a_backup_is_held_until_somebody_releases_it(server: RunningServer, sink: SmtpSink) -> None:
    put_off(sink, "deferred")
    deferred, held = send(server, "deferred"), send(server, "held", send_at=LATER)
    send(server, "later", send_at=LATER)
    send(server, "bulk", send_at=LATER, stream="bulk")
    server.command("queue", "hold", "--message", held)
    server.wait_for_state(deferred, "deferred")
    made = backup(server, str(server.folder / "kept"), "--with-key")
    # Meanwhile the mail goes, and others come: the backup knows nothing of it.
    take(sink, "deferred")
    server.command("queue", "retry", "--message", deferred)
    server.wait_for_state(deferred, "delivered")
    lost = send(server, "lost")
    server.wait_for_state(lost, "delivered")
    newest = server.rows("SELECT max(id) FROM event")[0][0]
    assert server.stop() == 0

    with pytest.raises(PeerFailed, match="--replace"):
        server.command("restore", made["path"])
    done = json.loads(server.command("restore", made["path"], "--replace", "--json"))
    server.start()
    # What is new goes, so the queue was looked through.
    server.wait_for_state(send(server, "new"), "delivered")

    assert (done["held"], done["in_doubt"]) == (3, 0)
    assert states(server) == {
        "deferred@taker.test": "held",
        "held@taker.test": "held",
        "later@taker.test": "held",
        "bulk@taker.test": "held",
        "new@taker.test": "delivered",
    }
    assert len(sink.mails_to("deferred@taker.test")) == 1
    assert Path(done["moved_aside"], "postroom.db").exists()
    ((reason,),) = server.rows("SELECT reason FROM recipient WHERE address = 'deferred@taker.test'")
    assert reason.startswith("restored from the backup of 20")
    assert "deferred@taker.test" in server.command("queue", "list", "--restored")
    assert json.loads(server.command("recount", "--json"))["differences"] == []

    released = server.command("queue", "release", "--restored", "--stream", "transactional")
    server.wait_for_state(deferred, "delivered")

    assert released == "2 released\n"
    assert len(sink.mails_to("deferred@taker.test")) == 2
    assert states(server) == {
        "deferred@taker.test": "delivered",
        "later@taker.test": "queued",
        "bulk@taker.test": "held",
        "held@taker.test": "held",
        "new@taker.test": "delivered",
    }
    assert server.command("queue", "cancel", "--restored", "--older-than", "1d") == "0 cancelled\n"
    assert server.command("queue", "cancel", "--restored") == "1 cancelled\n"
    # Ids go on where they were, although the backup does not know them all.
    assert server.rows("SELECT min(id) FROM event WHERE kind = 'released'")[0][0] > newest


def test_a_backup_of_a_busy_server_is_whole_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    sink = CountingSink()
    with sink, RunningServer(vouched=["example.com"], transport=f"smtp://{sink.address}") as server:
        hand_in(server, 3, 400, "bulk")
        made = [backup(server, str(tmp_path)) for _ in range(2)]
        server.wait_until_settled()
        with pytest.raises(PeerFailed, match="never overwritten"):
            server.command("backup", made[0]["path"])

    first, second = (Path(one["path"]) for one in made)
    assert first.parent == second.parent == tmp_path
    assert sorted(path.name for path in first.iterdir()) == ["manifest.json", "postroom.db"]
    assert stat.S_IMODE(os.stat(first).st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in first.iterdir()} == {0o600}
    with closing(sqlite3.connect(f"file:{first / 'postroom.db'}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        counted = connection.execute("SELECT count(*) FROM recipient").fetchone()
        # Counters and ledger are of one moment.
        sums = "SELECT sum(outbound), sum(sent), sum(failed) FROM counter WHERE dimension = 'total'"
        outbound, sent, failed = connection.execute(sums).fetchone()
        settled = "SELECT count(*) FROM recipient WHERE state = 'delivered'"
        assert (outbound, sent) == (*counted, *connection.execute(settled).fetchone())
    assert made[0]["counts"]["recipient"] == counted[0]
    assert (made[0]["has_key"], failed) == (False, 0)


def test_a_restore_refuses_what_is_not_right(server: RunningServer, tmp_path: Path) -> None:
    made = backup(server, str(tmp_path / "kept"))
    kept = Path(made["path"])
    with pytest.raises(PeerFailed, match="in use by process"):
        server.command("restore", str(kept), "--replace")
    assert server.stop() == 0
    # Without a server the command copies by itself, and changes nothing.
    before = server.rows("SELECT number, seen_ms FROM node")
    assert backup(server, str(tmp_path / "alone"))["counts"]["workspace"] == 1
    assert server.rows("SELECT number, seen_ms FROM node") == before
    assert server.rows("SELECT count(*) FROM restoration") == [(0,)]
    # Put in place by hand it does not start: mail in it may have been sent since.
    database = server.folder / "data" / "postroom.db"
    whole = database.read_bytes()
    database.write_bytes((kept / "postroom.db").read_bytes())
    with pytest.raises(PeerFailed, match="postroom restore"):
        server.command("queue", "list")
    database.write_bytes(whole)
    damaged = bytearray((kept / "postroom.db").read_bytes())
    damaged[-1] ^= 1
    (kept / "postroom.db").write_bytes(damaged)
    with pytest.raises(PeerFailed, match="not what was written"):
        server.command("restore", str(kept), "--replace")
    with pytest.raises(PeerFailed, match="no backup"):
        server.command("restore", str(tmp_path))
    assert database.read_bytes() == whole


def test_a_cut_off_backup_leaves_nothing_that_looks_like_one(sandbox: RunningServer, tmp_path: Path) -> None:
    with pytest.raises(PeerFailed):
        sandbox.command("backup", str(tmp_path / "no folder" / "kept"))
    (tmp_path / "half.part").mkdir()
    with pytest.raises(PeerFailed, match="another backup is being written"):
        sandbox.command("backup", str(tmp_path / "half"))
    assert not (tmp_path / "half").exists()
    wait_until(lambda: sandbox.fetch("GET", "/health/ready").status == 200, "it still serves", 10)
