"""A mail as people read it."""

import base64
import email
from pathlib import Path

import pytest
from copies import html_mail, lines_of, mail, multipart, newsletters, part, soft
from hypothesis import given
from hypothesis import strategies as st

from postroom.mail.parse import read_header, walk
from postroom.mail.reading import Reading, content_id_of, decode_text, decoded, decoded_size, part_bytes, read_mail

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200))


def files(raw: bytes) -> list[tuple[str, str, int, str, bool]]:
    return [
        (one.name, one.media_type, one.size_bytes, one.content_id, one.is_attachment) for one in read_mail(raw).files
    ]


def named(disposition: bytes, media_type: bytes = b"application/pdf") -> str:
    raw = multipart(
        b"mixed", part(b"x", b"text/plain"), part(b"%PDF", media_type, b"Content-Disposition: " + disposition)
    )
    return read_mail(raw).files[0].name


def html_of(raw: bytes) -> str:
    reading = read_mail(raw)
    assert reading.html is not None
    return reading.html.text


def test_both_texts_of_an_alternative_are_found_and_decoded() -> None:
    raw = multipart(
        b"alternative",
        part(
            soft("Grüße = 1\r\nzwei".encode()),
            b"text/plain; charset=utf-8",
            b"Content-Transfer-Encoding: quoted-printable",
        ),
        part(lines_of("<p>Grüße</p>".encode()), b"text/html; charset=utf-8", b"Content-Transfer-Encoding: base64"),
    )
    reading = read_mail(raw)
    assert reading.plain is not None
    assert (reading.plain.text, reading.plain.encoding) == ("Grüße = 1\nzwei", "quoted-printable")
    assert html_of(raw) == "<p>Grüße</p>"
    assert reading.files == ()


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        (b"iso-8859-1", "cp1252", "Grüße €"),
        (b"windows-1251", "cp1251", "Привет"),
        (b"KOI8-R", "koi8_r", "Привет"),
        (b"Shift_JIS", "shift_jis", "こんにちは"),
        (b"iso-2022-jp", "iso2022_jp", "こんにちは"),
        (b"gb2312", "gb2312", "你好"),
        (b"utf-16", "utf-16", "Grüße 你好"),
        (b"utf-7", "utf-7", "Grüße"),
        (b"hz-gb-2312", "hz", "你好"),
        (b"", "utf-8", "Grüße"),
        (b"", "cp1252", "Grüße"),
        (b"x-made-up", "utf-8", "Grüße"),
    ],
)
def test_charsets_are_read(label: bytes, codec: str, text: str) -> None:
    content = f"<p>{text}</p>".encode(codec)
    raw = html_mail(lines_of(content), label or b'""', b"base64")
    assert html_of(raw) == f"<p>{text}</p>"


def test_without_a_label_the_html_says_its_charset() -> None:
    content = '<meta http-equiv="Content-Type" content="text/html; charset=windows-1251"><p>Привет'.encode("cp1251")
    assert decode_text(content, b"", is_html=True)[0].endswith("Привет")
    lie = b'<meta charset="utf-16"><p>plain'
    assert decode_text(lie, b"", is_html=True) == (lie.decode(), "utf-8")


def test_utf_8_under_the_label_of_another_charset_is_read_as_what_it_is() -> None:
    assert decode_text("容量がいっぱい".encode(), b"iso-2022-jp") == ("容量がいっぱい", "utf-8")
    assert decode_text("größer".encode("utf-16-le")[:-1], b"utf-16-le")[0] == "größe\ufffd"
    assert decode_text("größer".encode(), b"iso-8859-1")[0] != "größer"


def test_letters_that_the_charset_does_not_have_are_shown_as_such() -> None:
    assert html_of(html_mail(b"<p>\xff\xfe ok", b"utf-8")) == "<p>\ufffd\ufffd ok"
    assert "\x00" not in html_of(html_mail(b"<p>\x00</p>"))


def test_base64_that_was_cut_off_is_read_as_far_as_it_goes() -> None:
    whole = base64.b64encode(b"<p>" + b"x" * 100)
    assert html_of(html_mail(whole[:-7], b"utf-8", b"base64")).startswith("<p>xxxx")
    assert html_of(html_mail(b"!!" + whole, b"utf-8", b"base64")).startswith("<p>xxxx")


def test_files_are_listed_with_name_type_size_and_content_id() -> None:
    raw = multipart(
        b"related",
        part(b'<img src="cid:logo@x">', b"text/html"),
        part(lines_of(PNG), b"image/png", b"Content-ID: <logo@x>", b"Content-Transfer-Encoding: base64",
             b'Content-Disposition: inline; filename="logo.png"'),
        part(b"a,b\r\n", b"text/csv", b'Content-Disposition: attachment; filename="sheet.csv"'),
        part(b"Subject: x\r\n\r\ny", b"message/rfc822"),
    )  # fmt: skip
    assert files(raw) == [
        ("logo.png", "image/png", len(PNG), "logo@x", False),
        ("sheet.csv", "text/csv", 5, "", True),
        ("part-4.eml", "message/rfc822", 15, "", True),
    ]
    found = part_bytes(raw, 2)
    assert found is not None
    assert found[1] == PNG


