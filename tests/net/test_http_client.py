"""Requests to addresses that others wrote: only checked ones are dialled, no peer costs more than its bounds."""

import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_network
from pathlib import Path

import httpcore2
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from peers.dns_server import DnsServer
from peers.http_receiver import HttpReceiver, answer, drip, endless, hang, raw

from postroom.base.clock import ManualClock
from postroom.net.dns import Resolver
from postroom.net.http_client import (
    AddressRefused,
    HttpClient,
    HttpLimits,
    NoAnswer,
    read_url,
    refused_literal,
)

LOOPBACK = (ip_network("127.0.0.0/8"),)
FAST = HttpLimits(connect_seconds=2, whole_seconds=0.5, answer_bytes=1000)


class CountingBackend(httpcore2.AnyIOBackend):
    """Notes every address that is dialled."""

    def __init__(self) -> None:
        self.dialled: list[tuple[str, int]] = []

    async def connect_tcp(  # type: ignore[no-untyped-def]
        self, host, port, *rest
    ) -> httpcore2.AsyncNetworkStream:
        self.dialled.append((host, port))
        return await super().connect_tcp(host, port, *rest)


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as running:
        yield running


@pytest.fixture
def backend() -> CountingBackend:
    return CountingBackend()


@pytest.fixture
async def resolver(dns_server: DnsServer) -> AsyncIterator[Resolver]:
    made = Resolver(dns_server.address, clock=ManualClock(), hosts_file=None)
    yield made
    await made.close()


@pytest.fixture
async def client(resolver: Resolver, backend: CountingBackend) -> AsyncIterator[HttpClient]:
    made = HttpClient(resolver, allow_private=LOOPBACK, limits=FAST, backend=backend)
    yield made
    await made.close()


async def test_a_name_is_dialled_at_its_address_and_named_in_host(
    client: HttpClient, receiver: HttpReceiver, dns_server: DnsServer, backend: CountingBackend
) -> None:
    dns_server.put("hook.test", "A", "127.0.0.1")
    receiver.behave("/in?x=1", answer(200, b"thanks", x_request="7"))

    got = await client.post(receiver.url("/in?x=1", "hook.test"), [("X-Custom", "yes")], b"{}")

    assert (got.status, got.body, got.is_cut, got.field("x-request")) == (200, b"thanks", False, "7")
    (request,) = receiver.requests
    assert request.header["host"] == f"hook.test:{receiver.port}"
    assert (request.header["x-custom"], request.body) == ("yes", b"{}")
    assert backend.dialled == [("127.0.0.1", receiver.port)]


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "168.63.129.16"],
)
async def test_a_name_that_leads_inside_is_refused_before_any_connection(
    address: str, resolver: Resolver, dns_server: DnsServer, backend: CountingBackend
) -> None:
    dns_server.put("inside.test", "A", address)
    client = HttpClient(resolver, backend=backend)

    with pytest.raises(AddressRefused, match=f"inside.test leads to {address}"):
        await client.post("http://inside.test/", [], b"")

    assert backend.dialled == []
    await client.close()


@pytest.mark.parametrize(
    "address",
    [
        "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "fe80::1", "fd00::1", "fc00::1", "64:ff9b::a00:1",
        "2002:7f00:1::", "ff02::1", "::",
    ],
)  # fmt: skip
async def test_an_ipv6_address_that_leads_inside_is_refused_before_any_connection(
    address: str, resolver: Resolver, dns_server: DnsServer, backend: CountingBackend
) -> None:
    dns_server.put("inside.test", "AAAA", address)
    client = HttpClient(resolver, backend=backend)

    with pytest.raises(AddressRefused):
        await client.post("https://inside.test/", [], b"")
    with pytest.raises(AddressRefused):
        await client.post(f"https://[{address}]/", [], b"")

    assert backend.dialled == []
    await client.close()


async def test_of_several_addresses_only_allowed_ones_are_dialled(
    client: HttpClient, receiver: HttpReceiver, dns_server: DnsServer, backend: CountingBackend
) -> None:
    dns_server.put("mixed.test", "A", "10.1.2.3", "127.0.0.1", "192.168.0.7")

    await client.post(receiver.url("/", "mixed.test"), [], b"")

    assert backend.dialled == [("127.0.0.1", receiver.port)]


