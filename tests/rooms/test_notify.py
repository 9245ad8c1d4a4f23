"""When the author hears by mail about a recipient."""

import email

import pytest

from postroom.ledger.outcomes import OutcomeKind
from postroom.ledger.rows import MessageRow, RecipientRow
from postroom.mail.dsn import Action
from postroom.mail.envelope import DEFAULT_NOTIFY, BodyType, Notify
from postroom.mail.smtp_reply import SmtpReply
from postroom.outbound.notify import compose_notification, due_notification

NOW_MS = 1_767_225_600_000
AUTHOR = "ada@example.com"
ALL = Notify.SUCCESS | Notify.FAILURE | Notify.DELAY

MESSAGE = MessageRow(
    id=1, workspace_id=1, content_key=b"k", kind="shared", stream="transactional", source="smtp",
    reverse_path=AUTHOR, author_address=AUTHOR, author_domain="example.com", domain_id=None, subject="Hello",
    message_id="<1@example.com>", tags="[]", metadata="{}", track=0, token_key_id=0, return_path_host="rp.example.com",
    tracking_url="http://127.0.0.1", smtputf8=0, ret="FULL", envid="E1", size_bytes=10, send_at_ms=None,
    created_ms=NOW_MS - 1000,
)  # fmt: skip
RECIPIENT = RecipientRow(
    id=2, workspace_id=1, message_id=1, lane_id=1, address="bob@example.net", address_key="bob@example.net",
    domain="example.net", state="failed", due_ms=0, provider="other", notify=2, original="", merge="",
)  # fmt: skip
ORIGINAL = b"Subject: Hello\r\n\r\nbody\r\n"


@pytest.mark.parametrize("notify", [ALL, DEFAULT_NOTIFY, Notify.NEVER])
@pytest.mark.parametrize("outcome", list(OutcomeKind))
def test_a_null_reverse_path_never_causes_a_dsn(notify: Notify, outcome: OutcomeKind) -> None:
    assert due_notification(notify, outcome, "", deferred_for_ms=10**9) is None


@pytest.mark.parametrize("outcome", list(OutcomeKind))
def test_never_means_never(outcome: OutcomeKind) -> None:
    assert due_notification(Notify.NEVER, outcome, AUTHOR, deferred_for_ms=10**9) is None


@pytest.mark.parametrize(
    ("notify", "outcome", "action"),
    [
        (DEFAULT_NOTIFY, OutcomeKind.FAILED, Action.FAILED),
        (DEFAULT_NOTIFY, OutcomeKind.DEFERRED, None),
        (DEFAULT_NOTIFY, OutcomeKind.DELIVERED, None),
        (Notify.SUCCESS, OutcomeKind.FAILED, None),
        (Notify.SUCCESS, OutcomeKind.DELIVERED, Action.RELAYED),
        (Notify.DELAY, OutcomeKind.DEFERRED, Action.DELAYED),
        (Notify.DELAY, OutcomeKind.FAILED, None),
        (ALL, OutcomeKind.RETURNED, None),
        (ALL, OutcomeKind.IN_DOUBT, None),
    ],
)
def test_the_author_hears_what_was_asked_for(notify: Notify, outcome: OutcomeKind, action: Action | None) -> None:
    assert due_notification(notify, outcome, AUTHOR, deferred_for_ms=10, delay_notice_after_ms=10) is action


def test_a_delay_is_told_after_some_hours_and_once() -> None:
    deferred = (Notify.DELAY, OutcomeKind.DEFERRED, AUTHOR)
    assert due_notification(*deferred, deferred_for_ms=9, delay_notice_after_ms=10) is None
    assert due_notification(*deferred, deferred_for_ms=10, delay_notice_after_ms=10, delayed_told=True) is None


def test_the_report_goes_to_the_reverse_path_and_asks_for_no_report_about_itself() -> None:
    notification = compose_notification(
        MESSAGE, RECIPIENT, Action.FAILED, SmtpReply(550, "5.1.1", "No such user"), ORIGINAL,
        reporting_mta="mx.postroom.test", report_id=9, now_ms=NOW_MS, next_hop="mx1.example.net [192.0.2.1]:25",
    )  # fmt: skip
    envelope = notification.envelope
    assert envelope.reverse_path == ""
    assert [(recipient.address, recipient.notify) for recipient in envelope.recipients] == [(AUTHOR, Notify.NEVER)]
    assert envelope.body is BodyType.SEVEN_BIT
    message = email.message_from_bytes(notification.content)
    assert message["To"] == AUTHOR
    for line in (b"Remote-MTA: dns; mx1.example.net", b"Original-Envelope-Id: E1", b"Status: 5.1.1", ORIGINAL):
        assert line in notification.content


@pytest.mark.parametrize(
    ("action", "reply", "status"),
    [
        (Action.FAILED, SmtpReply(451, "4.7.1", "Greylisted"), b"5.7.1"),
        (Action.FAILED, SmtpReply(554, "", "No"), b"5.0.0"),
        (Action.DELAYED, SmtpReply(452, "4.2.2", "Full"), b"4.2.2"),
        (Action.RELAYED, SmtpReply(250, "2.0.0", "Ok"), b"2.0.0"),
    ],
)
def test_the_status_has_the_class_of_the_action(action: Action, reply: SmtpReply, status: bytes) -> None:
    notification = compose_notification(
        MESSAGE, RECIPIENT, action, reply, ORIGINAL, reporting_mta="mx.postroom.test", report_id=9, now_ms=NOW_MS,
        will_retry_until_ms=NOW_MS + 1000,
    )  # fmt: skip
    assert b"\r\nStatus: " + status + b"\r\n" in notification.content
    assert (b"Will-Retry-Until" in notification.content) is (action is Action.DELAYED)


def test_the_same_report_is_the_same_bytes_again() -> None:
    reports = [
        compose_notification(
            MESSAGE, RECIPIENT, Action.FAILED, SmtpReply(550, "5.1.1", "No"), ORIGINAL,
            reporting_mta="mx.postroom.test", report_id=9, now_ms=NOW_MS,
        )
        for _ in range(2)
    ]  # fmt: skip
    assert reports[0] == reports[1]
