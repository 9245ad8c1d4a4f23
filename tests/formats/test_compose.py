"""Mails composed from the API's fields; Python's email package reads them back."""

import email
import email.policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.base.errors import WrongInput
from postroom.mail.address_list import Mailbox
from postroom.mail.compose import Attachment, Composed, Draft, compose

ADA = Mailbox("ada@example.com", "Ada")
BOB = Mailbox("bob@example.net")
DATE_MS = 1_767_225_600_000


def read(composed: Composed) -> EmailMessage:
    message = email.message_from_bytes(composed.content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not [part.defects for part in message.walk() if part.defects]
    return message


def structure(message: EmailMessage) -> str:
    parts = [structure(part) for part in message.iter_parts()] if message.is_multipart() else []
    return message.get_content_type() + (f"({', '.join(parts)})" if parts else "")


def text_of(message: EmailMessage) -> str:
    return str(message.get_content()).replace("\r\n", "\n")


LOGO = Attachment("logo.png", b"\x89PNG" * 100, "image/png", content_id="logo")
BILL = Attachment("bill.pdf", b"%PDF\n\0", "application/pdf")


@pytest.mark.parametrize(
    ("draft", "expected"),
    [
        (Draft(ADA, text="a"), "text/plain"),
        (Draft(ADA, html="a"), "text/html"),
        (Draft(ADA, text="a", html="b"), "multipart/alternative(text/plain, text/html)"),
        (Draft(ADA, html="b", attachments=(LOGO,)), "multipart/related(text/html, image/png)"),
        (
            Draft(ADA, text="a", html="b", attachments=(LOGO, BILL)),
            "multipart/mixed(multipart/alternative(text/plain, multipart/related(text/html, image/png)),"
            " application/pdf)",
        ),
        (Draft(ADA, text="a", attachments=(LOGO,)), "multipart/mixed(text/plain, image/png)"),
        (Draft(ADA, attachments=(BILL,)), "multipart/mixed(text/plain, application/pdf)"),
    ],
)
def test_the_parts_stand_as_mail_programs_expect_them(draft: Draft, expected: str) -> None:
    assert structure(read(compose(draft))) == expected


def test_header_fields_say_what_was_given_and_nothing_else() -> None:
    draft = Draft(
        Mailbox("ada@exämple.com", "Ada Lovelace, née Byron"),
        to=(BOB, Mailbox("c@example.org", "Čeněk")),
        cc=(BOB,),
        reply_to=(ADA,),
        subject="Grüße",
        text="x",
        fields=(("X-Ref", "42"), ("In-Reply-To", "<1@example.com>")),
    )
    message = read(compose(draft, message_id="<msg@example.com>", date_ms=DATE_MS))
    assert message.items() == [
        ("From", '"Ada Lovelace, née Byron" <ada@xn--exmple-cua.com>'),
        ("To", "bob@example.net, Čeněk <c@example.org>"),
        ("Cc", "bob@example.net"),
        ("Reply-To", "Ada <ada@example.com>"),
        ("Subject", "Grüße"),
        ("Date", "Thu, 01 Jan 2026 00:00:00 +0000"),
        ("Message-ID", "<msg@example.com>"),
        ("MIME-Version", "1.0"),
        ("X-Ref", "42"),
        ("In-Reply-To", "<1@example.com>"),
        ("Content-Type", 'text/plain; charset="us-ascii"'),
        ("Content-Transfer-Encoding", "7bit"),
    ]


def test_a_mail_to_bcc_only_shows_undisclosed_recipients() -> None:
    assert b"\r\nTo: undisclosed-recipients:;\r\n" in compose(Draft(ADA, text="x")).content


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("plain\n", "7bit"),
        ("short lines, one of 998\n" + "x" * 998, "7bit"),
        ("x" * 999, "quoted-printable"),
        ("mostly plain, naïve", "quoted-printable"),
        ("日本語の文章です。" * 20, "base64"),
        ("nul \0 octet", "quoted-printable"),
    ],
)
def test_the_shortest_transfer_encoding_that_is_needed_is_taken(text: str, encoding: str) -> None:
    message = read(compose(Draft(ADA, text=text)))
    assert message["Content-Transfer-Encoding"] == encoding
    assert text_of(message).rstrip("\n") == text.rstrip("\n")


