"""What a suppression rests on is read as it was written, and a text of somebody's own stays a text."""

import pytest

from postroom.base.ids import show_id
from postroom.events.erased import origin_alone
from postroom.events.evidence import evidence_of, named_in, quoted_line

LINE = '550 5.1.1 <"ada"@example.net>: no such user {"evidence": 1}'
MAIL = show_id("inb", 8)


def test_evidence_names_the_line_our_mail_and_the_mail_that_came_in() -> None:
    stored = evidence_of(LINE, 7, MAIL)

    assert quoted_line(stored) == LINE
    assert named_in(stored) == (show_id("rcp", 7), MAIL)
    assert named_in(evidence_of(LINE, 7)) == (show_id("rcp", 7), "")


@pytest.mark.parametrize(
    "stored",
    ["", LINE, "{", "{}", "[1]", '{"recipient":7}', '{"evidence":"x"}',
     '{"by":"page","evidence":"stop","inbound_id":"inb_x"}'],
)  # fmt: skip
def test_what_others_wrote_stays_as_it_is(stored: str) -> None:
    assert quoted_line(stored) == stored


@pytest.mark.parametrize(
    ("stored", "kept"),
    [
        (evidence_of(LINE, 7, MAIL), evidence_of("", 7, MAIL)),
        ('{"by":"mail","recipient":"rcp_x","author":"ada@example.net","evidence":"stop"}',
         '{"by":"mail","recipient":"rcp_x"}'),
        (LINE, ""),
        ('{"address":"ada@example.net"}', ""),
    ],
)  # fmt: skip
def test_of_an_erased_person_evidence_keeps_what_caused_it_and_no_words(stored: str, kept: str) -> None:
    assert origin_alone(stored) == kept