@pytest.mark.parametrize("media_type", [b"text/plain", b"text/html"])
def test_a_text_that_goes_on_behind_a_file_is_one_text(media_type: bytes) -> None:
    raw = multipart(
        b"mixed",
        part(b"above", media_type),
        part(lines_of(PNG), b"image/png", b'Content-Disposition: inline; filename="photo.png"'),
        part(b"below", media_type),
        part(b"log", media_type + b'; name="log"'),
        part(b"more", media_type, b'Content-Disposition: inline; filename="more"'),
    )
    reading = read_mail(raw)
    text = reading.plain or reading.html
    assert text is not None
    assert text.text == "above\nbelow"
    assert [file.name for file in reading.files] == ["photo.png", "log", "more"]


def test_of_two_alternatives_of_one_type_the_first_is_the_text() -> None:
    raw = multipart(b"alternative", part(b"one", b"text/html"), part(b"other", b"text/html"))

    assert html_of(raw) == "one"
    assert [file.name for file in read_mail(raw).files] == ["part-2.html"]


def test_an_image_that_the_html_names_is_shown_in_it_whatever_its_disposition_says() -> None:
    attached = b"Content-Disposition: attachment; filename=x.png"
    raw = multipart(
        b"related",
        part(b"<img src='CID:a%40x'>", b"text/html"),
        part(PNG, b"image/png", b"Content-ID: <a@x>", attached),
        part(PNG, b"image/png", b"Content-ID: <b@x>", attached),
    )
    assert [file.is_attachment for file in read_mail(raw).files] == [False, True]


@pytest.mark.parametrize("number", [-1, 0, 3, 10**9])
def test_a_part_that_is_not_there_is_none(number: int) -> None:
    raw = multipart(b"mixed", part(b"x", b"text/plain"), part(b"y", b"text/plain"))
    assert part_bytes(raw, number) is None


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (b'attachment; filename="a b.pdf"', "a b.pdf"),
        (b"attachment; filename*=utf-8''%e2%82%ac%20rates.pdf", "€ rates.pdf"),
        (b"attachment; filename*0*=utf-8''%e2%82; filename*1*=%ac.pdf", "€.pdf"),
        (b'attachment; filename="=?utf-8?q?Gr=C3=BC=C3=9Fe?=.pdf"', "Grüße.pdf"),
        (b'attachment; filename="../../etc/passwd"', "etc_passwd"),
        (b'attachment; filename="a\\\\b\x01.pdf"', "a_b .pdf"),
        ('attachment; filename="x\u202egpj.exe"'.encode(), "x\ufffdgpj.exe"),
        (b'attachment; filename="' + b"n" * 300 + b'.pdf"', "n" * 109 + ".pdf"),
        (b'attachment; filename=".."', "part-2.bin"),
        (b"attachment", "part-2.bin"),
    ],
)
def test_names_of_files_are_decoded_and_harmless(disposition: bytes, name: str) -> None:
    assert named(disposition) == name


def test_header_fields_are_unfolded_and_decoded() -> None:
    raw = mail(
        b"x", b"List-Unsubscribe: <https://a.test/u>,\r\n <mailto:u@a.test>", subject=b"=?utf-8?q?Gr=C3=BC=C3=9Fe?="
    )
    reading = read_mail(raw)
    assert reading.value("subject") == "Grüße"
    assert reading.value("list-unsubscribe") == "<https://a.test/u>, <mailto:u@a.test>"
    assert reading.all_raw(b"list-unsubscribe") == [b"<https://a.test/u>, <mailto:u@a.test>"]
    assert reading.value("absent") == ""


def test_a_content_id_is_found_in_any_spelling() -> None:
    assert content_id_of("logo%40x") == "logo@x"


def test_a_mail_of_deep_multiparts_is_read() -> None:
    raw = mail(b"x")
    for depth in range(60):
        raw = multipart(b"mixed", raw, boundary=b"b%d" % depth)
    assert isinstance(read_mail(raw), Reading)


def test_newsletters_are_read_as_the_standard_library_does(corpora: Path) -> None:
    compared = 0
    for name, raw in list(newsletters(corpora))[:60]:
        reading = read_mail(raw)
        theirs = next(
            (one for one in email.message_from_bytes(raw).walk() if one.get_content_type() == "text/html"), None
        )
        if theirs is None or reading.html is None:
            assert (theirs is None) == (reading.html is None), name
            continue
        content = theirs.get_payload(decode=True)
        assert isinstance(content, bytes)
        label = (theirs.get_content_charset() or "utf-8").encode()
        expected = decode_text(content, label, is_html=True)[0].replace("\r\n", "\n").replace("\r", "\n")
        assert reading.html.text.split() == expected.split(), name
        compared += 1
    assert compared > 20


@given(st.binary(max_size=400))
def test_any_bytes_are_read(raw: bytes) -> None:
    heads = (
        b"",
        b"Content-Type: text/html; charset=",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n",
        b"Content-Transfer-Encoding: base64\r\nContent-Type: text/html\r\n\r\n",
    )
    for text in (head + raw for head in heads):
        reading = read_mail(text)
        for file in reading.files:
            assert file.name
            found = part_bytes(text, file.number)
            assert found is not None
            assert file.size_bytes == len(found[1])


@given(
    st.sampled_from([b"base64", b"quoted-printable", b"8bit"]),
    st.lists(st.sampled_from([b"QUJD", b"QQ==", b"=", b"=3D", b"=\r\n", b" ", b"\r\n", b"x" * 70, b"\xff", b"=4"])),
)
def test_the_size_of_a_file_is_told_without_decoding_it_as_a_whole(encoding: bytes, pieces: list[bytes]) -> None:
    head = b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n"
    raw = head + b"".join(pieces)
    parts = walk(raw, read_header(raw, 0, len(raw)))
    assert decoded_size(raw, parts[0]) == len(decoded(raw, parts[0]))
