"""Names of mailboxes: modified UTF-7 both ways, and a wrong one keeps its mailbox."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imapclient import imap_utf7

from postroom.net.imap.names import shown_name, wire_name

_NO_SURROGATES = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("wire", "shown"),
    [
        ("INBOX", "INBOX"),
        ("&-", "&"),
        ("Tom &- Jerry", "Tom & Jerry"),
        ("Entw&APw-rfe", "Entwürfe"),
        ("~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),  # RFC 3501 5.1.3
        ("[Gmail]/Envoy&AOk-s", "[Gmail]/Envoyés"),
        ("&2D3eAA-", "\U0001f600"),
    ],
)
def test_a_name_is_shown_as_people_write_it(wire: str, shown: str) -> None:
    assert shown_name(wire) == shown
    assert wire_name(shown) == wire


@pytest.mark.parametrize(
    "wire",
    [
        *("&", "a&", "&Jjo", "&Jjo!", "&U,B-TFw&", "&A-", "&AA-", "&2D0-", "&3gA-", "&Jjo=-", "&Jj/o-", "&&-"),
        *("&\x00-", "\xff", "&é-"),
    ],
)  # fmt: skip
def test_a_name_that_breaks_the_rules_is_shown_as_it_is(wire: str) -> None:
    assert shown_name(wire) == wire


def test_octets_of_utf8_are_shown_as_their_letters() -> None:
    assert shown_name("Entwürfe".encode().decode("latin-1")) == "Entwürfe"


@given(_NO_SURROGATES)
def test_every_name_comes_back(shown: str) -> None:
    wire = wire_name(shown)

    assert wire.isascii()
    assert shown_name(wire) == shown


@given(st.text())
def test_no_name_fails(text: str) -> None:
    wire_name(text)
    shown_name(text.encode("utf-8", "surrogatepass").decode("latin-1"))


@given(st.text("&-,/Aa0=+\x7f \xe9"))
def test_no_text_fails_and_no_wrong_name_becomes_empty(text: str) -> None:
    assert bool(shown_name(text)) == bool(text)


@given(_NO_SURROGATES)
def test_imapclient_writes_and_reads_the_same_names(shown: str) -> None:
    assert wire_name(shown).encode() == imap_utf7.encode(shown)
    assert imap_utf7.decode(wire_name(shown).encode()) == shown