@settings(max_examples=60)
@given(st.text(), st.text(), st.binary())
def test_any_text_html_and_file_read_back_the_same(text: str, html: str, content: bytes) -> None:
    composed = compose(Draft(ADA, text=text, html=html, attachments=(Attachment("f", content),)))
    alternative, file = read(composed).iter_parts()
    expected = [part.encode("utf-8", "replace").decode() for part in (text, html)]
    for part, wanted in zip(alternative.iter_parts(), expected, strict=True):  # type: ignore[attr-defined]
        got = part.get_payload(decode=True).decode()
        lines = wanted.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")
        assert got == "".join(line + "\r\n" for line in lines)
    assert file.get_payload(decode=True) == content
    assert b"\r" not in composed.content.replace(b"\r\n", b"")
    assert b"\n" not in composed.content.replace(b"\r\n", b"")
    assert max(map(len, composed.content.split(b"\r\n"))) <= 998
    assert composed.content.isascii()


def test_the_same_fields_give_the_same_bytes() -> None:
    draft = Draft(ADA, to=(BOB,), text="ä", html="<p>ö", attachments=(LOGO, BILL))
    assert compose(draft).content == compose(draft).content


def test_a_text_that_holds_the_boundary_gets_another_one() -> None:
    first = compose(Draft(ADA, text="x", html="y")).content
    boundary = first.partition(b'boundary="')[2].partition(b'"')[0].decode()
    message = read(compose(Draft(ADA, text=f"--{boundary}\n", html="y")))
    assert structure(message) == "multipart/alternative(text/plain, text/html)"


@pytest.mark.parametrize(
    "name",
    [
        "report.pdf",
        'quo"te.txt',
        "semi;colon.txt",
        "Übersicht.pdf",
        "日本語" * 20 + ".txt",
        "x" * 200,
        "100% sure'.txt",
        "back\\slash",
        "a*b.txt",
    ],
)
def test_any_file_name_reads_back_the_same(name: str) -> None:
    composed = compose(Draft(ADA, text="x", attachments=(Attachment(name, b"1"),)))
    [_, file] = read(composed).iter_parts()
    assert file.get_filename() == name
    assert max(map(len, composed.content.split(b"\r\n"))) <= 78


def test_an_inline_image_is_found_by_its_content_id() -> None:
    composed = compose(Draft(ADA, html="<img src=cid:logo>", attachments=(LOGO,)))
    [_, image] = read(composed).iter_parts()
    assert image["Content-ID"] == "<logo>"
    assert image.get_content_disposition() == "inline"


@pytest.mark.parametrize(
    ("content", "encoding", "needs_8bit"),
    [(b"Subject: x\n\nabc\n", "7bit", False), (b"Subject: x\n\n\xc3\xa4\n", "8bit", True)],
)
def test_an_attached_mail_is_never_encoded(content: bytes, encoding: str, needs_8bit: bool) -> None:
    composed = compose(Draft(ADA, text="x", attachments=(Attachment("m.eml", content, "message/rfc822"),)))
    [_, attached] = read(composed).iter_parts()
    assert attached["Content-Transfer-Encoding"] == encoding
    assert composed.needs_8bitmime is needs_8bit
    assert content.replace(b"\n", b"\r\n") in composed.content


def test_an_attached_mail_with_a_long_line_goes_as_a_file() -> None:
    mail = b"Subject: x\r\n\r\n" + b"x" * 2000
    composed = compose(Draft(ADA, text="x", attachments=(Attachment("m.eml", mail, "message/rfc822"),)))
    [_, attached] = read(composed).iter_parts()
    assert attached.get_content_type() == "application/octet-stream"
    assert attached.get_payload(decode=True) == mail


