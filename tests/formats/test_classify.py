"""What came back is known by its outermost report and the shapes of its text, carries our marks, and breaks nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.base.tokens import TokenKind
from postroom.mail.classify import classify
from postroom.mail.reasons import Reason
from postroom.mail.verdict import MailKind, Verdict

TOKEN = "abcdefghijklmnopqrstuvwxyz234567"


def bounce(
    told: str, returned: str = "", *, subject: str = "Undelivered mail", author: str = "MAILER-DAEMON@mx.example"
):
    mail = f"Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nTo: author@example.com\nSubject: Undelivered\n\n{told}\n"
    if returned:
        mail += f"--- Below this line is a copy of the message.\n\n{returned}"
    return classify(mail.encode())


def report(status: str, returned: str = "", told: str = "It did not work.") -> Verdict:
    return classify(
        "From: MAILER-DAEMON@mx.example\nTo: author@example.com\nSubject: Undelivered\nMIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=a\n\n"
        f"--a\n\n{told}\n--a\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n{status}\n"
        f"--a\nContent-Type: message/rfc822\n\n{returned}\n--a--\n".encode()
    )


def named(verdict: Verdict) -> list[str]:
    return [one.address for one in verdict.recipients]


@pytest.mark.parametrize(
    ("field", "address"),
    [
        ("Final-Recipient: rfc822; reader@example.org", "reader@example.org"),
        ("Final-Recipient: RFC822;<reader@example.org>", "reader@example.org"),
        ("Final-Recipient: rfc822; @relay.example:reader@example.org", "reader@example.org"),
        ("Final-Recipient: rfc822; reader@example.org@gateway.example", "reader@example.org"),
        ("Original-Recipient: rfc822;reader+40example.org@\nFinal-Recipient: rfc822; a@example.org", "a@example.org"),
        (
            "Original-Recipient: rfc822;first@example.org\nFinal-Recipient: rfc822; last@example.org",
            "first@example.org",
        ),
        ("Final-Recipient: rfc822; |/usr/bin/program\nX-Actual-Recipient: rfc822; a@example.org", "a@example.org"),
        ("Final-Recipient: utf-8; \\x{e4}@example.org", "ä@example.org"),
        ("Final-Recipient: rfc822;a@example.org (Ada Reader)", "a@example.org"),
        ('Final-Recipient : rfc822; "Ada Reader" <a@example.org>', "a@example.org"),
        ("FINAL-RECIPIENT: LOCAL; SMTP:a@example.org", "a@example.org"),
        ('Final-Recipient: rfc822;"a b"@example.org', '"a b"@example.org'),
        ("Final-Recipient: rfc822;\n a..b.@docomo.ne.jp", "a..b.@docomo.ne.jp"),
    ],
)
def test_a_report_names_whom_the_author_wrote_to(field: str, address: str) -> None:
    assert named(report(f"{field}\nAction: failed\nStatus: 5.1.1")) == [address]


@pytest.mark.parametrize("value", ["@example.org", "|/usr/bin/program", "/var/mail/reader", "reader", ""])
def test_what_is_no_address_is_not_named(value: str) -> None:
    assert named(report(f"Final-Recipient: rfc822; {value}\nAction: failed\nStatus: 5.1.1")) == []


def test_a_report_inside_of_the_report_accuses_nobody() -> None:
    inner = (
        "From: MAILER-DAEMON@inner.example\nTo: author@example.com\nMIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nx\n"
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n"
        "Final-Recipient: rfc822; innocent@example.org\nAction: failed\nStatus: 5.1.1\n--b--\n"
    )
    found = report("Final-Recipient: rfc822; reader@example.org\nAction: failed\nStatus: 5.1.1", inner)
    assert named(found) == ["reader@example.org"]


def test_a_delay_is_no_failure_and_a_delivery_is_a_receipt() -> None:
    late = report("Final-Recipient: rfc822; a@example.org\nAction: delayed\nStatus: 4.4.1")
    done = report("Final-Recipient: rfc822; a@example.org\nAction: delivered\nStatus: 2.0.0")
    assert (late.kind, late.recipients[0].is_hard) == (MailKind.DELAY, False)
    assert done.kind is MailKind.RECEIPT


def test_words_of_patience_around_a_permanent_answer_make_no_delay() -> None:
    late = bounce("It has been delayed and we will keep trying:\n\n<a@example.org>:\n451 4.4.1 try again later")
    gone = bounce("It has been delayed and we will keep trying:\n\n<a@example.org>:\n550 5.1.1 User unknown")
    assert (late.kind, gone.kind) == (MailKind.DELAY, MailKind.BOUNCE)


def test_notifications_of_ses_are_read() -> None:
    told = '{"notificationType": "%s", "%s": {"bounceType": "Permanent", "%s": [%s]}}'
    one = '{"emailAddress": "a@example.org", "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 user unknown"}'
    failed = bounce(told % ("Bounce", "bounce", "bouncedRecipients", one))
    done = bounce(told % ("Delivery", "delivery", "recipients", '"a@example.org"'))
    assert (failed.kind, named(failed), failed.recipients[0].is_hard) == (MailKind.BOUNCE, ["a@example.org"], True)
    assert (done.kind, named(done)) == (MailKind.RECEIPT, ["a@example.org"])


def test_of_many_recipients_each_is_shown_the_words_about_itself() -> None:
    blocks = "".join(
        f"Final-Recipient: rfc822; reader{number}@example.org\nAction: failed\nStatus: 5.1.1\n"
        f"Diagnostic-Code: smtp; 550 5.1.1 <reader{number}@example.org>: User unknown\n\n"
        for number in range(30)
    )
    found = report(blocks)
    assert len(found.recipients) == 30
    assert all(one.address in one.evidence for one in found.recipients)


def test_of_a_report_with_failed_and_delayed_recipients_the_failed_are_named() -> None:
    found = report(
        "Final-Recipient: rfc822; late@example.org\nAction: delayed\nStatus: 4.4.1\n\n"
        "Final-Recipient: rfc822; gone@example.org\nAction: failed\nDiagnostic-Code: smtp; 550 5.1.1 User unknown"
    )
    assert (found.kind, named(found)) == (MailKind.BOUNCE, ["gone@example.org"])
    assert found.recipients[0].reason is Reason.NO_SUCH_USER


@pytest.mark.parametrize(
    "told",
    [
        "I could not deliver your message to these addresses.\n\n<a@example.org>:\nUser unknown. (#5.1.1)\n\n"
        "<b@example.org>:\nMailbox is full. (#5.2.2)",
        "The following address(es) failed:\n\n  a@example.org\n    host mx.example [192.0.2.1]: 550 User unknown\n"
        "  b@example.org\n    host mx.example [192.0.2.1]: 552 Mailbox full",
        "<a@example.org>: host mx.example said: 550 User unknown\n\n<b@example.org>: host mx.example said: 552 Full",
        "   ----- The following addresses had permanent fatal errors -----\n<a@example.org>\n<b@example.org>\n\n"
        "   ----- Transcript of session follows -----\n>>> RCPT To:<a@example.org>\n<<< 550 User unknown",
        "Your message\n  To: author@example.com\n  Subject: x\ndid not reach the following recipient(s):\n\n"
        "a@example.org on Mon, 16 Nov 2026\n    The recipient name is not recognized\nb@example.org on Mon, 16 Nov\n",
        "Die folgenden Empfänger konnten nicht erreicht werden:\n\na@example.org\nb@example.org\n",
        "以下のメールアドレスへの送信に失敗しました。\n\na@example.org\nb@example.org\n",
        "Votre message n'a pas pu être remis aux destinataires suivants :\n  a@example.org\n  b@example.org\n",
        "No se ha podido entregar su mensaje a:\n  a@example.org\n  b@example.org\n",
        "Recipient address: a@example.org\nReason: unknown\n\nRecipient address: b@example.org\nReason: full\n",
    ],
)
def test_a_text_names_those_who_failed_and_nobody_else(told: str) -> None:
    found = bounce(
        f"{told}\n\nFor help contact support@provider.example\n", "Received: x\nFrom: author@example.com\nTo: c@x.org\n"
    )
    assert (found.kind, named(found)) == (MailKind.BOUNCE, ["a@example.org", "b@example.org"])


def test_each_recipient_of_a_text_has_its_own_reason() -> None:
    found = bounce(
        "Not delivered:\n\n<a@example.org>:\n550 5.1.1 User unknown\n\n<b@example.org>:\n552 5.2.2 Mailbox is full\n"
    )
    assert [one.reason for one in found.recipients] == [Reason.NO_SUCH_USER, Reason.MAILBOX_FULL]
    assert [(one.status, one.reply_code) for one in found.recipients] == [("5.1.1", 550), ("5.2.2", 552)]


def test_the_last_resort_is_whom_the_returned_message_was_for_unless_it_is_a_list() -> None:
    header = "Received: from x\nFrom: author@example.com\nTo: reader@example.org\nSubject: s\n"
    assert named(bounce("Your mail was not delivered.", header)) == ["reader@example.org"]
    assert named(bounce("Your mail was not delivered.", f"{header}List-Post: <mailto:reader@example.org>\n")) == []


def test_the_marks_of_the_returned_message_come_first() -> None:
    found = bounce(
        "<a@example.org>:\nUser unknown",
        f"Return-Path: <b-{TOKEN}@rp.example.com>\nReceived: x\nX-Postroom-Id: {TOKEN}\n"
        "Message-ID: <1@example.com>\n"
        f"To: a@example.org\n\nSee https://x.example/c/{'A' * 27} and =\nhttps://x.example/u/{'B' * 20}=\n{'B' * 7}\n",
    )
    assert [(mark.kind, mark.where) for mark in found.marks] == [
        (TokenKind.BOUNCE, "Return-Path"),
        (TokenKind.FEEDBACK, "X-Postroom-Id"),
        (TokenKind.CLICK, "link"),
        (TokenKind.UNSUBSCRIBE, "link"),
    ]
    assert found.answers == ("<1@example.com>",)
    assert found.returned_to == ("a@example.org",)


def test_a_report_that_returns_no_header_still_tells_our_reverse_path() -> None:
    parts = "".join(
        f"--x\nContent-Type: {media_type}\n\n{fields}\n"
        for media_type, fields in (
            ("text/plain", "Somebody complained."),
            (
                "message/feedback-report",
                "Feedback-Type: abuse\nUser-Agent: x\nVersion: 1\n"
                f"Original-Mail-From: <b-{TOKEN}@rp.example.com>\nOriginal-Rcpt-To: r-{TOKEN[::-1]}@rp.example.com\n",
            ),
        )
    )
    head = 'From: fbl@example.net\nContent-Type: multipart/report; report-type=feedback-report; boundary="x"'
    found = classify(f"{head}\n\n{parts}--x--\n".encode())

    assert found.kind is MailKind.COMPLAINT
    assert [(mark.kind, mark.text, mark.where) for mark in found.marks] == [(TokenKind.BOUNCE, TOKEN, "report")]


def test_postfix_tells_our_reverse_path_in_its_report() -> None:
    report = (
        "From: MAILER-DAEMON@example.org\nMIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n--x\n"
        f"Content-Type: message/delivery-status\n\nX-Postfix-Sender: rfc822; b-{TOKEN}@rp.example.com\n\n"
        "Final-Recipient: rfc822; a@example.org\nAction: failed\nStatus: 5.1.1\n--x--\n"
    )

    found = classify(report.encode())

    assert [(mark.kind, mark.text, mark.where) for mark in found.marks] == [(TokenKind.BOUNCE, TOKEN, "report")]


def test_a_person_who_quotes_a_bounce_sends_no_bounce() -> None:
    quoted = "> <a@example.org>:\n> 550 User unknown\n"
    person = "Ada <ada@example.org>"
    for subject in ("Re: Undelivered Mail Returned to Sender", "Fwd: Delivery failed", "your mail"):
        found = classify(
            f"From: {person}\nTo: author@example.com\nSubject: {subject}\n\nI got this, why?\n\n{quoted}".encode()
        )
        assert found.kind not in (MailKind.BOUNCE, MailKind.DELAY)
        assert not found.recipients


COPIED = """This is the mail system at host mx.example.com.

