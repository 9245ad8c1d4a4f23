"""Patterns of routes: which addresses they take, and what is no pattern."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.base.errors import WrongInput
from postroom.inbound.patterns import parse_pattern, read_pattern
from postroom.mail.address import address_key


def _takes(pattern: str, address: str) -> bool:
    return parse_pattern(pattern, of="recipient").takes(address_key(address))


@pytest.mark.parametrize(
    ("pattern", "address"),
    [
        ("support@example.com", "support@example.com"),
        ("support@example.com", "SUPPORT@Example.COM"),
        ("Support@EXAMPLE.com", "support@example.com"),
        ("support@example.com", "support+order-7@example.com"),
        ("support+vip@example.com", "support+vip@example.com"),
        ("order-*@example.com", "order-17@example.com"),
        ("order-*@example.com", "order-17+x@example.com"),
        ("order-*@example.com", "order-@example.com"),
        ("*@example.com", "anybody@example.com"),
        ("*@bücher.example", "anybody@xn--bcher-kva.example"),
        ("*@xn--bcher-kva.example", "jemand@BÜCHER.example"),
        ("Grüße@example.com", "gRÜSSE@example.com"),
        ("support@example.com", '"support"@example.com'),
        ("*", "whoever@wherever.example"),
    ],
)
def test_a_pattern_takes_its_addresses_in_whatever_spelling(pattern: str, address: str) -> None:
    assert _takes(pattern, address)


@pytest.mark.parametrize(
    ("pattern", "address"),
    [
        ("support@example.com", "supporter@example.com"),
        ("support@example.com", "support@sub.example.com"),
        ("support@example.com", "support@example.com.attacker.example"),
        ("support+vip@example.com", "support@example.com"),
        ("support+vip@example.com", "support+vip+more@example.com"),
        ("order-*@example.com", "order@example.com"),
        ("order-*@example.com", "border-17@example.com"),
        ("*@example.com", "anybody@other.example"),
        ("*@example.com", ""),
        ("support@example.com", ""),
    ],
)
def test_a_pattern_takes_no_other_address(pattern: str, address: str) -> None:
    assert not _takes(pattern, address)


@pytest.mark.parametrize(
    "text", ["", "support", "*@*", "*@", "a*b@example.com", "**@example.com", "*@*.example.com", "a b@example.com", "@"]
)
def test_what_is_no_pattern_is_refused_with_the_forms_that_are(text: str) -> None:
    with pytest.raises(WrongInput) as caught:
        parse_pattern(text, of="recipient")

    assert caught.value.field == "recipient"


@given(st.text(max_size=80))
def test_any_text_is_a_pattern_or_wrong_input_and_what_is_stored_reads_the_same(text: str) -> None:
    try:
        pattern = parse_pattern(text, of="recipient")
    except WrongInput:
        return

    assert read_pattern(str(pattern)) == pattern
    assert parse_pattern(str(pattern), of="recipient") == pattern


@given(st.text(max_size=80))
def test_the_star_takes_any_text(text: str) -> None:
    assert read_pattern("*").takes(address_key(text))
