"""Promises of tokens: only ours are taken, for their own kind, and all of one link are as long as each other."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.base.tokens import TokenKeys, TokenKind, url_text_length

KEYS = TokenKeys({0: b"a" * 32, 7: b"b" * 32})
IDS = st.integers(0, (1 << 63) - 1)
POSITIONS = st.integers(0, 100_000)


@given(st.sampled_from(TokenKind), st.sampled_from([0, 7]), IDS, POSITIONS)
def test_a_token_reads_back_for_its_own_kind_only(kind: TokenKind, key_id: int, recipient: int, position: int) -> None:
    text = KEYS.url_text(kind, key_id, recipient, position)

    token = KEYS.check_url_text(kind, text)

    assert token is not None
    assert (token.key_id, token.recipient_id, token.position) == (key_id, recipient, position)
    assert all(KEYS.check_url_text(other, text) is None for other in TokenKind if other is not kind)


@pytest.mark.parametrize("length", [16, 32, 64, 65, 200])
def test_the_code_is_hmac_sha_256_over_kind_and_content(length: int) -> None:
    key = bytes(range(length))
    raw = TokenKeys({3: key}).sign(TokenKind.REPLY, 3, 77, 9)

    assert raw[-10:] == hmac.digest(key, b"r" + raw[:-10], "sha256")[:10]


@given(IDS, IDS, POSITIONS)
def test_the_tokens_of_one_link_have_the_same_length_in_every_copy(one: int, other: int, position: int) -> None:
    lengths = {len(KEYS.url_text(TokenKind.CLICK, 0, recipient, position)) for recipient in (one, other)}

    assert lengths == {url_text_length(position)}


@given(IDS)
def test_a_local_part_fits_and_its_letter_case_does_not_matter(recipient: int) -> None:
    text = KEYS.local_part_text(TokenKind.BOUNCE, 7, recipient)

    assert len("b-" + text) <= 64
    token = KEYS.check_local_part_text(TokenKind.BOUNCE, text.upper())
    assert token is not None
    assert token.recipient_id == recipient


@given(st.text(max_size=80))
def test_any_other_text_is_no_token(text: str) -> None:
    for kind in TokenKind:
        assert KEYS.check_url_text(kind, text) is None
        assert KEYS.check_local_part_text(kind, text) is None


@given(IDS, st.integers(0, 19), st.integers(1, 255))
def test_a_changed_octet_makes_it_worthless(recipient: int, at: int, change: int) -> None:
    raw = bytearray(KEYS.sign(TokenKind.OPEN, 0, recipient))
    raw[at] ^= change

    assert KEYS.check(TokenKind.OPEN, bytes(raw)) is None


def test_a_new_key_leaves_old_tokens_good_and_signs_new_messages() -> None:
    old = TokenKeys({0: b"a" * 32})
    text = old.url_text(TokenKind.OPEN, old.signs_with, 5)
    both = TokenKeys({**dict(old.items()), 1: b"c" * 32})

    assert both.check_url_text(TokenKind.OPEN, text) is not None
    assert both.signs_with == 1


@pytest.mark.parametrize("keys", [{256: b"a" * 32}, {0: b"short"}])
def test_a_ring_refuses_keys_that_are_none(keys: dict[int, bytes]) -> None:
    with pytest.raises(ValueError, match="token keys"):
        TokenKeys(keys)
