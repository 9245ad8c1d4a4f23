"""Addresses in header fields."""

import time
from email.headerregistry import HeaderRegistry
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.base.errors import WrongInput
from postroom.mail.address_list import Mailbox, format_mailbox, header_address, parse_address_list, parse_mailbox
from postroom.mail.encoded_words import fold_items
from postroom.mail.header import find_all, split_header, unfold


@pytest.mark.parametrize(
    ("value", "mailboxes"),
    [
        # RFC 5322 A.1
        ('"Joe Q. Public" <john.q.public@example.com>', [("john.q.public@example.com", "Joe Q. Public")]),
        (
            "Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
            [("mary@x.test", "Mary Smith"), ("jdoe@example.org", ""), ("one@y.test", "Who?")],
        ),
        (
            '<boss@nil.test>, "Giant; \\"Big\\" Box" <sysservices@example.net>',
            [("boss@nil.test", ""), ("sysservices@example.net", 'Giant; "Big" Box')],
        ),
        (
            "A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
            [("c@a.test", "Ed Jones"), ("joe@where.test", ""), ("jdoe@one.test", "John")],
        ),
        ("Undisclosed recipients:;", []),
        # RFC 5322 A.5 and A.6
        ("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", [("pete@silly.test", "Pete")]),
        ("Chris Jones <c@(Chris's host.)public.example>", [("c@public.example", "Chris Jones")]),
        ("joe@example.org , John <jd@one.test> (my dear friend)", [("joe@example.org", ""), ("jd@one.test", "John")]),
        ("Mary Smith <@node.test,@hop.test:mary@example.net>, , jdoe@test  . example",
         [("mary@example.net", "Mary Smith"), ("jdoe@test.example", "")]),
        # RFC 2047 8
        ("=?ISO-8859-1?Q?Andr=E9?= Pirard <PIRARD@vm1.ulg.ac.be>", [("PIRARD@vm1.ulg.ac.be", "André Pirard")]),
        # as met in the wild
        ("ada@example.com (Ada Lovelace)", [("ada@example.com", "Ada Lovelace")]),
        ('"=?utf-8?q?Ad=C3=A4?=" <ada@example.com>', [("ada@example.com", "Adä")]),
        ('"ada"@example.com', [("ada@example.com", "")]),
        ('"a b"@example.com', [('"a b"@example.com', "")]),
        ("<ada@example.com, bob@example.net", [("ada@example.com", ""), ("bob@example.net", "")]),
        ("ada@[192.0.2.1]", [("ada@[192.0.2.1]", "")]),
        ("Zoë <zoë@exämple.com>", [("zoë@exämple.com", "Zoë")]),
        ("ada@example.com; bob@example.net", [("ada@example.com", ""), ("bob@example.net", "")]),
        ("nobody", [("", "nobody")]),
        ("", []),
    ],
)  # fmt: skip
def test_address_lists_are_read(value: str, mailboxes: list[tuple[str, str]]) -> None:
    assert [(mailbox.address, mailbox.name) for mailbox in parse_address_list(value)] == mailboxes
    assert parse_address_list(value.encode()) == parse_address_list(value)


PIECES = (
    b'"', b"\\", b"(", b")", b"<", b">", b",", b":", b";", b"@", b"a", b" ", b"[", b"]", b"=?", b"\r\n", b"\xff",
)  # fmt: skip


@given(st.one_of(st.binary(), st.lists(st.sampled_from(PIECES)).map(b"".join)))
def test_reading_never_crashes_on_any_bytes(value: bytes) -> None:
    for mailbox in parse_address_list(value):
        assert not any(letter in mailbox.name for letter in "\r\n\0")


@pytest.mark.parametrize("piece", ['"', '"\\', "(", "(\\", "[", "<", "@", "<@", "a,", ":", "=?a?q?", "()", "\\"])
def test_hostile_lists_take_time_that_grows_with_their_length_only(piece: str) -> None:
    began = time.monotonic()
    parse_address_list(piece * 100_000)
    assert time.monotonic() - began < 5


