"""All verdicts of a mail that comes in, with real signers and a DNS server of our own."""

import base64
import re
import time
from collections.abc import Iterator

import dkim
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_dns import TIMEOUT, MemoryDns, Records
from peers import opendkim
from peers.dns_server import DnsServer, Trouble
from peers.require import require_peer

from postroom.base.clock import ManualClock
from postroom.base.errors import TryLater
from postroom.base.threads import Threads
from postroom.inbound import authenticate as room
from postroom.inbound.authenticate import authenticate
from postroom.mail.authentication import ArcVerdict, DkimVerdict, Result, Verdicts
from postroom.mail.dkim.relaxed import body_sha256
from postroom.mail.dkim.signature import Algorithm, cover, signed_field, signing_input, unsigned_field
from postroom.mail.header import split_header
from postroom.net.dns import Answer, Resolver
from postroom.outbound.sign import SigningKey, load_key, new_ed25519_key, new_rsa_key, sign

CLIENT = "192.0.2.1"
MAIL = (
    b"From: Ada <ada@news.example.com>\r\nTo: bob@example.net\r\nSubject: a  subject\r\n that goes on \r\n"
    b"Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n\r\nHello  world \r\n\tand more\r\n\r\n\r\n"
)
RSA = load_key("example.com", "s1", new_rsa_key())
EDWARDS = load_key("example.com", "s2", new_ed25519_key())


def _pem(key: SigningKey) -> bytes:
    return key.private_key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def _record(key: rsa.RSAPrivateKey) -> str:
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "v=DKIM1; p=" + base64.b64encode(public).decode()


ZONE: dict[str, Records] = {
    "s1._domainkey.example.com": [{"TXT": RSA.record_text()}],
    "s2._domainkey.example.com": [{"TXT": EDWARDS.record_text()}],
    "example.com": [{"TXT": f"v=spf1 ip4:{CLIENT} -all"}],
    "_dmarc.example.com": [{"TXT": "v=DMARC1; p=reject; sp=quarantine"}],
}


@pytest.fixture
def threads() -> Iterator[Threads]:
    made = Threads("slow", 1)
    yield made
    made.close()


def _signed_by_us(raw: bytes = MAIL) -> bytes:
    header, start = split_header(raw)
    return b"".join((*sign(header, body_sha256(raw[start:]), [RSA, EDWARDS], 1_767_225_600), raw))


async def _verdicts(threads: Threads, raw: bytes, zone: dict[str, Records] | None = None, **more: str) -> Verdicts:
    dns = MemoryDns(ZONE if zone is None else zone)
    reverse_path = more.get("reverse_path", "ada@example.com")
    return await authenticate(dns, threads, CLIENT, "mail.example.com", reverse_path, raw, clock=ManualClock())


# Real signers


async def test_our_own_signatures_prove_a_mail_through_real_dns(dns_server: DnsServer, threads: Threads) -> None:
    for key in (RSA, EDWARDS):
        # RFC 1035 3.3.14: strings of at most 255 octets.
        strings = " ".join(f'"{text}"' for text in re.findall(".{1,255}", key.record_text()))
        dns_server.put(f"{key.selector}._domainkey.example.com", "TXT", strings)
    dns_server.put("_dmarc.example.com", "TXT", '"v=DMARC1; p=reject"')
    resolver = Resolver(dns_server.address, clock=ManualClock())

    verdicts = await authenticate(resolver, threads, CLIENT, "x", "ada@other.test", _signed_by_us())
    await resolver.close()

    assert [(one.result, one.algorithm) for one in verdicts.dkim] == [
        (Result.PASS, "rsa-sha256"),
        (Result.PASS, "ed25519-sha256"),
    ]
    assert (verdicts.spf.result, verdicts.dmarc.result, verdicts.dmarc.dkim_aligned) == (
        Result.NONE,
        Result.PASS,
        True,
    )
    assert verdicts.arc == ArcVerdict(Result.NONE)


@pytest.mark.parametrize("ways", ["simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed"])
async def test_a_mail_that_opendkim_signed_is_right_until_somebody_changes_it(threads: Threads, ways: str) -> None:
    require_peer("opendkim")
    signed = opendkim.sign(MAIL, domain="example.com", selector="s1", private_key_pem=_pem(RSA), canonicalization=ways)

    (right,) = (await _verdicts(threads, signed)).dkim
    (body,) = (await _verdicts(threads, signed.replace(b"world", b"World"))).dkim
    (header,) = (await _verdicts(threads, signed.replace(b"a  subject", b"b  subject"))).dkim
    (respaced,) = (await _verdicts(threads, signed.replace(b"a  subject", b"a subject"))).dkim

    assert (right.result, right.domain, right.selector, right.is_weak) == (Result.PASS, "example.com", "s1", False)
    assert (body.result, body.reason) == (Result.FAIL, "the body was changed")
    assert (header.result, header.reason) == (Result.FAIL, "the header was changed")
    assert (respaced.result is Result.PASS) == ways.startswith("relaxed/")


