"""Reports in the forms in which mail servers wrote them on a line of ours, where each was misread once.

The servers were those that Debian packages, and two of npm; a next hop of ours
gave the replies. Shortened to what is read.
"""

import pytest

from postroom.mail.bounce_rules import reason_of
from postroom.mail.classify import classify
from postroom.mail.reasons import Reason
from postroom.mail.verdict import MailKind, Reported, Verdict

RETURNED = "From: Author <author@author.example>\nTo: {to}\nSubject: News\nMessage-ID: <1@author.example>\n"


def report(
    words: str, fields: str, *, to: str = "reader@hop.example", kind: str = "delivery-status", subject: str = "failed"
) -> Verdict:
    """Return what is thought of a report with words, fields and the header that it returns."""
    parts = (
        f"Content-Type: text/plain\n\n{words}\n",
        f"Content-Type: message/{kind}\n\nReporting-MTA: dns; mta.example.org\n\n{fields}\n",
        f"Content-Type: text/rfc822-headers\n\n{RETURNED.format(to=to)}",
    )
    return classify(
        (
            "Return-Path: <>\nFrom: Postmaster <postmaster@mta.example.org>\nTo: author@author.example\n"
            f"Subject: {subject}\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n"
            f"Content-Type: multipart/report; report-type={kind}; boundary=b\n\n"
            + "".join(f"--b\n{part}" for part in parts)
            + "--b--\n"
        ).encode()
    )


def words_only(text: str, *, to: str = "reader@hop.example", more: str = "") -> Verdict:
    """Return what is thought of a report without fields, as the DragonFly agent writes it."""
    return classify(
        (
            f"Return-Path: <>\nFrom: MAILER-DAEMON <>\n{more}To: author@author.example\n"
            f"Subject: Mail delivery failed\n\n{text}\n\nOriginal message follows.\n\n"
            f"Received: from root (uid 0)\n\tby mta.example.org\n{RETURNED.format(to=to)}\nHello\n"
        ).encode()
    )


def failed(address: str, diagnostic: str = "", *, status: str = "5.0.0") -> str:
    """Return the fields of one recipient."""
    told = f"Diagnostic-Code: smtp; {diagnostic}\n" if diagnostic else ""
    return f"Final-Recipient: rfc822; {address}\nAction: failed\nStatus: {status}\n{told}\n"


def judged(found: Verdict) -> list[tuple[str, Reason, bool]]:
    """Return address, reason and hard or soft of each recipient."""
    assert found.kind is MailKind.BOUNCE
    return [(one.address, one.reason, one.is_hard) for one in found.recipients]


def only(found: Verdict) -> Reported:
    """Return the one recipient."""
    assert found.kind is MailKind.BOUNCE
    (one,) = found.recipients
    return one


EXIM = """A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  off@hop.example
    host mx.hop.example [198.51.100.10]
    SMTP error from remote mail server after RCPT TO:<off@hop.example>:
    550 5.2.1 This mailbox is disabled
  gone@hop.example
    host mx.hop.example [198.51.100.10]
    SMTP error from remote mail server after RCPT TO:<gone@hop.example>:
    550 No such user here
  reader@nowhere.example
    Unrouteable address
"""


def test_of_several_recipients_each_has_the_command_and_the_words_that_stand_below_it() -> None:
    found = report(
        EXIM,
        failed("reader@nowhere.example")
        + failed("gone@hop.example", "550 No such user here")
        + failed("off@hop.example", "550 5.2.1 This mailbox is disabled"),
    )
    assert judged(found) == [
        ("reader@nowhere.example", Reason.NO_SUCH_DOMAIN, True),
        ("gone@hop.example", Reason.NO_SUCH_USER, True),
        ("off@hop.example", Reason.SUSPENDED, False),
    ]


def test_the_last_word_on_the_recipient_above_is_not_the_first_on_the_one_below() -> None:
    found = report(
        "The following recipients failed:\n\n<gone@hop.example>:\n >>> RCPT TO:<gone@hop.example>\n"
        " <<< 550 5.1.1 User unknown\n\n<full@hop.example>:\n >>> RCPT TO:<full@hop.example>\n"
        " <<< 552 5.2.2 Mailbox is full\n",
        failed("gone@hop.example") + failed("full@hop.example"),
    )
    assert judged(found) == [
        ("gone@hop.example", Reason.NO_SUCH_USER, True),
        ("full@hop.example", Reason.MAILBOX_FULL, False),
    ]


