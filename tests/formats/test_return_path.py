"""Machine addresses and Message-IDs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.base.clock import DAY_MS
from postroom.base.ids import first_id_at
from postroom.base.tokens import TokenKeys, TokenKind
from postroom.mail.message_id import find_message_ids, is_message_id, make_message_id, row_of_message_id
from postroom.mail.return_path import machine_address, read_machine_address

NOW_MS = 1_767_225_600_000
KEYS = TokenKeys({0: b"k" * 32, 3: b"l" * 32})
RECIPIENT = first_id_at(NOW_MS)
KINDS = [TokenKind.BOUNCE, TokenKind.REPLY, TokenKind.UNSUBSCRIBE_MAIL, TokenKind.FEEDBACK]


@pytest.mark.parametrize("kind", KINDS)
def test_a_machine_address_reads_back_in_any_letter_case(kind: TokenKind) -> None:
    address = machine_address(KEYS, kind, 3, RECIPIENT, "rp.example.com")
    local_part, _, host = address.partition("@")
    assert host == "rp.example.com"
    assert len(local_part) <= 64
    for written in (local_part, local_part.upper()):
        read = read_machine_address(written, KEYS)
        assert read is not None
        assert (read.kind, read.token.recipient_id, read.token.key_id) == (kind, RECIPIENT, 3)


def test_a_token_of_one_kind_is_worth_nothing_for_another() -> None:
    bounce = machine_address(KEYS, TokenKind.BOUNCE, 0, RECIPIENT, "h").partition("@")[0]
    assert read_machine_address("r" + bounce[1:], KEYS) is None


def test_another_installations_address_is_not_ours() -> None:
    foreign = machine_address(TokenKeys({0: b"x" * 32}), TokenKind.BOUNCE, 0, RECIPIENT, "h").partition("@")[0]
    assert read_machine_address(foreign, KEYS) is None


@pytest.mark.parametrize(("kind", "expires"), [(kind, kind is TokenKind.BOUNCE) for kind in KINDS])
def test_only_a_bounce_address_expires(kind: TokenKind, expires: bool) -> None:
    read = read_machine_address(machine_address(KEYS, kind, 0, RECIPIENT, "h").partition("@")[0], KEYS)
    assert read is not None
    assert not read.has_expired(NOW_MS + 30 * DAY_MS, 30)
    assert read.has_expired(NOW_MS + 30 * DAY_MS + 1, 30) is expires


@given(st.one_of(st.text(), st.text().map("b-{}".format), st.from_regex(r"\Ab-[a-z2-7]{32}\Z")))
def test_no_text_is_read_as_ours_and_none_crashes(text: str) -> None:
    assert read_machine_address(text, KEYS) is None


def test_a_message_id_is_made_of_a_row_id_and_found_again() -> None:
    value = make_message_id("msg", RECIPIENT, "Exämple.com")
    assert is_message_id(value)
    assert value.endswith("@xn--exmple-cua.com>")
    assert row_of_message_id(value) == ("msg", RECIPIENT)
    assert row_of_message_id("<somebody@else>") is None


def test_message_ids_are_found_in_a_list_of_references() -> None:
    assert find_message_ids(b"<1@a> (comment) <2@b>\t<broken <3@c>") == ["<1@a>", "<2@b>", "<3@c>"]


@given(st.binary())
def test_looking_for_message_ids_never_crashes_on_any_bytes(raw: bytes) -> None:
    for found in find_message_ids(raw):
        row_of_message_id(found)
        is_message_id(found)


@pytest.mark.parametrize("value", ["", "<>", "<a>", "a@b", "<a b@c>", "<a@b", "<a@b>\r\nBcc: x", "<ä@b>", "<a@b@c>"])
def test_what_is_no_message_id_is_refused(value: str) -> None:
    assert not is_message_id(value)
