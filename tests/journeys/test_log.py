"""The log of a whole journey, at its most talkative: what must never be in it is not."""

import json
import re
import smtplib
import socket
from contextlib import suppress
from email import message_from_bytes

from peers.smtp_sink import SmtpSink
from running_server import RunningServer, submit

BODY_WORDS = ("Xylophone", "Quicksilver")
NAMES = ("ann.private", "bob.private", "eve.private", "dora.private")
WRONG_PASSWORD = "wrong-horse-battery"
WRONG_KEY = "pr_key_of_nobody_at_all"


def talk(server: RunningServer, sink: SmtpSink) -> list[str]:
    """Do all sorts of things, and return the tokens that came up."""
    sink.on("RCPT", "450 4.2.1 come back later", recipient="eve.private@taker.test")
    sink.on("RCPT", "550 5.1.1 nobody here", recipient="dora.private@taker.test")
    html = f'<p>{BODY_WORDS[0]}</p><a href="https://shop.test/?{BODY_WORDS[1]}=1">here</a>'
    to = [f"{name}@taker.test" for name in NAMES]
    message = {"from": "a@example.com", "to": to, "subject": BODY_WORDS[0], "html": html}
    server.wait_for_state(server.api.post("/messages", message)["id"], "delivered", "deferred", "failed")
    with server.smtp() as client:
        submit(client, "a@example.com", to[:1], f"Subject: x\r\n\r\n{BODY_WORDS[1]}\r\n".encode())
    with smtplib.SMTP("127.0.0.1", server.submission_port) as client, suppress(smtplib.SMTPException):
        client.login(server.login.username, WRONG_PASSWORD)
    server.api.request("GET", f"/suppressions/{to[0]}")
    server.api.request("GET", f"/recipients?address={to[1]}")
    server.api.request("POST", "/messages", {"from": to[2], "to": [BODY_WORDS[0]], "nonsense": BODY_WORDS[1]})
    server.fetch("GET", "/api/v1/messages", fields={"Authorization": f"Bearer {WRONG_KEY}"})
    server.fetch("GET", f"/no/such/page/{to[0]}?key={server.api.key}")
    copy = message_from_bytes(sink.mails_to(to[0])[0].data)
    shown = b"".join(part.get_payload(decode=True) or b"" for part in copy.walk()).decode()
    addresses = re.findall(r"/[ocu]/[\w.-]{20,}", shown)
    for address in addresses:
        server.fetch("GET", address)
        server.fetch("POST", f"{address}?token={server.api.key}")
    with socket.create_connection(("127.0.0.1", server.http_port)) as rubbish:
        rubbish.sendall(b"\x16\x03\x01" + BODY_WORDS[0].encode() + b"\r\n\r\n")
        rubbish.recv(1000)
    server.command("queue", "list")
    server.command("queue", "retry", "--domain", "taker.test")
    server.restart()
    return [address[3:].removesuffix(".png") for address in addresses]


def test_the_log_holds_no_secret_no_body_no_address_and_is_of_one_form() -> None:
    settings = {"vouched": ["example.com"], "log_level": "debug", "helpers": "1"}
    with SmtpSink() as sink, RunningServer(**settings, transport=f"smtp://{sink.address}") as server:  # type: ignore[arg-type]
        tokens = talk(server, sink)
        log = server.log()
        secrets = [server.api.key, server.login.password, WRONG_PASSWORD, WRONG_KEY, *tokens]
    assert len(tokens) >= 2

    assert [word for word in (*secrets, *BODY_WORDS, *NAMES) if word in log] == []
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    requests = [line for line in lines if line["event"] == "request"]
    assert {"/api/v1/messages", "/api/v1/suppressions/{address}"} <= {one["route"] for one in requests}
    greetings = [line for line in log.splitlines() if not line.startswith("{")]
    assert not [line for line in greetings if "Traceback" in line or "Invalid" in line]
    assert any(line["event"] == "Invalid HTTP request received." for line in lines)
    assert all(line["level"] in ("debug", "info", "warning", "error") and line["timestamp"] for line in lines)
