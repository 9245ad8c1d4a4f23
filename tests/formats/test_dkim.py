"""DKIM's canonicalization, signature field and key record, compared with dkimpy and the RFC's own examples."""

import hashlib
import re

import pytest
from dkim.canonicalization import Relaxed
from hypothesis import given
from hypothesis import strategies as st

from postroom.mail.dkim.record import record_name, record_text
from postroom.mail.dkim.relaxed import body_sha256, end_body, relax_body, relax_field, relax_piece
from postroom.mail.dkim.signature import Algorithm, cover, signed_field, signing_input, unsigned_field

BODY_PIECES = (b" ", b"  ", b"\t", b"\r\n", b"\r\n\r\n", b"\r", b"\n", b"a", b"word", b"\x0b", b"\x0c", b"\0\xff")
BODY = st.lists(st.sampled_from(BODY_PIECES)).map(b"".join)
VALUE_PIECES = (b" ", b"\t", b"\r\n ", b"\r\n\t", b"a", b"b:c", b"\xc3\xa9", b"x\x0b\x0cx")
VALUE = st.lists(st.sampled_from(VALUE_PIECES)).map(b"".join)


def test_the_example_of_the_rfc() -> None:
    # RFC 6376 3.4.5
    assert relax_field(b"A: X\r\n") + relax_field(b"B : Y\t\r\n\tZ  \r\n") == b"a:X\r\nb:Y Z\r\n"
    assert relax_body(b" C \r\nD \t E\r\n\r\n\r\n") == b" C\r\nD E\r\n"


@pytest.mark.parametrize("body", [b"", b"\r\n", b"\r\n\r\n", b" \t\r\n \r\n", b" "])
def test_a_body_without_text_is_empty(body: bytes) -> None:
    assert relax_body(body) == b""
    assert body_sha256(body) == hashlib.sha256(b"").digest()


@given(st.one_of(BODY, st.binary()))
def test_any_body_is_made_canonical_as_dkimpy_does(body: bytes) -> None:
    # DATA ends every mail with CRLF, so that is what a verifier sees.
    sent = body if not body or body.endswith(b"\r\n") else body + b"\r\n"
    assert relax_body(body) == Relaxed.canonicalize_body(sent)


@given(BODY, st.data())
def test_pieces_made_canonical_one_by_one_join_to_the_canonical_body(body: bytes, data: st.DataObject) -> None:
    """As long as no border stands in white space or a line end, which is what `compile` promises."""
    borders = [at for at in range(1, len(body)) if body[at - 1] not in b" \t\r\n" and body[at] not in b" \t\r\n"]
    cuts = sorted(data.draw(st.sets(st.sampled_from(borders)))) if borders else []
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert end_body(b"".join(map(relax_piece, pieces))) == relax_body(body)


@given(VALUE)
def test_any_field_is_made_canonical_as_dkimpy_does(value: bytes) -> None:
    [(name, canonical)] = Relaxed.canonicalize_headers([(b"X-Any ", value + b"a\r\n")])
    assert relax_field(b"X-Any :" + value + b"a\r\n") == name + b":" + canonical


def test_each_field_is_signed_once_for_every_time_it_occurs_from_the_bottom_up() -> None:
    header = [b"From: a@b\r\n", b"List-Id: <1>\r\n", b"X-Other: x\r\n", b"List-Id: <2>\r\n"]
    covered = cover(header)
    assert covered.canonical == b"list-id:<2>\r\nlist-id:<1>\r\nfrom:a@b\r\n"
    names = re.sub(rb"\s", b"", covered.names).split(b":")
    assert names[:3] == [b"list-id", b"list-id", b"from"]
    assert b"x-other" not in names


@given(st.lists(st.tuples(st.sampled_from([b"From", b"TO ", b"Subject\t", b"X-Other"]), VALUE)))
def test_covered_fields_are_the_relaxed_fields(fields: list[tuple[bytes, bytes]]) -> None:
    header = [name + b":" + value + b"a\r\n" for name, value in fields]
    signed = [field for field in reversed(header) if not field.startswith(b"X-Other")]
    assert cover(header).canonical == b"".join(map(relax_field, signed))


def test_the_fields_that_make_a_mail_are_oversigned() -> None:
    names = re.sub(rb"\s", b"", cover([b"From: a@b\r\n", b"Subject: x\r\n"]).names).split(b":")
    assert names.count(b"from") == names.count(b"subject") == 2
    for name in (b"to", b"cc", b"date", b"message-id", b"reply-to", b"mime-version", b"content-type"):
        assert names.count(name) == 1


@pytest.mark.parametrize(
    "name", ["List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID", "CFBL-Address", "CFBL-Feedback-ID", "List-Id"]
)
def test_list_and_feedback_fields_are_signed(name: str) -> None:
    assert cover([f"{name}: x\r\n".encode()]).canonical == f"{name.lower()}:x\r\n".encode()


def test_the_field_is_folded_below_78_and_ends_with_the_signature() -> None:
    header = [f"List-Id: <{number}>\r\n".encode() for number in range(30)]
    covered = cover(header)
    unsigned = unsigned_field(Algorithm.RSA, b"a" * 60 + b".example", b"s" * 60, covered, b"h" * 32, 1767225600)
    field = signed_field(unsigned, b"x" * 256)
    lines = field.removesuffix(b"\r\n").split(b"\r\n")
    assert max(map(len, lines)) < 78
    assert all(line.startswith(b" ") for line in lines[1:])
    assert signing_input(covered, unsigned).endswith(b" b=")


def test_an_rsa_key_is_published_under_its_selector() -> None:
    assert record_text(Algorithm.RSA, b"k" * 294).startswith("v=DKIM1; k=rsa; p=a2tr")
    assert record_name("sel", "example.com") == "sel._domainkey.example.com"


def test_the_ed25519_record_of_the_rfc() -> None:
    # RFC 8463 A.2
    key = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    assert record_text(Algorithm.ED25519, key) == "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
