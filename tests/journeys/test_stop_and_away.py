"""Stops in order, a database that goes away, a full disk: what was promised is kept, and it recovers by itself."""

import os
import signal
import smtplib
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from many_nodes import Node, helpers_of, pid_of
from mass_mail import check_ledger, flowing, hand_in, settled
from peers.counting_sink import CountingSink
from peers.postgres import PostgresServer
from peers.process import wait_until
from peers.smtp_sink import SILENCE, SmtpSink
from running_server import RunningServer

MAIL = b"From: a@example.com\r\nSubject: Hello\r\n\r\nHello\r\n"


def within(seconds: float, act: Callable[[], object]) -> object:
    began = time.monotonic()
    answer = act()
    assert time.monotonic() - began < seconds
    return answer


def smtp_answer(server: RunningServer) -> int:
    """Return the reply code that ends an attempt to hand a mail in."""
    with smtplib.SMTP("127.0.0.1", server.submission_port, timeout=30) as client:
        try:
            client.login(server.login.username, server.login.password)
            client.sendmail("a@example.com", ["b@d1.test"], MAIL)
        except smtplib.SMTPRecipientsRefused as error:
            return error.recipients["b@d1.test"][0]
        except smtplib.SMTPResponseException as error:
            return int(error.smtp_code)
    return 250


def http_answer(server: RunningServer) -> int:
    body = {"from": "a@example.com", "to": ["b@d1.test"], "subject": "Hello", "text": "Hello"}
    return server.api.request("POST", "/messages", body).status


def test_a_clean_stop_under_load_puts_nothing_in_doubt_and_the_next_start_goes_on() -> None:
    sink = CountingSink(delay_seconds=0.2)
    with sink, RunningServer(vouched=["example.com"], transport=f"smtp://{sink.address}") as server:
        hand_in(server, 2, 300, "bulk")
        flowing(sink)
        assert within(30, server.stop) == 0
        states = dict(server.rows("SELECT state, count(*) FROM recipient GROUP BY state"))
        assert set(states) == {"queued", "delivered"}
        server.start()
        wait_until(lambda: settled(server), "all are settled", 60)
        assert check_ledger(server, sink, 600) == {"delivered": 600}
        assert max(sink.counts().values()) == 1


def test_a_second_signal_cuts_and_flushes() -> None:
    with SmtpSink() as sink:
        sink.on("DOT", SILENCE)
        with RunningServer(vouched=["example.com"], transport=f"smtp://{sink.address}") as server:
            hand_in(server, 1, 5, "bulk")
            wait_until(lambda: sum(word == "DATA" for _, word in sink.commands) == 5, "all are beyond DATA", 30)
            os.kill(pid_of(server), signal.SIGTERM)
            wait_until(lambda: "stopping" in server.log(), "it stops", 20)
            assert within(20, server.stop) == 0
            assert server.rows("SELECT state, count(*) FROM recipient GROUP BY state") == [("in_doubt", 5)]


def test_helpers_end_with_an_owner_that_is_killed() -> None:
    sink = CountingSink(delay_seconds=0.5)
    with sink, RunningServer(vouched=["example.com"], transport=f"smtp://{sink.address}", helpers="2") as server:
        hand_in(server, 1, 100, "bulk")
        flowing(sink, 1)
        helpers = helpers_of(server)
        assert len(helpers) == 2
        server.stop(signal.SIGKILL)
        wait_until(lambda: not any(_lives(pid) for pid in helpers), "the helpers have ended", 20)


def _lives(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_a_database_that_is_away_while_mail_is_in_flight_costs_nothing(own_postgres: PostgresServer) -> None:
    sink = CountingSink(delay_seconds=1.0)
    url = own_postgres.databases().fresh_database()
    with sink, ExitStack() as stack:
        node = Node(url, initialised=True, vouched=["example.com"], transport=f"smtp://{sink.address}")
        server = stack.enter_context(node)
        hand_in(server, 1, 100, "bulk")
        flowing(sink, 20)
        own_postgres.stop("immediate")
        # Doors say so at once, and outcomes wait.
        assert within(8, lambda: http_answer(server)) == 503
        assert within(1, lambda: http_answer(server)) == 503
        assert within(8, lambda: smtp_answer(server)) in (421, 451, 454)
        sent = len(sink.arrivals)
        own_postgres.start()
        wait_until(lambda: http_answer(server) == 202, "the API takes mail again", 30)
        assert smtp_answer(server) == 250
        wait_until(lambda: settled(server), "all are settled", 60)
        assert len(sink.arrivals) >= sent
        rows = server.rows("SELECT state, count(*) FROM recipient GROUP BY state")
        assert [state for state, _ in rows] == ["delivered"]
        assert max(count for (_, to), count in sink.counts().items() if to != "b@d1.test") == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"no small file system can be mounted here: {made.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(path: Path) -> None:
    """Write a file until the disk is full."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass


def test_a_full_disk_refuses_at_once_loses_nothing_and_recovers_when_there_is_room(small_disk: Path) -> None:
    sink = CountingSink(delay_seconds=0.2)
    with sink, ExitStack() as stack:
        settings = {"transport": f"smtp://{sink.address}", "data": str(small_disk / "data")}
        server = stack.enter_context(RunningServer(vouched=["example.com"], **settings))
        database = small_disk / "data" / "postroom.db"
        hand_in(server, 1, 100, "bulk")
        flowing(sink, 10)
        ballast = small_disk / "ballast"
        fill(ballast)
        wait_until(lambda: http_answer(server) == 503, "the API refuses", 30)
        assert within(5, lambda: smtp_answer(server)) in (421, 451, 452, 454)
        ready = server.fetch("GET", "/health/ready")
        assert (ready.status, ready.json["detail"]) == (503, "The disk of the data folder is full.")
        ballast.unlink()
        wait_until(lambda: http_answer(server) == 202, "the API takes mail again", 30)
        assert smtp_answer(server) == 250
        asked = "SELECT count(*) FROM recipient WHERE state <> 'delivered'"
        wait_until(lambda: _rows(database, asked) == 0, "all are delivered", 60)
        assert max(count for (_, to), count in sink.counts().items() if to != "b@d1.test") == 1


def _rows(database: Path, sql: str) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
        return int(connection.execute(sql).fetchone()[0])
