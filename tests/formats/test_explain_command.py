"""`postroom explain`: what the classifier says, for programs and for people."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from postroom.cli import explain as explaining
from postroom.cli.explain import command
from postroom.mail.reasons import Reason
from postroom.mail.verdict import MailKind, Reported, Verdict

BOUNCE = """\
From: MAILER-DAEMON@mx.example.net
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b

This is the mail system.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; ada@example.net
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <ada@example.net>: user unknown

--b--
""".replace("\n", "\r\n").encode()
LETTER = b"From: ada@example.net\r\nTo: hello@example.com\r\nSubject: Tea\r\n\r\nHello.\r\n"


def run(*arguments: str | Path, given: bytes | None = None) -> Result:
    return CliRunner().invoke(command, [str(one) for one in arguments], input=given)


@pytest.fixture
def mails(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "b.eml").write_bytes(BOUNCE)
    (tmp_path / "in" / "a.eml").write_bytes(LETTER)
    (tmp_path / "in" / ".lock").write_bytes(b"")
    return tmp_path / "in"


def test_programs_get_an_object_a_line_with_the_promised_keys_first(mails: Path) -> None:
    told = run("--json", mails / "b.eml", mails / "a.eml")

    bounce, letter = [json.loads(line) for line in told.stdout.splitlines()]
    assert told.exit_code == 0
    assert list(bounce)[:3] == ["file", "kind", "recipients"]
    assert (bounce["file"], bounce["kind"]) == (str(mails / "b.eml"), "bounce")
    (recipient,) = bounce["recipients"]
    assert list(recipient)[:5] == ["address", "hard", "reason", "status", "evidence"]
    assert (recipient["address"], recipient["hard"], recipient["reason"], recipient["status"]) == (
        "ada@example.net", True, "no_such_user", "5.1.1",
    )  # fmt: skip
    assert "user unknown" in recipient["evidence"]
    assert (letter["kind"], letter["recipients"]) == ("other", [])


def test_people_read_kind_recipient_cause_and_line() -> None:
    told = run(given=BOUNCE).stdout

    assert told.startswith("-: bounce. A report that mail was not delivered.\n")
    assert "  ada@example.net: hard, no_such_user (" in told
    assert "    There is no such mailbox.\n" in told
    assert "user unknown" in told


def test_a_folder_is_all_its_mails_in_the_order_of_their_names(mails: Path) -> None:
    found = [json.loads(line)["file"] for line in run("--json", mails).stdout.splitlines()]
    assert found == [str(mails / "a.eml"), str(mails / "b.eml")]


def test_a_file_that_cannot_be_read_does_not_keep_others_from_being_told(mails: Path) -> None:
    told = run("--json", mails / "missing.eml", mails / "a.eml")

    assert told.exit_code == 1
    assert "missing.eml: No such file or directory" in told.stderr
    assert len(told.stdout.splitlines()) == 1


def test_an_mbox_is_told_mail_by_mail(tmp_path: Path) -> None:
    lines = [b"From ada@example.net Mon Nov 23 07:00:0%d 2026\n" % number for number in range(2)]
    box = tmp_path / "box"
    box.write_bytes(lines[0] + BOUNCE.replace(b"\r\n", b"\n") + b"\n" + lines[1] + LETTER.replace(b"\r\n", b"\n"))

    as_json, shown = run("--json", box), run(box)

    told = [json.loads(line) for line in as_json.stdout.splitlines()]
    assert [(one["kind"], one["mail"]) for one in told] == [("bounce", 1), ("other", 2)]
    assert f"{box} (mail 2): other." in shown.stdout
    assert shown.stdout.endswith("2 mails: 1 bounce, 1 other\n")


def test_a_mail_that_an_editor_saved_with_a_byte_order_mark_is_read() -> None:
    assert json.loads(run("--json", given=b"\xef\xbb\xbf" + BOUNCE).stdout)["kind"] == "bounce"


def test_what_is_no_mail_is_said_to_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nothing").mkdir()
    (tmp_path / "text").write_bytes(b"hello\n")
    (tmp_path / "large").write_bytes(b"Subject: x\n\n" * 10)

    told = run("--json", tmp_path / "text", tmp_path / "nothing")
    monkeypatch.setattr(explaining, "_MOST_BYTES", 50)
    endless = run(tmp_path / "large")

    assert (told.exit_code, json.loads(told.stdout)["kind"]) == (0, "other")
    assert "text: it has no header field: is this a mail?" in told.stderr
    assert "nothing: there is no file in this folder" in told.stderr
    assert (endless.exit_code, endless.stdout) == (1, "")
    assert "it is larger than" in endless.stderr


def test_what_a_mail_says_steers_no_terminal_and_breaks_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def hostile(raw: bytes) -> Verdict:
        reported = Reported("a@b.example", Reason.SPAM, False, "5.7.1", 550, "\x1b[2J\x9b\r\nno \udc80", "rule")
        return Verdict(MailKind.BOUNCE, "rule", "\x1b]0;title\x07", (reported,))

    monkeypatch.setattr(explaining, "classify", hostile)

    shown, as_json = run(given=b"x"), run("--json", given=b"x")

    assert not set("\x1b\x9b\r\x07\udc80") & set(shown.stdout)
    assert len(as_json.stdout.splitlines()) == 1
    assert json.loads(as_json.stdout)["recipients"][0]["evidence"].endswith("no \udc80")


def test_it_needs_no_data_folder_and_no_database(tmp_path: Path) -> None:
    light = "import sys, postroom.cli.explain as e; sys.exit(any(m in sys.modules for m in ('sqlalchemy', 'litestar')))"
    assert subprocess.run([sys.executable, "-c", light], cwd=tmp_path, check=False).returncode == 0

    whole = [sys.executable, "-m", "postroom", "explain", "--json"]
    environment = {"POSTROOM_DATA": "/nowhere/at/all", "POSTROOM_DATABASE": "nonsense"}
    told = subprocess.run(whole, input=BOUNCE, cwd=tmp_path, env=environment, capture_output=True, check=True)

    assert json.loads(told.stdout)["kind"] == "bounce"
    assert list(tmp_path.iterdir()) == []
