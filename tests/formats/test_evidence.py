"""What a suppression rests on is read as it was written, and a text of somebody's own stays a text."""

import pytest

from postroom.base.ids import show_id
from postroom.events.evidence import evidence_of, named_in, quoted_line

LINE = '550 5.1.1 <"ada"@example.net>: no such user {"evidence": 1}'
MAIL = show_id("inb", 8)


def test_evidence_names_the_line_our_mail_and_the_mail_that_came_in() -> None:
    stored = evidence_of(LINE, 7, MAIL)

    assert quoted_line(stored) == LINE
    assert named_in(stored) == (show_id("rcp", 7), MAIL)
    assert named_in(evidence_of(LINE, 7)) == (show_id("rcp", 7), "")


@pytest.mark.parametrize(
    "stored", ["", LINE, "{", "{}", "[1]", '{"recipient":7}', '{"by":"page","evidence":"stop","inbound_id":"inb_x"}']
)
def test_what_others_wrote_stays_as_it_is(stored: str) -> None:
    assert quoted_line(stored) == stored
