"""Complaints in all their formats, and the reports that complain about nothing."""

import json
from pathlib import Path

import pytest
from copies import multipart, part
from hypothesis import given
from hypothesis import strategies as st

from postroom.mail.arf import read_complaint, read_forwarded_spam
from postroom.mail.classify import classify
from postroom.mail.received import Received
from postroom.mail.verdict import MailKind, Verdict

REPORTED = (
    b"Return-Path: <b-x@rp.example.com>\r\nReceived: from a by b; Mon, 3 Feb 2025\r\nFrom: Shop <shop@example.com>\r\n"
    b"To: %b\r\nSubject: Sale\r\nMessage-ID: <1@example.com>\r\n\r\nSale!\r\n"
)


def mail_of(head: bytes, body: bytes = b"Hello\r\n") -> bytes:
    return head + b"\r\n\r\n" + body


def feedback(
    *fields: str, to: bytes = b"ann@example.org, bob@example.org", as_type: bytes = b"message/feedback-report"
) -> bytes:
    told = "\r\n".join(("User-Agent: Loop/1.0", "Version: 1", *fields)).encode()
    parts = (
        part(b"This is an email abuse report.", b"text/plain"),
        part(told, as_type),
        part(REPORTED % to, b"message/rfc822"),
    )
    return multipart(b"report; report-type=feedback-report", *parts)


def read(raw: bytes) -> Verdict:
    found = read_complaint(Received(raw))
    assert found is not None
    return found


def addresses(verdict: Verdict) -> list[str]:
    return [one.address for one in verdict.recipients]


def test_the_reader_that_the_report_names_complains() -> None:
    found = read(
        feedback(
            "Feedback-Type: abuse",
            "Original-Rcpt-To: <ann@example.org>",
            "Source-IP: 192.0.2.1",
            "Reported-Domain: example.com",
            "Original-Mail-From: <b-x@rp.example.com>",
        )
    )
    assert (found.kind, addresses(found)) == (MailKind.COMPLAINT, ["ann@example.org"])
    assert dict(found.facts) == {
        "feedback_type": "abuse",
        "user_agent": "Loop/1.0",
        "source_ip": "192.0.2.1",
        "reported_domain": "example.com",
        "reverse_path": "b-x@rp.example.com",
    }
    assert not any(one.is_hard for one in found.recipients)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("abuse", MailKind.COMPLAINT),
        ("Abuse", MailKind.COMPLAINT),
        ("fraud", MailKind.COMPLAINT),
        ("virus", MailKind.COMPLAINT),
        ("other", MailKind.COMPLAINT),
        ("x-made-up", MailKind.COMPLAINT),
        ("opt-out", MailKind.UNSUBSCRIBE),
        ("opt-out-list", MailKind.UNSUBSCRIBE),
        ("not-spam", MailKind.OTHER),
        ("auth-failure", MailKind.OTHER),
        ("dismiss", MailKind.OTHER),
        ("dmarc", MailKind.OTHER),
    ],
)
def test_feedback_types_are_told_apart(word: str, kind: MailKind) -> None:
    raw = feedback(f"Feedback-Type: {word}", "Original-Rcpt-To: ann@example.org")
    assert read(raw).kind is kind
    assert classify(raw).kind is kind


def test_who_is_struck_out_is_not_named() -> None:
    for field in ("Original-Rcpt-To: redacted@example.org", "Original-Rcpt-To: redacted", "Redacted-Address: ann@"):
        assert addresses(read(feedback("Feedback-Type: abuse", field))) == []


def test_the_only_recipient_of_the_reported_mail_complains_where_the_report_names_none() -> None:
    assert addresses(read(feedback("Feedback-Type: abuse", to=b"Ann <ann@example.org>"))) == ["ann@example.org"]
    assert addresses(read(feedback("Feedback-Type: abuse", to=b"a@example.org, b@example.org"))) == []
    assert addresses(read(feedback("Feedback-Type: abuse", to=b"undisclosed-recipients:;"))) == []


def test_removal_recipient_and_several_recipients_are_read() -> None:
    assert addresses(read(feedback("Feedback-Type: opt-out", "Removal-Recipient: ann@example.org"))) == [
        "ann@example.org"
    ]
    found = read(feedback("Feedback-Type: abuse", "Original-Rcpt-To: a@example.org", "Original-Rcpt-To: b@example.org"))
    assert addresses(found) == ["a@example.org", "b@example.org"]


def test_a_report_whose_part_is_labelled_as_text_is_read() -> None:
    found = read(feedback("Feedback-Type: abuse", "Original-Rcpt-To: ann@example.org", as_type=b"text/plain"))
    assert (found.kind, addresses(found)) == (MailKind.COMPLAINT, ["ann@example.org"])


def test_a_person_who_writes_about_a_report_complains_about_nothing() -> None:
    body = b"Look at this:\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: X\r\nVersion: 1\r\n"
    for head in (b"Subject: Re: report", b"Subject: report\r\nIn-Reply-To: <1@example.com>", b"Subject: Fwd: report"):
        assert read_complaint(Received(mail_of(head, body=body))) is None


def test_microsoft_names_the_reader_in_the_reported_mail() -> None:
    head = b"From: <staff@hotmail.com>\r\nSubject: complaint about message from 192.0.2.1\r\n"
    reported = part(b"X-HmXmrOriginalRecipient: ann@example.org\r\n" + REPORTED % b"x@example.org", b"message/rfc822")
    found = read(head + multipart(b"mixed", reported))
    assert (found.kind, addresses(found)) == (MailKind.COMPLAINT, ["ann@example.org"])
    assert dict(found.facts)["source_ip"] == "192.0.2.1"


