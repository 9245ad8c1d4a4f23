"""SPF of mail that comes in (RFC 7208), by the test suite of its authors and with a DNS server of our own."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from memory_dns import TIMEOUT, MemoryDns, Records
from peers.dns_server import DnsServer, Trouble
from peers.require import SUITES, require_peer

from postroom.base.clock import ManualClock
from postroom.inbound.spf import check_spf
from postroom.mail.authentication import Result
from postroom.net.dns import Resolver

CLIENT = "192.0.2.1"


@pytest.fixture
async def resolver(dns_server: DnsServer) -> AsyncIterator[Resolver]:
    made = Resolver(f"127.0.0.1:{dns_server.port}", clock=ManualClock(), timeout_seconds=0.5, try_seconds=0.2)
    yield made
    await made.close()


# The suite


async def test_all_203_cases_of_the_rfc_7208_suite_have_the_result_that_it_asks_for() -> None:
    require_peer("suites")
    (suite,) = SUITES.glob("pyspf-*/test/rfc7208-tests.yml")
    wrong = []
    count = 0
    for scenario in yaml.load_all(suite.read_bytes(), yaml.CSafeLoader):
        zone = {name: _with_txt(records) for name, records in scenario["zonedata"].items()}
        for name, case in scenario["tests"].items():
            count += 1
            verdict = await check_spf(MemoryDns(zone), case["host"], case["helo"], case["mailfrom"])
            # Some cases allow two results, the better one first.
            allowed = [case["result"]] if isinstance(case["result"], str) else case["result"]
            explanation = case.get("explanation", verdict.explanation or "DEFAULT")
            if verdict.result not in allowed or (verdict.explanation or "DEFAULT") != explanation:
                wrong.append((name, allowed, explanation, verdict))

    assert wrong == []
    assert count == 203


def _with_txt(records: list[Any]) -> Records:
    """Return a name's records with TXT: the suite writes SPF where it means both, unless there is a TXT too."""
    maps = [record for record in records if record != TIMEOUT]
    if any("TXT" in record for record in maps):
        return [record for record in records if record == TIMEOUT or record.get("TXT") != "NONE"]
    return [*records, *({"TXT": record["SPF"]} for record in maps if "SPF" in record)]


# Through the resolver


async def test_a_client_passes_fails_or_is_doubted_by_what_its_domain_publishes(
    resolver: Resolver, dns_server: DnsServer
) -> None:
    dns_server.put("pass.test", "TXT", '"v=spf1 a:mail.pass.test -all"')
    dns_server.put("mail.pass.test", "A", CLIENT)
    dns_server.put("fail.test", "TXT", '"v=spf1 -all exp=why.fail.test"')
    dns_server.put("why.fail.test", "TXT", '"%{i} is not ours"')
    dns_server.put("soft.test", "TXT", '"v=spf1 mx ~all"', '"other"')
    dns_server.put("soft.test", "MX", "10 mail.pass.test.")
    dns_server.put("include.test", "TXT", '"v=spf1 include:soft.test" " ?all"')
    found = {
        (domain, client): await check_spf(resolver, client, "helo.test", f"ada@{domain}")
        for domain in ("pass.test", "fail.test", "soft.test", "include.test", "none.test")
        for client in (CLIENT, "2001:db8::1")
    }

    assert {key: str(verdict.result) for key, verdict in found.items()} == {
        ("pass.test", CLIENT): "pass",
        ("pass.test", "2001:db8::1"): "fail",
        ("fail.test", CLIENT): "fail",
        ("fail.test", "2001:db8::1"): "fail",
        ("soft.test", CLIENT): "pass",
        ("soft.test", "2001:db8::1"): "softfail",
        ("include.test", CLIENT): "pass",
        ("include.test", "2001:db8::1"): "neutral",
        ("none.test", CLIENT): "none",
        ("none.test", "2001:db8::1"): "none",
    }
    assert found["fail.test", CLIENT].explanation == "192.0.2.1 is not ours"
    assert found["pass.test", CLIENT].reason == "a"


async def test_a_null_reverse_path_asks_for_the_name_of_helo(resolver: Resolver, dns_server: DnsServer) -> None:
    dns_server.put("mx.test", "TXT", f'"v=spf1 ip4:{CLIENT} -all"')

    verdict = await check_spf(resolver, CLIENT, "MX.test.", "")

    assert (verdict.result, verdict.domain, verdict.is_helo) == (Result.PASS, "mx.test", True)


async def test_a_domain_in_unicode_is_asked_as_a_labels(resolver: Resolver, dns_server: DnsServer) -> None:
    dns_server.put("xn--mnchen-3ya.test", "TXT", '"v=spf1 -all"')

    verdict = await check_spf(resolver, CLIENT, "x", "ada@München.test")

    assert (verdict.result, verdict.domain) == (Result.FAIL, "xn--mnchen-3ya.test")