async def test_the_next_address_is_tried_where_one_does_not_answer(
    receiver: HttpReceiver, dns_server: DnsServer, resolver: Resolver
) -> None:
    dns_server.put("two.test", "A", "127.0.0.9", "127.0.0.1")

    class FirstFails(CountingBackend):
        async def connect_tcp(self, host, *rest) -> httpcore2.AsyncNetworkStream:  # type: ignore[no-untyped-def]
            if not self.dialled:
                self.dialled.append((host, 0))
                raise httpcore2.ConnectTimeout
            return await super().connect_tcp("127.0.0.1", *rest)

    backend = FirstFails()
    client = HttpClient(resolver, allow_private=LOOPBACK, limits=FAST, backend=backend)

    assert (await client.post(receiver.url("/", "two.test"), [], b"")).status == 204
    assert len(backend.dialled) == 2
    await client.close()


async def test_a_name_that_changes_between_check_and_connection_is_dialled_where_it_was_checked(
    receiver: HttpReceiver, dns_server: DnsServer, resolver: Resolver
) -> None:
    """DNS rebinding: the second answer leads inside, and nobody asks for a second answer."""
    dns_server.put("rebind.test", "A", "127.0.0.1")

    class Rebinding(CountingBackend):
        async def connect_tcp(self, host, port, *rest) -> httpcore2.AsyncNetworkStream:  # type: ignore[no-untyped-def]
            dns_server.put("rebind.test", "A", "10.0.0.1")
            resolver.forget("rebind.test")
            return await super().connect_tcp(host, port, *rest)

    backend = Rebinding()
    client = HttpClient(resolver, allow_private=LOOPBACK, limits=FAST, backend=backend)

    assert (await client.post(receiver.url("/", "rebind.test"), [], b"")).status == 204
    assert backend.dialled == [("127.0.0.1", receiver.port)]
    assert dns_server.asked("rebind.test", "A") == 1
    await client.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(
    status: int, client: HttpClient, receiver: HttpReceiver, backend: CountingBackend
) -> None:
    receiver.behave("/", answer(status, location=receiver.url("/secret")))

    assert (await client.post(receiver.url("/"), [], b"")).status == status
    assert receiver.received("/secret") == []
    assert len(backend.dialled) == 1


async def test_proxies_and_passwords_of_the_environment_are_not_used(
    client: HttpClient, receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ann password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))

    await client.post(receiver.url("/"), [], b"")

    assert "authorization" not in receiver.requests[0].header


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (hang(5), "no whole answer within 0.5 seconds"),
        (drip(), "no whole answer within 0.5 seconds"),
        (raw(b""), "ended without an HTTP answer"),
        (raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "ended without an HTTP answer"),
        (raw(b"\x00\xff" * 500), "ended without an HTTP answer"),
        (raw(b"HTTP/1.1 200 OK\r\n" + b"X-Filler: " + b"a" * 200_000), "ended without an HTTP answer"),
        (raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 50), "ended without an HTTP answer"),
    ],
    ids=["hangs", "drips", "closes", "another protocol", "noise", "endless header", "only interim answers"],
)
async def test_a_peer_that_does_not_answer_ends_in_words(
    behaviour: object, words: str, client: HttpClient, receiver: HttpReceiver
) -> None:
    receiver.behave("/", behaviour)  # type: ignore[arg-type]

    with pytest.raises(NoAnswer, match=words):
        await client.post(receiver.url("/"), [], b"{}")


async def test_an_endless_body_is_cut_and_its_status_counts(client: HttpClient, receiver: HttpReceiver) -> None:
    receiver.behave("/", endless())

    got = await client.post(receiver.url("/"), [], b"{}")

    assert (got.status, len(got.body), got.is_cut) == (200, FAST.answer_bytes, True)


async def test_a_body_that_breaks_off_keeps_its_status(client: HttpClient, receiver: HttpReceiver) -> None:
    receiver.behave("/", raw(b"HTTP/1.1 202 OK\r\nContent-Length: 100\r\n\r\nhalf"))

    got = await client.post(receiver.url("/"), [], b"{}")

    assert (got.status, got.body, got.is_cut) == (202, b"half", True)


async def test_a_compressed_answer_is_not_unpacked(client: HttpClient, receiver: HttpReceiver) -> None:
    receiver.behave("/", answer(200, b"\x1f\x8b bomb", content_encoding="gzip"))

    assert (await client.post(receiver.url("/"), [], b"{}")).body == b"\x1f\x8b bomb"


async def test_answers_with_very_many_fields_are_cut(client: HttpClient, receiver: HttpReceiver) -> None:
    receiver.behave("/", answer(200, **{f"x_{number}": "1" for number in range(500)}))

    assert len((await client.post(receiver.url("/"), [], b"{}")).header) == 200