@given(
    st.lists(
        st.sampled_from([b"\r\n", b" ", b"\t", b"a", b"bc ", b"From ", b"."]) | st.binary(max_size=4), max_size=30
    ).map(b"".join),
    st.sampled_from([b"simple", b"relaxed"]),
    st.sampled_from([b"simple", b"relaxed"]),
    st.booleans(),
)
@settings(max_examples=25)
async def test_what_dkimpy_signs_is_right(body: bytes, of_header: bytes, of_body: bytes, length: bool) -> None:
    raw = MAIL + body.replace(b"\r\n", b"\n").replace(b"\r", b"").replace(b"\n", b"\r\n") + b"\r\n"
    field = dkim.sign(raw, b"s1", b"example.com", _pem(RSA), canonicalize=(of_header, of_body), length=length)
    threads = Threads("slow", 1)

    (verdict,) = (await _verdicts(threads, field + raw)).dkim
    threads.close()

    # dkimpy takes its time from the system: long after ManualClock's, which verifying does not mind.
    assert (verdict.result, verdict.is_weak, verdict.reason) == (Result.PASS, False, "")


# Signatures that do not count


@pytest.mark.parametrize(
    ("record", "result"),
    [
        ([], Result.PERMERROR),
        ([{"TXT": "v=DKIM1; p="}], Result.PERMERROR),
        ([{"TXT": EDWARDS.record_text()}], Result.PERMERROR),
        ([{"TXT": _record(rsa.generate_private_key(65537, 2048))}], Result.FAIL),
        ([TIMEOUT], Result.TEMPERROR),
        ([{"TXT": "x" * 60_000}], Result.PERMERROR),
    ],
)
async def test_a_signature_without_its_key_proves_nothing(threads: Threads, record: Records, result: Result) -> None:
    zone = {**ZONE, "s1._domainkey.example.com": record}

    verdicts = await _verdicts(threads, _signed_by_us(), zone, reverse_path="a@other.test")

    assert [one.result for one in verdicts.dkim] == [result, Result.PASS]


async def test_an_rsa_key_of_512_bits_is_no_key(threads: Threads) -> None:
    # RSAPublicKey as DER by hand: the library makes none that small.
    public = b"\x30\x48\x02\x41\x00" + b"\xab" * 64 + b"\x02\x03\x01\x00\x01"
    record = "p=" + base64.b64encode(public).decode()
    zone = {**ZONE, "s1._domainkey.example.com": [{"TXT": record}]}

    (short, _) = (await _verdicts(threads, _signed_by_us(), zone)).dkim

    assert (short.result, "key" in short.reason) == (Result.PERMERROR, True)


@pytest.mark.parametrize(
    ("tags", "result"),
    [(b"x=1767225599", Result.FAIL), (b"x=1767225601", Result.PASS), (b"x=99", Result.PERMERROR)],
)
async def test_a_signature_that_has_expired_fails(threads: Threads, tags: bytes, result: Result) -> None:
    header, start = split_header(MAIL)
    covered = cover(header)
    opening = b"DKIM-Signature: v=1; " + tags
    unsigned = unsigned_field(
        Algorithm.RSA, b"example.com", b"s1", covered, body_sha256(MAIL[start:]), 100, opening=opening
    )
    assert isinstance(RSA.private_key, rsa.RSAPrivateKey)
    value = RSA.private_key.sign(signing_input(covered, unsigned), padding.PKCS1v15(), hashes.SHA256())

    (verdict,) = (await _verdicts(threads, signed_field(unsigned, value) + MAIL)).dkim

    assert verdict.result is result


async def test_a_signature_over_the_beginning_of_the_body_passes_but_is_weak(threads: Threads) -> None:
    field = dkim.sign(MAIL, b"s1", b"example.com", _pem(RSA), length=True)

    verdicts = await _verdicts(threads, field + MAIL + b"<b>and an advertisement</b>\r\n", reverse_path="a@other.test")

    assert (verdicts.dkim[0].result, verdicts.dkim[0].is_weak) == (Result.PASS, True)
    assert (verdicts.dmarc.result, verdicts.dmarc.dkim_aligned) == (Result.FAIL, False)


async def test_a_second_from_field_that_nobody_signed_makes_a_signature_weak(threads: Threads) -> None:
    field = dkim.sign(MAIL, b"s1", b"example.com", _pem(RSA), include_headers=[b"from", b"subject"])

    verdicts = await _verdicts(threads, b"From: boss@bank.test\r\n" + field + MAIL)

    assert (verdicts.dkim[0].result, verdicts.dkim[0].is_weak) == (Result.PASS, True)
    assert verdicts.dmarc.result is Result.PERMERROR


async def test_of_many_signatures_five_are_looked_at_and_the_authors_first(threads: Threads) -> None:
    junk = b"DKIM-Signature: v=1; a=rsa-sha256; d=junk%d.test; s=x; h=from; bh=AAEC; b=AAEC\r\n"
    raw = b"".join(junk % number for number in range(500)) + _signed_by_us()
    dns = MemoryDns(ZONE)

    verdicts = await authenticate(dns, threads, CLIENT, "x", "", raw)

    assert [one.domain for one in verdicts.dkim] == [f"junk{number}.test" for number in range(3)] + ["example.com"] * 2
    assert len([name for name, _ in dns.questions if "_domainkey" in name]) == 5
    assert verdicts.dmarc.dkim_aligned


