"""Where mail for a domain goes next, asked of a DNS server of our own."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_network

import pytest
from peers.dns_server import DnsServer, Trouble

from postroom.base.clock import ManualClock
from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.net.dns import Resolver
from postroom.outbound.next_hop import MAX_ADDRESSES, MAX_HOSTS, DirectSettings, NextHops
from postroom.outbound.transport import NextHop, TransportKind, parse_transport

SETTINGS = DirectSettings(allow_private=(ip_network("127.0.0.0/8"), ip_network("::1/128")), port=2525)


@pytest.fixture
async def resolver(dns_server: DnsServer) -> AsyncIterator[Resolver]:
    made = Resolver(f"127.0.0.1:{dns_server.port}", clock=ManualClock(), timeout_seconds=2, try_seconds=0.5)
    yield made
    await made.close()


@pytest.fixture
def hops(resolver: Resolver) -> NextHops:
    return NextHops(resolver, SETTINGS, random.Random(1))


def dialled(hop: NextHop | Outcome) -> list[list[tuple[str, str]]]:
    assert isinstance(hop, NextHop), hop
    return [[(endpoint.host, endpoint.address) for endpoint in group] for group in hop.groups]


def outcome(hop: NextHop | Outcome) -> tuple[OutcomeKind, str]:
    assert isinstance(hop, Outcome), hop
    assert hop.reply.is_permanent is (hop.kind is OutcomeKind.FAILED)
    return hop.kind, hop.reply.enhanced


async def test_mx_hosts_come_in_groups_of_preference_with_their_addresses(
    hops: NextHops, dns_server: DnsServer
) -> None:
    dns_server.put("example.test", "MX", "10 a.test.", "20 c.test.", "10 b.test.")
    dns_server.put("a.test", "A", "127.0.0.1")
    dns_server.put("a.test", "AAAA", "::1")
    dns_server.put("b.test", "A", "127.0.0.2")
    dns_server.put("c.test", "A", "127.0.0.3")
    hop = await hops.direct("example.test")
    first, second = dialled(hop)
    assert set(first) == {("a.test", "127.0.0.1"), ("a.test", "::1"), ("b.test", "127.0.0.2")}
    assert second == [("c.test", "127.0.0.3")]
    assert isinstance(hop, NextHop)
    assert (hop.site, hop.provider, hop.groups[0][0].port) == ("a.test,b.test,c.test", "other", 2525)
    assert 0 < hop.seconds <= dns_server.ttl


async def test_a_domain_without_mx_is_its_own_host(hops: NextHops, dns_server: DnsServer) -> None:
    dns_server.put("example.test", "A", "127.0.0.1")
    assert dialled(await hops.direct("example.test")) == [[("example.test", "127.0.0.1")]]


async def test_a_domain_that_is_an_alias_is_followed(hops: NextHops, dns_server: DnsServer) -> None:
    dns_server.put("alias.test", "CNAME", "example.test.")
    dns_server.put("example.test", "MX", "10 a.test.")
    dns_server.put("a.test", "A", "127.0.0.1")
    assert dialled(await hops.direct("alias.test")) == [[("a.test", "127.0.0.1")]]


async def test_a_null_mx_has_failed_with_5_1_10(hops: NextHops, dns_server: DnsServer) -> None:
    dns_server.put("example.test", "MX", "0 .")
    dns_server.put("example.test", "A", "127.0.0.1")
    hop = await hops.direct("example.test")
    assert outcome(hop) == (OutcomeKind.FAILED, "5.1.10")
    assert isinstance(hop, Outcome)
    assert hop.reply.code == 556


@pytest.mark.parametrize("domain", ["missing.test", "a..test", "x" * 70 + ".test"])
async def test_a_domain_that_does_not_exist_has_failed_with_5_1_2(hops: NextHops, domain: str) -> None:
    assert outcome(await hops.direct(domain)) == (OutcomeKind.FAILED, "5.1.2")


async def test_a_domain_with_neither_mx_nor_address_has_failed(hops: NextHops, dns_server: DnsServer) -> None:
    dns_server.put("example.test", "TXT", '"hello"')
    assert outcome(await hops.direct("example.test")) == (OutcomeKind.FAILED, "5.1.2")


async def test_mx_hosts_without_addresses_have_failed(hops: NextHops, dns_server: DnsServer) -> None:
    dns_server.put("example.test", "MX", "10 missing.test.", "20 gone.test.")
    assert outcome(await hops.direct("example.test")) == (OutcomeKind.FAILED, "5.4.4")


@pytest.mark.parametrize("trouble", [Trouble.SERVFAIL, Trouble.SILENT])
async def test_while_dns_cannot_tell_the_mail_is_deferred(
    hops: NextHops, dns_server: DnsServer, trouble: Trouble
) -> None:
    dns_server.fail("example.test", trouble)
    assert outcome(await hops.direct("example.test")) == (OutcomeKind.DEFERRED, "4.4.3")


async def test_an_mx_host_that_dns_cannot_tell_leaves_hope_or_the_other_hosts(
    hops: NextHops, dns_server: DnsServer
) -> None:
    dns_server.put("example.test", "MX", "10 a.test.")
    dns_server.fail("a.test")
    assert outcome(await hops.direct("example.test")) == (OutcomeKind.DEFERRED, "4.4.3")
    dns_server.put("other.test", "MX", "10 a.test.", "20 b.test.")
    dns_server.put("b.test", "A", "127.0.0.2")
    assert dialled(await hops.direct("other.test")) == [[("b.test", "127.0.0.2")]]


async def test_our_own_name_cuts_the_list_at_its_preference(resolver: Resolver, dns_server: DnsServer) -> None:
    """RFC 5321 5.1: a backup MX sends to better hosts only, or mail runs in circles."""
    hops = NextHops(resolver, replace(SETTINGS, own_names=frozenset({"us.test"})), random.Random(1))
    dns_server.put("example.test", "MX", "10 a.test.", "20 us.test.", "20 b.test.", "30 c.test.")
    for name in ("a.test", "us.test", "b.test", "c.test"):
        dns_server.put(name, "A", "127.0.0.1")
    assert dialled(await hops.direct("example.test")) == [[("a.test", "127.0.0.1")]]
    dns_server.put("loop.test", "MX", "10 us.test.", "20 a.test.")
    assert outcome(await hops.direct("loop.test")) == (OutcomeKind.FAILED, "5.4.6")
    dns_server.put("us.test", "MX", "10 us.test.")
    assert outcome(await hops.direct("us.test")) == (OutcomeKind.FAILED, "5.4.6")


async def test_our_own_address_cuts_the_list_too(resolver: Resolver, dns_server: DnsServer) -> None:
    hops = NextHops(resolver, replace(SETTINGS, own_addresses=frozenset({"127.0.0.9"})), random.Random(1))
    dns_server.put("example.test", "MX", "10 a.test.", "20 us.test.", "30 c.test.")
    dns_server.put("a.test", "A", "127.0.0.1")
    dns_server.put("us.test", "A", "127.0.0.9")
    dns_server.put("c.test", "A", "127.0.0.1")
    assert dialled(await hops.direct("example.test")) == [[("a.test", "127.0.0.1")]]
    dns_server.put("loop.test", "MX", "10 us.test.")
    assert outcome(await hops.direct("loop.test")) == (OutcomeKind.FAILED, "5.4.6")
    assert outcome(await hops.direct("[127.0.0.9]")) == (OutcomeKind.FAILED, "5.4.6")


async def test_private_addresses_are_left_out(hops: NextHops, dns_server: DnsServer) -> None:
    """An MX record is written by a stranger: it must not make us dial our own network."""
    dns_server.put("example.test", "MX", "10 a.test.", "20 b.test.")
    dns_server.put("a.test", "A", "10.0.0.1", "169.254.169.254", "127.0.0.1")
    dns_server.put("a.test", "AAAA", "::ffff:10.0.0.1", "fe80::1")
    dns_server.put("b.test", "A", "192.168.0.1")
    assert dialled(await hops.direct("example.test")) == [[("a.test", "127.0.0.1")]]
    dns_server.put("only.test", "MX", "10 b.test.")
    assert outcome(await hops.direct("only.test")) == (OutcomeKind.FAILED, "5.4.4")


@pytest.mark.parametrize(
    ("literal", "address"), [("[127.0.0.1]", "127.0.0.1"), ("[IPv6:::1]", "::1"), ("[ipv6:::ffff:127.0.0.1]", None)]
)
async def test_an_address_literal_is_dialled_as_it_stands(hops: NextHops, literal: str, address: str | None) -> None:
    hop = await hops.direct(literal)
    assert isinstance(hop, NextHop)
    assert hop.site == literal
    if address is not None:
        assert dialled(hop) == [[(address, address)]]


@pytest.mark.parametrize(
    ("literal", "status"),
    [("[10.0.0.1]", "5.4.4"), ("[IPv6:fe80::1]", "5.4.4"), ("[x]", "5.1.2"), ("[tag:x]", "5.1.2"), ("[", "5.1.2")],
)
async def test_other_address_literals_have_failed(hops: NextHops, literal: str, status: str) -> None:
    assert outcome(await hops.direct(literal)) == (OutcomeKind.FAILED, status)


async def test_a_domain_with_very_many_hosts_is_asked_and_dialled_within_limits(
    hops: NextHops, dns_server: DnsServer
) -> None:
    dns_server.put("example.test", "MX", *(f"{number} mx{number}.test." for number in range(50)))
    for number in range(50):
        dns_server.put(f"mx{number}.test", "A", *(f"127.0.{number}.{host}" for host in range(1, 8)))
    groups = dialled(await hops.direct("example.test"))
    assert sum(map(len, groups)) <= MAX_ADDRESSES
    assert groups[0][0][0] == "mx0.test"
    assert sum(dns_server.asked(f"mx{number}.test", "A") for number in range(50)) == MAX_HOSTS


async def test_domains_of_a_provider_share_its_site(hops: NextHops, dns_server: DnsServer) -> None:
    dns_server.put("aspmx.l.google.com", "A", "127.0.0.1")
    for domain in ("one.test", "two.test"):
        dns_server.put(domain, "MX", "1 ASPMX.L.GOOGLE.com.")
        hop = await hops.direct(domain)
        assert isinstance(hop, NextHop)
        assert (hop.site, hop.provider) == ("google", "google")


async def test_a_smarthost_is_the_next_hop_of_every_domain(hops: NextHops, dns_server: DnsServer) -> None:
    dns_server.put("relay.test", "A", "10.0.0.1", "10.0.0.2")
    setting = parse_transport("smtp://ann:pw@relay.test:2500?tls=verify")
    hop = await hops.of(setting, "gmail.com")
    assert isinstance(hop, NextHop)
    assert (hop.kind, hop.site, hop.provider) == (TransportKind.SMARTHOST, "relay.test:2500", "google")
    # The guard is for addresses that strangers write: the operator's own smarthost may be private.
    assert {endpoint.address for group in hop.groups for endpoint in group} == {"10.0.0.1", "10.0.0.2"}
    assert hop.groups[0][0].credentials == setting.credentials


async def test_a_smarthost_without_address_leaves_the_mail_waiting(hops: NextHops) -> None:
    assert outcome(await hops.of(parse_transport("smtp://missing.test"), "x.test")) == (OutcomeKind.DEFERRED, "4.4.3")


async def test_the_sandbox_asks_nobody(hops: NextHops, dns_server: DnsServer) -> None:
    hop = await hops.of(parse_transport("sandbox"), "gmail.com")
    assert isinstance(hop, NextHop)
    assert (hop.kind, hop.site, hop.provider, hop.groups) == (TransportKind.SANDBOX, "sandbox", "google", ())
    assert dns_server.questions == []
