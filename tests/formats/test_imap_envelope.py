"""The envelope of a mail's bytes, as an IMAP server tells it and SuperIMAP's webhooks carry it."""

import json
from pathlib import Path
from typing import Any

import pytest
from copies import newsletters
from hypothesis import given
from hypothesis import strategies as st
from imapclient import IMAPClient  # type: ignore[import-untyped]
from peers.dovecot import Dovecot
from peers.require import require_peer

from postroom.mail.imap_envelope import MOST_ADDRESSES, envelope_of, imap_addresses

MAIL = (
    b"Received: from a by b; Mon, 7 Feb 1994 21:52:25 -0800\r\n"
    b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
    b"From: Terry Gray <gray@cac.washington.edu>\r\n"
    b"Subject: IMAP4rev1 WG mtg\r\n summary and minutes\r\n"
    b"To: imap@cac.washington.edu\r\n"
    b"cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
    b"Message-Id: <B27397-0100000@cac.washington.edu>\r\n"
    b"\r\nSubject: not this one\r\n"
)
TERRY = {"name": "Terry Gray", "route": None, "mailbox": "gray", "host": "cac.washington.edu"}


def address(name: str | None, mailbox: str | None, host: str | None, route: str | None = None) -> dict[str, str | None]:
    return {"name": name, "route": route, "mailbox": mailbox, "host": host}


def test_the_mail_of_the_standard_has_the_envelope_of_the_standard() -> None:
    envelope = envelope_of(MAIL)
    assert envelope == {
        "date": "Wed, 17 Jul 1996 02:23:25 -0700 (PDT)",
        "subject": "IMAP4rev1 WG mtg summary and minutes",
        "from": [TERRY],
        "sender": [TERRY],
        "reply_to": [TERRY],
        "to": [address(None, "imap", "cac.washington.edu")],
        "cc": [address(None, "minutes", "CNRI.Reston.VA.US"), address("John Klensin", "KLENSIN", "MIT.EDU")],
        "bcc": None,
        "in_reply_to": None,
        "message_id": "<B27397-0100000@cac.washington.edu>",
    }
    assert list(envelope) == [
        "date", "subject", "from", "sender", "reply_to", "to", "cc", "bcc", "in_reply_to", "message_id",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("ada@example.com", [address(None, "ada", "example.com")]),
        ("<ada@example.com>", [address(None, "ada", "example.com")]),
        ("ada@example.com (Ada L.)", [address("Ada L.", "ada", "example.com")]),
        ('"Love, Ada" <ada@example.com>', [address("Love, Ada", "ada", "example.com")]),
        ('"A \\"x\\" B" <a@b>', [address('A "x" B', "a", "b")]),
        ("=?utf-8?Q?J=C3=B6rg?= <j@b>", [address("=?utf-8?Q?J=C3=B6rg?=", "j", "b")]),
        ('"ada smith"@example.com', [address(None, "ada smith", "example.com")]),
        ("Ada <@one.example,@two.example:ada@b>", [address("Ada", "ada", "b", "@one.example,@two.example")]),
        (
            "A group: ada@b, Bob <bob@c>;",
            [
                address(None, "A group", None),
                address(None, "ada", "b"),
                address("Bob", "bob", "c"),
                address(None, None, None),
            ],
        ),
        ("undisclosed-recipients:;", [address(None, "undisclosed-recipients", None), address(None, None, None)]),
        ("a: b@c", [address(None, "a", None), address(None, "b", "c"), address(None, None, None)]),
        ("root", [address(None, "root", "")]),
        ("Ada Lovelace", [address("Ada Lovelace", "", "")]),
        ("<>", [address(None, "", "")]),
        ("ada@b, , bob@c", [address(None, "ada", "b"), address(None, "bob", "c")]),
        ("Ada <ada@b, bob@c", [address("Ada", "ada", "b"), address(None, "bob", "c")]),
        ("ada@[192.0.2.1]", [address(None, "ada", "[192.0.2.1]")]),
    ],
)
def test_addresses_have_the_form_of_the_standard(text: str, expected: list[dict[str, str | None]]) -> None:
    assert imap_addresses(text) == expected


