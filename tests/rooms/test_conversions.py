"""Lines that are too long, and hops that take seven bits only."""

import base64
import quopri

import pytest
from copies import (
    LINK,
    assert_only_spans_differ,
    compiled,
    copy_of,
    decoded,
    html_mail,
    leaves,
    mail,
    multipart,
    part,
)

from postroom.outbound.compile import from_plan
from postroom.outbound.segments import Variant
from postroom.outbound.submission import Track


def test_a_part_with_a_long_line_goes_as_quoted_printable() -> None:
    html = b"<p>" + b"word " * 400 + b"</p>\t \r\n" + LINK + b"\r\n"
    raw = multipart(
        b"mixed",
        part(html, b"text/html", b"Content-Transfer-Encoding: 7bit"),
        part(b"y" * 1200, b"text/plain"),
        part(b"z" * 999, b"application/x"),
    )
    content, findings = compiled(raw)
    assert findings.refused is None
    copy = copy_of(content).to_bytes()
    assert max(map(len, copy.split(b"\r\n"))) <= 76 + len("Content-")
    after = leaves(copy)
    assert [one["Content-Transfer-Encoding"] for one in after] == ["quoted-printable", "quoted-printable", "base64"]
    for one, other in zip(leaves(raw), after, strict=True):
        assert_only_spans_differ(decoded(one), decoded(other), findings.links)


def test_our_urls_may_make_a_line_too_long() -> None:
    html = b"<p>" + b'<a href="http://x.example">x</a>' * 30 + b"</p>\r\n"
    assert len(html) < 998
    content, findings = compiled(html_mail(html))
    copy = copy_of(content).to_bytes()
    assert b"Content-Transfer-Encoding: quoted-printable\r\n" in copy
    assert b"8bit" not in copy
    assert_only_spans_differ(html, decoded(leaves(copy)[0]), findings.links)


def test_a_mail_of_one_part_without_mime_fields_gets_them_for_a_long_line() -> None:
    copy = copy_of(compiled(b"From: a@example.com\r\n\r\n" + b"x" * 1000 + b"\r\n")[0])
    assert copy.header[-2:] == [b"MIME-Version: 1.0\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n"]


@pytest.mark.parametrize(
    "raw",
    [
        multipart(b"signed", part(b"x" * 999, b"text/plain"), part(b"s", b"application/pgp-signature")),
        multipart(b"mixed", part(b"From: x\r\n\r\n" + b"x" * 999, b"message/rfc822")),
        multipart(b"mixed", part(b"x" * 999, b"text/plain", b"Content-Transfer-Encoding: x-uuencode")),
        multipart(b"mixed", part(b"x", b"text/plain", b"X-Long: " + b"y" * 1000)),
        mail(b"x\r\n", b"X-Long: " + b"y" * 1000),
    ],
)
def test_a_long_line_in_a_part_that_must_not_change_is_refused(raw: bytes) -> None:
    refused = compiled(raw)[1].refused
    assert refused is not None
    assert (refused.code, refused.enhanced) == (554, "5.6.3")


def test_lines_of_998_octets_leave_as_they_are() -> None:
    raw = multipart(b"signed", part(b"x" * 998, b"text/plain"), part(b"s", b"application/pgp-signature"))
    content, findings = compiled(raw)
    assert findings.refused is None
    assert b"".join(copy_of(content).body) == raw.partition(b"\r\n\r\n")[2]


def test_a_long_header_field_is_folded_at_white_space() -> None:
    long = b"To: " + b", ".join(b"person%03d@example.com" % number for number in range(100))
    copy = copy_of(compiled(mail(b"x\r\n", long))[0])
    field = next(field for field in copy.header if field.startswith(b"To: person"))
    assert field.replace(b"\r\n ", b" ") == long + b"\r\n"
    assert max(map(len, field.split(b"\r\n"))) <= 998


def test_a_long_base64_line_is_cut() -> None:
    data = bytes(range(256)) * 8
    raw = multipart(b"mixed", part(base64.b64encode(data), b"image/png", b"Content-Transfer-Encoding: base64"))
    copy = copy_of(compiled(raw)[0]).to_bytes()
    assert max(map(len, copy.split(b"\r\n"))) <= 76
    assert decoded(leaves(copy)[0]) == data


