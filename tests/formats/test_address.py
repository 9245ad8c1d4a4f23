"""Addresses of the envelope and of the API."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.base.errors import WrongInput
from postroom.mail.address import (
    address_key,
    check_address,
    domain_key,
    domain_of,
    domain_to_a_labels,
    domain_to_u_labels,
    parse_address,
)

ADDRESSISH = st.lists(
    st.sampled_from(["@", ".", '"', "\\", "a", "Ä", " ", "[", "]", "127.0.0.1", "IPv6:::1", ":", "xn--", "\r\n", "-"])
).map("".join)


@pytest.mark.parametrize(
    "text",
    [
        "ada@example.com",
        "o'brien+tag@example.co.uk",
        '"a b"@example.com',
        '"a\\"b@c"@example.com',
        "ada@[192.0.2.1]",
        "ada@[IPv6:2001:db8::1]",
        "a..b.@docomo.ne.jp",
        "ada@localhost",
        "ada@under_score.example.com",
        "zoë@exämple.com",
        "ada@xn--exmple-cua.com",
        "a" * 64 + "@" + ".".join(["b" * 60] * 3) + ".xx",
    ],
)
def test_an_envelope_address_is_kept_as_written(text: str) -> None:
    assert str(parse_address(text)) == text


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("", "3 to 254 octets"),
        ("ada", "has no @"),
        ("@example.com", "3 to 254 octets"),
        ("ada@", "is no domain"),
        ("a b@example.com", "quote it"),
        ('"a\r\nb"@example.com', "quote it"),
        ("ada@example..com", "is no domain"),
        ("ada@-example.com", "is no domain"),
        ("ada@example.com\n", "is no domain"),
        ("ada@192.0.2.1", "[192.0.2.1]"),
        ("ada@[192.0.2.300]", "no address literal"),
        ("ada@[IPv6:fe80::1%eth0]", "no address literal"),
        ("ada@[192.0.2.1", "no address literal"),
        ("a" * 65 + "@example.com", "longer than 64"),
        ("ä" * 33 + "@example.com", "longer than 64"),
        ("a@" + ".".join(["b" * 63] * 4), "3 to 254 octets"),
        ("a@" + "b" * 64 + ".com", "is no domain"),
        ("e\u0301@example.com", "NFC"),
        ("a\u0085b@example.com", "control characters"),
    ],
)
def test_a_wrong_envelope_address_is_refused_with_the_remedy(text: str, remedy: str) -> None:
    with pytest.raises(WrongInput) as caught:
        parse_address(text)
    assert remedy in str(caught.value)


def test_a_source_route_is_dropped() -> None:
    # RFC 5321 4.1.2, appendix C
    assert str(parse_address("@hosta.int,@jkl.org:userc@d.bar.org")) == "userc@d.bar.org"


@pytest.mark.parametrize(("text", "needs"), [("ada@exämple.com", False), ("zoë@example.com", True), ("a@b.c", False)])
def test_only_a_local_part_beyond_ascii_needs_smtputf8(text: str, needs: bool) -> None:
    assert parse_address(text).needs_smtputf8 is needs


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada@Example.COM", "ada@example.com"),
        ("ada@exämple.com", "ada@xn--exmple-cua.com"),
        ("ZOË@EXÄMPLE.com", "zoë@xn--exmple-cua.com"),
        ('"ada"@example.com', "ada@example.com"),
        ('"a\\da"@example.com', "ada@example.com"),
        ("ada@example.com.", "ada@example.com"),
        ("STRASSE@x.y", "straße@x.y"),
        ("ada@[IPv6:2001:DB8::1]", "ada@[ipv6:2001:db8::1]"),
    ],
)
def test_the_same_mailbox_has_the_same_key(one: str, other: str) -> None:
    assert address_key(one) == address_key(other)


@pytest.mark.parametrize(
    ("one", "other"), [("a.b@x.y", "ab@x.y"), ('"a b"@x.y', "ab@x.y"), ("a+b@x.y", "a@x.y"), ('"a@b"@c', "a@b@c")]
)
def test_different_mailboxes_have_different_keys(one: str, other: str) -> None:
    assert address_key(one) != address_key(other)


@given(st.one_of(st.text(), ADDRESSISH))
def test_no_text_crashes_and_a_key_is_the_key_of_itself(text: str) -> None:
    key = address_key(text)
    assert address_key(key) == key
    domain_of(text)
    domain_to_u_labels(text)
    for check in (parse_address, check_address):
        with contextlib.suppress(WrongInput):
            check(text)


@pytest.mark.parametrize(
    ("domain", "a_labels"),
    [
        ("Example.COM", "example.com"),
        ("exämple.com", "xn--exmple-cua.com"),
        ("EXÄMPLE.COM", "xn--exmple-cua.com"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("faß.de", "xn--fa-hia.de"),
    ],
)
def test_domains_become_a_labels_and_back(domain: str, a_labels: str) -> None:
    assert domain_to_a_labels(domain) == domain_key(domain) == a_labels
    assert domain_to_a_labels(domain_to_u_labels(a_labels)) == a_labels


def test_u_labels_that_are_none_are_shown_as_they_are() -> None:
    assert domain_to_u_labels("xn--\u00fc.com") == "xn--\u00fc.com"
    assert domain_to_u_labels("xn--999999999.com") == "xn--999999999.com"


@pytest.mark.parametrize(
    "text", ["ada@example.com", " Ada.Lovelace+x@Example.com ", "zoë@exämple.com", "ada@sandbox.test", "ada@localhost"]
)
def test_the_api_takes_an_address_as_written(text: str) -> None:
    assert check_address(text) == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "ada", "ada@", "ada@example..com", "a..b@example.com", '"a b"@example.com', "ada@[192.0.2.1]", "a@b@c.de",
        "ada@192.0.2.1", "ada@exa mple.com", "a\r\nb@c.de", "x" * 65 + "@example.com", "ada@" + "x." * 130 + "com",
        "ada@example", "a\u200bb@example.com", "\u0308a@example.com",
    ],
)  # fmt: skip
def test_the_api_refuses_a_wrong_address_naming_the_field(text: str) -> None:
    with pytest.raises(WrongInput) as caught:
        check_address(text, field="to[0]")
    assert caught.value.field == "to[0]"
