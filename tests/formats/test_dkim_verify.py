"""What others sign: tag lists, key records, canonical bodies and signature fields (RFC 6376)."""

import base64
import hashlib
import time

import pytest
from dkim.canonicalization import Relaxed, Simple
from hypothesis import example, given
from hypothesis import strategies as st

from postroom.mail.dkim.body import body_hash
from postroom.mail.dkim.record import read_record
from postroom.mail.dkim.relaxed import relax_body
from postroom.mail.dkim.signature import Algorithm
from postroom.mail.dkim.verify import (
    HeaderFields,
    Signature,
    choose_key,
    expiry,
    is_right,
    read_dkim_signature,
    signed_input,
    without_value,
)
from postroom.mail.tag_list import read_tags

FIELD = (
    b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=Example.com;\r\n\ts=Sel; h=From : To:from;"
    b" i=@sub.example.com; l=5; x=200; t=100;\r\n bh=AAEC; b=AwQF\r\n  Bgc=; z=b=x\r\n"
)

_PIECES = st.lists(st.sampled_from([b"\r\n", b" ", b"\t", b"a", b"bc", b"\r", b"\n", b"."]), max_size=40).map(b"".join)


# Bodies


@given(_PIECES)
@example(b"")
@example(b"\r\n\r\n")
@example(b" \r\n\t\r\n")
def test_a_body_hash_is_that_of_the_canonical_body_and_of_dkimpy(body: bytes) -> None:
    relaxed, relaxed_size = body_hash(b"x" + body, 1, is_relaxed=True)
    simple, simple_size = body_hash(b"x" + body, 1, is_relaxed=False)

    canonical = relax_body(body)
    assert (relaxed, relaxed_size) == (hashlib.sha256(canonical).digest(), len(canonical))
    if body.endswith(b"\r\n") or not body:  # DATA ends each mail so; of others we say more
        assert canonical == Relaxed.canonicalize_body(body)
    theirs = Simple.canonicalize_body(body)
    assert (simple, simple_size) == (hashlib.sha256(theirs).digest(), len(theirs))


@pytest.mark.parametrize("is_relaxed", [True, False])
def test_a_large_body_hashes_by_slices_as_it_does_at_once(is_relaxed: bool) -> None:
    body = (b"word  word \t\r\n" * 999 + b"\r\n \r\n" * 999) * 40 + b"end \r\n" + b"\r\n" * 300_000

    hashed, size = body_hash(body, 0, is_relaxed=is_relaxed)

    canonical = relax_body(body) if is_relaxed else body.rstrip(b"\r\n") + b"\r\n"
    assert (hashed, size) == (hashlib.sha256(canonical).digest(), len(canonical))


def test_only_as_much_of_the_body_is_hashed_as_the_signature_covers() -> None:
    hashed, size = body_hash(b"hello  world\r\n\r\n", 0, is_relaxed=True, length=7)

    assert (hashed, size) == (hashlib.sha256(b"hello w").digest(), len(b"hello world\r\n"))


@pytest.mark.parametrize("letter", [b" ", b"\t", b"\r\n", b" \r\n", b"a"])
def test_ten_megabytes_of_one_letter_are_hashed_in_a_moment(letter: bytes) -> None:
    """A regular expression takes the square of the length of a run of spaces here."""
    body = letter * (10_000_000 // len(letter)) + b"x\r\n"
    started = time.monotonic()

    body_hash(body, 0, is_relaxed=True)

    assert time.monotonic() - started < 10


# Fields and records


def test_a_signature_field_is_read() -> None:
    signature = read_dkim_signature(FIELD)

    assert (signature.domain, signature.selector, signature.algorithm) == ("example.com", "sel", Algorithm.RSA)
    assert (signature.names, signature.length, signature.identity_domain) == (
        (b"from", b"to", b"from"),
        5,
        "sub.example.com",
    )
    assert (signature.is_relaxed_header, signature.is_relaxed_body) == (True, False)
    assert (signature.body_hash, signature.value, expiry(signature)) == (b"\0\1\2", b"\3\4\5\6\7", 200)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"v=1", b"v=2", "version"),
        (b"v=1;", b"", "version"),
        (b"rsa-sha256", b"rsa-sha1", "no longer safe"),
        (b"rsa-sha256", b"rsa-md5", "unknown"),
        (b"From : To:from", b"To", "From is not signed"),
        (b"d=Example.com", b"d=", "d= is missing"),
        (b"d=Example.com", b"d=a b.com", "no domain"),
        (b"s=Sel", b"s=a..b", "no domain"),
        (b"@sub.example.com", b"@badexample.com", "outside"),
        (b"@sub.example.com", b"@com", "outside"),
        (b"relaxed/simple", b"relaxed/nowsp", "canonicalization"),
        (b"l=5", b"l=-5", "l="),
        (b"l=5", b"l=5; l=6", "twice"),
        (b"bh=AAEC", b"bh=A!EC", "Base64"),
        (b"b=AwQF", b"b=\xff", "Base64"),
        (b"t=100", b"q=http", "not in DNS"),
        (b"t=100", b"x", "no tag"),
        (b"t=100", b"y=" + b"a" * 20_000, "too long"),
    ],
)
def test_a_field_that_is_no_signature_says_why(old: bytes, new: bytes, reason: str) -> None:
    assert old in FIELD
    with pytest.raises(ValueError, match=reason):
        read_dkim_signature(FIELD.replace(old, new, 1))