@pytest.mark.parametrize("trouble", [Trouble.SERVFAIL, Trouble.REFUSED, Trouble.SILENT])
async def test_dns_in_trouble_is_a_temporary_error(resolver: Resolver, dns_server: DnsServer, trouble: Trouble) -> None:
    dns_server.fail("example.test", trouble)

    verdict = await check_spf(resolver, CLIENT, "x", "ada@example.test")

    assert verdict.result is Result.TEMPERROR


async def test_a_name_that_is_too_long_loses_labels_from_the_left() -> None:
    dns = MemoryDns({"example.test": [{"TXT": "v=spf1 exists:%{l}.%{l}.%{l}.%{l}.%{l}.%{d} -all"}]})

    await check_spf(dns, CLIENT, "x", f"{'a' * 50}@example.test")

    assert dns.questions[1] == (".".join(["a" * 50] * 4) + ".example.test", "A")


async def test_a_helo_that_is_no_text_can_stand_in_a_macro() -> None:
    dns = MemoryDns({"example.test": [{"TXT": "v=spf1 exists:%{H}.%{h}.test -all"}]})

    assert (await check_spf(dns, CLIENT, "\udcff", "ada@example.test")).result is Result.FAIL


# What a stranger publishes


@pytest.mark.parametrize(
    ("record", "most_questions"),
    [
        ("include:example.test -all", 11),
        ("redirect=example.test", 11),
        ("include:%{d} include:%{d} -all", 11),
        (" ".join(["a:x%{d}"] * 200), 5),
        (" ".join(["exists:%{ir}.example.test"] * 9000), 5),
        ("mx:many.test", 3),
        ("ptr:example.test " * 12, 40),
        ("a:" + "%{l}." * 5000 + "test -all", 3),
        ("a:" + "x." * 30000 + "test -all", 3),
        ("a:" + "1" * 60000, 2),
        ("a" + "/" * 60000, 2),
        ("ip4:1.2.3.4/" + "9" * 60000, 2),
        ("%{" * 30000, 2),
        ("exp=%{d}.%{d}.%{d} -all", 3),
    ],
)
async def test_no_record_makes_us_ask_without_end(record: str, most_questions: int) -> None:
    dns = MemoryDns(
        {
            "example.test": [{"TXT": f"v=spf1 {record}"}, {"A": "192.0.2.99"}],
            "many.test": [{"MX": [10, f"mx{number}.test"]} for number in range(500)],
            "1.2.0.192.in-addr.arpa": [{"PTR": f"host{number}.test"} for number in range(500)],
        }
    )

    verdict = await check_spf(dns, CLIENT, "x", "ada@example.test")

    assert len(dns.questions) <= most_questions
    assert len(verdict.reason) < 300


@pytest.mark.parametrize("term", ["a:x\\000\\010", "ip4:1.2.3.4\\007", "a/1\\010", "\\002", "x=\\003", "a\\255"])
async def test_a_wrong_record_reaches_nobody_as_control_characters(
    resolver: Resolver, dns_server: DnsServer, term: str
) -> None:
    dns_server.put("example.test", "TXT", f'"v=spf1 {term} -all"')

    verdict = await check_spf(resolver, CLIENT, "x", "ada@example.test")

    assert verdict.result is Result.PERMERROR
    assert verdict.reason.isprintable()


@pytest.mark.parametrize("address", ["", "unknown", "1.2.3", "192.0.2.1:25"])
async def test_a_client_without_an_address_has_no_verdict(address: str) -> None:
    zone: Mapping[str, Records] = {"example.test": [{"TXT": "v=spf1 -all"}]}

    assert (await check_spf(MemoryDns(zone), address, "x", "ada@example.test")).result is Result.NONE


async def test_an_ipv4_client_behind_an_ipv6_socket_is_an_ipv4_client() -> None:
    zone: Mapping[str, Records] = {"example.test": [{"TXT": "v=spf1 ip4:192.0.2.0/24 -all"}]}

    assert (await check_spf(MemoryDns(zone), "::ffff:192.0.2.1", "x", "a@example.test")).result is Result.PASS


_WORDS = st.sampled_from((
    "a", "mx", "ptr", "all", "include", "exists", "ip4", "ip6", "exp", "redirect", "-", "~", "?", ":", "=", "/", "//",
    "24", "%{", "}", "%%", "i", "r", "2", ".", "1.2.3.4", "::1", "d", "l", "p", "h", "example.test", " ", "\x00",
))  # fmt: skip


@given(st.lists(_WORDS | st.text(max_size=3), max_size=20).map("".join), st.text(max_size=20), st.text(max_size=20))
async def test_any_record_helo_and_reverse_path_have_a_result(record: str, helo: str, local_part: str) -> None:
    dns = MemoryDns({"example.test": [{"TXT": f"v=spf1 {record}"}, {"A": CLIENT}, {"MX": [1, "example.test"]}]})

    verdict = await check_spf(dns, CLIENT, helo, f"{local_part}@example.test")

    assert verdict.result in Result
    assert verdict.explanation.isascii()
