"""The programs that people send mail with talk to the doors; what `serve` prints works when pasted into a shell."""

import email
import re
import smtplib
import time
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest
import trustme
from peers import nodemailer
from peers.postfix import Postfix
from peers.process import PeerFailed, run
from peers.require import require_peer
from running_server import Api, RunningServer, message_id_of

BODY = "One\n.two\n..three\n.\ncafé\n"


def mail_to(address: str, author: str = "ada@example.com") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = author, address, "Grüße"
    message.set_content(BODY, cte="8bit")
    return message


def assert_arrived(server: RunningServer, address: str) -> None:
    """Assert that the sandbox keeps one copy with the text that was sent."""
    server.wait_until_settled()
    (copy,) = server.kept(address)
    (text,) = [part for part in email.message_from_bytes(copy).walk() if part.get_content_type() == "text/plain"]
    payload = text.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode().replace("\r\n", "\n").rstrip("\n") == BODY.rstrip("\n")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_smtplib_sends_over_starttls(sandbox: RunningServer, mechanism: str) -> None:
    address = f"smtplib-{mechanism.lower()}@example.net"
    with smtplib.SMTP("127.0.0.1", sandbox.submission_port, timeout=60) as client:
        client.starttls()
        client.ehlo()
        client.user, client.password = sandbox.login.username, sandbox.login.password
        client.auth(mechanism, client.auth_plain if mechanism == "PLAIN" else client.auth_login)
        refused = client.send_message(mail_to(address))

    assert refused == {}
    assert_arrived(sandbox, address)


def test_a_wrong_password_is_refused_and_no_mail_is_taken_without_login(sandbox: RunningServer) -> None:
    with smtplib.SMTP("127.0.0.1", sandbox.submission_port, timeout=60) as client:
        client.starttls()
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            client.login(sandbox.login.username, "wrong")
        with pytest.raises(smtplib.SMTPSenderRefused) as no_login:
            client.sendmail("ada@example.com", ["no-login@example.net"], b"Subject: x\r\n\r\nx\r\n")

    assert refused.value.smtp_code == 535
    assert no_login.value.smtp_code == 530


async def test_aiosmtplib_sends_over_starttls(sandbox: RunningServer) -> None:
    login = sandbox.login
    address = "aiosmtplib@example.net"

    refused, said = await aiosmtplib.send(
        mail_to(address), hostname=login.host, port=login.port, username=login.username, password=login.password,
        start_tls=True, validate_certs=False,
    )  # fmt: skip

    assert refused == {}
    assert message_id_of(said)
    assert_arrived(sandbox, address)


@pytest.mark.parametrize("tls", ["", "--tls"])
def test_swaks_sends_with_login(sandbox: RunningServer, tls: str) -> None:
    """Without TLS, as on loopback it may, and with it."""
    require_peer("swaks-tls" if tls else "swaks")
    login = sandbox.login
    address = f"swaks{tls}@example.net"

    printed = run(
        ["swaks", "--server", f"{login.host}:{login.port}", *([tls] if tls else []), "--auth", "LOGIN",
         "--auth-user", login.username, "--auth-password", login.password, "--from", "ada@example.com",
         "--to", address, "--data", "-"],
        input=mail_to(address).as_bytes(),
    )  # fmt: skip

    assert message_id_of(printed)
    assert_arrived(sandbox, address)


def test_curl_sends_by_smtp(sandbox: RunningServer, tmp_path: Path) -> None:
    require_peer("curl")
    login = sandbox.login
    address = "curl@example.net"
    (tmp_path / "mail").write_bytes(mail_to(address).as_bytes().replace(b"\n", b"\r\n"))

    run(
        ["curl", "-sS", "--ssl-reqd", "--insecure", "--url", f"smtp://{login.host}:{login.port}",
         "--user", f"{login.username}:{login.password}", "--mail-from", "ada@example.com", "--mail-rcpt", address,
         "--upload-file", tmp_path / "mail"],
    )  # fmt: skip

    assert_arrived(sandbox, address)


