"""Real clients hand mail in at a listening submission door."""

import email.message
import json
import smtplib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import aiosmtplib
import pytest
from peers.postfix import Postfix
from peers.require import ROOT, require_peer
from smtp_talk import KeepingDoor
from submission_double import Served, served

from postroom.base.errors import TryLater
from postroom.mail.envelope import Notify

MAIL = "From: a@client.test\nTo: b@server.test\nSubject: journey\n\nhello\n.dot\n..dots\n"
WIRE = MAIL.replace("\n", "\r\n").encode()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as running:
        yield running


def _context(door: Served) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(door.authority))


def _run(*command: str | Path, stdin: bytes = b"", seconds: float = 60) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(list(command), input=stdin, capture_output=True, timeout=seconds, check=False)


@pytest.mark.parametrize("method", ["auth_plain", "auth_login"])
def test_smtplib_hands_in_by_plain_and_login(door: Served, method: str) -> None:
    with smtplib.SMTP("127.0.0.1", door.port, timeout=20) as client:
        client.ehlo("client.test")
        client.user, client.password = "user", "right"
        client.auth(method.removeprefix("auth_").upper(), getattr(client, method))
        client.sendmail("a@client.test", ["b@server.test", "c@server.test"], MAIL)

    assert door.desk.content() == WIRE
    assert [one.address for one in door.desk.submissions[0].envelope.recipients] == ["b@server.test", "c@server.test"]


def test_smtplib_hands_in_over_starttls_and_implicit_tls(door: Served) -> None:
    with smtplib.SMTP("localhost", door.port, timeout=20) as client:
        client.starttls(context=_context(door))
        client.login("user", "right")
        client.sendmail("a@client.test", ["b@server.test"], MAIL)
    with smtplib.SMTP_SSL("localhost", door.tls_port, context=_context(door), timeout=20) as client:
        client.login("user", "right")
        client.sendmail("a@client.test", ["b@server.test"], MAIL)

    assert [door.desk.content(index) for index in range(2)] == [WIRE, WIRE]


def test_smtplib_hears_why_a_login_or_mail_is_refused(door: Served) -> None:
    with smtplib.SMTP("127.0.0.1", door.port, timeout=20) as client:
        with pytest.raises(smtplib.SMTPSenderRefused) as unknown:
            client.sendmail("a@client.test", ["b@server.test"], MAIL)
        with pytest.raises(smtplib.SMTPAuthenticationError) as wrong:
            client.login("user", "wrong")
    with smtplib.SMTP("127.0.0.1", door.port, timeout=20) as client:
        client.login("user", "right")
        with pytest.raises(smtplib.SMTPDataError) as field:
            client.sendmail("a@client.test", ["b@server.test"], "X-Postroom-Stream: slow\n" + MAIL)
        door.desk.failure = TryLater("database down")
        with pytest.raises(smtplib.SMTPDataError) as later:
            client.sendmail("a@client.test", ["b@server.test"], MAIL)

    assert (unknown.value.smtp_code, wrong.value.smtp_code) == (530, 535)
    assert (field.value.smtp_code, later.value.smtp_code) == (550, 451)
    assert door.desk.submissions == []


def test_smtplib_sends_to_addresses_outside_ascii(door: Served) -> None:
    message = email.message.EmailMessage()
    message["From"], message["To"], message["Subject"] = "é@client.test", "ü@server.test", "ünïcode"
    message.set_content("grüße")
    with smtplib.SMTP("127.0.0.1", door.port, timeout=20) as client:
        client.login("user", "right")
        client.send_message(message)

    envelope = door.desk.submissions[0].envelope
    assert envelope.smtputf8
    assert (envelope.reverse_path, envelope.recipients[0].address) == ("é@client.test", "ü@server.test")


def test_smtplib_asks_for_reports(door: Served) -> None:
    with smtplib.SMTP("127.0.0.1", door.port, timeout=20) as client:
        client.login("user", "right")
        options = ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;B+40server.test"]
        client.sendmail("a@client.test", ["b@server.test"], MAIL, ["RET=HDRS", "ENVID=QQ1"], options)

    envelope = door.desk.submissions[0].envelope
    assert (envelope.ret, envelope.envid) == ("HDRS", "QQ1")
    assert envelope.recipients[0].notify == Notify.SUCCESS | Notify.FAILURE


async def test_aiosmtplib_hands_in_over_starttls(door: Served) -> None:
    await aiosmtplib.send(
        MAIL.encode(),
        sender="a@client.test",
        recipients=["b@server.test"],
        hostname="localhost",
        port=door.port,
        username="user",
        password="right",
        start_tls=True,
        tls_context=_context(door),
        timeout=20,
    )

    assert door.desk.content() == WIRE


@pytest.mark.parametrize("options", [["-a", "PLAIN"], ["-a", "LOGIN"], ["--pipeline"]], ids=" ".join)
def test_swaks_hands_in(door: Served, options: list[str]) -> None:
    require_peer("swaks")

    done = _run(
        *(
            "swaks",
            "--server",
            f"127.0.0.1:{door.port}",
            "--from",
            "a@client.test",
            "--to",
            "b@server.test,c@server.test",
        ),
        *("--auth-user", "user", "--auth-password", "right", "--ehlo", "client.test", "--suppress-data"),
        *options,
    )

    assert done.returncode == 0, done.stdout.decode()
    assert b"accepted as msg_" in done.stdout
    assert b"This is a test mailing" in door.desk.content()


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_curl_hands_in(door: Served, scheme: str) -> None:
    require_peer("curl")
    port = door.tls_port if scheme == "smtps" else door.port

    done = _run(
        *("curl", "-sS", f"{scheme}://localhost:{port}", "--ssl-reqd", "--cacert", door.authority, "-u", "user:right"),
        *("--mail-from", "a@client.test", "--mail-rcpt", "b@server.test", "-T", "-", "--crlf"),
        stdin=MAIL.encode(),
    )

    assert done.returncode == 0, done.stderr.decode()
    assert door.desk.content() == WIRE


