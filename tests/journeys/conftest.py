"""Running servers that journeys share: starting one costs seconds, and each test uses addresses of its own."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TypeVar

import pytest
from journeys_world import World
from peers.dns_server import DnsServer
from peers.smtp_sink import SmtpSink
from running_server import RunningServer

_Shared = TypeVar("_Shared")

OLD_ABILITIES = ("PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "SIZE 104857600")
"""Of a server without 8BITMIME and SMTPUTF8."""


@pytest.fixture(scope="session")
def _sandbox() -> Iterator[RunningServer]:
    with RunningServer(public_url="http://mail.postroom.test") as server:
        yield server


@pytest.fixture
def sandbox(_sandbox: RunningServer) -> Iterator[RunningServer]:
    """A server as a new installation has it: nothing leaves the machine."""
    yield from _with_log(_sandbox, _sandbox)


@pytest.fixture(scope="session")
def _world() -> Iterator[World]:
    with ExitStack() as stack:
        dns = stack.enter_context(DnsServer())
        sink = stack.enter_context(SmtpSink())
        old_sink = stack.enter_context(SmtpSink(abilities=OLD_ABILITIES, host="127.0.0.3", port=sink.port))
        dns.put("sink.test", "A", "127.0.0.1")
        dns.put("old-sink.test", "A", "127.0.0.3")
        for name, host in {"taker.test": "sink.test", "author.test": "sink.test", "old.test": "old-sink.test"}.items():
            dns.put(name, "MX", f"10 {host}.")
        dns.put("track.postroom.test", "A", "127.0.0.1")
        server = RunningServer(
            vouched=["author.test", "example.com"],
            transport="direct",
            resolver=dns.address,
            direct_port=str(sink.port),
            allow_private="127.0.0.0/8",
            public_url="http://track.postroom.test:{http_port}",
        )
        yield World(stack.enter_context(server), dns, sink, old_sink)


@pytest.fixture
def world(_world: World) -> Iterator[World]:
    """A server that delivers to MX hosts of our own; each test uses local-parts of its own."""
    yield from _with_log(_world, _world.server)


def _with_log(shared: _Shared, server: RunningServer) -> Iterator[_Shared]:
    """Yield `shared`, then print what the server logged meanwhile: pytest shows it beside a failure."""
    before = len(server.log())
    yield shared
    print(server.log()[before:])
