"""ARC: a mail that is handed on says what we found, and others can check that (RFC 8617)."""

from collections.abc import Iterator

import dkim
import pytest
from copies import KEYS, RECIPIENTS, compiled
from cryptography.hazmat.primitives.asymmetric import rsa
from memory_dns import MemoryDns

from postroom.base.clock import ManualClock
from postroom.base.threads import Threads
from postroom.inbound.authenticate import authenticate
from postroom.inbound.seal import seal
from postroom.mail.arc import highest_instance, read_chain
from postroom.mail.authentication import ArcVerdict, Result, SpfVerdict, Verdicts
from postroom.mail.header import split_header
from postroom.outbound.render import MessageValues, render
from postroom.outbound.segments import Variant
from postroom.outbound.sign import load_key, new_rsa_key, sign
from postroom.outbound.submission import Track

KEY = load_key("list.test", "arc", new_rsa_key())
MAIL = b"From: ada@example.com\r\nTo: list@list.test\r\nSubject: hello\r\n\r\nHello.\r\n"
SIGNED_AT = 1_767_225_600


@pytest.fixture
def threads() -> Iterator[Threads]:
    made = Threads("slow", 1)
    yield made
    made.close()


async def _verdicts(threads: Threads, raw: bytes, record: str = KEY.record_text()) -> Verdicts:
    dns = MemoryDns({"arc._domainkey.list.test": [{"TXT": record}]})
    return await authenticate(dns, threads, "192.0.2.1", "x", "ada@example.com", raw, clock=ManualClock())


def _sealed(raw: bytes, verdicts: Verdicts) -> bytes:
    assert isinstance(KEY.private_key, rsa.RSAPrivateKey)
    return seal(raw, verdicts, "mx.list.test", KEY.selector, KEY.domain, KEY.private_key, signed_at=SIGNED_AT)


def _dkimpy(raw: bytes) -> tuple[bytes | None, str]:
    status, _, reason = dkim.arc_verify(raw, dnsfunc=lambda name, timeout=5: KEY.record_text().encode())
    return status, reason


async def test_a_chain_of_three_is_right_for_us_and_for_dkimpy(threads: Threads) -> None:
    raw = MAIL
    for instance in (1, 2, 3):
        verdicts = await _verdicts(threads, raw)
        assert verdicts.arc.result is (Result.PASS if instance > 1 else Result.NONE)
        raw = b"Received: from here by there; now\r\n" + _sealed(raw, verdicts)
        assert _dkimpy(raw) == (b"pass", "success")

    assert (await _verdicts(threads, raw)).arc == ArcVerdict(Result.PASS, 3, "list.test")
    assert raw.endswith(MAIL)
    assert b"ARC-Authentication-Results: i=3; mx.list.test;\r\n spf=none" in raw
    assert [str(one.status) for one in read_chain(split_header(raw)[0])] == ["none", "pass", "pass"]