def test_a_dialogue_tells_which_command_was_refused() -> None:
    dialogue = " >>> RCPT TO:<reader@hop.example>\n <<< 550 No such user here\n"
    found = report(
        f"Your message cannot be delivered:\n\n<reader@hop.example>:\n{dialogue}",
        failed("reader@hop.example", "550 No such user here"),
    )
    assert judged(found) == [("reader@hop.example", Reason.NO_SUCH_USER, True)]


@pytest.mark.parametrize("status", ["4.4.7", "5.0.0", "4.0.0"])
def test_who_was_put_off_until_the_server_gave_up_is_not_dead(status: str) -> None:
    later = "450 4.1.1 <reader@hop.example>: Recipient address rejected: User unknown in local recipient table"
    found = only(report("gave up", failed("reader@hop.example", later, status=status)))
    assert (found.reason, found.is_hard) == (Reason.NO_SUCH_USER, False)


def test_addresses_were_rejected_at_rcpt() -> None:
    found = report(
        "Reason: Some addresses were rejected by the MDA fetchmail forwards to.\n\n"
        "The following address(es) failed:\nreader@hop.example\n   SMTP error: 550 No such user here\n",
        failed("reader@hop.example", "550 No such user here"),
    )
    assert judged(found) == [("reader@hop.example", Reason.NO_SUCH_USER, True)]


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        ("450 4.1.2 <reader@hop.example>: Recipient address rejected: Domain not found", Reason.NO_SUCH_DOMAIN),
        ("452 4.2.2 Mailbox full", Reason.MAILBOX_FULL),
        ("451 4.3.0 Temporary system problem", Reason.SYSTEM_ERROR),
    ],
)
def test_that_retries_were_exceeded_is_no_word_about_the_mailbox(last: str, reason: Reason) -> None:
    found = only(report("gave up", failed("reader@hop.example", f"{last}: retry timeout exceeded")))
    assert (found.reason, found.is_hard) == (reason, False)


@pytest.mark.parametrize(
    ("refusal", "status", "reason", "is_hard"),
    [
        ("511 5.1.1 unknown address or alias: reader@hop.example", "5.1.1", Reason.NO_SUCH_USER, True),
        ("550 5.7.20 No passing DKIM signature found", "5.7.20", Reason.AUTHENTICATION, False),
        ("554 5.0.0 <reader@hop.example>", "5.0.0", Reason.ON_HOLD, False),
    ],
)
def test_what_sendmail_makes_of_a_refusal_hides_none(refusal: str, status: str, reason: Reason, is_hard: bool) -> None:
    transcript = f">>> DATA\n<<< {refusal}\n554 5.0.0 Service unavailable\n<<< 554 5.5.1 Error: no valid recipients\n"
    found = only(
        report(
            f"   ----- Transcript of session follows -----\n... while talking to mx.hop.example.:\n{transcript}",
            failed("reader@hop.example", refusal, status=status),
        )
    )
    assert (found.reason, found.is_hard) == (reason, is_hard)


def test_what_a_program_behind_a_mailbox_said_counts_before_the_number_that_it_ended_with() -> None:
    found = only(
        report(
            "   ----- Transcript of session follows -----\nuser over quota: mailbox is full\n"
            "554 5.0.0 Service unavailable\n",
            "Final-Recipient: RFC822; reader@hop.example\nAction: failed\nStatus: 5.5.0\nDiagnostic-Code: X-Unix; 69\n",
        )
    )
    assert (found.reason, found.is_hard) == (Reason.MAILBOX_FULL, False)
    found = only(
        report(
            "550 5.1.1 reader... User unknown\n",
            "Final-Recipient: RFC822; reader@hop.example\nAction: failed\nStatus: 5.1.1\n"
            "Diagnostic-Code: X-Unix; 550 5.1.1 User unknown\n",
        )
    )
    assert (found.reason, found.is_hard) == (Reason.NO_SUCH_USER, True)


def test_a_recipient_whose_quotes_a_server_took_off_is_named_whole() -> None:
    found = report(
        "This is the nullmailer delivery system.  The message attached below\n"
        "could not be delivered to one or more of the intended recipients:\n\n\t<john doe@hop.example>\n",
        failed("john doe@hop.example", "550 5.1.1 User unknown", status="5.1.1"),
        to='"john doe"@hop.example',
    )
    assert judged(found) == [('"john doe"@hop.example', Reason.NO_SUCH_USER, True)]


def test_an_error_text_in_the_place_of_a_recipient_is_none() -> None:
    """sendmail writes so of an address without form that was handed to it."""
    found = report(
        "   ----- The following addresses had permanent fatal errors -----\nreader@@hop.example\n"
        "    (reason: 553 5.1.3 Invalid route address)\n",
        "Final-Recipient: RFC822; reader@@hop.example\nAction: failed\nStatus: 5.1.3\n"
        'X-Actual-Recipient: rfc822; "553 Invalid route address"@mta.example.org\n',
        to="reader@@hop.example, other@hop.example",
    )
    assert not found.recipients