def test_the_seven_bit_variant_encodes_what_has_octets_above_127() -> None:
    raw = multipart(
        b"mixed",
        part(b"caf\xc3\xa9\r\n" + LINK, b"text/html", b"Content-Transfer-Encoding: 8bit"),
        part(b"\x80\x81\r\n", b"application/x", b"Content-Transfer-Encoding: 8bit"),
        part(b"=e9\xe9", b"text/plain; charset=latin1", b"Content-Transfer-Encoding: quoted-printable"),
        part(b"plain", b"text/plain"),
    ).replace(b"Subject: s\r\n", b"Subject: s\r\nContent-Transfer-Encoding: 8bit\r\n")
    content, findings = compiled(raw)
    assert content.needs_8bit
    assert not content.needs_smtputf8
    assert content.seven_bit_refused is None
    copy = copy_of(content, variant=Variant.SEVEN_BIT).to_bytes()
    assert copy.isascii()
    assert b"Content-Transfer-Encoding: 7bit\r\n" in copy
    for one, other in zip(leaves(raw), leaves(copy), strict=True):
        assert_only_spans_differ(decoded(one), decoded(other), findings.links)


@pytest.mark.parametrize("kind", [b"signed", b"encrypted"])
def test_a_signed_part_with_octets_above_127_has_no_seven_bit_variant(kind: bytes) -> None:
    content, findings = compiled(multipart(kind, part(b"caf\xc3\xa9", b"text/plain")))
    assert findings.refused is None
    assert content.seven_bit_refused is not None
    assert content.seven_bit_refused.enhanced == "5.6.3"


RETURNED = b"From: ada@example.com\r\nSubject: =?utf-8?q?=C3=A9?=\r\nX-Folded: a\r\n b\r\n"
REPORT = multipart(
    b"report; report-type=delivery-status",
    part(b"It failed\r\n", b"text/plain"),
    part(b"Final-Recipient: rfc822; x@x.test\r\n", b"message/delivery-status"),
    part(RETURNED + b"\r\ncaf\xc3\xa9\r\n", b"message/rfc822", b"Content-Transfer-Encoding: 8bit"),
).replace(b"Subject: s\r\n", b"Subject: s\r\nContent-Transfer-Encoding: 8bit\r\n")


def test_a_report_of_ours_returns_the_whole_mail_and_in_seven_bits_its_header() -> None:
    content, _ = compiled(REPORT, Track.NOTHING, is_report=True)
    assert content.needs_8bit
    assert content.seven_bit_refused is None
    assert copy_of(content).to_bytes().endswith(REPORT.partition(b"\r\n\r\n")[2])
    copy = copy_of(content, variant=Variant.SEVEN_BIT).to_bytes()
    assert copy.isascii()
    assert b"Content-Transfer-Encoding: 8bit" not in copy
    *others, returned = leaves(copy)
    assert [one.get_payload(decode=True) for one in others[:1]] == [b"It failed\r\n"]
    assert returned.get_content_type() == "text/rfc822-headers"
    assert returned.get_payload(decode=True) == RETURNED


def test_a_report_keeps_its_bytes_from_attempt_to_attempt() -> None:
    content, _ = compiled(REPORT, Track.NOTHING, is_report=True)
    again = from_plan(content.raw, content.to_plan())
    for variant in Variant:
        assert copy_of(again, variant=variant).to_bytes() == copy_of(content, variant=variant).to_bytes()


def test_reports_of_others_are_not_cut() -> None:
    content, _ = compiled(REPORT, Track.NOTHING)
    assert content.seven_bit_refused is not None


@pytest.mark.parametrize("kind", [b"global", b"global-headers", b"global-delivery-status"])
def test_mail_with_utf_8_in_its_header_may_be_encoded_where_it_is_a_part(kind: bytes) -> None:
    inner = "Subject: Grüße\r\n\r\n".encode() + b"x = y \r\n" * 3
    raw = multipart(b"mixed", part(inner, b"message/" + kind, b"Content-Transfer-Encoding: 8bit"))
    content, _ = compiled(raw)
    assert content.seven_bit_refused is None
    copy = copy_of(content, variant=Variant.SEVEN_BIT).to_bytes()
    assert copy.isascii()
    encoded = copy.partition(b"quoted-printable\r\n\r\n")[2].partition(b"\r\n--=_b")[0]
    assert quopri.decodestring(encoded) == inner


def test_raw_utf_8_in_a_header_field_needs_smtputf8() -> None:
    assert compiled(mail(b"x\r\n", subject=b"caf\xc3\xa9"))[0].needs_smtputf8
    assert compiled(multipart(b"mixed", part(b"x", b"text/plain; name=\xc3\xa9")))[0].needs_smtputf8
    assert not compiled(b"Bcc: \xc3\xa9@example.com\r\n" + mail(b"caf\xc3\xa9\r\n"))[0].needs_smtputf8
