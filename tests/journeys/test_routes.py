"""Routes of the running program: mail comes in at the door and goes to a webhook, to another address, or nowhere."""

import smtplib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from journeys_world import World
from peers.http_receiver import HttpReceiver, answer
from peers.process import wait_until
from peers.smtp_sink import Mail, SmtpSink
from running_server import RunningServer
from standardwebhooks.webhooks import Webhook

from postroom.mail.dkim.signature import Algorithm
from postroom.outbound.sign import SigningKey

LETTER = (
    b"From: Ada <ada@ada.test>\r\nTo: %s\r\nSubject: Hello\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
    b"Message-ID: <1@ada.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    b"Is it there?\r\n"
)


@dataclass(frozen=True, slots=True)
class Author:
    """Who signs for ada.test."""

    key: bytes
    """PEM."""
    record: str


@dataclass(frozen=True, slots=True)
class Post:
    """A server that delivers directly, a receiver of webhooks, and somebody who writes."""

    server: RunningServer
    sink: SmtpSink
    receiver: HttpReceiver
    author: Author

    def route(self, recipient: str, action: str, target: str = "") -> dict[str, Any]:
        asked = {"recipient": recipient, "action": action, "target": target}
        made: dict[str, Any] = self.server.api.post("/routes", asked)
        return made

    def bring(self, to: str, *, signed: bool = True) -> dict[str, Any]:
        """Hand a mail in at the inbound door, as another server does; return it once it is understood."""
        raw = LETTER % to.encode()
        if signed:
            raw = dkim.sign(raw, b"s1", b"ada.test", self.author.key) + raw
        with smtplib.SMTP("127.0.0.1", self.server.inbound_port, timeout=30) as client:
            client.sendmail("ada@ada.test", [to], raw)
        found: list[dict[str, Any]] = []

        def is_done() -> bool:
            found[:] = self.server.api.get(f"/inbound?recipient={quote(to)}&state=done")["items"]
            return bool(found)

        wait_until(is_done, f"the mail to {to} is understood", 30)
        return found[0]

    def handed_on(self, inbound_id: str) -> list[dict[str, Any]]:
        """Return the tries to hand a mail on, once there is one."""
        found: list[dict[str, Any]] = []

        def is_tried() -> bool:
            found[:] = self.server.api.get(f"/inbound/{inbound_id}")["handed_on"]
            return bool(found)

        wait_until(is_tried, "the mail is handed on", 30)
        return found

    def forwarded(self, to: str) -> Mail:
        """Return the mail that the smarthost got for an address, once it is there."""
        wait_until(lambda: bool(self.sink.mails_to(to)), f"a mail for {to} is there", 30)
        return self.sink.mails_to(to)[0]

    def txt(self, name: bytes, timeout: int = 5) -> bytes | None:
        """Return a TXT record as the verifiers ask for it."""
        text = name.decode().rstrip(".")
        records = {one["name"]: one["value"] for one in self.server.api.get("/domains/example.com")["records"]}
        if text.startswith("s1._domainkey."):
            return self.author.record.encode()
        return records.get(text, "").encode() or None


@pytest.fixture(scope="module")
def author() -> Author:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return Author(pem, SigningKey("ada.test", "s1", Algorithm.RSA, key).record_text())


@pytest.fixture
def post(world: World, author: Author) -> Iterator[Post]:
    texts = {
        "s1._domainkey.ada.test": f'"{author.record[:250]}" "{author.record[250:]}"',
        "ada.test": '"v=spf1 ip4:127.0.0.1 -all"',
        "_dmarc.ada.test": '"v=DMARC1; p=reject"',
    }
    for name, text in texts.items():
        world.dns.put(name, "TXT", text)
    with HttpReceiver() as receiver:
        yield Post(world.server, world.sink, receiver, author)


