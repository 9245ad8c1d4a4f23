"""`/metrics`: who may read it, and what it costs to count."""

from collections import defaultdict
from ipaddress import ip_network
from typing import Any

import pytest

from postroom.base.metrics import Histogram
from postroom.doors.http.metrics import MetricsDoor, route_class

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
PROXY = (ip_network("192.0.2.9/32"),)


class Asked:
    """One request at the door, and what came back."""

    def __init__(self, readers: Any = LOOPBACK, trusted: Any = ()) -> None:
        self.counts: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.door = MetricsDoor(
            self._behind, render=self._render, requests=self.counts, readers=readers, trusted_proxies=trusted
        )

    async def status(self, peer: str, path: str = "/metrics", forwarded: str | None = None, method: str = "GET") -> int:
        headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
        scope: Any = {"type": "http", "path": path, "method": method, "client": (peer, 9), "headers": headers}
        answers: list[Any] = []

        async def send(message: Any) -> None:
            answers.append(message)

        await self.door(scope, None, send)  # type: ignore[arg-type]
        status: int = answers[0]["status"]
        return status

    async def _render(self) -> bytes:
        return b"postroom_build_info 1\n"

    async def _behind(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
async def test_loopback_reads_the_metrics(peer: str) -> None:
    assert await Asked().status(peer) == 200


@pytest.mark.parametrize("peer", ["192.0.2.1", "2001:db8::1", ""])
async def test_for_others_there_is_no_such_page(peer: str) -> None:
    assert await Asked().status(peer) == 404


async def test_a_network_of_the_setting_reads_the_metrics() -> None:
    asked = Asked(readers=(ip_network("192.0.2.0/24"),))
    assert (await asked.status("192.0.2.77"), await asked.status("127.0.0.1")) == (200, 404)


async def test_a_proxy_on_loopback_that_is_not_trusted_opens_the_metrics_to_nobody() -> None:
    asked = Asked()
    assert await asked.status("127.0.0.1", forwarded="203.0.113.5") == 404
    assert await asked.status("127.0.0.1", forwarded="127.0.0.1") == 404


async def test_behind_a_trusted_proxy_the_client_decides() -> None:
    asked = Asked(trusted=PROXY)
    assert await asked.status("192.0.2.9", forwarded="203.0.113.5") == 404
    assert await asked.status("192.0.2.9", forwarded="203.0.113.5, 127.0.0.1") == 200
    assert await asked.status("192.0.2.9", forwarded="127.0.0.1, 203.0.113.5") == 404


async def test_only_reading_is_served() -> None:
    asked = Asked()
    assert (await asked.status("127.0.0.1", method="HEAD"), await asked.status("127.0.0.1", method="POST")) == (
        200,
        404,
    )


async def test_answers_are_counted_by_class_and_status() -> None:
    asked = Asked()

    await asked.status("203.0.113.5", "/api/v1/messages", method="POST")
    await asked.status("203.0.113.5", "/api/v1/recipients/rcp_aaaaaaaaaaaaa")
    await asked.status("203.0.113.5", "/wp-login.php")

    assert asked.counts == {("send", 404): 1, ("read", 404): 1, ("other", 404): 1}


@pytest.mark.parametrize(
    ("path", "method", "kind"),
    [
        ("/api/v1/messages", "POST", "send"),
        ("/api/v1/messages/batch", "POST", "send"),
        ("/api/v1/messages/msg_aaaaaaaaaaaaa/cancel", "POST", "change"),
        ("/api/v1/messages", "GET", "read"),
        ("/api/v1/domains/example.com", "DELETE", "change"),
        ("/health/ready", "GET", "health"),
        ("/w/default/", "GET", "other"),
    ],
)
def test_a_route_belongs_to_one_of_few_classes(path: str, method: str, kind: str) -> None:
    assert route_class(path, method) == kind


def test_a_histogram_counts_each_observation_once() -> None:
    histogram = Histogram((1, 10))

    for value in (0.5, 1, 2, 10, 11):
        histogram.observe(value)

    assert histogram.cumulative() == [("1", 2), ("10", 4), ("+Inf", 5)]
    assert histogram.total == 24.5
