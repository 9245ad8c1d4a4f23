"""A real Postfix takes our mail and bounces it: the right recipients move, the author hears, webhooks are told soon."""

import base64
import email
import json
import smtplib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from peers.http_receiver import HttpReceiver
from peers.postfix import Postfix
from peers.process import free_port, wait_until
from running_server import RunningServer, submit

LETTER = {"from": "shop@author.test", "subject": "Your order", "html": "<p>Thank you</p>", "stream": "bulk"}
WEBHOOK_MS = 5_000


@dataclass
class Bouncing:
    """A server whose next hop takes everything, delivers some of it, and bounces the rest to the server's own door."""

    server: RunningServer
    postfix: Postfix
    receiver: HttpReceiver
    inbound_port: int

    def send(self, *to: str, **fields: object) -> str:
        """Send a mail and return its id."""
        sent: dict[str, Any] = self.server.api.post("/messages", {**LETTER, "to": list(to), **fields})
        return str(sent["id"])

    def told(self, kind: str) -> list[dict[str, Any]]:
        """Return what the webhook was told of one kind."""
        bodies = [json.loads(one.body) for one in self.receiver.received("/in")]
        return [body["data"] for body in bodies if body["type"] == kind]

    def inbound(self) -> list[dict[str, Any]]:
        """Return the mails that came in."""
        return [{"kind": kind, "state": state} for kind, state in self.server.rows("SELECT kind, state FROM inbound")]


@pytest.fixture(scope="module")
def bouncing() -> Iterator[Bouncing]:
    inbound = free_port()
    routes = {
        "full@taker.test": "error:5.2.2 The mailbox of this user is full",
        "refused.test": "error:5.7.1 Mail for this domain is refused by policy",
        "rp.mail.postroom.test": f"smtp:[127.0.0.1]:{inbound}",
    }
    maps = ", ".join(f"{{{name} = {way}}}" for name, way in routes.items())
    settings = {"smtpd_reject_unlisted_recipient": "no", "transport_maps": f"inline:{{{maps}}}"}
    with ExitStack() as stack:
        mailboxes = ["ann@taker.test", "keeper@author.test"]
        postfix = stack.enter_context(Postfix(mailboxes=mailboxes, settings=settings))
        receiver = stack.enter_context(HttpReceiver())
        server = stack.enter_context(
            RunningServer(
                vouched=["author.test"],
                transport=f"smtp://{postfix.address}",
                inbound=f"127.0.0.1:{inbound}",
                allow_private="127.0.0.0/8",
            )
        )
        made = Bouncing(server, postfix, receiver, inbound)
        server.api.post("/webhooks", {"url": receiver.url("/in")})
        yield made


def test_a_bounce_of_a_real_postfix_moves_the_right_recipient_and_is_told_within_seconds(bouncing: Bouncing) -> None:
    server = bouncing.server
    addresses = ("ann@taker.test", "nobody@taker.test", "full@taker.test", "someone@refused.test")
    message_id = bouncing.send(*addresses)

    wait_until(lambda: len(bouncing.told("bounced")) == 3, "three bounces are told", 30)

    told = {one["recipient"]["address"]: one["detail"] for one in bouncing.told("bounced")}
    assert {address: detail["reason"] for address, detail in told.items()} == {
        "nobody@taker.test": "no_such_user",
        "full@taker.test": "mailbox_full",
        "someone@refused.test": "policy",
    }
    assert server.states(message_id) == dict(zip(addresses, ("delivered", "failed", "failed", "failed"), strict=True))
    assert server.rows("SELECT address_key, scope, source FROM suppression") == [("nobody@taker.test", "all", "bounce")]
    assert "nobody@taker.test" in server.rows("SELECT evidence FROM suppression")[0][0]
    waited = server.rows(
        "SELECT min(a.at_ms) - i.received_ms FROM inbound i JOIN event e ON e.recipient_id = i.answers_recipient_id "
        "JOIN webhook_attempt a ON a.at_ms >= e.at_ms WHERE e.kind = 'bounced' GROUP BY i.id"
    )
    assert len(waited) == 3
    assert all(0 <= row[0] <= WEBHOOK_MS for row in waited), waited
    assert server.command("recount").startswith("0 of ")


def test_the_author_who_gave_a_reverse_path_is_told_of_a_later_bounce(bouncing: Bouncing) -> None:
    mail = b"From: Shop <shop@author.test>\r\nTo: nobody-2@taker.test\r\nSubject: Hello\r\n\r\nHi\r\n"
    with bouncing.server.smtp() as client:
        submit(client, "keeper@author.test", ["nobody-2@taker.test"], mail)

    wait_until(lambda: bool(bouncing.postfix.delivered("keeper@author.test")), "the author is told", 30)

    (report,) = (email.message_from_bytes(raw) for raw in bouncing.postfix.delivered("keeper@author.test"))
    assert report.get_content_type() == "multipart/report"
    assert "nobody-2@taker.test" in report.as_string()
    assert report["Return-Path"] == "<>"


def test_a_reply_reaches_the_author_with_the_address_of_who_wrote_it(bouncing: Bouncing) -> None:
    server = bouncing.server
    message_id = bouncing.send("ann@taker.test", **{"from": "keeper@author.test", "track": {"replies": True}})
    server.wait_for_state(message_id, "delivered")
    wait_until(lambda: len(bouncing.postfix.delivered("ann@taker.test")) == 2, "the copy is delivered")
    copy = email.message_from_bytes(bouncing.postfix.delivered("ann@taker.test")[-1])
    reply = (
        f"From: Ann <ann@taker.test>\r\nTo: {copy['Reply-To']}\r\nSubject: Re: Your order\r\n"
        f"Message-ID: <re@taker.test>\r\nIn-Reply-To: {copy['Message-ID']}\r\n\r\nIt came in two pieces.\r\n\r\n"
        "On Monday, Shop <keeper@author.test> wrote:\r\n> Thank you\r\n"
    )
    before = len(bouncing.postfix.delivered("keeper@author.test"))
    with smtplib.SMTP("127.0.0.1", bouncing.inbound_port, timeout=60) as client:
        client.sendmail("ann@taker.test", [copy["Reply-To"]], reply.encode())

    wait_until(lambda: len(bouncing.postfix.delivered("keeper@author.test")) > before, "the author has the reply", 30)

    (told,) = bouncing.told("replied")
    assert told["detail"]["written"] == "It came in two pieces."
    assert told["recipient"]["address"] == "ann@taker.test"
    assert base64.b64decode(told["raw"]["base64"]).endswith(reply.encode().partition(b"\r\n\r\n")[2])
    mail = email.message_from_bytes(bouncing.postfix.delivered("keeper@author.test")[-1])
    assert "ann@taker.test" in (mail["From"], mail["Reply-To"]) or mail["From"] == "Ann <ann@taker.test>"
    assert mail["In-Reply-To"] == copy["Message-ID"]
    assert server.command("recount").startswith("0 of ")


def test_a_server_that_dies_at_work_loses_no_mail_that_came_in(bouncing: Bouncing) -> None:
    server = bouncing.server
    message_id = bouncing.send(*(f"nobody-3{number}@taker.test" for number in range(8)))
    before = len(bouncing.inbound())
    wait_until(lambda: len(bouncing.inbound()) > before + 2, "some bounces came in", 30)
    server.stop(9)

    server.start()

    def all_failed() -> bool:
        bouncing.postfix.flush()
        return set(server.states(message_id).values()) == {"failed"}

    wait_until(all_failed, "all have bounced", 60)
    assert server.command("recount").startswith("0 of ")
    assert all(mail["state"] == "done" for mail in bouncing.inbound())
