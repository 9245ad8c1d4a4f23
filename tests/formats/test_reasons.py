"""Why mail was not delivered, judged by text, reply code and enhanced status code."""

import pytest

from postroom.mail.bounce_rules import reason_of
from postroom.mail.reasons import Reason


@pytest.mark.parametrize(
    ("text", "status", "reason", "is_hard"),
    [
        ("550 5.1.1 <a@b.example>: Recipient address rejected: User unknown", "5.1.1", Reason.NO_SUCH_USER, True),
        (
            "550 5.1.1 <a@b.example> - 203.0.113.2 has sent to too many recipients this hour",
            "5.1.1",
            Reason.RATE,
            False,
        ),
        ("552 5.2.2 mailbox full", "5.2.2", Reason.MAILBOX_FULL, False),
        ("550 5.1.1 Message rejected as spam", "5.1.1", Reason.SPAM, False),
        ("550 User unknown (in reply to end of DATA command)", "5.0.0", Reason.FILTERED, False),
        ("550", "", Reason.ON_HOLD, False),
    ],
)
def test_the_text_says_more_than_the_codes(text: str, status: str, reason: Reason, is_hard: bool) -> None:
    judged = reason_of([text], reply_code=None, status=status)
    assert (judged.reason, judged.is_hard) == (reason, is_hard)


def test_silence_is_undetermined_and_penalises_nobody() -> None:
    judged = reason_of([], reply_code=None, status="")
    assert (judged.reason, judged.is_hard, judged.evidence) == (Reason.UNDETERMINED, False, "")