def test_nodemailer_sends_over_starttls(sandbox: RunningServer) -> None:
    require_peer("nodemailer")
    login = sandbox.login
    address = "nodemailer@example.net"
    auth = {"user": login.username, "pass": login.password}
    transport = {"host": login.host, "port": login.port, "requireTLS": True, "auth": auth}

    report = nodemailer.send(
        {**transport, "tls": {"rejectUnauthorized": False}},
        {"from": "ada@example.com", "to": address, "subject": "Grüße", "text": BODY},
    )

    assert report["accepted"] == [address]
    assert message_id_of(str(report["response"]))
    assert_arrived(sandbox, address)


def test_postfix_relays_through_the_door_with_sasl_and_starttls(tmp_path: Path) -> None:
    """Postfix verifies our certificate, so that its level `secure` is tested too."""
    require_peer("postfix")
    authority = trustme.CA()
    certificate = authority.issue_cert("mail.postroom.test", "127.0.0.1")
    cert, key, trusted = (tmp_path / name for name in ("cert.pem", "key.pem", "ca.pem"))
    cert.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(str(key))
    authority.cert_pem.write_to_path(str(trusted))
    with RunningServer(tls_cert=str(cert), tls_key=str(key)) as server:
        login = server.login
        settings = {"smtp_tls_CAfile": str(trusted), "smtp_tls_secure_cert_match": "mail.postroom.test"}
        with Postfix(
            relayhost=f"127.0.0.1:{login.port}",
            login=(login.username, login.password),
            tls="secure",
            settings=settings,
        ) as postfix:
            with smtplib.SMTP("127.0.0.1", postfix.port, timeout=60) as client:
                for number in range(20):
                    client.send_message(mail_to(f"postfix-{number}@example.net"))
            postfix.wait_until_empty()

            assert postfix.log().count("accepted as msg_") == 20, postfix.log()
        for number in range(20):
            assert_arrived(server, f"postfix-{number}@example.net")


def test_the_lines_that_serve_prints_work_when_pasted_into_a_shell() -> None:
    require_peer("swaks")
    require_peer("curl")
    with RunningServer(initialised=False) as server:
        by_http, by_smtp = printed(server.log())

        answer = run(["sh", "-c", by_http])
        said = run(["sh", "-c", by_smtp])

        assert message_id_of(answer) != message_id_of(said)
        server.wait_until_settled()
        key = re.search(r"API key: +(\S+)", server.log())
        recipient = re.search(r"rcp_\w+", answer)
        assert key
        assert recipient
        shown = Api(server.http_port, key[1]).request("GET", f"/recipients/{recipient[0]}/copy")
        first, second = server.kept("ada@example.net")
        assert shown.body == first
        assert b"/c/" in first
        assert b"/o/" in first
        assert b"This is a test mailing" in second


def printed(log: str) -> tuple[str, str]:
    """Return the curl and the swaks line of the greeting, as they stand there."""
    found = re.search(r"Try it by HTTP:\n\n(.*?)\n\nor by SMTP:\n\n(.*?)\n\n", log, re.DOTALL)
    assert found, log
    return found[1], found[2]


def test_a_second_server_on_the_same_folder_is_refused(sandbox: RunningServer) -> None:
    with pytest.raises(PeerFailed, match="in use by process"):
        sandbox.command("serve")


def test_a_client_that_says_nothing_does_not_hold_up_a_clean_stop() -> None:
    with RunningServer() as server:
        client = server.smtp()
        begun = time.monotonic()

        assert server.stop() == 0

        assert time.monotonic() - begun < 9, "it waited the whole time that open mails have to end"
        assert client.noop()[0] == 421
        client.close()


def test_postroom_send_queues_a_mail_beside_the_running_server(sandbox: RunningServer) -> None:
    printed = sandbox.command("send", "--from", "ada@example.com", "--to", "cli@example.net", "--html", "<p>Hello</p>")

    assert message_id_of(printed)
    sandbox.wait_until_settled()
    (copy,) = sandbox.kept("cli@example.net")
    assert b"/o/" in copy
