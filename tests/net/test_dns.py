"""Questions to DNS, answered by a server of our own."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st
from peers.dns_server import DnsServer, Trouble

from postroom.base.clock import ManualClock
from postroom.base.errors import SettingsError
from postroom.net.dns import MxRecord, Resolver, SrvRecord, Status, by_preference, is_null_mx


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def resolver(dns_server: DnsServer, clock: ManualClock) -> AsyncIterator[Resolver]:
    made = Resolver(f"127.0.0.1:{dns_server.port}", clock=clock, timeout_seconds=3, try_seconds=1)
    yield made
    await made.close()


async def test_each_type_of_record_is_found(resolver: Resolver, dns_server: DnsServer) -> None:
    dns_server.put("example.test", "MX", "20 B.example.test.", "10 a.example.test.")
    dns_server.put("example.test", "TXT", '"v=spf1 " "-all"', '"other"')
    dns_server.put("example.test", "A", "192.0.2.1", "192.0.2.2")
    dns_server.put("example.test", "AAAA", "2001:db8::1")
    dns_server.put("www.example.test", "CNAME", "Example.test.")
    assert set((await resolver.mx("example.test")).records) == {
        MxRecord(20, "b.example.test"),
        MxRecord(10, "a.example.test"),
    }
    assert set((await resolver.txt("Example.Test.")).records) == {"v=spf1 -all", "other"}
    *four, six = (await resolver.addresses("example.test")).records
    assert (set(four), six) == ({"192.0.2.1", "192.0.2.2"}, "2001:db8::1")
    assert set((await resolver.a("www.example.test")).records) == {"192.0.2.1", "192.0.2.2"}
    assert (await resolver.cname("www.example.test")).records == ("example.test",)


async def test_no_such_domain_no_data_and_a_temporary_failure_are_told_apart(
    resolver: Resolver, dns_server: DnsServer
) -> None:
    dns_server.put("example.test", "A", "192.0.2.1")
    dns_server.fail("broken.test")
    dns_server.fail("refused.test", Trouble.REFUSED)
    assert (await resolver.mx("example.test")).status is Status.NO_DATA
    assert (await resolver.mx("missing.test")).status is Status.NO_SUCH_DOMAIN
    assert (await resolver.mx("broken.test")).status is Status.TEMPORARY_FAILURE
    assert "broken.test" in (await resolver.mx("broken.test")).reason
    assert (await resolver.a("refused.test")).status is Status.TEMPORARY_FAILURE
    assert (await resolver.addresses("missing.test")).status is Status.NO_SUCH_DOMAIN
    assert (await resolver.addresses("example.test")).status is Status.FOUND


async def test_a_silent_server_is_a_temporary_failure(dns_server: DnsServer, clock: ManualClock) -> None:
    dns_server.fail("*", Trouble.SILENT)
    resolver = Resolver(f"127.0.0.1:{dns_server.port}", clock=clock, timeout_seconds=0.3, try_seconds=0.1)
    assert (await resolver.mx("example.test")).status is Status.TEMPORARY_FAILURE
    await resolver.close()


async def test_an_answer_too_long_for_udp_comes_by_tcp(resolver: Resolver, dns_server: DnsServer) -> None:
    dns_server.put("example.test", "A", "192.0.2.1")
    dns_server.fail("example.test", Trouble.TRUNCATED)
    assert (await resolver.a("example.test")).records == ("192.0.2.1",)


async def test_an_answer_is_asked_for_once_until_its_time_to_live_has_passed(
    resolver: Resolver, dns_server: DnsServer, clock: ManualClock
) -> None:
    dns_server.put("example.test", "A", "192.0.2.1")
    first = await resolver.a("example.test")
    assert first.seconds == dns_server.ttl
    clock.advance(seconds=dns_server.ttl - 1)
    assert (await resolver.a("EXAMPLE.test")).seconds == pytest.approx(1)
    assert dns_server.asked("example.test", "A") == 1
    clock.advance(seconds=2)
    await resolver.a("example.test")
    assert dns_server.asked("example.test", "A") == 2


async def test_negative_answers_and_failures_are_kept_for_a_short_while(
    resolver: Resolver, dns_server: DnsServer, clock: ManualClock
) -> None:
    dns_server.fail("broken.test")
    for name in ("missing.test", "broken.test"):
        await resolver.mx(name)
        asked = dns_server.asked(name, "MX")
        await resolver.mx(name)
        assert dns_server.asked(name, "MX") == asked
        clock.advance(seconds=901)
        await resolver.mx(name)
        assert dns_server.asked(name, "MX") > asked


async def test_many_recipients_of_one_domain_share_one_question(resolver: Resolver, dns_server: DnsServer) -> None:
    dns_server.put("example.test", "MX", "10 mx.example.test.")
    answers = await asyncio.gather(*(resolver.mx("example.test") for _ in range(50)))
    assert {answer.status for answer in answers} == {Status.FOUND}
    assert dns_server.asked("example.test", "MX") == 1


async def test_one_who_stops_waiting_does_not_end_the_question_of_the_others(
    resolver: Resolver, dns_server: DnsServer
) -> None:
    dns_server.put("example.test", "A", "192.0.2.1")
    first = asyncio.create_task(resolver.a("example.test"))
    second = asyncio.create_task(resolver.a("example.test"))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).records == ("192.0.2.1",)


async def test_the_cache_forgets_what_was_not_used_for_longest(dns_server: DnsServer, clock: ManualClock) -> None:
    resolver = Resolver(f"127.0.0.1:{dns_server.port}", clock=clock, cache_size=2)
    for name in ("a.test", "b.test", "c.test", "a.test"):
        await resolver.a(name)
    assert dns_server.asked("a.test", "A") == 2
    assert dns_server.asked("c.test", "A") == 1
    await resolver.close()


async def test_an_answer_of_a_size_that_only_strangers_need_is_not_kept(
    resolver: Resolver, dns_server: DnsServer
) -> None:
    dns_server.put("example.test", "TXT", " ".join(['"' + "x" * 250 + '"'] * 40))

    lengths = [len((await resolver.txt("example.test")).records[0]) for _ in range(2)]

    assert lengths == [10_000, 10_000]
    assert dns_server.asked("example.test", "TXT") > 2  # twice, each time by UDP and TCP


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "a..b",
        "x" * 64 + ".test",
        "x." * 200 + "test",
        "\\300.test",
        "xn--\ufffd.test",
        "a b.test",
        "\udcff.test",
        "a\0.test",
    ],
)
async def test_what_is_no_domain_name_is_an_answer_and_no_crash(
    resolver: Resolver, dns_server: DnsServer, name: str
) -> None:
    assert (await resolver.mx(name)).status is not Status.FOUND


async def test_a_name_in_unicode_is_asked_as_a_labels(resolver: Resolver, dns_server: DnsServer) -> None:
    dns_server.put("xn--mnchen-3ya.test", "A", "192.0.2.1")
    assert (await resolver.a("MÜNCHEN.test")).records == ("192.0.2.1",)


async def test_aliases_that_run_in_circles_are_a_temporary_failure(resolver: Resolver, dns_server: DnsServer) -> None:
    dns_server.put("a.test", "CNAME", "b.test.")
    dns_server.put("b.test", "CNAME", "a.test.")
    assert (await resolver.a("a.test")).status is not Status.FOUND


async def test_a_smarthost_may_be_an_address_localhost_or_a_name_of_the_hosts_file(
    dns_server: DnsServer, clock: ManualClock, tmp_path: Path
) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("# mine\n192.0.2.7 relay Relay.internal # the relay\n2001:db8::7 relay\nnonsense x\n\n")
    dns_server.put("mail.test", "A", "192.0.2.1")
    resolver = Resolver(f"127.0.0.1:{dns_server.port}", clock=clock, hosts_file=hosts)
    found = {}
    for name in (
        "192.0.2.3",
        "[2001:db8::3]",
        "localhost",
        "relay",
        "RELAY.internal",
        "mail.test",
        "missing.test",
        "x",
    ):
        found[name] = (await resolver.host_addresses(name)).records
    await resolver.close()
    assert found == {
        "192.0.2.3": ("192.0.2.3",),
        "[2001:db8::3]": ("2001:db8::3",),
        "localhost": ("127.0.0.1", "::1"),
        "relay": ("192.0.2.7", "2001:db8::7"),
        "RELAY.internal": ("192.0.2.7",),
        "mail.test": ("192.0.2.1",),
        "missing.test": (),
        "x": (),
    }


@pytest.mark.parametrize("server", ["localhost:53", "127.0.0.1:0", "127.0.0.1:70000", "127.0.0.1:x", "nonsense"])
async def test_a_resolver_setting_that_is_no_address_and_port_stops_the_start(clock: ManualClock, server: str) -> None:
    with pytest.raises(SettingsError, match="POSTROOM_RESOLVER"):
        Resolver(server, clock=clock)


def test_on_uvloop_questions_are_answered_by_udp_and_tcp(dns_server: DnsServer, clock: ManualClock) -> None:
    dns_server.put("example.test", "A", "192.0.2.1")
    dns_server.put("long.test", "A", "192.0.2.2")
    dns_server.fail("long.test", Trouble.TRUNCATED)

    async def run() -> list[tuple[str, ...]]:
        resolver = Resolver(f"127.0.0.1:{dns_server.port}", clock=clock)
        answers = [(await resolver.a(name)).records for name in ("example.test", "long.test", "missing.test")]
        await resolver.close()
        return answers

    assert uvloop.run(run()) == [("192.0.2.1",), ("192.0.2.2",), ()]


def test_mx_hosts_come_by_preference_and_equals_by_chance() -> None:
    records = [MxRecord(20, "c"), MxRecord(10, "a"), MxRecord(10, "b"), MxRecord(20, "a"), MxRecord(30, ".")]
    orders = {tuple(map(tuple, by_preference(records, random.Random(seed)))) for seed in range(20)}
    assert orders == {(("a", "b"), ("c",)), (("b", "a"), ("c",))}


@pytest.mark.parametrize(
    ("records", "null"),
    [
        ([MxRecord(0, ".")], True),
        ([MxRecord(10, ".")], True),
        ([MxRecord(0, "."), MxRecord(10, "a")], False),
        ([MxRecord(0, "a")], False),
        ([], False),
    ],
)
def test_one_mx_record_with_the_root_says_that_there_is_no_mail(records: list[MxRecord], null: bool) -> None:
    assert is_null_mx(records) is null


@given(st.lists(st.builds(MxRecord, st.integers(0, 65535), st.sampled_from("abc."))), st.integers())
def test_every_host_is_tried_once(records: list[MxRecord], seed: int) -> None:
    hosts = [host for group in by_preference(records, random.Random(seed)) for host in group]
    assert sorted(hosts) == sorted({record.host for record in records} - {"."})


async def test_services_are_found_with_priority_weight_and_port(resolver: Resolver, dns_server: DnsServer) -> None:
    dns_server.put("_imaps._tcp.example.test", "SRV", "10 5 993 IMAP.Example.test.")
    dns_server.put("_imap._tcp.example.test", "SRV", "0 0 0 .")

    there, not_there = await resolver.srv("_imaps._tcp.example.test"), await resolver.srv("_imap._tcp.example.test")

    assert there.records == (SrvRecord(10, 5, 993, "imap.example.test"),)
    assert not_there.records == (SrvRecord(0, 0, 0, "."),)
