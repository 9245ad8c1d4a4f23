"""Links and pixel points of any text, and views of any bytes."""

import html

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.mail.charset import CharsetKind, charset, view
from postroom.mail.html_spans import attribute_value, find_html

MARKUP = st.lists(
    st.sampled_from(
        [
            "<a ",
            "href=",
            "HREF = ",
            "'",
            '"',
            ">",
            "</a>",
            "http://x",
            "<!--",
            "-->",
            "[if mso]>",
            "<![endif]",
            "<svg>",
            "<table>",
            "<script>",
            "</script>",
            "\n",
            "&amp;",
            "&",
            "\0",
            "\xe9",
            "</body>",
            "<body>",
            "data-postroom=unsubscribe ",
            "<area ",
            "/",
        ]
    ),
    max_size=30,
).map("".join)


@settings(max_examples=400)
@given(st.one_of(MARKUP, st.text(max_size=80).map(lambda text: text.replace("\r", ""))))
def test_spans_lie_in_the_text_in_order_and_hold_what_the_parser_read(text: str) -> None:
    found = find_html(text, with_pixel_point=True)
    assert -1 <= found.pixel_point <= len(text)
    behind = 0
    for link in found.links:
        assert behind <= link.start <= link.end <= len(text)
        behind = link.end
        if link.value and "&" not in text and "\0" not in text:
            assert text[link.start : link.end] == link.value


@pytest.mark.parametrize("text", ["", "x", "&amp;", "&copy=1", "&copy;", '"', "&quot;>", "<&lt;", "&#x41;&#66"])
def test_an_attribute_value_is_decoded_as_an_attribute(text: str) -> None:
    expected = "&copy=1" if text == "&copy=1" else html.unescape(text)
    assert attribute_value(text) == expected


@given(st.binary(max_size=30), st.binary(max_size=120))
def test_any_label_and_any_bytes_have_a_view_or_none(label: bytes, content: bytes) -> None:
    seen = view(content, charset(label))
    assert seen is None or seen.codec


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        (b"", CharsetKind.ASCII_BASED),
        (b" UTF-8 ", CharsetKind.ASCII_BASED),
        (b"x-unheard-of", CharsetKind.ASCII_BASED),
        (b"ks_c_5601-1987", CharsetKind.ASCII_BASED),
        (b"ISO-2022-JP", CharsetKind.ISO_2022),
        (b"UTF-16LE", CharsetKind.WIDE),
        (b"ucs-2", CharsetKind.LEFT_ALONE),
        (b"UTF-7", CharsetKind.LEFT_ALONE),
        (b"unicode-1-1-utf-7", CharsetKind.LEFT_ALONE),
        (b"hz-gb-2312", CharsetKind.LEFT_ALONE),
        (b"cp500", CharsetKind.LEFT_ALONE),
        (b"rot13", CharsetKind.ASCII_BASED),
    ],
)
def test_a_charset_is_known_by_its_label(label: bytes, kind: CharsetKind) -> None:
    assert charset(label).kind is kind


@given(
    st.sampled_from([b"utf-8", b"shift_jis", b"iso-2022-jp", b"utf-16", b"utf-16be", b"utf-32"]), st.binary(max_size=80)
)
def test_offsets_of_a_view_are_offsets_into_the_bytes(label: bytes, content: bytes) -> None:
    seen = view(content, charset(label))
    if seen is not None:
        assert seen.offset(0) == 0
        assert seen.offset(len(seen.text)) == len(content)
