"""URLs in plain text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.mail.text_spans import find_urls


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("see http://example.com/a.", "http://example.com/a"),
        ("see http://example.com/a...", "http://example.com/a"),
        ("(http://example.com/a)", "http://example.com/a"),
        ("(see http://example.com/a_(b))", "http://example.com/a_(b)"),
        ("[http://example.com/?f[0]=1]", "http://example.com/?f[0]=1"),
        ("http://example.com/{{name}}", "http://example.com/{{name}}"),
        ("<http://example.com/a>", "http://example.com/a"),
        ("<URL:http://example.com/a>", "http://example.com/a"),
        ('"http://example.com/a"', "http://example.com/a"),
        ("'http://example.com/a'", "http://example.com/a"),
        ("*http://example.com/a*", "http://example.com/a"),
        ("> HTTP://EXAMPLE.COM/", "HTTP://EXAMPLE.COM/"),
        ("http://example.com/a?b=c&d=e#f, then", "http://example.com/a?b=c&d=e#f"),
        ("http://example.com/\tx", "http://example.com/"),
        ("http://[2001:db8::1]/", "http://[2001:db8::1]/"),
        ("https://example.com/a)?", "https://example.com/a"),
    ],
)
def test_a_url_ends_before_the_punctuation_of_the_sentence(text: str, url: str) -> None:
    ((start, end),) = find_urls(text)
    assert text[start:end] == url


@pytest.mark.parametrize(
    "text",
    [
        "xhttp://example.com",
        "http://",
        "https://...",
        "http://b\xc3\xbccher.example/",
        "http://example.com/caf\xe9",
        "<http://example.com/a\n b>",
        "ftp://example.com",
        "mailto:a@b",
        "http:/example.com",
    ],
)
def test_what_is_not_surely_a_whole_url_is_left_out(text: str) -> None:
    assert find_urls(text) == []


@given(st.text(alphabet="htps:/.()[]{}<>\"' \nax\xe9", max_size=60))
def test_spans_stand_in_order_and_hold_urls(text: str) -> None:
    behind = 0
    for start, end in find_urls(text):
        assert start >= behind
        assert text[start:end].startswith(("http://", "https://"))
        behind = end