def test_only_an_address_that_is_not_ascii_needs_smtputf8() -> None:
    assert not compose(Draft(Mailbox("ada@exämple.com", "Zoë"), subject="ä", text="ä")).needs_smtputf8
    composed = compose(Draft(ADA, to=(Mailbox("zoë@example.com"),), text="ä"))
    assert composed.needs_smtputf8
    assert "To: zoë@example.com\r\n".encode() in composed.content


@pytest.mark.parametrize(
    "name",
    [
        "From", "to", "CC", "Bcc", "Reply-To", "Subject", "Sender", "Received", "DKIM-Signature", "Return-Path",
        "Content-Type", "content-transfer-encoding", "Content-Anything", "MIME-Version", "X-Postroom-Tag",
        "X-Postroom-Id", "Resent-To", "ARC-Seal", "Authentication-Results", "CFBL-Address", "Delivered-To",
    ],
)  # fmt: skip
def test_a_field_that_is_not_the_authors_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(WrongInput, match=name) as caught:
        compose(Draft(ADA, text="x", fields=((name, "value"),)))
    assert caught.value.field == f"headers.{name}"


@pytest.mark.parametrize("value", ["a\r\nBcc: x@example.org", "a\n\nbody", "a\rb", "a\0"])
def test_no_value_can_open_a_field_of_its_own(value: str) -> None:
    attempts = [
        Draft(ADA, subject=value, text="x"),
        Draft(ADA, text="x", fields=(("X-Note", value),)),
        Draft(ADA, text="x", fields=((value, "x"),)),
        Draft(ADA, text="x", attachments=(Attachment(value, b""),)),
        Draft(ADA, text="x", attachments=(Attachment("a", b"", f"text/plain; a=b{value}"),)),
        Draft(ADA, text="x", attachments=(Attachment("a", b"", content_id=value),)),
    ]
    for draft in attempts:
        with pytest.raises(WrongInput):
            compose(draft)


def test_a_display_name_cannot_open_a_field_of_its_own() -> None:
    content = compose(Draft(Mailbox("ada@example.com", "A\r\nBcc: x@example.org"), text="x")).content
    assert b"\r\nBcc" not in content


@pytest.mark.parametrize(
    ("fields", "remedy"),
    [
        ((("Message-ID", "no brackets"),), "looks like"),
        ((("Date", "yesterday"),), "looks like"),
        ((("Date", "Thu, 01 Jan 2026 00:00:00 +0000"),) * 2, "only once"),
    ],
)
def test_a_wrong_date_or_message_id_is_refused(fields: tuple[tuple[str, str], ...], remedy: str) -> None:
    with pytest.raises(WrongInput, match=remedy):
        compose(Draft(ADA, text="x", fields=fields))


@pytest.mark.parametrize("content_type", ["text", "text/", "multipart/mixed", "text/plain; x", "text/pläin", "a b/c"])
def test_a_wrong_content_type_is_refused(content_type: str) -> None:
    with pytest.raises(WrongInput) as caught:
        compose(Draft(ADA, text="x", attachments=(BILL, Attachment("a", b"", content_type))))
    assert caught.value.field == "attachments[1].content_type"


def test_a_mail_without_any_content_is_refused() -> None:
    with pytest.raises(WrongInput, match="no content"):
        compose(Draft(ADA, subject="x"))


def test_real_templates_read_back_the_same(corpora: Path) -> None:
    for path in sorted((corpora / "templates").rglob("*.html")):
        html = path.read_text("utf-8", "replace")
        message = read(compose(Draft(ADA, to=(BOB,), html=html)))
        assert text_of(message).rstrip("\n") == html.replace("\r\n", "\n").rstrip("\n")
