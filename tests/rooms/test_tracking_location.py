"""Location: the author's URL byte for byte, and never a second header field."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.tracking.clicks import location


@pytest.mark.parametrize(
    "url",
    [
        "https://example.test/",
        "HTTP://EXAMPLE.test/Path?a=1&b=%2F+%20#part",
        'https://user:pa%40ss@example.test:8443/a;b?f[0]=x|y&q={z}^`"<>\\',
        "http://[2001:db8::1]:80/",
        "https://example.test?x",
        "https://example.test/%E4%zz",
        "https://example.test/" + "a" * 8_000,
    ],
)
def test_an_ascii_url_is_byte_equal(url: str) -> None:
    assert location(url) == url.encode("ascii")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.test/grüße?q=ä#ö", b"https://example.test/gr%C3%BC%C3%9Fe?q=%C3%A4#%C3%B6"),
        ("https://bücher.example/ü", b"https://xn--bcher-kva.example/%C3%BC"),
        ("https://me@bücher.example:81/", b"https://me@xn--bcher-kva.example:81/"),
        ("  https://example.test/a b\n", b"https://example.test/a%20b"),
        ("https://example.test/long\r\n\tline", b"https://example.test/longline"),
        ("https://example.test/\x00\x7f", b"https://example.test/%00%7F"),
        ("https://ex\u2028ample.test/", b"https://ex%E2%80%A8ample.test/"),
    ],
)
def test_what_a_header_field_cannot_carry_is_written_as_a_browser_would(url: str, expected: bytes) -> None:
    assert location(url) == expected


@pytest.mark.parametrize(
    "url", ["", "javascript:alert(1)", "mailto:a@example.test", "//example.test/", "data:text/html,x", "ftp://x/", "/a"]
)
def test_only_http_and_https_are_redirected_to(url: str) -> None:
    assert location(url) is None


@given(st.text())
def test_no_target_can_end_the_field(rest: str) -> None:
    value = location("https://example.test/" + rest)
    assert value is not None
    assert all(0x21 <= byte <= 0x7E for byte in value)


@given(st.text())
def test_any_text_gets_an_answer(text: str) -> None:
    location(text)
    location("http://" + text)