def test_of_several_whom_the_returned_mail_was_for_none_is_accused_without_a_word_about_him() -> None:
    assert not words_only("It could not be delivered.", to="one@hop.example, two@hop.example").recipients
    assert only(words_only("It could not be delivered.", to="one@hop.example")).address == "one@hop.example"


def test_a_local_part_in_single_quotes_is_named_whole() -> None:
    found = report("failed", failed("'q'@hop.example", "550 5.1.1 User unknown", status="5.1.1"), to="'q'@hop.example")
    assert judged(found) == [("'q'@hop.example", Reason.NO_SUCH_USER, True)]


def test_the_original_recipient_that_a_server_writes_into_the_header_of_its_report_is_not_us() -> None:
    found = words_only(
        "There was an error delivering your mail to <reader@hop.example>.\n\n"
        "mx.hop.example [198.51.100.10] did not like our RCPT TO:\n550 5.1.1 <reader@hop.example>: User unknown",
        to="list@elsewhere.example",
        more="X-Original-To: <reader@hop.example>\n",
    )
    assert judged(found) == [("reader@hop.example", Reason.NO_SUCH_USER, True)]


def test_the_address_that_a_reply_offers_instead_has_not_failed() -> None:
    found = words_only(
        "There was an error delivering your mail to <reader@hop.example>.\n\n"
        "mx.hop.example [198.51.100.10] did not like our RCPT TO:\n"
        "551 User not local; please try <new@elsewhere.example>"
    )
    assert judged(found) == [("reader@hop.example", Reason.MOVED, True)]


REFUSED = (
    "Final-Recipient: rfc822; reader@hop.example\nOriginal-Message-ID: <1@author.example>\n"
    "Disposition: automatic-action/MDN-sent-automatically; deleted\n"
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("I do not want your letters. Please stop.", Reason.FILTERED),
        ("550 5.1.1 user unknown, ha ha", Reason.FILTERED),
        ("Quota exceeded (mailbox for user is full)", Reason.MAILBOX_FULL),
    ],
)
def test_a_sieve_script_that_refuses_is_a_soft_bounce_whatever_its_owner_writes(text: str, reason: Reason) -> None:
    found = report(
        f"Your message to <reader@hop.example> was automatically rejected:\n{text}\n",
        REFUSED,
        kind="disposition-notification",
        subject="Rejected: News",
    )
    assert judged(found) == [("reader@hop.example", reason, False)]


def test_a_reader_who_deletes_a_mail_unread_refuses_nothing() -> None:
    found = report(
        "It was deleted", REFUSED.replace("automatic-action", "manual-action"), kind="disposition-notification"
    )
    assert found.kind is MailKind.RECEIPT


@pytest.mark.parametrize(
    ("diagnostic", "status", "reason", "is_hard"),
    [
        ("550 User <nobody-here> unknown", "5.0.0", Reason.NO_SUCH_USER, True),
        ("MAIL+RCPT 550 No such user here", "5.0.0", Reason.NO_SUCH_USER, True),
        ("553 sorry, that recipient is not on this system (#5.1.1)", "5.0.0", Reason.NO_SUCH_USER, True),
        ("unwanted content in header", "5.7.1", Reason.CONTENT, False),
        ("exited abnormally", "5.3.0", Reason.MAILER_ERROR, False),
        ("DNS lookup failure: host nowhere.example not found", "5.0.0", Reason.NO_SUCH_DOMAIN, True),
        ("all MXs returned transient failures (last: Could not dial: connect: connection refused)", "4.0.0",
         Reason.NETWORK, False),
        ("550 5.7.129 RESOLVER.RST.RestrictedToRecipientsPermission; not authorized to send to recipient because "
         "the sender isn't on the recipient's allowed senders list", "5.0.0", Reason.FILTERED, False),
    ],
)  # fmt: skip
def test_what_servers_say_themselves_is_known(diagnostic: str, status: str, reason: Reason, is_hard: bool) -> None:
    found = only(report("failed", failed("reader@hop.example", diagnostic, status=status)))
    assert (found.reason, found.is_hard) == (reason, is_hard)


def test_a_general_status_beside_a_real_one_says_nothing() -> None:
    """Relays put 5.0.0 in front of replies that begin with no status."""
    found = only(report("failed", failed("reader@hop.example", "553 5.0.0 sorry, I will not take it (#5.1.1)")))
    assert (found.reason, found.is_hard) == (Reason.NO_SUCH_USER, True)


