"""`postroom receive` as far as it needs no server: options, environment, line ends, what it loads."""

import io
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from peers.require import ROOT

from postroom.app.control_call import CONTROL_SOCKET
from postroom.cli.pipe import QMAIL, QMAIL_STOP, SENDMAIL, Options, WrongOptions, read_blocks, read_options, receive
from postroom.config import Delivery, read_delivery


def test_options_say_the_envelope() -> None:
    options = read_options(["--from", "a@b.test", "--to=c@d.test", "--to", "--odd@d.test"])

    assert (options.reverse_path, options.recipients) == ("a@b.test", ("c@d.test", "--odd@d.test"))
    assert options.codes is SENDMAIL


def test_the_codes_are_those_that_the_mta_knows() -> None:
    assert read_options(["--qmail"]).codes is QMAIL
    assert read_options(["--stop", "--qmail"]).codes is QMAIL_STOP
    assert Options().codes is SENDMAIL


@pytest.mark.parametrize("words", [["--nope"], ["a@b.test"], ["--from"], ["--qmail=yes"], ["--to", "a@b", "--to"]])
def test_what_cannot_be_understood_is_no_refusal(words: list[str]) -> None:
    """An MTA would give the mail back for the usual exit code of a wrong command line."""
    with pytest.raises(WrongOptions):
        read_options(words)


def test_postfix_tells_what_the_sender_wrote_before_what_aliases_made_of_it() -> None:
    told = {"SENDER": "a@b.test", "RECIPIENT": "alias@mail.test", "ORIGINAL_RECIPIENT": "b-x@rp.test", "EXT": "no"}

    assert read_delivery(told, qmail=False) == Delivery("a@b.test", ("b-x@rp.test", "alias@mail.test"))


def test_qmail_puts_the_virtual_domains_prefix_before_the_local_part() -> None:
    told = {"SENDER": "#@[]", "RECIPIENT": "mail-b-x@rp.test", "LOCAL": "mail-b-x", "HOST": "rp.test", "EXT": "b-x",
            "DEFAULT": "x"}  # fmt: skip

    assert read_delivery(told, qmail=True) == Delivery("", ("mail-b-x@rp.test", "b-x@rp.test", "x@rp.test"))


@pytest.mark.parametrize("sender", ["", "<>", "MAILER-DAEMON", "#@[]"])
def test_the_null_reverse_path_has_many_forms(sender: str) -> None:
    assert read_delivery({"SENDER": sender}, qmail=False) == Delivery("", ())


def test_an_environment_that_tells_nothing_is_no_null_reverse_path() -> None:
    assert read_delivery({}, qmail=True) == Delivery(None, ())


@pytest.mark.parametrize(
    ("given_", "taken"),
    [
        (b"From: a\n\nb\n", b"From: a\r\n\r\nb\r\n"),
        (b"From a@b Sun Nov 22\nFrom: a\n\nFrom b\n", b"From: a\r\n\r\nFrom b\r\n"),
        (b"From: a\r\n\r\nb\rc\r\n", b"From: a\r\n\r\nb\r\nc\r\n"),
        (b"", b""),
        (b"From x", b""),
    ],
)
def test_a_leading_mbox_line_goes_and_lines_end_with_crlf(given_: bytes, taken: bytes) -> None:
    assert b"".join(read_blocks(io.BytesIO(given_))) == taken


@given(st.binary(max_size=2000))
def test_no_bare_line_end_stays_whatever_comes(content: bytes) -> None:
    blocks = list(read_blocks(io.BytesIO(content)))

    whole = b"".join(blocks)
    assert blocks
    assert whole.count(b"\r") == whole.count(b"\n") == whole.count(b"\r\n")


def test_a_large_mail_comes_in_blocks_of_one_size() -> None:
    lines = b"x" * 76 + b"\n"
    sizes = [len(block) for block in read_blocks(io.BytesIO(lines * 10_000))]

    assert sizes[:-1] == [256 * 1024] * (len(sizes) - 1)
    assert sum(sizes) == 78 * 10_000


def test_it_loads_neither_click_nor_an_event_loop_nor_the_log() -> None:
    """An MTA starts it for every mail: it has to end within 150 ms."""
    # With what is needed where no server runs.
    asked = (
        "import sys, postroom.cli.pipe, postroom.app.arriving; "
        "print(*{'click', 'asyncio', 'structlog', 'sqlalchemy', 'msgspec', 'litestar', 'email'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked],
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        timeout=30,
        check=True,
    )

    assert done.stdout.strip() == b""


def test_what_is_larger_than_the_doors_take_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"POSTROOM_DATA": str(tmp_path), "POSTROOM_MESSAGE_SIZE_MB": "1"}.items():
        monkeypatch.setenv(name, value)
    with _server(tmp_path) as operations:
        code = receive(Options("a@b.test", ("c@d.test",)), io.BytesIO(b"x: y\n\n" + b"z" * (1 << 20)))

    assert code == SENDMAIL.refused
    assert capsys.readouterr().out == "5.3.4 message too large\n"
    assert operations == ["receive.begin", *["receive.add"] * 3]


def test_a_server_that_dies_meanwhile_gets_the_mail_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of a mail was handed over: nothing else may go on with the rest."""
    monkeypatch.setenv("POSTROOM_DATA", str(tmp_path))
    (tmp_path / "secret.key").write_text("00" * 32)
    with _server(tmp_path, answers=2) as operations:
        code = receive(Options("a@b.test", ("c@d.test",), qmail=True), io.BytesIO(b"x: y\n\n" + b"z" * (1 << 20)))

    assert code == QMAIL.later
    assert operations == ["receive.begin", "receive.add"]


@contextmanager
def _server(folder: Path, answers: int = 100) -> Iterator[list[str]]:
    """Answer so many calls at the socket of a data folder; give the operations that were asked for."""
    asked: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(folder / CONTROL_SOCKET))
        listener.listen()
        listener.settimeout(5)

        def serve() -> None:
            while len(asked) < answers:
                with suppress(OSError):
                    connection, _ = listener.accept()
                    with connection, connection.makefile("rwb") as file:
                        line = file.readline()
                        if not line:
                            return
                        asked.append(json.loads(line)["operation"])
                        file.write(b'{"result": {"upload": 1}}\n')
            listener.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield asked
        if thread.is_alive():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as last:
                last.connect(str(folder / CONTROL_SOCKET))
        thread.join()