def test_the_value_is_taken_out_with_the_white_space_around_it_and_nothing_else() -> None:
    assert without_value(FIELD) == FIELD.replace(b"b=AwQF\r\n  Bgc=", b"b=")
    assert without_value(b"DKIM-Signature: bh=b; b =  x\r\n") == b"DKIM-Signature: bh=b; b ="


def test_a_name_that_stands_twice_means_two_fields_from_the_bottom() -> None:
    header = HeaderFields([b"From: a\r\n", b"To: x\r\n", b"from : b\r\n", b"Subject:  no\r\n"])

    assert header.chosen((b"from", b"from", b"from", b"cc", b"to"), is_relaxed=True) == b"from:b\r\nfrom:a\r\nto:x\r\n"
    assert header.chosen((b"to",), is_relaxed=False) == b"To: x\r\n"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("v=DKIM1; p=", "revoked"),
        ("v=DKIM1; k=rsa", "no key"),
        ("v=DKIM2; p=AAEC", "no key"),
        ("k=dsa; p=AAEC", "unknown type"),
        ("h=sha1; p=AAEC", "SHA-256"),
        ("s=tlsrpt; p=AAEC", "not for mail"),
        ("p=A!", "Base64"),
        ("v=spf1 -all", "no key|no tag"),
        ("p=" + "A" * 60_000, "too long"),
    ],
)
def test_a_record_without_a_key_says_why(record: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_record(record)


def test_the_first_record_with_a_fitting_key_counts() -> None:
    signature = read_dkim_signature(FIELD)
    edwards = "k=ed25519; p=" + base64.b64encode(b"x" * 32).decode()

    assert choose_key(signature, ["v=spf1", edwards, "p=AAEC"]).public_key == b"\0\1\2"
    with pytest.raises(ValueError, match="subdomains"):
        choose_key(signature, ["p=AAEC; t=y:s"])
    with pytest.raises(ValueError, match="no key"):
        choose_key(signature, [])


@pytest.mark.parametrize("text", ["p=" + "A" * 3000, "p=AAEC", "k=ed25519; p=AAEC", "k=ed25519; p=" + "A" * 40])
def test_bytes_that_are_no_key_are_refused(text: str) -> None:
    signature = read_dkim_signature(FIELD)

    with pytest.raises(ValueError, match="key cannot be read"):
        is_right(signature, read_record(text), b"")


@given(st.binary(max_size=200) | _PIECES)
def test_any_field_is_read_or_refused(body: bytes) -> None:
    for field in (b"DKIM-Signature:" + body, FIELD[:-20] + body, body):
        without_value(field)
        try:
            signature = read_dkim_signature(field)
            expiry(signature)
        except ValueError:
            continue
        assert isinstance(signature, Signature)
        assert signed_input(signature, b"")


@given(st.text(max_size=100))
def test_any_text_is_a_tag_list_and_a_key_or_refused(text: str) -> None:
    for read in (read_tags, read_record):
        try:
            read(text)
        except ValueError:
            continue
