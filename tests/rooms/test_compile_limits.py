"""Any bytes, any size."""

import base64
import hashlib
import tracemalloc

import dkim.canonicalization
import pytest
from copies import (
    HTML,
    KEYS,
    LINK,
    RECIPIENTS,
    compiled,
    copy_of,
    html_mail,
    lines_of,
    mail,
    multipart,
    part,
    soft,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from postroom.outbound.compile import CompileOptions, from_plan
from postroom.outbound.links import pack_targets, unpack_targets
from postroom.outbound.render import MessageValues, render
from postroom.outbound.segments import Variant
from postroom.outbound.submission import Track

# Any bytes


PIECES = st.sampled_from(
    [
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b" ",
        b"\t",
        b"From: a@example.com\r\n",
        b"Bcc: secret\r\n",
        b"Content-Type: text/html\r\n",
        b"Content-Type: multipart/alternative; boundary=b\r\n",
        b"Content-Type: multipart/signed; boundary=c\r\n",
        b"--b\r\n",
        b"--b--\r\n",
        b"--c\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n",
        b"Content-Transfer-Encoding: 8bit\r\n",
        LINK,
        b"http://example.com/x",
        base64.b64encode(LINK * 3),
        soft(LINK),
        b"=\r\n",
        b"=3D",
        b"=",
        b"<!--[if mso]>",
        b"<![endif]-->",
        b"</body>",
        b"{{unsubscribe_url}}",
        b"\xc3\xa9",
        b"\xff",
        b"x" * 1000,
        b"Content-Type: text/html; charset=utf-16\r\n",
        b"\x1b$B",
        b"\x1b(B",
        b"<a href='",
        b".",
    ]
)
ANY = st.one_of(st.binary(max_size=400), st.lists(PIECES, max_size=25).map(b"".join))


@settings(max_examples=300)
@given(ANY, st.booleans())
@example(b"", False)
@example(b"\r\n", True)
def test_compile_never_crashes_and_copies_are_clean(raw: bytes, is_bulk: bool) -> None:
    content, _ = compiled(raw, is_bulk=is_bulk)
    stored = from_plan(content.raw, content.to_plan())
    for variant in Variant:
        copy = copy_of(content, variant=variant)
        assert copy == copy_of(stored, variant=variant)
        whole = copy.to_bytes()
        assert len(whole) == copy.size_bytes
        assert whole.count(b"\r\n") == whole.count(b"\r") == whole.count(b"\n")
        canonical = dkim.canonicalization.Relaxed.canonicalize_body(b"".join(copy.body))
        assert copy.body_sha256 == hashlib.sha256(canonical).digest()


@settings(max_examples=300)
@given(ANY)
def test_without_slots_a_copy_is_the_mail(raw: bytes) -> None:
    content, findings = compiled(raw.replace(b"{{unsubscribe_url}}", b"").replace(b"x" * 1000, b"x"), Track.NOTHING)
    assert findings.links == ()
    if any(part.flags & 4 for part in content.plan.parts):
        return
    copy = copy_of(content)
    assert b"".join(copy.body) == content.raw[content.plan.body_start :]
    assert copy.header[2:] == [content.raw[field.start : field.end] for field in content.plan.fields]


@settings(max_examples=200)
@given(ANY)
def test_a_plan_is_refused_for_other_contents_and_garbage(raw: bytes) -> None:
    content, _ = compiled(raw)
    with pytest.raises(ValueError, match="content"):
        from_plan(content.raw + b"\r\n", content.to_plan())
    with pytest.raises(ValueError, match="compiled content"):
        from_plan(content.raw, content.to_plan()[:-1])


def test_a_link_table_comes_back_as_it_was() -> None:
    targets = ("http://example.com/\u00e9", "http://example.com/" + "x" * 9000, "http://example.com/")
    assert unpack_targets(pack_targets(targets)) == targets
    with pytest.raises(ValueError, match="link table"):
        unpack_targets(b"\x01")


# Size


def test_a_large_attachment_is_neither_copied_nor_decoded() -> None:
    attachment = lines_of(bytes(range(256)) * 1024) * 32  # 11 MB
    raw = multipart(b"mixed", part(HTML), part(attachment, b"application/zip", b"Content-Transfer-Encoding: base64"))
    tracemalloc.start()
    content, findings = compiled(raw)
    copies = [copy_of(content, recipient) for recipient in RECIPIENTS]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6_000_000
    assert len(findings.links) == 1
    body = b"".join(copies[0].body)
    assert body.endswith(raw[raw.index(b"application/zip") :])
    assert copies[0].body_sha256 == hashlib.sha256(dkim.canonicalization.Relaxed.canonicalize_body(body)).digest()
    assert max(map(len, copies[0].body)) < 1_000_000


def test_hostile_structures_cost_little() -> None:
    nested = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level) for level in range(5_000)
    )
    compiled(nested)
    compiled(mail(b"--b\r\n" * 200_000, b"Content-Type: multipart/mixed; boundary=b"))
    compiled(mail(b"--bx\r\n" * 200_000, b"Content-Type: multipart/mixed; boundary=b"))
    compiled(b"X: y\r\n" * 200_000)
    compiled(html_mail(b'<a href="http://example.com/">' * 30_000))
    compiled(html_mail(b"<!--[if mso]>" * 100_000))
    compiled(mail(b"http://example.com/" + b")" * 1_000_000))
    compiled(mail(b"(((((http://" * 100_000))
    compiled(html_mail(b"=" * 1_000_000, encoding=b"quoted-printable"))


def test_values_of_a_message_may_be_empty() -> None:
    content, _ = compiled(mail(b"x\r\n"), is_bulk=True)
    copy = render(content, MessageValues(7, "rp.example.com"), RECIPIENTS[0], KEYS, Variant.EIGHT_BIT)
    assert b"Feedback-ID" not in b"".join(copy.header).replace(b"CFBL-Feedback-ID", b"")


def test_a_text_of_many_megabytes_is_left_alone_and_told() -> None:
    raw = html_mail(LINK + b"<p>word</p>\r\n" * 200_000)
    content, findings = compiled(raw)
    assert findings.links == ()
    assert findings.left_alone == ("text/html: too large",)
    assert b"".join(copy_of(content).body) == raw.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    "url", ["", "https://", "javascript:x", 'https://x"', "https://x/", "https://x y", "https://x?a=b", "https://x\r\n"]
)
def test_a_tracking_url_that_could_break_out_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="public addresses"):
        CompileOptions(url, Track.NOTHING)
