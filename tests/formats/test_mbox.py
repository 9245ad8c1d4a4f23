"""An mbox file is as many mails as it holds, and no mail is taken for several."""

from hypothesis import given
from hypothesis import strategies as st

from postroom.mail.mbox import mails_of

FIRST = b"From MAILER-DAEMON@mx.example Mon Nov 23 07:00:00 2026\nSubject: one\n\nHello\n"
SECOND = b"From ada@example.net  Tue Nov  3 07:00:00 2026\nSubject: two\n\nFrom here on: Monday.\n"


def test_each_mail_of_an_mbox_begins_at_its_line() -> None:
    assert list(mails_of(FIRST + b"\n" + SECOND)) == [FIRST + b"\n", SECOND]
    crlf = (FIRST + b"\n" + SECOND).replace(b"\n", b"\r\n")
    assert len(list(mails_of(crlf))) == 2


def test_a_mail_that_quotes_such_a_line_stays_one() -> None:
    inside = b"Subject: one\n\nIt said:\n\n" + SECOND
    unescaped = FIRST + b"\nFrom Monday on we are closed.\n\nFrom here Mon Nov 23 07:00 it goes on\n\nBye\n"
    for raw in (inside, unescaped, FIRST, b"", b"From ", LETTER_AFTER_SENTENCE):
        assert list(mails_of(raw)) == [raw]


LETTER_AFTER_SENTENCE = b"From the desk of Ada\nSubject: x\n\n\n" + SECOND


@given(st.lists(st.sampled_from([FIRST, SECOND, b"\n", b"\r\n", b"From ", b"x", b"\xff"]), max_size=12))
def test_nothing_of_a_file_is_lost(pieces: list[bytes]) -> None:
    raw = b"".join(pieces)
    assert b"".join(mails_of(raw)) == raw
