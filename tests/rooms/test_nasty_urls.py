"""A corpus of URL forms: each link's target is byte-equal to what the author wrote and a browser follows."""

import base64
import binascii

import pytest
from copies import (
    OUR_URL,
    RECIPIENTS,
    compiled,
    copy_of,
    decoded,
    href_meaning,
    hrefs,
    html_mail,
    leaves,
    mail,
    tokens_in,
)
from formats.urls import INTERNATIONAL, LONG, PLAIN, REFERENCES, SPACED, UNTOUCHED

from postroom.outbound.segments import Variant
from postroom.outbound.submission import Track

QUOTED = [*((url, url) for url in [*PLAIN, *INTERNATIONAL]), *REFERENCES, *SPACED]
CONTEXTS = {
    "double quotes": '<p><a href="{}">x</a></p>\r\n',
    "upper case": '<P><A CLASS=c HREF="{}">x</A></P>\r\n',
    "spaces around the equals sign": '<a class="c" href = "{}" id=q>x</a>\r\n',
    "line ends in the tag": '<a\r\n\thref\r\n=\r\n"{}"\r\n>x</a>\r\n',
    "area": '<map><area shape=rect coords="0,0,1,1" href="{}"></map>\r\n',
    "no space between attributes": '<a class="c"href="{}"id="d">x</a>\r\n',
    "twice the attribute": '<a href="{}" href="http://second.example/">x</a>\r\n',
    "never closed": '<a href="{}">x<a name="y">\r\n',
    "slash instead of space": '<a/href="{}"/>x</a>\r\n',
    "in a table outside of a cell": '<table><tr><a href="{}">x</a></table>\r\n',
    "in svg": '<svg><a href="{}"><text>x</text></a></svg>\r\n',
}


def links_of(html: str, track: Track = Track.CLICKS) -> tuple[str, ...]:
    return compiled(html_mail(html.encode()), track)[1].links


def test_the_corpus_has_more_than_three_hundred_forms() -> None:
    forms = len(QUOTED) + len(UNTOUCHED)
    assert forms > 180
    assert forms + len(CONTEXTS) * len(PLAIN) > 900


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS.keys())
def test_the_target_is_what_the_author_wrote(context: str) -> None:
    html = "".join(context.format(written) for written, _ in QUOTED)
    assert list(links_of(html)) == [target for _, target in QUOTED]


@pytest.mark.parametrize(("written", "target"), QUOTED)
def test_a_browser_follows_the_same_target(written: str, target: str) -> None:
    assert href_meaning(written) == target


def test_single_quotes_are_as_good() -> None:
    forms = [(written, target) for written, target in QUOTED if "'" not in written]
    html = "".join(f"<a href='{written}'>x</a>" for written, _ in forms)
    assert list(links_of(html)) == [target for _, target in forms]


def test_values_without_quotes_end_at_white_space_or_the_tag() -> None:
    forms = [(w, t) for w, t in QUOTED if not set(w) & set(" \t\r\n\"'<>`=") and "\u2028" not in w]
    html = "".join(f"<a class=x href={written} id=y>x</a><a href={written}>z</a>" for written, _ in forms)
    assert list(links_of(html)) == [target for _, target in forms for _ in range(2)]
    assert len(forms) > 50


def test_what_is_no_web_link_stays() -> None:
    html = "".join(f'<a href="{value}">x</a><area href="{value}">\r\n' for value in UNTOUCHED)
    content, findings = compiled(html_mail(html.encode()), Track.CLICKS)
    assert findings.links == ()
    assert b"".join(copy_of(content).body) == html.encode()


def test_only_links_of_a_and_area_are_touched() -> None:
    html = (
        '<link href="http://example.com/style.css"><base href="http://example.com/"><img src="http://example.com/i.png">'
        '<form action="http://example.com/f"></form><v:roundrect href="http://example.com/v"></v:roundrect>'
        '<p data-href="http://example.com/d">http://example.com/text</p><!-- <a href="http://example.com/comment"> -->'
        '<script>var x = \'<a href="http://example.com/script">\'</script><style>a[href="http://example.com/css"]{}</style>'
        '<textarea><a href="http://example.com/textarea"></textarea><title><a href="http://example.com/title"></title>'
        '<a data-x="<a href=http://example.com/in-attribute>" name="http://example.com/name">x</a>'
    )
    assert links_of(html) == ()


def test_the_same_url_three_times_is_three_positions() -> None:
    url = "https://example.com/same"
    content, findings = compiled(html_mail(f'<a href="{url}">1</a><a href={url}>2</a><area href="{url}">'.encode()))
    assert findings.links == (url, url, url)
    assert tokens_in(b"".join(copy_of(content).body), RECIPIENTS[0]) == [0, 1, 2]


