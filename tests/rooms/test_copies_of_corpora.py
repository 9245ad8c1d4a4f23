"""All real newsletters and templates, to five recipients each."""

import base64
import binascii
import hashlib
import re
from pathlib import Path

import dkim.canonicalization
import pytest
from copies import (
    PIXEL,
    RECIPIENTS,
    assert_only_spans_differ,
    compiled,
    copy_of,
    decoded,
    hrefs,
    leaves,
    mail,
    newsletters,
    templates,
    tokens_in,
)

from postroom.outbound.compile import from_plan
from postroom.outbound.segments import Variant
from postroom.outbound.submission import Track

CODECS = {"gb2312": "gb18030", "iso-8859-1": "cp1252", "us-ascii": "utf-8", "unknown": "utf-8"}


def template_mails(corpora: Path) -> list[tuple[str, bytes]]:
    """Return each template as a mail in four transfer encodings."""
    mails = []
    for name, html in templates(corpora):
        soft = binascii.b2a_qp(html, istext=True)
        coded = {
            b"8bit": html,
            b"quoted-printable": soft.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"),
            b"base64": base64.encodebytes(html).replace(b"\n", b"\r\n"),
        }
        for encoding, body in coded.items():
            mixed = (
                b"preamble\r\n--=_b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
                b"Caf\xc3\xa9: https://example.com/text now.\r\n"
                b"--=_b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: "
                + encoding
                + b"\r\n\r\n"
                + body
                + b"\r\n--=_b--\r\n"
            )
            mails.append(
                (f"{name} {encoding.decode()}", mail(mixed, b'Content-Type: multipart/alternative; boundary="=_b"'))
            )
    return mails


@pytest.fixture(scope="module", params=[newsletters, template_mails], ids=["newsletters", "templates"])
def mails(request: pytest.FixtureRequest, corpora: Path) -> list[tuple[str, bytes]]:
    return list(request.param(corpora))


def codec_of(part: object) -> str:
    charset = str(part.get_content_charset("utf-8"))  # type: ignore[attr-defined]
    return CODECS.get(charset, charset)


def test_outside_the_spans_every_part_decodes_byte_identical(mails: list[tuple[str, bytes]]) -> None:
    links = 0
    for name, raw in mails:
        content, findings = compiled(raw)
        assert findings.refused is None, name
        before = leaves(raw)
        for recipient in RECIPIENTS:
            copy = copy_of(content, recipient).to_bytes()
            after = [decoded(part) for part in leaves(copy)]
            assert len(before) == len(after), name
            positions = [position for text in after for position in tokens_in(text, recipient)]
            assert positions == list(range(len(findings.links))), name
        for one, text in zip(before, after, strict=True):
            assert_only_spans_differ(decoded(one), text, findings.links, codec_of(one))
        links += len(findings.links)
    assert links > 500


def test_identity_parts_stay_byte_identical_in_the_raw_mail(mails: list[tuple[str, bytes]]) -> None:
    seen = 0
    for _, raw in mails:
        if b"quoted-printable" in raw.lower() or b"base64" in raw.lower():
            continue
        content, findings = compiled(raw)
        if any(part.flags & 4 for part in content.plan.parts):
            continue
        seen += 1
        body = b"".join(copy_of(content).body)
        assert_only_spans_differ(raw[content.plan.body_start :], body, findings.links, "latin-1")
    assert seen > 40


def test_the_links_are_those_that_selectolax_sees(mails: list[tuple[str, bytes]]) -> None:
    for name, raw in mails:
        _, findings = compiled(raw, Track.OPENS | Track.CLICKS)
        expected: set[str] = set()
        for part in leaves(raw):
            if part.get_content_type() == "text/html" and part.get_content_disposition() != "attachment":
                expected |= hrefs(decoded(part).decode(codec_of(part), "replace"))
        # Further ones come from conditional comments, which a browser does not read.
        assert expected <= set(findings.links), name
        assert len(set(findings.links) - expected) <= raw.count(b"<!--[if"), name