def ses(word: str | None, *, in_sns: bool) -> bytes:
    complaint = {"complainedRecipients": [{"emailAddress": "ann@example.org"}], "complaintFeedbackType": word}
    text = json.dumps({"notificationType": "Complaint", "complaint": complaint})
    text = json.dumps({"Type": "Notification", "Message": text}) if in_sns else text
    return mail_of(
        b"Subject: AWS Notification Message",
        body=text.encode() + b"\r\n\r\n--\r\nIf you wish to stop receiving these\r\n",
    )


@pytest.mark.parametrize("in_sns", [False, True])
def test_a_notification_of_ses_is_read(in_sns: bool) -> None:
    for word, kind in (("abuse", MailKind.COMPLAINT), (None, MailKind.COMPLAINT), ("not-spam", MailKind.OTHER)):
        found = read(ses(word, in_sns=in_sns))
        assert (found.kind, addresses(found)) == (kind, ["ann@example.org"])


@pytest.mark.parametrize(("word", "kind"), [("spam", MailKind.COMPLAINT), ("login-attack", MailKind.OTHER)])
def test_x_arf_complains_where_it_is_about_mail(word: str, kind: MailKind) -> None:
    fields = (
        f"Reported-From: a@example.net\r\nCategory: abuse\r\nReport-Type: {word}\r\nSource: 192.0.2.1\r\nUser-Agent: x"
    )
    parts = part(b"Hello", b"text/plain"), part(fields.encode(), b"text/plain; name=report.txt")
    found = read(
        b"X-XARF: PLAIN\r\n" + multipart(b"mixed", *parts, part(REPORTED % b"ann@example.org", b"message/rfc822"))
    )
    assert found.kind is kind
    told = json.dumps({"Report": {"ReportType": word, "SourceIp": "192.0.2.1"}}).encode()
    found = read(
        b"X-XARF: JSON\r\n" + multipart(b"mixed", part(b"Hello", b"text/plain"), part(told, b"application/json"))
    )
    assert (found.kind, dict(found.facts)["source_ip"]) == (kind, "192.0.2.1")


def test_spamcop_complains_without_a_name() -> None:
    raw = mail_of(
        b"From: A user <1@reports.spamcop.net>\r\nX-SpamCop-sourceip: 192.0.2.1\r\nSubject: [SpamCop id:1]Sale"
    )
    assert (read(raw).kind, addresses(read(raw))) == (MailKind.COMPLAINT, [])


@pytest.mark.parametrize(
    ("subject", "file"),
    [
        (
            b"Report domain: example.com Submitter: google.com Report-ID: 1",
            b"google.com!example.com!1738540800!1738627199.zip",
        ),
        (b"Report Domain: example.com Submitter: x Report-ID: <1>", b"x.xml.gz"),
        (b"Dmarc", b"outlook.com!example.com!1738540800!1738627200.xml.gz"),
    ],
)
def test_an_aggregate_report_is_other(subject: bytes, file: bytes) -> None:
    text = part(b"delivery failed: 3 of ann@example.org", b"text/plain")
    for report in (
        part(b"UEs=", b"application/zip; name=" + file, b"Content-Transfer-Encoding: base64"),
        part(b"UEs=", b"application/octet-stream", b"Content-Disposition: attachment; filename=" + file),
    ):
        verdict = classify(b"Subject: " + subject + b"\r\n" + multipart(b"mixed", text, report))
        assert (verdict.kind, verdict.rule) == (MailKind.OTHER, "dmarc aggregate report")
        assert dict(verdict.facts) == {"feedback_type": "aggregate"}  # so nobody counts it as written


def test_spam_that_somebody_sends_to_a_role_is_a_complaint() -> None:
    attached = part(REPORTED % b"ann@example.org", b"message/rfc822")
    words = part(b"This is spam, please stop it.", b"text/plain")
    raw = b"From: ann@example.org\r\nTo: abuse@example.com\r\nSubject: Fwd: Sale\r\n" + multipart(
        b"mixed", words, attached
    )
    verdict = classify(raw)
    assert (verdict.kind, verdict.rule, verdict.is_doubtful) == (MailKind.COMPLAINT, "forwarded to a role", False)
    silent = b"From: ann@example.org\r\nTo: postmaster@example.com\r\nSubject: Sale\r\n" + multipart(b"mixed", attached)
    assert (classify(silent).kind, classify(silent).is_doubtful) == (MailKind.COMPLAINT, True)
    friendly = b"From: ann@example.org\r\nTo: bob@example.com\r\nSubject: Fwd: Sale\r\n" + multipart(b"mixed", attached)
    assert read_forwarded_spam(Received(friendly)) is None


def test_real_complaints_are_read_and_no_real_bounce_is_one(corpora: Path) -> None:
    folder = corpora / "bounces"
    for line in (folder / "manifest.tsv").read_text().splitlines()[1:]:
        path, kind, recipients, *_ = line.split("\t")
        found = read_complaint(Received((folder / path).read_bytes()))
        if kind != "feedback":
            assert found is None, path
            continue
        assert found is not None, path
        if found.kind is MailKind.COMPLAINT and recipients:
            assert addresses(found) == recipients.split(";"), path


@given(st.binary(max_size=300))
def test_nothing_fails_on_any_bytes(raw: bytes) -> None:
    for one in (
        raw,
        b"X-ARF: yes\r\n\r\n" + raw,
        b"Content-Type: message/feedback-report\r\n\r\n" + raw,
        b"\r\n{" + raw,
    ):
        read_complaint(Received(one))
        read_forwarded_spam(Received(one))