async def test_a_connection_is_used_again(client: HttpClient, receiver: HttpReceiver) -> None:
    for _ in range(3):
        await client.post(receiver.url("/"), [], b"{}")

    assert (receiver.connections, len(receiver.requests)) == (1, 3)


async def test_a_name_without_address_and_a_port_without_listener_are_told_in_words(
    client: HttpClient, dns_server: DnsServer
) -> None:
    with pytest.raises(NoAnswer, match=r"DNS knows no address of nowhere.test"):
        await client.post("http://nowhere.test/", [], b"")
    dns_server.fail("broken.test")
    with pytest.raises(NoAnswer, match=r"no answer from DNS for broken.test"):
        await client.post("http://broken.test/", [], b"")
    with pytest.raises(NoAnswer, match=r"cannot connect to 127.0.0.1 \[127.0.0.1\]:1"):
        await client.post("http://127.0.0.1:1/", [], b"")


async def test_certificates_are_checked_against_the_name(
    resolver: Resolver, dns_server: DnsServer, backend: CountingBackend, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hook.test").configure_cert(context)
    names: list[str] = []
    context.set_servername_callback(lambda sock, name, ctx: names.append(name))
    dns_server.put("hook.test", "A", "127.0.0.1")
    dns_server.put("other.test", "A", "127.0.0.1")
    trusting = HttpClient(
        resolver, allow_private=LOOPBACK, limits=HttpLimits(), backend=backend, authorities=tmp_path / "ca.pem"
    )
    doubting = HttpClient(resolver, allow_private=LOOPBACK, limits=HttpLimits(), backend=backend)

    with HttpReceiver(context) as receiver:
        assert (await trusting.post(receiver.url("/", "hook.test"), [], b"")).status == 204
        with pytest.raises(NoAnswer, match=r"no TLS connection to other.test"):
            await trusting.post(receiver.url("/", "other.test"), [], b"")
        with pytest.raises(NoAnswer, match=r"no TLS connection to hook.test"):
            await doubting.post(receiver.url("/", "hook.test"), [], b"")

    assert names == ["hook.test", "other.test", "hook.test"]
    assert len(receiver.requests) == 1
    await trusting.close()
    await doubting.close()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://host/", "https://"),
        ("//host/", "https://"),
        ("http://", "no host"),
        ("http://ann:secret@host/", "user name or password"),
        ("http://host/#part", "fragment"),
        ("http://host:0/", "port"),
        ("http://host:65536/", "port"),
        ("http://ho st/", "spaces"),
        ("http://host/\r\nX-Evil: 1", "spaces or control"),
        ("http://ho%20st/", "host"),
        ("http://①②⑦.0.0.1/", "no address"),
        ("http://[::1/", "no address"),
        ("http://" + "a" * 2000, "2000"),
    ],
)
def test_what_is_no_address_for_requests_is_told_in_words(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_url(url)


def test_an_international_name_is_dialled_by_its_a_labels() -> None:
    assert read_url("https://bücher.example/ü?q=ü").raw_host == b"xn--bcher-kva.example"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "10.0.0.1", "[::ffff:7f00:1]", "169.254.169.254"])
def test_a_private_literal_is_known_before_anything_is_dialled(host: str) -> None:
    assert refused_literal(read_url(f"http://{host}/"), ())


def test_a_name_and_an_allowed_literal_are_not_refused_early() -> None:
    assert not refused_literal(read_url("http://localhost/"), ())
    assert not refused_literal(read_url("http://127.0.0.1/"), LOOPBACK)
    assert not refused_literal(read_url("http://8.8.8.8/"), ())


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_is_refused(text: str) -> None:
    for candidate in (text, "http://" + text, "https://h/" + text):
        with contextlib.suppress(ValueError):
            assert read_url(candidate).scheme in ("http", "https")


async def test_a_get_asks_without_a_body(client: HttpClient, receiver: HttpReceiver, dns_server: DnsServer) -> None:
    dns_server.put("ask.test", "A", "127.0.0.1")
    receiver.behave("/what?x=1", answer(200, b"this"))

    got = await client.get(receiver.url("/what?x=1", "ask.test"), [("Authorization", "Bearer t")])

    assert (got.status, got.body) == (200, b"this")
    (request,) = receiver.requests
    assert (request.body, request.header["authorization"]) == (b"", "Bearer t")
    assert "content-length" not in request.header
