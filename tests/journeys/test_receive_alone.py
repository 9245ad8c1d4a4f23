"""`postroom receive` as an MTA starts it while no server runs, and the start that takes the mail in."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from peers.postgres import Databases
from peers.process import wait_until
from running_server import RunningServer, fetch

from postroom.base.packing import unpack

MAIL = b"From: Ann <ann@peer.test>\nSubject: %b\n\nbody\n"
_CALLS = 20
_DIES_AFTER_THE_COMMIT = """
import os, signal, sys
from postroom.inbound import take_in
take_in.forget = lambda folder, paths: os.kill(os.getpid(), signal.SIGKILL)
sys.argv[1:] = ["serve"]
from postroom.cli.main import main
main()
"""


def receive(
    server: RunningServer,
    recipient: str,
    *words: str,
    mail: bytes = MAIL % b"hello",
    environment: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Return the exit code of the command and what it told the MTA."""
    done = subprocess.run(
        [sys.executable, "-m", "postroom", "receive", "--from", "ann@peer.test", "--to", recipient, *words],
        env=environment or server.environment(), input=mail, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout.decode()


def arrived(server: RunningServer) -> list[Path]:
    return list((server.folder / "data" / "arrived").iterdir())


def subjects(server: RunningServer) -> list[str]:
    return sorted(row[0] for row in server.rows("SELECT subject FROM inbound"))


@contextmanager
def never_started() -> Iterator[RunningServer]:
    """Give an installation whose server was never started, and stop it in the end."""
    server = RunningServer(helpers="0")
    with tempfile.TemporaryDirectory(prefix="postroom-alone-") as folder:
        server.folder = Path(folder)
        server.prepare()
        try:
            yield server
        finally:
            server.stop()


def test_mail_that_finds_no_server_is_there_once_after_the_start() -> None:
    with never_started() as server:
        mails = [MAIL % b"mail %02d" % number for number in range(_CALLS)]
        with ThreadPoolExecutor(_CALLS) as pool:
            said = list(pool.map(lambda mail: receive(server, "abuse@mail.postroom.test", mail=mail), mails))
        assert said == [(0, "")] * _CALLS
        assert len(arrived(server)) == _CALLS
        assert subjects(server) == []
        assert receive(server, "nobody@mail.postroom.test") == (
            67,
            "5.1.1 nobody@mail.postroom.test: no such address here\n",
        )
        assert receive(server, "abuse@mail.postroom.test", mail=b"") == (
            77, "5.6.0 this is no mail: it has neither header nor body\n",
        )  # fmt: skip
        assert [receive(server, one, "--qmail")[0] for one in ("postmaster", "nobody@mail.postroom.test")] == [0, 100]

        # Killed where it hurts most: the first mails are committed and all files are still there.
        dying = subprocess.run(
            [sys.executable, "-c", _DIES_AFTER_THE_COMMIT], env=server.environment(), capture_output=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert dying.returncode == -signal.SIGKILL, dying.stderr.decode()
        assert len(arrived(server)) == _CALLS + 1
        assert len(subjects(server)) > 1
        # It left a socket that nobody answers, and a WAL.
        assert receive(server, "abuse@mail.postroom.test", mail=MAIL % b"after it")[0] == 0

        server.start()
        wait_until(lambda: not arrived(server), "the files are gone", 30)
        assert receive(server, "abuse@mail.postroom.test", mail=MAIL % b"to the server")[0] == 0

        expected = ["hello", "after it", "to the server", *(f"mail {number:02d}" for number in range(_CALLS))]
        assert subjects(server) == sorted(expected)
        assert server.rows("SELECT count(*) FROM idempotency WHERE workspace_id = 0") == [(0,)]
        assert {row[0] for row in server.rows("SELECT source FROM inbound")} == {"pipe"}
        stored = [unpack(row[0]) for row in server.rows("SELECT body FROM inbound_content")]
        assert all(b"From: Ann <ann@peer.test>\r\nSubject: " in one for one in stored)


def test_on_postgresql_too_it_waits_for_no_database(postgres: Databases) -> None:
    """The server leaves a copy of what deciding needs, which commands keep true. Meanwhile nobody answers."""
    url = postgres.fresh_database()
    try:
        with RunningServer(helpers="0", database_url=url) as server:
            wait_until((server.folder / "data" / "rcpt.db").exists, "the copy is there", 30)
            server.stop()
            server.command("domain", "create", "new.test", "--vouched")
            away = server.environment() | {"POSTROOM_DATABASE_URL": "postgresql://127.0.0.1:1/away"}
            said = [
                receive(server, one, environment=away, mail=MAIL % b"meanwhile")
                for one in ("abuse@new.test", "x@new.test")
            ]
            assert said == [(0, ""), (67, "5.1.1 x@new.test: no such address here\n")]

            (server.folder / "data" / "arrived" / "0-damaged.mail").write_bytes(b"damaged")
            server.start()
            wait_until(lambda: [one.suffix for one in arrived(server)] == [".broken"], "the mail is taken in", 30)
            page = fetch(server.http_port, "GET", "/metrics").body
            assert b'postroom_inbound_files{state="set_aside"} 1.0\n' in page
            assert b'postroom_inbound_files{state="waiting"} 0.0\n' in page
            assert [one["subject"] for one in server.api.get("/inbound")["items"]] == ["meanwhile"]
    finally:
        postgres.drop_database(url)
