"""Webhooks of the running program: told after a send, verified by the standard's library, complete after kill -9."""

import asyncio
import signal
from collections import Counter
from typing import Any

from peers.dns_server import DnsServer
from peers.http_receiver import HttpReceiver, Received, response
from peers.process import wait_until
from running_server import RunningServer
from standardwebhooks.webhooks import Webhook

LETTER = {"from": "shop@example.com", "subject": "Your order", "text": "Thank you"}


def send(server: RunningServer, *to: str) -> dict[str, Any]:
    sent: dict[str, Any] = server.api.post("/messages", {**LETTER, "to": list(to), "tags": ["order"]})
    return sent


async def slowly(received: Received, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.02)
    writer.write(response(204))
    await writer.drain()


def test_an_endpoint_hears_of_a_mail_and_verifies_it(dns_server: DnsServer) -> None:
    dns_server.put("hook.test", "A", "127.0.0.1")
    with HttpReceiver() as receiver, RunningServer(resolver=dns_server.address) as server:
        url = receiver.url("/in", "hook.test")
        made = server.api.post("/webhooks", {"url": url, "kinds": ["accepted", "delivered"]})
        hook, secret = made["endpoint"]["id"], made["secret"]
        tested = server.api.post(f"/webhooks/{hook}/test", None)["attempt"]
        assert tested["why"].startswith("hook.test leads to 127.0.0.1, inside a network that may not be dialled")
        assert server.api.request("POST", "/webhooks", {"url": receiver.url("/in")}).status == 422
        assert receiver.connections == 0

        server.restart(allow_private="127.0.0.0/8")
        sent = send(server, "ann@example.net", "bob@example.net")
        wait_until(lambda: len(receiver.told("/in")) == 3, "three events are told", 30)

        bodies = [Webhook(secret).verify(one.body, one.header) for one in receiver.received("/in")]
        assert Counter(body["type"] for body in bodies) == {"accepted": 1, "delivered": 2}
        assert {body["data"]["message"]["id"] for body in bodies} == {sent["id"]}
        delivered = [body for body in bodies if body["type"] == "delivered"]
        assert {one["data"]["recipient"]["address"] for one in delivered} == {"ann@example.net", "bob@example.net"}

        log = server.api.get(f"/webhooks/{hook}/attempts")["items"]
        again = server.api.post(f"/webhooks/{hook}/replay", {"attempt": log[0]["id"]})
        assert again == {"events": 1, "next": None}
        wait_until(lambda: len(receiver.told("/in")) == 4, "the event is told again", 30)
        assert receiver.told("/in")[-1] in receiver.told("/in")[:3]
        assert server.stop() == 0
        assert '"level": "error"' not in server.log()


def test_after_kill_9_everything_is_told_with_the_same_ids() -> None:
    with RunningServer(allow_private="127.0.0.0/8") as server, HttpReceiver() as receiver:
        receiver.behave("/in", slowly)
        server.api.post("/webhooks", {"url": receiver.url("/in"), "kinds": ["delivered"]})
        recipients = [f"user{number}@example.net" for number in range(100)]
        send(server, *recipients)
        wait_until(lambda: len(receiver.requests) >= 30, "some are told", 60)
        server.stop(signal.SIGKILL)
        server.start()

        wait_until(lambda: len(set(receiver.told("/in"))) == 100, "all are told", 90)

        times = Counter(receiver.told("/in"))
        assert max(times.values()) <= 2
        # Four requests were under way when it died, and some answers were not written yet.
        assert sum(times.values()) <= 100 + 12