def test_python_finds_the_same_authors_in_real_mails(corpora: Path) -> None:
    read = 0
    for path in sorted((corpora / "newsletters").glob("*.eml")):
        fields, _ = split_header(path.read_bytes())
        for value in find_all(fields, b"from"):
            expected = HeaderRegistry()("From", value.decode("latin-1")).addresses  # type: ignore[attr-defined]
            assert [box.address for box in parse_address_list(value)] == [address.addr_spec for address in expected]
            read += 1
    assert read >= 115


NAME = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "), max_size=120)


@given(NAME)
def test_a_written_mailbox_reads_back_the_same(name: str) -> None:
    written = unfold(fold_items("To", [format_mailbox(Mailbox("ada@example.com", name)), "bob@example.net"]))
    read = parse_address_list(written.removeprefix(b"To: "))
    assert [box.address for box in read] == ["ada@example.com", "bob@example.net"]
    assert read[0].name == " ".join(name.split())


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("ada@exämple.com", "ada@xn--exmple-cua.com"),
        ("zoë@exämple.com", "zoë@exämple.com"),
        ("zoë@xn--exmple-cua.com", "zoë@exämple.com"),
        ("ada@[192.0.2.1]", "ada@[192.0.2.1]"),
    ],
)
def test_a_header_shows_a_labels_beside_ascii_and_u_labels_beside_the_rest(address: str, shown: str) -> None:
    assert header_address(address) == shown


@pytest.mark.parametrize(
    ("text", "mailbox"),
    [
        ("ada@example.com", Mailbox("ada@example.com")),
        ("Ada Lovelace <ada@example.com>", Mailbox("ada@example.com", "Ada Lovelace")),
        ('"Lovelace, \\"A\\"" <ada@example.com>', Mailbox("ada@example.com", 'Lovelace, "A"')),
        ("<ada@example.com>", Mailbox("ada@example.com")),
        ("Lovelace, Ada <ada@example.com>", Mailbox("ada@example.com", "Lovelace, Ada")),
        ("bob@example.org <ada@example.com>", Mailbox("ada@example.com", "bob@example.org")),
        ('"bob@example.org, via us" <ada@example.com>', Mailbox("ada@example.com", "bob@example.org, via us")),
    ],
)
def test_the_api_takes_a_mailbox_with_or_without_a_name(text: str, mailbox: Mailbox) -> None:
    assert parse_mailbox(text, field="from") == mailbox


@pytest.mark.parametrize(
    "text", ["Ada", "Ada <ada>", "Ada\r\nBcc: x <ada@example.com>", "a@b.de, c@d.de", "<>", "a <b> <c@d.de>x"]
)
def test_the_api_refuses_a_wrong_mailbox_naming_the_field(text: str) -> None:
    with pytest.raises(WrongInput) as caught:
        parse_mailbox(text, field="from")
    assert caught.value.field == "from"


@pytest.mark.parametrize(
    "text",
    [
        "ada@example.com, bob@example.org",
        "ada@example.com; Bob <bob@example.org>",
        "Ada <ada@example.com>, Bob <bob@example.org>",
        '"Ada" <ada@example.com>, "Bob" <bob@example.org>',
        "Ada <ada@example.com> <bob@example.org>",
    ],
)
def test_several_addresses_in_one_text_are_refused_not_taken_for_a_name(text: str) -> None:
    """The first ones had become the display name of the last, and got nothing."""
    with pytest.raises(WrongInput, match="several addresses: write each as an item of its own in a list"):
        parse_mailbox(text, field="to")


def test_a_second_angle_bracket_begins_another_author() -> None:
    assert [one.address for one in parse_address_list("<ada@example.com> Bob <bob@example.org>")] == [
        "ada@example.com",
        "bob@example.org",
    ]