def test_every_html_mail_has_one_pixel_of_its_own(mails: list[tuple[str, bytes]]) -> None:
    for name, raw in mails:
        content, _ = compiled(raw)
        has_html = any(part.get_content_type() == "text/html" for part in leaves(raw))
        tokens = set()
        for recipient in RECIPIENTS:
            copy = leaves(copy_of(content, recipient).to_bytes())
            found = [token for part in copy for token in PIXEL.findall(decoded(part))]
            assert len(found) == has_html, name
            tokens |= set(found)
        assert len(tokens) == has_html * len(RECIPIENTS), name


def test_the_headers_of_all_copies_show_the_same_bytes(mails: list[tuple[str, bytes]]) -> None:
    shown = (b"from:", b"to:", b"cc:", b"date:", b"subject:", b"message-id:")
    for name, raw in mails:
        content, _ = compiled(raw, is_bulk=True)
        headers = {
            tuple(field for field in copy_of(content, recipient).header if field.lower().startswith(shown))
            for recipient in RECIPIENTS
        }
        assert len(headers) == 1, name
        for field in headers.pop():
            assert field in raw, name


def test_the_body_hash_is_that_of_dkimpy(mails: list[tuple[str, bytes]]) -> None:
    canonicalize = dkim.canonicalization.Relaxed.canonicalize_body
    for name, raw in mails:
        content, _ = compiled(raw)
        for variant in Variant:
            copy = copy_of(content, variant=variant)
            assert copy.body_sha256 == hashlib.sha256(canonicalize(b"".join(copy.body))).digest(), name


def test_a_recipient_renders_to_the_same_body_again(mails: list[tuple[str, bytes]]) -> None:
    for name, raw in mails:
        content, _ = compiled(raw)
        again, _ = compiled(raw)
        stored = from_plan(content.raw, content.to_plan())
        for variant in Variant:
            first = copy_of(content, variant=variant)
            assert copy_of(content, variant=variant) == first, name
            assert copy_of(again, variant=variant) == first, name
            assert copy_of(stored, variant=variant) == first, name


def test_the_seven_bit_variant_is_ascii_and_decodes_to_the_same(mails: list[tuple[str, bytes]]) -> None:
    converted = 0
    for name, raw in mails:
        content, _ = compiled(raw)
        if not content.needs_8bit:
            continue
        assert content.seven_bit_refused is None, name
        eight, seven = (copy_of(content, variant=variant) for variant in (Variant.EIGHT_BIT, Variant.SEVEN_BIT))
        assert b"".join(seven.body).isascii(), name
        converted += 1
        for one, other in zip(leaves(eight.to_bytes()), leaves(seven.to_bytes()), strict=True):
            assert decoded(one) == decoded(other), name
    assert converted > 5


def test_no_line_is_too_long_and_no_bare_cr_or_lf_leaves(mails: list[tuple[str, bytes]]) -> None:
    for name, raw in mails:
        content, _ = compiled(raw, is_bulk=True)
        for variant in Variant:
            copy = copy_of(content, variant=variant).to_bytes()
            assert copy.endswith(b"\r\n"), name
            assert copy.count(b"\r\n") == copy.count(b"\r") == copy.count(b"\n"), name
            assert max(map(len, copy.split(b"\r\n"))) <= 998, name


def test_copies_without_tracking_are_the_mail_itself(mails: list[tuple[str, bytes]]) -> None:
    for name, raw in mails:
        content, findings = compiled(raw, Track.NOTHING)
        if any(part.flags & 4 for part in content.plan.parts):
            continue
        copy = copy_of(content)
        assert findings.links == (), name
        body = raw[content.plan.body_start :]
        assert b"".join(copy.body) == (body if body.endswith(b"\r\n") or not body else body + b"\r\n"), name
        kept = re.sub(rb"(?mi)^(?:Return-Path|Bcc):.*\r\n(?:[ \t].*\r\n)*", b"", raw[: content.plan.body_start])
        assert kept.rstrip() == b"".join(copy.header[2:]).rstrip(), name