def test_a_server_that_gave_up_on_all_hosts_does_not_say_that_the_domain_is_gone() -> None:
    """Haraka writes 5.1.2 for a refused connection, too."""
    found = only(
        report(
            "Intended Recipients: <reader@hop.example>\nFailure Reason: Error: Too many failures (Tried all MXs)\n",
            failed("reader@hop.example", status="5.1.2 (550 Tried all MXs hop.example)"),
        )
    )
    assert (found.reason, found.is_hard) == (Reason.EXPIRED, False)


def test_of_the_same_words_each_recipient_has_those_that_his_command_makes_of_them() -> None:
    found = report(
        "Your message cannot be delivered:\n\n<one@hop.example>:\n >>> RCPT TO:<one@hop.example>\n"
        " <<< 550 No such user here\n",
        failed("one@hop.example", "550 No such user here") + failed("two@hop.example", "550 No such user here"),
    )
    assert judged(found) == [
        ("one@hop.example", Reason.NO_SUCH_USER, True),
        ("two@hop.example", Reason.FILTERED, False),
    ]


def test_who_was_taken_is_not_condemned_by_what_is_said_of_the_mail() -> None:
    found = words_only(">>> RCPT TO:<reader@hop.example>\n<<< 250 ok\n>>> DATA\n<<< 550 no such user here")
    assert judged(found) == [("reader@hop.example", Reason.FILTERED, False)]


def test_a_dialogue_that_ends_behind_a_recipient_who_was_taken_still_names_him() -> None:
    found = words_only(
        ">>> RCPT TO:<reader@hop.example>\n<<< 250 ok\nconnection lost", to="one@hop.example, two@hop.example"
    )
    assert judged(found) == [("reader@hop.example", Reason.NETWORK, False)]


def test_the_address_to_which_one_has_changed_has_not_failed() -> None:
    found = words_only(
        "Your message to reader@hop.example could not be delivered.\nThe address has changed to new@elsewhere.example"
    )
    assert judged(found) == [("reader@hop.example", Reason.MOVED, True)]


def test_what_sendmail_adds_is_the_evidence_where_there_is_no_other() -> None:
    judged_so = reason_of(["554 5.0.0 Service unavailable"], reply_code=None, status="5.0.0")
    assert (judged_so.reason, judged_so.evidence) == (Reason.SYSTEM_ERROR, "554 5.0.0 Service unavailable")


def test_a_notice_of_a_session_accuses_nobody_who_was_taken() -> None:
    """Postfix tells its postmaster so of a client that broke a rule, and of nobody's mail (notify_classes)."""
    dialogue = (
        " Out: 220 mta.example.org ESMTP Postfix",
        " In:  MAIL FROM:<author@author.example>",
        " Out: 250 2.1.0 Ok",
        " In:  RCPT TO:<a b c>",
        " Out: 501 5.1.3 Bad recipient address syntax",
        " In:  RCPT TO:<reader@hop.example>",
        " Out: 250 2.1.5 Ok",
        " In:  quit",
        " Out: 221 2.0.0 Bye",
    )
    found = classify(
        (
            "Return-Path: <double-bounce@mta.example.org>\nFrom: Mail Delivery System <MAILER-DAEMON@mta.example.org>\n"
            "To: Postmaster <notice@author.example>\nSubject: Postfix SMTP server: errors from x[198.51.100.1]\n\n"
            "Transcript of session follows.\n\n" + "\n".join(dialogue) + "\n"
        ).encode()
    )
    assert not found.recipients


def test_that_an_address_would_be_taken_is_no_bounce_of_it() -> None:
    """Postfix answers so to `sendmail -bv`."""
    fields = failed("reader@hop.example", "250 2.1.5 ok", status="2.1.5").replace("failed", "deliverable")
    found = report("Enclosed is the mail delivery report that you requested.", fields)
    assert found.kind is MailKind.RECEIPT


def test_a_mail_that_exim_froze_has_not_failed_yet() -> None:
    found = classify(
        b"Return-Path: <>\nFrom: Mail Delivery System <Mailer-Daemon@mta.example.org>\nTo: postmaster@author.example\n"
        b"Subject: Message frozen\nAuto-Submitted: auto-replied\n\nMessage 1xVP0F-00001z-0k has been frozen.\n"
        b"The sender is <>.\n\nThe following address(es) have yet to be delivered:\n"
        b"  reader@hop.example: SMTP error from remote mail server after RCPT TO:<reader@hop.example>: "
        b"550 5.1.1 <reader@hop.example>: User unknown\n"
    )
    assert found.kind is MailKind.DELAY
    assert not any(one.is_hard for one in found.recipients)