def test_a_mail_for_a_route_reaches_its_webhook_signed_parsed_and_whole(post: Post) -> None:
    made = post.route("support@example.com", "webhook", post.receiver.url("/support"))

    mail = post.bring("Support+7@example.com")

    wait_until(lambda: bool(post.receiver.received("/support")), "the webhook is told", 30)
    [request] = post.receiver.received("/support")
    told = Webhook(made["secret"]).verify(request.body, request.header)
    assert told["id"] == mail["id"] == request.header["webhook-id"]
    assert told["data"]["route"] == made["route"]["id"]
    assert told["data"]["mail"]["text"].strip() == "Is it there?"
    assert told["data"]["verdicts"]["dmarc"]["result"] == "pass"
    raw = post.server.api.request("GET", f"/inbound/{mail['id']}/raw")
    assert raw.body.endswith(LETTER % b"Support+7@example.com")
    assert [one["succeeded"] for one in post.handed_on(mail["id"])] == [True]


def test_a_webhook_that_forbids_it_hears_of_the_mail_once(post: Post) -> None:
    post.route("forbidden@example.com", "webhook", post.receiver.url("/forbidden"))
    post.receiver.behave("/forbidden", answer(403))

    mail = post.bring("forbidden@example.com")

    assert [one["why"] for one in post.handed_on(mail["id"])] == ["HTTP 403; not tried again"]
    assert post.server.api.get(f"/inbound/{mail['id']}")["next_try_at"] is None


def test_a_webhook_that_is_away_is_asked_again_later(post: Post) -> None:
    post.route("away@example.com", "webhook", post.receiver.url("/away"))
    post.receiver.behave("/away", answer(500))

    mail = post.bring("away@example.com")

    [tried] = post.handed_on(mail["id"])
    assert tried["why"].startswith("HTTP 500; tried again in ")
    assert post.server.api.get(f"/inbound/{mail['id']}")["next_try_at"] is not None


def test_a_forward_arrives_with_its_author_our_signature_and_our_seal(post: Post) -> None:
    post.route("boss@example.com", "forward", "boss@taker.test")

    mail = post.bring("boss@example.com")
    arrived = post.forwarded("boss@taker.test")

    assert LETTER % b"boss@example.com" in arrived.data
    assert b"Delivered-To: boss@example.com\r\n" in arrived.data
    assert arrived.reverse_path.startswith("b-")
    verifier = dkim.DKIM(arrived.data)
    signatures = [value for name, value in verifier.headers if name.lower() == b"dkim-signature"]
    assert [b"d=ada.test" in value for value in signatures] == [False] * (len(signatures) - 1) + [True]
    assert all(verifier.verify(idx=at, dnsfunc=post.txt) for at in range(len(signatures)))
    validity, chain, why = dkim.ARC(arrived.data).verify(dnsfunc=post.txt)
    assert validity == dkim.CV_Pass, (why, chain)
    [tried] = post.handed_on(mail["id"])
    assert post.server.api.get(f"/messages/{tried['message']}")["source"] == "route"


def test_a_forward_whose_author_is_known_by_spf_alone_names_the_address_that_got_it(post: Post) -> None:
    post.route("spf@example.com", "forward", "spf@taker.test")

    post.bring("spf@example.com", signed=False)
    arrived = post.forwarded("spf@taker.test")

    assert b'From: "Ada via example.com" <spf@example.com>\r\n' in arrived.data
    assert b"Reply-To: Ada <ada@ada.test>\r\n" in arrived.data


def test_at_the_door_a_refusing_route_and_no_route_are_told_apart(post: Post) -> None:
    post.route("closed@example.com", "refuse")

    with smtplib.SMTP("127.0.0.1", post.server.inbound_port, timeout=30) as client:
        client.ehlo("mx.ada.test")
        client.mail("ada@ada.test")
        assert client.rcpt("closed@example.com")[0:1] == (550,)
        assert client.rcpt("closed@example.com")[1].startswith(b"5.7.1")
        assert client.rcpt("nobody@example.com")[1].startswith(b"5.1.1")
        assert client.rcpt("postmaster@example.com")[0] == 250