# Trouble


async def test_a_header_of_ten_megabytes_is_not_checked(threads: Threads) -> None:
    raw = b"X-Long: " + b"x" * 10_000_000 + b"\r\n" + _signed_by_us()
    many = b"A: b\r\n" * 1_700_000 + _signed_by_us()

    for mail in (raw, many):
        (verdict,) = (await _verdicts(threads, mail)).dkim

        assert (verdict.result, verdict.reason) == (Result.PERMERROR, "the header is too long")


async def test_a_body_of_50_megabytes_is_checked(threads: Threads) -> None:
    raw = _signed_by_us(MAIL + b"0123456789" * 7 + b"\r\n" * 10 + (b"words  of text" * 5 + b"\r\n") * 700_000)

    verdicts = await _verdicts(threads, raw)

    assert [one.result for one in verdicts.dkim] == [Result.PASS, Result.PASS]


async def test_dns_that_says_nothing_makes_temporary_errors_in_time(
    dns_server: DnsServer, threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_DNS_SECONDS", 0.3)
    dns_server.fail("*", Trouble.SILENT)
    resolver = Resolver(dns_server.address, clock=ManualClock(), timeout_seconds=60, try_seconds=60)
    started = time.monotonic()

    verdicts = await authenticate(resolver, threads, CLIENT, "x", "ada@example.com", _signed_by_us())
    await resolver.close()

    assert time.monotonic() - started < 10
    assert (verdicts.spf.result, verdicts.dmarc.result) == (Result.TEMPERROR, Result.TEMPERROR)
    assert [one.result for one in verdicts.dkim] == [Result.TEMPERROR, Result.TEMPERROR]


async def test_a_resolver_that_breaks_and_threads_that_are_full_keep_no_mail_out(threads: Threads) -> None:
    class Broken(MemoryDns):
        async def txt(self, name: str) -> Answer[str]:
            raise RuntimeError(name)

    class Full(Threads):
        async def run(self, function: object) -> object:  # type: ignore[override]
            raise TryLater("full")

    broken = await authenticate(Broken({}), threads, CLIENT, "x", "ada@example.com", _signed_by_us())
    full = await authenticate(MemoryDns(ZONE), Full("slow", 1), CLIENT, "x", "ada@example.com", _signed_by_us())

    assert {broken.spf.result, broken.dmarc.result, *(one.result for one in broken.dkim)} == {Result.TEMPERROR}
    assert full.spf.result is Result.PASS
    assert full.dkim == (DkimVerdict(Result.TEMPERROR, reason="it took too long or failed"),)
    assert (full.dmarc.result, full.arc.result) == (Result.TEMPERROR, Result.TEMPERROR)


_FRAGMENTS = st.sampled_from((
    b"From: a@example.com\r\n", b"From:", b"DKIM-Signature: ", b"ARC-Seal: i=1; cv=none; ", b"ARC-Seal: i=2; ", b"\r\n",
    b"ARC-Message-Signature: i=1; ", b"ARC-Authentication-Results: i=1; x\r\n", b"v=1; ", b"a=rsa-sha256; ",
    b"b=AAEC; ",    b"d=example.com; ", b"s=s1; ", b"h=from; ", b"bh=AAEC; ", b"\x00", b" ", b";", b"=", b"\n", b"\r",
    b"i=99999999; ",
))  # fmt: skip


@given(st.lists(_FRAGMENTS | st.binary(max_size=5), max_size=40).map(b"".join))
async def test_any_bytes_have_verdicts(raw: bytes) -> None:
    threads = Threads("slow", 1)

    verdicts = await _verdicts(threads, raw)
    threads.close()

    assert "failed" not in f"{verdicts}"


# Behind an MTA


@pytest.mark.parametrize(
    ("received", "result"),
    [
        (b"from mail.example.com (x [192.0.2.1]) by mx.test (Postfix) with ESMTP id 1; d", Result.PASS),
        (b"from mail.example.com (x [192.0.2.2]) by mx.test (Postfix) with ESMTP id 1; d", Result.FAIL),
        (b"by mx.test (Postfix, from userid 0) id 1; d", Result.NONE),
    ],
)
@pytest.mark.parametrize("reverse_path", ["ada@example.com", ""])
async def test_behind_an_mta_spf_asks_for_whom_that_had_it_from(
    threads: Threads, received: bytes, result: Result, reverse_path: str
) -> None:
    raw = b"Received: %s\r\nReceived: from x (x [192.0.2.1]) by y with SMTP; d\r\n" % received + MAIL
    zone = {**ZONE, "mail.example.com": ZONE["example.com"]}
    for peer in ("", "127.0.0.1"):
        verdicts = await authenticate(
            MemoryDns(zone), threads, peer, "mx.test", reverse_path, raw, is_handed_over=True, clock=ManualClock()
        )
        assert verdicts.spf.result is result