def test_nodemailer_hands_in(door: Served, tmp_path: Path) -> None:
    require_peer("nodemailer")
    script = tmp_path / "send.js"
    script.write_text(
        f"""
        const mailer = require({json.dumps(str(ROOT / ".peers" / "node_modules" / "nodemailer"))});
        const fs = require("fs");
        const door = mailer.createTransport({{
          host: "localhost", port: {door.port}, requireTLS: true, auth: {{user: "user", pass: "right"}},
          tls: {{ca: fs.readFileSync({json.dumps(str(door.authority))})}},
        }});
        door.sendMail({{from: "a@client.test", to: "ü@server.test", bcc: "c@server.test", subject: "node",
                        text: "hello\\n.dot", dsn: {{id: "7", return: "headers", notify: "failure"}}}})
          .then(info => console.log(info.response), error => {{ console.error(error); process.exit(1); }});
        """
    )

    done = _run("node", script)

    assert done.returncode == 0, done.stderr.decode()
    assert b"accepted as msg_" in done.stdout
    envelope = door.desk.submissions[0].envelope
    assert [one.address for one in envelope.recipients] == ["ü@server.test", "c@server.test"]
    assert b"\r\n.dot" in door.desk.content()


def test_many_parallel_sessions_of_one_client_are_all_taken(door: Served) -> None:
    def hand_in(number: int) -> None:
        with smtplib.SMTP("127.0.0.1", door.port, timeout=30) as client:
            client.login("user", "right")
            for _ in range(10):
                client.sendmail("a@client.test", [f"r{number}@server.test"], MAIL + "x" * 300_000 * (number % 2))

    threads = [threading.Thread(target=hand_in, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(door.desk.submissions) == 120
    assert all(door.desk.content(index).startswith(WIRE) for index in range(120))


def test_a_shell_script_that_only_writes_gets_its_mail_taken(door: Served) -> None:
    """`printf … | nc` writes everything at once and closes its side."""
    talk = (
        b"EHLO client.test\r\nAUTH PLAIN AHVzZXIAcmlnaHQ=\r\nMAIL FROM:<a@client.test>\r\n"
        b"RCPT TO:<b@server.test>\r\nDATA\r\n" + WIRE.replace(b"\r\n.", b"\r\n..") + b".\r\nQUIT\r\n"
    )
    with socket.create_connection(("127.0.0.1", door.port), timeout=20) as client:
        client.sendall(talk)
        client.shutdown(socket.SHUT_WR)
        said = b""
        while piece := client.recv(65536):
            said += piece

    assert said.endswith(b"221 2.0.0 bye\r\n")
    assert door.desk.content() == WIRE


def test_postfix_relays_with_sasl_and_starttls(door: Served) -> None:
    """Through a real Postfix: long lines, dots, 8-bit text and DSN parameters arrive as they were."""
    require_peer("postfix")
    long_line = "x" * 5000
    body = f"grüße\n.\n..\n{long_line}\n"
    login = ("user", "right")
    settings = {
        "smtp_line_length_limit": "0",
        "smtp_tls_CAfile": str(door.authority),
        "smtp_tls_security_level": "encrypt",
    }
    with (
        Postfix(relayhost=f"127.0.0.1:{door.port}", login=login, tls="encrypt", settings=settings) as postfix,
        smtplib.SMTP("127.0.0.1", postfix.port, timeout=30) as client,
    ):
        content = (MAIL.replace("hello\n.dot\n..dots\n", body)).replace("\n", "\r\n").encode()
        client.sendmail(
            "a@client.test",
            ["b@server.test", "c@server.test"],
            content,
            ["BODY=8BITMIME", "RET=HDRS", "ENVID=QQ1"],
            ["NOTIFY=FAILURE,DELAY"],
        )
        postfix.wait_until_empty()
        log = postfix.log()

    assert "accepted as msg_" in log, log
    [submission] = door.desk.submissions
    assert door.desk.content().endswith(b"\r\n\r\n" + body.replace("\n", "\r\n").encode())
    assert {one.address for one in submission.envelope.recipients} == {"b@server.test", "c@server.test"}
    assert (submission.envelope.ret, submission.envelope.envid) == ("HDRS", "QQ1")
    assert {one.notify for one in submission.envelope.recipients} == {Notify.FAILURE | Notify.DELAY}


def test_smtp_source_hands_in_a_thousand_mails_over_forty_sessions(tmp_path: Path) -> None:
    """Debian's load generator cannot authenticate, so this door takes everybody."""
    require_peer("postfix")
    open_door = KeepingDoor()
    with served(tmp_path, other=open_door, require_auth=False) as door:
        done = _run("smtp-source", "-s", "40", "-d", "-m", "1000", "-l", "51200", f"127.0.0.1:{door.port}")

    assert done.returncode == 0, done.stderr.decode()
    assert len(open_door.messages) == 1000
    assert {message.content.count(b"\n") - message.content.count(b"\r\n") for message in open_door.messages} == {0}
