"""Where the pixel stands, and how a recipient leaves."""

import re

import pytest
from copies import (
    KEYS,
    PIXEL,
    RECIPIENTS,
    URL,
    compiled,
    copy_of,
    decoded,
    html_mail,
    leaves,
    lines_of,
    multipart,
    part,
    soft,
)

from postroom.base.tokens import TokenKind
from postroom.outbound.submission import Track


def body_of(raw: bytes, **options: bool) -> bytes:
    return b"".join(copy_of(compiled(raw, **options)[0]).body)


# The pixel


@pytest.mark.parametrize(
    ("html", "before"),
    [
        (b"<body><p>x</p></body></html>\r\n", b"</body></html>\r\n"),
        (b"<BODY>x</BODY\r\n></html>", b"</BODY\r\n></html>\r\n"),
        (b"<p>x</p>\r\n\r\n", b"\r\n\r\n"),
        (b"<body>x</body><p>y</body>", b"</body>\r\n"),
        (b"<body>x</body><!-- </body> -->\r\n", b"</body><!-- </body> -->\r\n"),
        (b"<p>x</p><!-- open </body>\r\n", b"<!-- open </body>\r\n"),
        (b"<p>x</p><script>open </body>\r\n", b"<script>open </body>\r\n"),
        (b"<p>x</p><a title='open </body>\r\n", b"<a title='open </body>\r\n"),
        (b"<p>x</p><textarea></body>\r\n", b"<textarea></body>\r\n"),
        (b"x<body title='</body>'>y\r\n", b"\r\n"),
    ],
)
def test_the_pixel_stands_before_the_last_body_end_tag_that_is_one(html: bytes, before: bytes) -> None:
    body = body_of(html_mail(html))
    assert len(PIXEL.findall(body)) == 1
    assert body[PIXEL.search(body).end() :] == before  # type: ignore[union-attr]
    assert PIXEL.sub(b"", body).rstrip() == html.rstrip()


@pytest.mark.parametrize("html", [b"", b"\r\n \r\n", b"<!-- open", b"<script>", b"<style>p{}"])
def test_where_no_place_is_safe_there_is_no_pixel(html: bytes) -> None:
    assert body_of(html_mail(html)).rstrip() == html.rstrip()


def test_the_best_of_several_html_parts_has_the_pixel() -> None:
    alternatives = multipart(b"alternative", part(b"t", b"text/plain"), part(b"<p>poor</p>"), part(b"<p>rich</p>"))
    assert re.findall(rb"(\w+)</p>(<img)?", body_of(alternatives)) == [(b"poor", b""), (b"rich", b"<img")]
    related = part(b"--r\r\n" + part(b"<p>rich</p>") + b"\r\n--r--", b"multipart/related; boundary=r")
    nested = multipart(
        b"mixed",
        part(
            b"--a\r\n" + part(b"t", b"text/plain") + b"\r\n--a\r\n" + related + b"\r\n--a--",
            b"multipart/alternative; boundary=a",
        ),
        part(b"<p>footer</p>"),
    )
    assert re.findall(rb"(\w+)</p>(<img)?", body_of(nested)) == [(b"rich", b"<img"), (b"footer", b"")]


# Unsubscribe


@pytest.mark.parametrize(
    "written",
    [
        b"{{unsubscribe_url}}",
        b"{{ unsubscribe_url }}",
        b"%7B%7Bunsubscribe_url%7D%7D",
        b"http://{{unsubscribe_url}}",
        b"https://%7B%7B%20unsubscribe_url%20%7d%7d/",
    ],
)
@pytest.mark.parametrize("encoding", [b"7bit", b"quoted-printable", b"base64"])
def test_the_placeholder_becomes_the_recipients_page(written: bytes, encoding: bytes) -> None:
    html = b'<p>x</p><a class="u" href="' + written + b'">leave</a>\r\n'
    body = {b"7bit": html, b"quoted-printable": soft(html), b"base64": lines_of(html)}[encoding]
    content, findings = compiled(html_mail(body, encoding=encoding), Track.CLICKS)
    assert findings.links == ()
    for recipient in RECIPIENTS:
        text = decoded(leaves(copy_of(content, recipient).to_bytes())[0])
        token = KEYS.url_text(TokenKind.UNSUBSCRIBE, 7, recipient.recipient_id)
        assert text == html.replace(written, f"{URL}/u/{token}".encode())


def test_the_placeholder_works_in_texts_without_any_tracking() -> None:
    raw = multipart(
        b"alternative",
        part(b"leave: {{unsubscribe_url}}.", b"text/plain"),
        part(b"<p>{{unsubscribe_url}} {{other}}</p>"),
    )
    content, _ = compiled(raw, Track.NOTHING)
    url = f"{URL}/u/{KEYS.url_text(TokenKind.UNSUBSCRIBE, 7, RECIPIENTS[0].recipient_id)}".encode()
    assert b"".join(copy_of(content).body) == raw.partition(b"\r\n\r\n")[2].replace(b"{{unsubscribe_url}}", url)


def test_a_link_with_the_placeholder_inside_shows_the_page_and_is_not_tracked() -> None:
    content, findings = compiled(
        html_mail(b'<a href="http://example.com/?u={{unsubscribe_url}}">x</a>\r\n'), Track.CLICKS
    )
    assert findings.links == ()
    assert b'href="http://example.com/?u=https://go.example.com/u/' in b"".join(copy_of(content).body)


@pytest.mark.parametrize(
    ("written", "rewritten"),
    [
        (b'<a data-postroom="unsubscribe" href="http://example.com/x">', b'<a data-postroom="unsubscribe" href="URL">'),
        (b"<a href=# data-postroom=unsubscribe>", b"<a href=URL data-postroom=unsubscribe>"),
        (b"<a href='' data-postroom='Unsubscribe'>", b"<a  href=\"URL\" data-postroom='Unsubscribe'>"),
        (b"<a href data-postroom=unsubscribe>", b'<a  href="URL" data-postroom=unsubscribe>'),
        (b'<a data-postroom="unsubscribe">', b'<a data-postroom="unsubscribe" href="URL">'),
        (b"<a data-postroom=unsubscribe>", b'<a data-postroom=unsubscribe href="URL">'),
    ],
)
def test_a_marked_link_leads_to_the_recipients_page(written: bytes, rewritten: bytes) -> None:
    url = f"{URL}/u/{KEYS.url_text(TokenKind.UNSUBSCRIBE, 7, RECIPIENTS[0].recipient_id)}".encode()
    content, findings = compiled(html_mail(written + b"x</a>\r\n"), Track.NOTHING)
    assert b"".join(copy_of(content).body) == rewritten.replace(b"URL", url) + b"x</a>\r\n"
    assert findings.links == ()
