"""A mail as webhooks and the API are told it: whatever is in it, it can be said in JSON."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.inbound.told import MOST_TEXT, parse_mail
from postroom.net.download import disposition

HALF = b"+2AA-"
"""Half a character in UTF-7."""


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: =?utf-7?q?%s?=\r\nFrom: =?utf-7?q?%s?= <a@b.example>\r\n\r\nx\r\n" % (HALF, HALF),
        b"Content-Type: text/plain; charset=utf-7\r\n\r\n%s\r\n" % HALF,
        b"Content-Type: text/html; charset=utf-7\r\n\r\n<p>%s</p>\r\n" % HALF,
        b"Content-Type: text/html\r\n\r\n<p>&#xD800;&#0;</p>\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        b"Content-Disposition: attachment; filename*=utf-7''%s\r\nContent-ID: =?utf-7?q?%s?=\r\n\r\nx\r\n--b--\r\n"
        % (HALF, HALF),
    ],
)
def test_half_characters_of_odd_charsets_can_be_told(raw: bytes) -> None:
    assert msgspec.json.encode(parse_mail(raw))


@settings(max_examples=60)
@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"From: a@b.example\r\nContent-Type: text/plain; charset=utf-7\r\n\r\n"]),
)
def test_any_bytes_can_be_told(raw: bytes, before: bytes) -> None:
    assert msgspec.json.encode(parse_mail(before + raw))


@given(st.text(alphabet=st.characters(), max_size=50))
def test_any_name_can_be_that_of_a_download(name: str) -> None:
    value = disposition(name + "\ud800")

    assert value.isascii()
    assert value.count('"') == 2


def test_a_long_text_is_cut_and_says_so() -> None:
    told = parse_mail(b"Content-Type: text/plain\r\n\r\n" + b"x" * 70 + b"\r\n" + b"y\r\n" * MOST_TEXT)

    assert told.is_cut
    assert len(told.text) == MOST_TEXT


def test_without_a_plain_text_the_html_is_told_as_the_text_that_it_shows() -> None:
    told = parse_mail(b"Content-Type: text/html\r\n\r\n<style>p {}</style><p>Hi<br>there</p><ul><li>one</ul>\r\n")

    assert told.text == "Hi\nthere\n\none"
    assert told.html.startswith("<style>")
