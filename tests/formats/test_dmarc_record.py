"""DMARC records (RFC 7489 6.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.mail.authentication import DmarcPolicy
from postroom.mail.dmarc_record import DmarcRecord, choose_record, parse_record

NONE, QUARANTINE, REJECT = DmarcPolicy.NONE, DmarcPolicy.QUARANTINE, DmarcPolicy.REJECT


@pytest.mark.parametrize(
    ("text", "record"),
    [
        ("v=DMARC1; p=none", DmarcRecord(NONE, NONE)),
        ("v=DMARC1;p=Reject;sp=quarantine;pct=20", DmarcRecord(REJECT, QUARANTINE, 20)),
        ("v=DMARC1; p=reject; aspf=s; adkim=S", DmarcRecord(REJECT, REJECT, 100, True, True)),
        ("v=DMARC1; p=reject; aspf=x; pct=-1; other=1", DmarcRecord(REJECT, REJECT)),
        ("v=DMARC1; p=reject; sp=maybe; rua=mailto:a@example.test", DmarcRecord(NONE, NONE)),
        ("v=DMARC1; p=reject; sp=maybe", None),
        ("v=DMARC1; p=reject; pct=101", DmarcRecord(REJECT, REJECT)),
        ("v=DMARC1; p=reject; pct=0", DmarcRecord(REJECT, REJECT, 0)),
        ("v = DMARC1 ; p = reject ;", DmarcRecord(REJECT, REJECT)),
        ("v=DMARC1; p=reject; p=none", DmarcRecord(REJECT, REJECT)),
        ("v=DMARC1; rua=mailto:a@example.test", DmarcRecord(NONE, NONE)),
        ("v=DMARC1; p=maybe; rua=mailto:a@example.test", DmarcRecord(NONE, NONE)),
        ("v=DMARC1; p=maybe", None),
        ("v=DMARC1", None),
    ],
)
def test_a_record_is_read_and_what_is_wrong_in_it_has_its_default(text: str, record: DmarcRecord | None) -> None:
    assert choose_record([text]) == [text]
    assert parse_record(text) == record


@pytest.mark.parametrize(
    "text", ["v=dmarc1; p=none", "p=none; v=DMARC1", "v=DMARC10; p=none", "v=spf1 -all", "", "v=DMARC1 p=none"]
)
def test_only_what_begins_with_the_version_is_a_record(text: str) -> None:
    assert choose_record([text, "v=DMARC1; p=none"]) == ["v=DMARC1; p=none"]


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    choose_record([text])
    parse_record(text)
    parse_record("v=DMARC1; p=none;" + text)
