"""DMARC: whose proof counts for the author, and what is asked for without one (RFC 7489)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_dns import TIMEOUT, MemoryDns, Records

from postroom.inbound.dmarc import Author, find_policy, judge_dmarc, organisational_domain, read_author
from postroom.mail.authentication import DkimVerdict, DmarcPolicy, DmarcVerdict, Result, SpfVerdict

NONE, QUARANTINE, REJECT = DmarcPolicy.NONE, DmarcPolicy.QUARANTINE, DmarcPolicy.REJECT
PASS, FAIL, TEMPERROR = Result.PASS, Result.FAIL, Result.TEMPERROR


async def _judge(
    record: str,
    *,
    author: str = "news.example.co.uk",
    spf: tuple[Result, str] = (Result.NONE, ""),
    dkim: tuple[tuple[Result, str], ...] = (),
    raw: bytes = b"",
) -> DmarcVerdict:
    dns = MemoryDns({"_dmarc.example.co.uk": [{"TXT": record}]})
    who = read_author([f"From: <ada@{author}>\r\n".encode()])
    signatures = tuple(DkimVerdict(result, domain) for result, domain in dkim)
    return judge_dmarc(who, await find_policy(dns, who), SpfVerdict(*spf), signatures, raw)


@pytest.mark.parametrize(
    ("record", "spf", "dkim", "result", "spf_aligned", "dkim_aligned"),
    [
        # relaxed: one organisational domain
        ("", (PASS, "news.example.co.uk"), (), PASS, True, False),
        ("", (PASS, "bounce.example.co.uk"), (), PASS, True, False),
        ("", (PASS, "example.co.uk"), (), PASS, True, False),
        ("", (PASS, "other.co.uk"), (), FAIL, False, False),
        ("", (PASS, "co.uk"), (), FAIL, False, False),
        ("", (PASS, "badexample.co.uk"), (), FAIL, False, False),
        ("", (FAIL, "example.co.uk"), (), FAIL, False, False),
        ("", (Result.SOFTFAIL, "example.co.uk"), (), FAIL, False, False),
        ("", (FAIL, "example.co.uk"), ((PASS, "example.co.uk"),), PASS, False, True),
        ("", (Result.NONE, ""), ((PASS, "a.example.co.uk"),), PASS, False, True),
        ("", (Result.NONE, ""), ((PASS, "other.test"), (PASS, "example.co.uk")), PASS, False, True),
        ("", (PASS, "example.co.uk"), ((PASS, "example.co.uk"),), PASS, True, True),
        ("", (Result.NONE, ""), ((PASS, "other.test"),), FAIL, False, False),
        # strict: the same domain
        ("; aspf=s", (PASS, "news.example.co.uk"), (), PASS, True, False),
        ("; aspf=s", (PASS, "example.co.uk"), (), FAIL, False, False),
        ("; aspf=s", (PASS, "example.co.uk"), ((PASS, "example.co.uk"),), PASS, False, True),
        ("; adkim=s", (Result.NONE, ""), ((PASS, "example.co.uk"),), FAIL, False, False),
        ("; adkim=s", (Result.NONE, ""), ((PASS, "news.example.co.uk"),), PASS, False, True),
        # nobody knows
        ("", (TEMPERROR, "example.co.uk"), (), TEMPERROR, False, False),
        ("", (TEMPERROR, "other.test"), (), FAIL, False, False),
        ("", (FAIL, "example.co.uk"), ((TEMPERROR, "example.co.uk"),), TEMPERROR, False, False),
        ("", (TEMPERROR, "example.co.uk"), ((PASS, "example.co.uk"),), PASS, False, True),
        ("", (Result.PERMERROR, "example.co.uk"), ((Result.PERMERROR, "example.co.uk"),), FAIL, False, False),
    ],
)
async def test_the_alignment_table(
    record: str,
    spf: tuple[Result, str],
    dkim: tuple[tuple[Result, str], ...],
    result: Result,
    spf_aligned: bool,
    dkim_aligned: bool,
) -> None:
    verdict = await _judge("v=DMARC1; p=reject" + record, spf=spf, dkim=dkim)

    assert (verdict.result, verdict.spf_aligned, verdict.dkim_aligned) == (result, spf_aligned, dkim_aligned)
    assert verdict.disposition is (REJECT if result is FAIL else NONE)


@pytest.mark.parametrize(
    ("record", "author", "policy"),
    [
        ("p=reject", "example.co.uk", REJECT),
        ("p=reject", "news.example.co.uk", REJECT),
        ("p=reject; sp=none", "example.co.uk", REJECT),
        ("p=reject; sp=quarantine", "a.b.example.co.uk", QUARANTINE),
        ("p=none; sp=reject", "a.example.co.uk", REJECT),
    ],
)
async def test_a_subdomain_has_the_policy_for_subdomains(record: str, author: str, policy: DmarcPolicy) -> None:
    verdict = await _judge(f"v=DMARC1; {record}", author=author)

    assert (verdict.result, verdict.policy, verdict.disposition) == (FAIL, policy, policy)


async def test_a_policy_for_some_of_the_mail_is_softer_for_the_rest_and_the_same_for_the_same_mail() -> None:
    found = [
        (await _judge("v=DMARC1; p=reject; pct=30", raw=f"mail {number}".encode())).disposition
        for number in (*range(200), *range(200))
    ]

    assert found[:200] == found[200:]
    assert set(found) == {REJECT, QUARANTINE}
    assert 30 < found[:200].count(REJECT) < 90
    assert (await _judge("v=DMARC1; p=quarantine; pct=0")).disposition is NONE


async def test_a_record_of_the_domain_itself_goes_before_that_of_its_organisation() -> None:
    dns = MemoryDns(
        {
            "_dmarc.news.example.com": [{"TXT": "v=DMARC1; p=none; sp=reject"}, {"TXT": "other"}],
            "_dmarc.example.com": [{"TXT": "v=DMARC1; p=reject"}],
        }
    )

    published = await find_policy(dns, Author("news.example.com", "example.com"))

    assert published.policy is NONE
    assert len(dns.questions) == 1


@pytest.mark.parametrize(
    ("records", "result"),
    [
        ([], Result.NONE),
        ([{"TXT": "v=DMARC1; p=reject"}, {"TXT": "v=DMARC1; p=none"}], Result.NONE),
        ([{"TXT": "v=DMARC1; sp=reject"}], Result.NONE),
        ([TIMEOUT], TEMPERROR),
    ],
)
async def test_without_one_readable_record_there_is_no_policy(records: Records, result: Result) -> None:
    dns = MemoryDns({"_dmarc.example.com": records})
    author = Author("example.com", "example.com")

    verdict = judge_dmarc(author, await find_policy(dns, author), SpfVerdict(PASS, "example.com"), (), b"")

    assert (verdict.result, verdict.policy, verdict.disposition) == (result, NONE, NONE)


@pytest.mark.parametrize(
    ("fields", "domain", "result"),
    [
        (["Ada <ada@Example.COM>"], "example.com", Result.NONE),
        (["ada@example.com, Bob <bob@example.com>"], "example.com", Result.NONE),
        (['"boss@bank.test" <ada@example.com>'], "example.com", Result.NONE),
        (["ada@münchen.test"], "xn--mnchen-3ya.test", Result.NONE),
        (["ada@example.com, bob@example.net"], "", Result.PERMERROR),
        (["ada@example.com", "bob@example.net"], "", Result.PERMERROR),
        (["ada@example.com", "ada@example.com"], "", Result.PERMERROR),
        (['"' + "x " * 9_000 + '" <boss@bank.test>'], "", Result.PERMERROR),
        (["undisclosed:;"], "", Result.NONE),
        (["ada"], "", Result.NONE),
        (["ada@localhost"], "", Result.NONE),
        ([], "", Result.NONE),
    ],
)
def test_a_mail_has_one_author_or_none_that_can_be_proved(fields: list[str], domain: str, result: Result) -> None:
    author = read_author([f"From: {field}\r\n".encode() for field in fields])

    assert (author.domain, author.result) == (domain, result)


@pytest.mark.parametrize(
    ("domain", "organisation"),
    [
        ("a.b.example.com", "example.com"),
        ("example.co.uk", "example.co.uk"),
        ("a.example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        ("a.example.madeuptld", "example.madeuptld"),
        ("ada.github.io", "ada.github.io"),
        ("a.xn--85x722f.xn--55qx5d.cn", "xn--85x722f.xn--55qx5d.cn"),
        ("", ""),
    ],
)
def test_an_organisation_has_one_label_more_than_the_public_suffix(domain: str, organisation: str) -> None:
    assert organisational_domain(domain) == organisation


@given(st.binary(max_size=100), st.text(max_size=20))
def test_any_from_field_has_an_author_or_none(body: bytes, domain: str) -> None:
    author = read_author([b"From: " + body + b"\r\n"])

    assert author.domain.isascii()
    organisational_domain(domain)
