"""What compile touches and what it leaves alone, in every encoding and charset."""

import base64

import pytest
from copies import (
    HTML,
    OUR_URL,
    PIXEL,
    RECIPIENTS,
    assert_only_spans_differ,
    compiled,
    copy_of,
    decoded,
    html_mail,
    leaves,
    lines_of,
    mail,
    multipart,
    part,
    soft,
)

from postroom.outbound.segments import Variant
from postroom.outbound.submission import Track


def assert_untouched(raw: bytes) -> None:
    content, findings = compiled(raw)
    assert findings.links == ()
    assert b"".join(copy_of(content).body) == raw.partition(b"\r\n\r\n")[2]


# What is left alone


@pytest.mark.parametrize(
    "raw",
    [
        multipart(b"signed; micalg=sha256", part(HTML), part(b"MII", b"application/pkcs7-signature")),
        multipart(
            b'signed; protocol="application/pgp-signature"',
            part(b"http://example.com", b"text/plain"),
            part(b"x", b"application/pgp-signature"),
        ),
        multipart(b"encrypted", part(b"Version: 1", b"application/pgp-encrypted"), part(HTML)),
        multipart(b"mixed", part(b"From: x\r\nContent-Type: text/html\r\n\r\n" + HTML, b"message/rfc822")),
        multipart(b"mixed", part(HTML, b"text/html", b"Content-Disposition: attachment; filename=a.html")),
        multipart(b"mixed", part(HTML, b"text/html", b"Content-Disposition: inline;\r\n filename=a.html")),
        multipart(b"mixed", part(HTML, b"text/html", b"Content-Disposition: something")),
        multipart(
            b"mixed", part(HTML, b"application/octet-stream"), part(HTML, b"text/x-html"), part(HTML, b"image/svg+xml")
        ),
        mail(HTML, b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data"),
        mail(HTML, b"Content-Type: text/html", b"Content-Transfer-Encoding: x-uuencode"),
        mail(HTML, b"Content-Type: text/html; charset=utf-7"),
        mail(HTML, b"Content-Type: text/html; charset=hz-gb-2312"),
        mail(HTML, b"Content-Type: text/html; charset=cp037"),
        mail(HTML, b"Content-Type: multipart/mixed"),
        mail(HTML, b"Content-Type: multipart/mixed; boundary=missing"),
        mail(b"--b\r\n\r\n" + HTML, b"Content-Type: multipart/mixed; boundary=b", b"Content-Transfer-Encoding: base64"),
        mail(b"not base64 at all! " + HTML, b"Content-Type: text/html", b"Content-Transfer-Encoding: base64"),
        mail(b"-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\nhttp://example.com\r\n"),
    ],
)
def test_signed_encrypted_attached_and_unreadable_parts_are_untouched(raw: bytes) -> None:
    assert_untouched(raw)


def test_a_signed_part_beside_an_open_one_is_untouched() -> None:
    signed = part(
        b"--in\r\n" + part(HTML) + b"\r\n--in\r\n" + part(b"s", b"application/pgp-signature") + b"\r\n--in--",
        b"multipart/signed; boundary=in",
    )
    raw = multipart(b"mixed", part(HTML), signed)
    content, findings = compiled(raw)
    assert len(findings.links) == 1
    assert b"".join(copy_of(content).body).endswith(raw[raw.index(b"--in\r\n") :])


def test_left_alone_texts_are_told() -> None:
    assert compiled(mail(HTML, b"Content-Type: text/html; charset=utf-7"))[1].left_alone == (
        "text/html: charset utf-7",
    )


# Encodings and charsets


@pytest.mark.parametrize(
    "charset",
    ["utf-8", "iso-8859-1", "windows-1251", "koi8-r", "shift_jis", "euc-jp", "gbk", "gb18030", "big5", "euc-kr"],
)
@pytest.mark.parametrize("encoding", [b"8bit", b"quoted-printable", b"base64"])
def test_links_are_found_in_every_charset_that_contains_ascii(charset: str, encoding: bytes) -> None:
    letters = {"windows-1251": "\u0436", "koi8-r": "\u0436", "utf-8": "\u00e9", "iso-8859-1": "\u00e9"}.get(
        charset, "\u8868\u30bd"
    )
    letters = {"gbk": "\u8868", "big5": "\u8868\u529f", "euc-kr": "\ud55c"}.get(charset, letters)
    html = f"<p>{letters}</p>\r\n<a title='{letters}' href='http://example.com/{letters}?a&amp;b'>{letters}</a>\r\n<a href=http://example.com/2>{letters}</a>\r\n"
    content = html.encode(charset)
    raw = html_mail(
        {b"8bit": content, b"quoted-printable": soft(content), b"base64": lines_of(content)}[encoding],
        charset.encode(),
        encoding,
    )
    compiled_content, findings = compiled(raw)
    assert findings.links == (f"http://example.com/{letters}?a&b", "http://example.com/2")
    for variant in Variant:
        copy = decoded(leaves(copy_of(compiled_content, variant=variant).to_bytes())[0])
        assert_only_spans_differ(content, copy, findings.links, charset)
        assert len(PIXEL.findall(copy)) == 1


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("utf-16", "utf-16"),
        ("utf-16", "utf-16-be"),
        ("utf-16", "utf-16-le"),
        ("utf-16le", "utf-16-le"),
        ("utf-16be", "utf-16-be"),
        ("utf-32", "utf-32"),
        ("utf-32be", "utf-32-be"),
    ],
)
@pytest.mark.parametrize("letters", ["\u00e9", "\u00e9\U0001f600"])
def test_links_are_found_in_utf_16_and_utf_32(label: str, codec: str, letters: str) -> None:
    html = f"<p>{letters}</p>\r\n<a href='http://example.com/{letters}'>{letters}</a>\r\n{{{{unsubscribe_url}}}}\r\n"
    raw = html_mail(lines_of(html.encode(codec)), label.encode(), b"base64")
    content, findings = compiled(raw)
    assert findings.links == (f"http://example.com/{letters}",)
    lengths = set()
    for recipient in RECIPIENTS:
        body = b"".join(copy_of(content, recipient).body)
        text = base64.b64decode(body).decode(codec)
        assert_only_spans_differ(html.encode(), text.encode(), findings.links)
        assert len(PIXEL.findall(text.encode())) == 1
        lengths.add(tuple(map(len, body.split(b"\r\n"))))
    assert len(lengths) == 1