async def test_a_sealed_mail_is_right_after_it_has_left_by_our_way_out(threads: Threads) -> None:
    content, _ = compiled(_sealed(MAIL, Verdicts()), Track.NOTHING)
    date = b"Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n"  # MAIL has none
    values = MessageValues(7, "rp.list.test", (b"Received: by mx.list.test\r\n", date), "")
    copy = render(content, values, RECIPIENTS[0], KEYS, Variant.EIGHT_BIT)
    assert isinstance(KEY.private_key, rsa.RSAPrivateKey)

    raw = copy.to_bytes(sign(copy.header, copy.body_sha256, [KEY], SIGNED_AT))

    verdicts = await _verdicts(threads, raw)
    assert raw.startswith(b"DKIM-Signature:")
    assert [one.result for one in verdicts.dkim] == [Result.PASS]
    assert verdicts.arc == ArcVerdict(Result.PASS, 1, "list.test")
    assert _dkimpy(raw) == (b"pass", "success")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"Hello.", b"Hullo.", "the body was changed"),
        (b"Subject: hello", b"Subject: hullo", "the header was changed"),
        (b"i=2; mx.list.test", b"i=2; mx.evil.test", "seal 2 was changed"),
        (b"i=1; mx.list.test", b"i=1; mx.evil.test", "seal 2 was changed"),
        (b"ARC-Seal: i=2", b"ARC-Seal: i=3", "a set is not complete"),
        (b"ARC-Seal: i=1", b"X-Seal: i=1", "a set is not complete"),
        (b"ARC-Seal: i=2", b"X-Seal: i=2", "a set is not complete"),
        (b"ARC-Seal: i=2", b"ARC-Seal: i=x", "a set is not complete"),
        (b"cv=pass", b"cv=none", "set 2 says nothing of the chain before it"),
        (b"cv=none", b"cv=pass", "set 1 says nothing of the chain before it"),
        (b"cv=pass", b"cv=fail", "set 2 says that the chain is broken"),
        (b"ARC-Seal: i=2;", b"ARC-Seal: i=2; h=from;", "set 2 covers what it must not"),
        (b"ARC-Seal: i=2;", b"ARC-Seal: i=1; cv=none; a=x; b=y\r\nARC-Seal: i=2;", "set 1 is there twice"),
    ],
)
async def test_a_chain_that_somebody_changed_fails_for_us_and_does_not_pass_for_dkimpy(
    threads: Threads, old: bytes, new: bytes, reason: str
) -> None:
    once = _sealed(MAIL, await _verdicts(threads, MAIL))
    twice = _sealed(once, await _verdicts(threads, once))
    assert old in twice

    changed = twice.replace(old, new, 1)

    verdict = (await _verdicts(threads, changed)).arc
    assert (verdict.result, verdict.reason) == (Result.FAIL, reason)
    assert _dkimpy(changed)[0] != b"pass"


async def test_a_broken_chain_is_sealed_as_broken_once(threads: Threads) -> None:
    once = _sealed(MAIL, await _verdicts(threads, MAIL))
    broken = once.replace(b"Hello.", b"Hullo.")

    sealed = _sealed(broken, await _verdicts(threads, broken))
    again = _sealed(sealed, await _verdicts(threads, sealed))

    assert highest_instance(split_header(sealed)[0]) == 2
    assert _dkimpy(sealed) == (None, "ARC-Seal[2] reported failure, the chain is terminated")
    assert again == sealed


@pytest.mark.parametrize("result", [Result.TEMPERROR, Result.NONE])
async def test_nothing_is_said_of_a_chain_that_nobody_could_check(threads: Threads, result: Result) -> None:
    once = _sealed(MAIL, await _verdicts(threads, MAIL))

    assert _sealed(once, Verdicts(arc=ArcVerdict(result))) == once


async def test_a_key_that_dns_does_not_tell_is_temporary_and_one_that_is_gone_is_not(threads: Threads) -> None:
    once = _sealed(MAIL, await _verdicts(threads, MAIL))
    silent = await authenticate(
        MemoryDns({"arc._domainkey.list.test": ["TIMEOUT"]}), threads, "", "x", "", once, clock=ManualClock()
    )

    assert silent.arc.result is Result.TEMPERROR
    assert (await _verdicts(threads, once, "v=DKIM1; p=")).arc.result is Result.FAIL


async def test_a_chain_of_hundreds_of_sets_asks_dns_for_none_of_them(threads: Threads) -> None:
    tags = b"a=rsa-sha256; d=d%d.test; s=x; b=AAEC"
    fields = [
        b"ARC-Seal: i=%d; cv=%b; " % (number, b"pass" if number > 1 else b"none") + tags % number + b"\r\n"
        b"ARC-Message-Signature: i=%d; h=from; bh=AAEC; " % number + tags % number + b"\r\n"
        b"ARC-Authentication-Results: i=%d; x; spf=pass\r\n" % number
        for number in range(1, 300)
    ]
    dns = MemoryDns({})

    verdicts = await authenticate(dns, threads, "", "x", "", b"".join(fields) + MAIL, clock=ManualClock())

    assert (verdicts.arc.result, verdicts.arc.reason) == (Result.FAIL, "there are too many sets")
    assert not [name for name, _ in dns.questions if "_domainkey" in name]


def test_what_a_stranger_said_in_smtp_cannot_add_a_field_to_the_set() -> None:
    verdicts = Verdicts(SpfVerdict(Result.FAIL, "a\r\nX-Evil: 1", reason="x\r\n\r\nbody"))

    header, start = split_header(_sealed(MAIL, verdicts))

    assert len(header) == 6
    assert _sealed(MAIL, verdicts)[start:] == b"Hello.\r\n"