def test_what_is_missing_is_null_and_what_is_empty_is_empty() -> None:
    envelope = envelope_of(b"Subject:\r\nTo:\r\nSender: \r\nFrom: a@b\r\n\r\n")
    assert (envelope["subject"], envelope["to"], envelope["date"]) == ("", None, None)
    assert envelope["sender"] == envelope["reply_to"] == [address(None, "a", "b")]


def test_a_field_that_stands_twice_is_told_whole() -> None:
    envelope = envelope_of(b"From: a@b\r\nFrom: c@d\r\nSubject: one\r\nSubject: two\r\n\r\n")
    assert envelope["from"] == [address(None, "a", "b"), address(None, "c", "d")]
    assert envelope["subject"] == "one"


def test_a_field_with_many_addresses_is_bounded() -> None:
    envelope = envelope_of(b"To: " + b"a@b, " * 20_000 + b"\r\n\r\n")
    assert len(envelope["to"] or "") == MOST_ADDRESSES


@given(st.binary(max_size=400))
def test_any_bytes_have_an_envelope(raw: bytes) -> None:
    json.dumps(envelope_of(raw)).encode()


_MARKS = st.sampled_from(
    ['"', "<", ">", ",", ";", ":", "@", "(", ")", "\\", " ", "a", "é", "=?utf-8?Q?=00?=", "[", "]"]
)


@given(st.lists(_MARKS, max_size=60).map("".join))
def test_any_marks_are_read_as_addresses(text: str) -> None:
    for found in imap_addresses(text):
        assert list(found) == ["name", "route", "mailbox", "host"]
        assert (found["host"] is None) or (found["mailbox"] is not None)


_BY_DOVECOT = {"subject": "subject", "in_reply_to": "in_reply_to", "message_id": "message_id"}
_LISTS_BY_DOVECOT = {"from": "from_", "sender": "sender", "reply_to": "reply_to", "to": "to", "cc": "cc", "bcc": "bcc"}
_NOT_THE_STANDARD = {("099.eml", "to")}
"""`"Undisclosed-Recipient:"@<...>`: each reader makes something else of it."""


def test_dovecot_reads_real_mails_as_we_do(corpora: Path) -> None:
    require_peer("dovecot")
    mails = list(newsletters(corpora))
    with Dovecot({"ann": "secret"}) as dovecot:
        for _, raw in mails:
            dovecot.deliver("ann", raw)
        client = IMAPClient("127.0.0.1", dovecot.imap_port, ssl=False)
        client.login("ann", "secret")
        client.select_folder("INBOX", readonly=True)
        found = client.fetch(client.search(), ["ENVELOPE", "BODY.PEEK[]"])
        client.logout()
    theirs = {data[b"BODY[]"]: data[b"ENVELOPE"] for data in found.values()}
    assert len(theirs) > 90
    differing = {
        (name, field)
        for name, raw in mails
        for field, mine in envelope_of(raw).items()
        if field != "date" and _spaced(mine) != _of_dovecot(theirs[raw], field)
    }
    assert differing <= _NOT_THE_STANDARD


def _spaced(mine: object) -> object:
    # Dovecot shows one space where several stand.
    return " ".join(mine.split()) if isinstance(mine, str) else mine


def _of_dovecot(envelope: Any, field: str) -> object:
    if field in _BY_DOVECOT:
        return _text(getattr(envelope, _BY_DOVECOT[field]))
    found = getattr(envelope, _LISTS_BY_DOVECOT[field])
    return found and [address(_text(a.name), _text(a.mailbox), _text(a.host), _text(a.route)) for a in found]


def _text(value: bytes | None) -> str | None:
    # Dovecot's words for what is missing.
    return None if value is None else value.decode().replace("MISSING_MAILBOX", "").replace("MISSING_DOMAIN", "")