def test_links_are_found_in_iso_2022_jp() -> None:
    html = '<p>\u65e5\u672c\u8a9e</p><a title="\u8868" href="http://example.com/\u8868?a&amp;b">\u8868\u793a</a>\r\n<a href=http://example.com/2>\u3042</a>\r\n'
    raw = html_mail(html.encode("iso-2022-jp"), b"iso-2022-jp", b"7bit")
    content, findings = compiled(raw)
    assert findings.links == ("http://example.com/\u8868?a&b", "http://example.com/2")
    assert_only_spans_differ(html.encode("iso-2022-jp"), b"".join(copy_of(content).body), findings.links, "iso-2022-jp")


def test_links_are_found_in_iso_2022_kr() -> None:
    html = '<p>\ud55c</p><a title="\ud55c" href="http://example.com/?a&amp;b">\ud55c</a>\r\n'
    content, findings = compiled(html_mail(html.encode("iso-2022-kr"), b"iso-2022-kr", b"7bit"))
    assert findings.links == ("http://example.com/?a&b",)
    assert_only_spans_differ(html.encode("iso-2022-kr"), b"".join(copy_of(content).body), findings.links)


def test_a_link_whose_bytes_are_not_of_the_charset_stays() -> None:
    assert_only = compiled(html_mail(b'<a href="http://example.com/\xe9">x</a><a href="http://example.com/2">y</a>'))
    assert assert_only[1].links == ("http://example.com/2",)


@pytest.mark.parametrize("width", [76, 64, 60, 57, 4, 998])
def test_base64_lines_stay_the_authors_grid_and_the_same_in_all_copies(width: int) -> None:
    html = b"".join(b'<p>%03d <a href="http://example.com/%d">x</a></p>\r\n' % (number, number) for number in range(60))
    text = base64.b64encode(html)
    raw = html_mail(
        b"\r\n".join(text[i : i + width] for i in range(0, len(text), width)) + b"\r\n", b"utf-8", b"base64"
    )
    content, findings = compiled(raw)
    bodies = [b"".join(copy_of(content, recipient).body) for recipient in RECIPIENTS]
    grid = width if width % 4 == 0 and width <= 76 else 76
    assert len({tuple(map(len, body.split(b"\r\n"))) for body in bodies}) == 1
    assert {len(line) for line in bodies[0].split(b"\r\n")[:-2]} == {grid}
    assert_only_spans_differ(html, base64.b64decode(bodies[0]), findings.links)
    constant = sum(len(set(lines)) == 1 for lines in zip(*(body.split(b"\r\n") for body in bodies), strict=True))
    assert constant > 0 or width == 76


def test_quoted_printable_urls_over_soft_breaks_are_found_and_no_line_grows_above_76() -> None:
    for shift in range(1, 80):
        html = (
            b"x" * shift
            + b'\xc3\xa9\xc3\xa9<a href="http://example.com/'
            + b"y" * 60
            + b'?a=1&amp;b=2" title="'
            + b"z" * 50
            + b'">x</a>\r\n'
        )
        content, findings = compiled(html_mail(soft(html), encoding=b"quoted-printable"))
        assert findings.links == ("http://example.com/" + "y" * 60 + "?a=1&b=2",)
        body = b"".join(copy_of(content).body)
        assert max(map(len, body.split(b"\r\n"))) <= 76
        assert_only_spans_differ(html, decoded(leaves(copy_of(content).to_bytes())[0]), findings.links)


def test_irregular_quoted_printable_keeps_what_it_means() -> None:
    html = (
        b"<a href=http://example.com/=3Da=zz&=>x</a>=  \r\n==41"
        b'<a href="http://e=\r\nxample.com/=c3=A9">=3d</a> \t\r\n=3<b>=\r\n='
    )
    content, findings = compiled(html_mail(html, encoding=b"quoted-printable"))
    assert findings.links == ("http://example.com/=a=zz&=", "http://example.com/\u00e9")
    body = b"".join(copy_of(content).body)
    assert len(OUR_URL.findall(body.replace(b"=\r\n", b""))) == 2
    assert b'>x</a>=  \r\n==41<a href="=\r\n' in body
    assert b"<a href=3D=\r\nhttps://go.example.com/c/" in body


def test_format_flowed_text_is_tracked_only_where_the_url_ends_surely() -> None:
    text = b"See http://example.com/a \r\nand http://example.com/b\r\n<http://example.com/c\r\n/d> (http://example.com/e_(f)).\r\n"
    flowed = b"Content-Type: text/plain; format=flowed"
    first = compiled(mail(text, flowed))[1].links
    assert first == ("http://example.com/a", "http://example.com/b", "http://example.com/e_(f)")
    assert compiled(mail(text, flowed + b"; delsp=yes"))[1].links == first[1:]


def test_plain_text_is_tracked_only_where_asked() -> None:
    raw = mail(b"http://example.com/\r\n")
    assert compiled(raw, Track.OPENS | Track.CLICKS)[1].links == ()
    assert compiled(raw, Track.TEXT_CLICKS)[1].links == ("http://example.com/",)