def test_positions_go_on_over_all_parts() -> None:
    text = b"--b\r\n\r\nhttp://example.com/text\r\n"
    html = b'--b\r\nContent-Type: text/html\r\n\r\n<a href="http://example.com/html">x</a>\r\n--b--\r\n'
    content, findings = compiled(mail(text + html, b"Content-Type: multipart/alternative; boundary=b"))
    assert findings.links == ("http://example.com/text", "http://example.com/html")
    assert tokens_in(b"".join(copy_of(content).body), RECIPIENTS[0]) == [0, 1]


def test_links_in_conditional_comments_are_links() -> None:
    html = (
        '<!--[if mso]><table><tr><td><a href="http://example.com/mso">x</a></td></tr></table><![endif]-->\r\n'
        '<!--[if !mso]><!--><a href="http://example.com/others">x</a><!--<![endif]-->'
        '<![if !mso]><a href="http://example.com/revealed">x</a><![endif]>'
        "<!--[if gte mso 9]><v:rect href=\"http://example.com/vml\"><a\r\nHREF='http://example.com/nine?a&amp;b'>x</a><![endif]-->"
        '<!-- plain <a href="http://example.com/comment">x</a> -->'
        '<!--[if (gt IE 5)&(lt IE 7)]><a href="http://example.com/ie">x</a><![endif]-->'
    )
    expected = ["mso", "others", "revealed", "nine?a&b", "ie"]
    assert links_of(html) == tuple(f"http://example.com/{path}" for path in expected)


def test_a_conditional_comment_within_a_script_is_no_comment() -> None:
    comment = '<!--[if mso]><a href="http://example.com/x">x</a><![endif]-->'
    assert links_of(f"<textarea>{comment}</textarea><a href='http://example.com/y'>y</a>") == ("http://example.com/y",)


def test_a_link_of_eight_kilobytes_keeps_its_target() -> None:
    assert len(LONG) > 8_000
    for encoding in (b"7bit", b"quoted-printable", b"base64"):
        html = f'<p>x</p>\r\n<a\r\nhref="{LONG}">x</a>\r\n'.encode()
        body = {
            b"7bit": html,
            b"quoted-printable": binascii.b2a_qp(html),
            b"base64": base64.encodebytes(html).replace(b"\n", b"\r\n"),
        }[encoding]
        content, findings = compiled(html_mail(body, encoding=encoding))
        assert findings.links == (LONG,)
        assert findings.refused is None
        assert max(map(len, copy_of(content).to_bytes().split(b"\r\n"))) <= 998


def test_an_authors_mark_keeps_a_link_untracked() -> None:
    html = '<a data-postroom="notrack" href="http://example.com/1">x</a><a DATA-POSTROOM=NoTrack href=http://example.com/2>x</a>'
    assert links_of(html + '<a data-postroom="other" href="http://example.com/3">x</a>') == ("http://example.com/3",)


def test_the_links_of_broken_html_are_those_that_lexbor_sees() -> None:
    """But for those in a template element, which lexbor does not list."""
    pieces = [
        "<a href='http://e.example/1'>",
        "</a>",
        "<b>",
        "</b>",
        "<table>",
        "<td>",
        "</table>",
        "<!--",
        "-->",
        '<a href="',
        "<p>",
        "http://e.example/2",
        "'>",
        '">',
        "<a href=http://e.example/3>",
        "<svg>",
        "</svg>",
        "<select>",
        "<script>",
        "</script>",
        "<a\x00href=http://e.example/4>",
        "&amp;",
        "<",
        ">",
        "=",
        "\r\n",
        "<area href=http://e.example/5>",
    ]
    state = 12345
    for _ in range(1_500):
        chosen = []
        for _ in range(12):
            state = (state * 1103515245 + 12345) % 2**31
            chosen.append(pieces[(state >> 8) % len(pieces)])
        html = "".join(chosen)
        expected = {target for target in hrefs(html.replace("\r\n", "\n")) if "\ufffd" not in target}
        assert set(links_of(html)) == expected, html


def test_the_seven_bit_variant_has_the_same_links() -> None:
    html = "".join(f'<p>caf\u00e9 <a href="{url}">x</a></p>\r\n' for url in PLAIN)
    content, _ = compiled(html_mail(html.encode()))
    copies = [copy_of(content, variant=variant).to_bytes() for variant in Variant]
    eight, seven = (decoded(leaves(copy)[0]) for copy in copies)
    assert eight == seven
    assert len(OUR_URL.findall(seven)) == len(PLAIN)