I'm sorry to have to inform you that your message could not be delivered.

<a@example.org>: host mx.example.org[192.0.2.1] said: 550 5.1.1 <a@example.org>: User unknown
    (in reply to RCPT TO command)
"""


@pytest.mark.parametrize(
    ("subject", "above", "below"),
    [
        ("Undeliverable mail?", "", ""),
        ("Undeliverable mail", "Every mail that I send returns with 550 5.1.1.", ""),
        ("Undelivered mail", "Hello Joe,\n\nplease look at this.", ""),
        ("Unzustellbare Nachricht", "Guten Tag,\n\nich bekomme das hier:", "Mit freundlichen Grüßen\nAda"),
        ("Delivery failure", "", "Thanks, Ada"),
        ("Delivery failure", "", "It goes on.\n" * 12 + "Thanks, Ada"),
        ("Mail delivery failed", "Bonjour,\nj'ai reçu ceci :", ""),
        ("Mail delivery failed", "fyi", ""),
        ("Mail delivery failed", "Yesterday this came back", ""),
        ("Mail delivery failed", "could you look at it", ""),
        ("Mail delivery failed", "I just got this", ""),
        ("Mail delivery failed", "ich bekomme das hier", ""),
        ("Mail delivery failed", "ho ricevuto questo", ""),
        ("Mail delivery failed", "j'ai reçu ceci", ""),
    ],
)
def test_a_person_who_copies_a_bounce_into_a_letter_sends_no_bounce(subject: str, above: str, below: str) -> None:
    """Nothing in the header tells that it is no report: neither "Re:", a name nor a quotation."""
    letter = f"From: ada@example.org\nTo: author@example.com\nSubject: {subject}\n\n{above}\n\n{COPIED}\n{below}\n"
    found = classify(letter.encode())
    assert found.kind not in (MailKind.BOUNCE, MailKind.DELAY)
    assert not found.recipients


def test_who_has_a_persons_name_reports_nothing_without_a_sign_of_a_machine() -> None:
    found = classify(f"From: Ada Lovelace <ada@example.org>\nSubject: Mail undeliverable\n\n{COPIED}".encode())
    assert found.kind is MailKind.OTHER
    assert not found.recipients


@pytest.mark.parametrize("author", ["<scanner@example.com>", "Scan Gateway 2 <scanner@example.com>"])
def test_a_host_that_shows_no_sign_of_itself_is_believed_where_nobody_writes_a_letter(author: str) -> None:
    found = classify(f"From: {author}\nSubject: Mail could not be delivered\n\n{COPIED}".encode())
    assert [(one.address, one.is_hard) for one in found.recipients] == [("a@example.org", True)]


@pytest.mark.parametrize(
    "mail",
    [
        "From: Ada <ada@example.org>\nSubject: help\n\nI got this:\n\nFinal-Recipient: rfc822; a@example.org\n"
        "Action: failed\nStatus: 5.1.1\n",
        "From: Postmaster <postmaster@example.org>\nSubject: your mail problem\n\nWe unblocked you. If errors return, "
        "write to joe@example.org.\n",
        "From: Cron Daemon <root@example.org>\nSubject: Cron <root> backup failed\nAuto-Submitted: auto-generated\n\n"
        "error: could not connect to db@example.org\n",
        "Return-Path: <>\nFrom: Ada <ada@example.org>\nSubject: Out of office\n\nI can not read mail. "
        "Contact bob@example.org.\n",
    ],
    ids=["a person shows a report", "a postmaster who is a person", "a job that failed", "out of office"],
)
def test_what_only_speaks_of_failures_is_no_bounce(mail: str) -> None:
    found = classify(f"To: author@example.com\n{mail}".encode())
    assert found.kind not in (MailKind.BOUNCE, MailKind.DELAY)
    assert not found.recipients


@given(st.binary(max_size=3_000))
def test_no_bytes_break_it(raw: bytes) -> None:
    classify(raw)


@given(
    st.lists(
        st.sampled_from(
            [
                "From: MAILER-DAEMON@x", "From: a@b", "Subject: Undelivered", "Subject: Re: x", "Return-Path: <>", "",
                "Content-Type: multipart/report; boundary=a", "Content-Type: message/delivery-status", "--a", "--a--",
                "Content-Type: message/rfc822", "Content-Type: text/html; charset=utf-16", "X-Failed-Recipients: a@b, ",
                "Content-Transfer-Encoding: base64", "Final-Recipient: rfc822; <a@b>", "Action: failed", "Status: 5.",
                "<a@b.c>: 550 no", ">>> RCPT To:<a@b.c>", "<<< 550", "a@b.c", "  a@b.c", " folded", "{\"eventType\":{",
                "To: @a:b@c", "Diagnostic-Code: smtp; 5", "----- original message -----", "Received: x",
                "\x00", "\u2028",
            ]
        ),
        max_size=40,
    )
)  # fmt: skip
def test_no_soup_of_lines_breaks_it(lines: list[str]) -> None:
    classify("\n".join(lines).encode())
