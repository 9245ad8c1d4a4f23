"""A mail as it is passed on: what stays, what stands in front, and where it ends."""

from pathlib import Path

import pytest
from copies import compiled, copy_of, newsletters

from postroom.inbound.forwarded_mail import GoesInCircle, content_to_forward, domain_for, submission_of
from postroom.ledger.inbound_rows import InboundRow
from postroom.ledger.rows import WorkspaceRow
from postroom.mail.authentication import DmarcPolicy, DmarcVerdict, Result, Verdicts
from postroom.mail.envelope import Notify
from postroom.outbound.submission import Track

RAW = (
    b"Return-Path: <ada@author.example>\r\n"
    b"From: Ada  Lovelace <ada@author.example>\r\n"
    b"To: support@example.com\r\n"
    b"Subject: caf\xc3\xa9\r\n"
    b"\r\n"
    b"Hello\r\n.\r\n"
)
LEAVES = RAW.removeprefix(b"Return-Path: <ada@author.example>\r\n")
"""The next server that delivers it writes a Return-Path of its own (RFC 5321 4.4)."""
REFUSES = Verdicts(dmarc=DmarcVerdict(Result.PASS, "author.example", DmarcPolicy.REJECT, spf_aligned=True))


def row(recipient: str = "Support@example.com", reverse_path: str = "ada@author.example") -> InboundRow:
    return InboundRow(
        7, 1, 8, 0, "smtp", "192.0.2.1", "h", "", reverse_path, recipient, recipient.lower(), "route", None,
        "ada@author.example", "Ada", "café", "<1@x>", len(RAW), "",
    )  # fmt: skip


def test_the_mail_is_passed_on_byte_for_byte_behind_its_delivered_to() -> None:
    assert content_to_forward(row(), RAW, Verdicts()) == b"Delivered-To: Support@example.com\r\n" + LEAVES


def test_a_mail_that_came_to_this_address_before_is_not_passed_on_again() -> None:
    with pytest.raises(GoesInCircle, match="before"):
        content_to_forward(row(), b"Delivered-To: SUPPORT@Example.com\r\n" + RAW, Verdicts())


def test_a_mail_that_another_address_passed_on_is_passed_on() -> None:
    assert content_to_forward(row(), b"Delivered-To: boss@example.com\r\n" + RAW, Verdicts())


def test_an_author_whose_domain_has_only_spf_and_asks_to_refuse_the_rest_stands_in_reply_to() -> None:
    content = content_to_forward(row(), RAW, REFUSES)

    assert b'From: "Ada Lovelace via example.com" <Support@example.com>\r\n' in content
    assert b"Reply-To: Ada Lovelace <ada@author.example>\r\n" in content
    assert b"From: Ada  Lovelace <ada@author.example>" not in content
    assert content.endswith(b"\r\n\r\nHello\r\n.\r\n")


def test_a_reply_to_of_the_authors_own_stays() -> None:
    content = content_to_forward(row(), b"Reply-To: other@author.example\r\n" + RAW, REFUSES)

    assert content.lower().count(b"reply-to:") == 1


@pytest.mark.parametrize(
    "dmarc",
    [
        DmarcVerdict(Result.PASS, "author.example", DmarcPolicy.REJECT, dkim_aligned=True),
        DmarcVerdict(Result.PASS, "author.example", DmarcPolicy.NONE, spf_aligned=True),
        DmarcVerdict(Result.NONE),
    ],
)
def test_an_author_who_is_still_believed_stays_in_from(dmarc: DmarcVerdict) -> None:
    assert LEAVES in content_to_forward(row(), RAW, Verdicts(dmarc=dmarc))


def test_bounces_of_it_come_to_us_and_are_told_to_nobody_who_is_named_in_it() -> None:
    workspace = WorkspaceRow(1, "one", 0)

    submission = submission_of(row(), workspace, "boss@elsewhere.example", "example.com", RAW)

    assert submission.envelope.reverse_path == "Support@example.com"
    assert [(one.address, one.notify) for one in submission.envelope.recipients] == [
        ("boss@elsewhere.example", Notify.NEVER)
    ]
    assert submission.track is Track.NOTHING
    assert submission.via_domain == "example.com"


def test_a_report_is_passed_on_from_the_null_reverse_path() -> None:
    submission = submission_of(row(reverse_path=""), WorkspaceRow(1, "one", 0), "b@c.example", "example.com", RAW)

    assert submission.envelope.reverse_path == ""


def test_the_domain_of_a_machine_address_is_the_one_that_it_belongs_to() -> None:
    assert domain_for(row("r-x@rp.example.com")) == "example.com"


def test_real_mail_leaves_as_it_was_sealed(corpora: Path) -> None:
    changed = []
    for name, raw in newsletters(corpora):
        content = content_to_forward(row(), raw, Verdicts())
        leaves = copy_of(compiled(content, Track.NOTHING)[0]).to_bytes()
        if not leaves.endswith(content):
            changed.append(name)
    assert changed == []


def test_a_long_line_is_folded_before_the_seal_and_not_behind_it() -> None:
    raw = b"From: a@author.example\r\nSubject: long\r\n\r\n" + b"x" * 1_200 + b"\r\n"
    content = content_to_forward(row(), raw, Verdicts())
    assert b"quoted-printable" in content
    assert max(map(len, content.split(b"\r\n"))) <= 998
