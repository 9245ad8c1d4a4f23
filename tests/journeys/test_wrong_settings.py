"""A start that cannot be: one line that names the setting and the remedy, exit code 1, no traceback."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from peers.require import ROOT

from postroom.store.data_folder import lock_data_folder


def refusal(folder: Path, *words: str, **settings: str) -> str:
    """Run a command that has to fail, and return the only line that it says."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("POSTROOM_")}
    given = {f"POSTROOM_{name.upper()}": value for name, value in settings.items()}
    free = dict.fromkeys(("POSTROOM_HTTP", "POSTROOM_SUBMISSION", "POSTROOM_INBOUND"), "127.0.0.1:0")
    done = subprocess.run(
        [sys.executable, "-m", "postroom", *(words or ("serve",))],
        env={**kept, "PYTHONPATH": str(ROOT / "src"), "POSTROOM_DATA": str(folder), **free, **given},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1, done
    said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert len(said) == 1, done.stderr
    return said[0].removeprefix("postroom: ")


@pytest.fixture
def taken() -> Iterator[str]:
    """An address that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield f"127.0.0.1:{other.getsockname()[1]}"


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("transport", "foo", "`direct`"),
        ("http", "8025", "127.0.0.1:8025"),
        ("http", "no-such-host.invalid:8025", "no such address"),
        ("submission", "192.0.2.1:2525", "no such address"),
        ("hostname", "two words", "such as mail.example.com"),
        ("log_level", "loud", "debug, info, warning, error"),
        ("resolver", "dns", "127.0.0.1:53"),
        ("secret", "abc", "64 hexadecimal digits"),
        ("tls_cert", "/no/such.pem", "set both or neither"),
        ("database_url", "postgresql://nobody@127.0.0.1:1/x", "cannot be opened"),
        ("data", "/proc/no/such", "cannot be written"),
        ("nope", "1", "docs/settings.md"),
    ],
)
def test_a_wrong_value_stops_the_start_with_its_name_and_what_was_expected(
    tmp_path: Path, name: str, value: str, remedy: str
) -> None:
    said = refusal(tmp_path, **{name: value})

    assert f"POSTROOM_{name.upper()}" in said
    assert remedy in said


@pytest.mark.parametrize("name", ["http", "public_http", "submission", "submissions", "inbound"])
def test_a_port_that_is_in_use_is_named(tmp_path: Path, taken: str, name: str) -> None:
    said = refusal(tmp_path, **{name: taken})

    assert said.startswith(f"POSTROOM_{name.upper()}: cannot listen on {taken}: the port is in use")


def test_another_master_key_is_refused(tmp_path: Path) -> None:
    refusal(tmp_path, submission="192.0.2.1:25")

    said = refusal(tmp_path, secret="5" * 64)

    assert "POSTROOM_SECRET" in said
    assert "put the right one back" in said


def test_a_command_that_is_refused_says_why_in_one_line(tmp_path: Path) -> None:
    assert "postroom workspace create default" in refusal(tmp_path, "domain", "create", "example.com")


def test_a_command_waits_for_a_server_that_is_just_starting(tmp_path: Path) -> None:
    """Such a server has the data folder and no socket yet: to say that the folder is in use would confuse."""
    lock = lock_data_folder(tmp_path)
    timer = threading.Timer(1.5, lock.release)
    timer.start()

    assert "there is no workspace" in refusal(tmp_path, "domain", "list")
    timer.join()
