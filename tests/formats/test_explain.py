"""Replies of peers in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.mail.explain import Cause, explain, reply_of
from postroom.mail.smtp_reply import SmtpReply

# As servers of these providers say it.
REPLIES = [
    ("450 4.2.0 <a@b.example>: Recipient address rejected: Greylisted, see http://postgrey.example/", "greylisted"),
    ("451 4.7.1 Greylisting in action, please come back later", "greylisted"),
    ("421 4.7.28 Our system has detected an unusual rate of unsolicited mail originating from your IP", "rate"),
    ("450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional", "rate"),
    ("421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume", "blocklist"),
    ("452 4.5.3 Too many recipients", "rate"),
    ("552 5.2.2 The email account that you tried to reach is over quota", "mailbox_full"),
    ("452 4.2.2 The recipient's inbox is out of storage space and inactive", "mailbox_full"),
    ("550 5.2.2 <a@b.example>: user mailbox is full", "mailbox_full"),
    ("550 5.1.1 The email account that you tried to reach does not exist. Please try", "no_such_user"),
    ("550 5.4.1 Recipient address rejected: Access denied.", "no_such_user"),
    ("550 5.1.1 <a@b.example>: Recipient address rejected: User unknown in virtual mailbox table", "no_such_user"),
    ("554 delivery error: dd This user doesn't have a yahoo.com account (a@yahoo.com)", "no_such_user"),
    ("550 5.2.1 The email account that you tried to reach is disabled.", "mailbox_disabled"),
    ("556 5.1.10 the domain example.net accepts no mail (null MX)", "no_such_domain"),
    ("550 5.1.2 the domain nowhere.example has neither MX hosts nor an address", "no_such_domain"),
    ("550 5.7.26 This mail has been blocked because the sender is unauthenticated.", "authentication"),
    ("550 5.7.1 Email rejected per DMARC policy for example.com", "authentication"),
    ("554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", "blocklist"),
    ("550 5.7.1 messages from [192.0.2.1] were not sent; part of their network is on our block list", "blocklist"),
    ("554 5.7.1 [192.0.2.1] Message rejected due to low reputation", "blocklist"),
    ("550 5.7.1 This message looks like spam", "spam"),
    ("554 5.6.0 Message contains a virus", "content"),
    ("552 5.3.4 Message size exceeds fixed limit", "too_large"),
    ("554 5.7.1 <a@b.example>: Relay access denied", "login"),
    ("535 5.7.8 authentication failed", "login"),
    ("554 5.4.6 Too many hops", "loop"),
    ("451 4.7.5 the certificate of mx.example.net is not valid", "tls"),
    ("451 4.4.1 no connection to mx.example.net [192.0.2.1]:25: refused", "network"),
    ("451 4.4.3 the resolver did not answer", "dns"),
    ("421 4.3.2 Service not available", "busy"),
    ("450 please wait", "busy"),
    ("550 5.7.1 Access denied by local policy", "policy"),
    ("250 2.0.0 OK 1700000000 abc - gsmtp", "accepted"),
]  # fmt: skip


@pytest.mark.parametrize(("shown", "cause"), REPLIES, ids=[cause for _, cause in REPLIES])
def test_a_reply_is_explained_by_its_cause(shown: str, cause: str) -> None:
    assert explain(reply_of(shown)).cause is Cause(cause)


def test_the_sentence_names_who_answered() -> None:
    assert explain(SmtpReply(421, "4.7.28", "slow down"), "Google").sentence == "Google asked us to slow down"


def test_a_reply_of_our_own_is_not_blamed_on_the_peer() -> None:
    reply = SmtpReply(451, "4.3.0", "not sent: the claim was lost or a stop cut it")

    assert explain(reply, "Google", ours=True).cause is Cause.OURS
    assert explain(reply, "Google").cause is Cause.BUSY


def test_giving_up_tells_the_last_answer() -> None:
    reply = SmtpReply(554, "5.4.7", "given up after 5 days; the last answer was: 452 4.2.2 over quota")

    told = explain(reply, "Google")

    assert told.cause is Cause.EXPIRED
    assert told.sentence == "We gave up after 5 days; the last answer: the mailbox is full"


@given(st.integers(200, 599), st.sampled_from(["", "4.7.1", "5.1.1"]), st.text(st.characters(exclude_characters="\n")))
def test_a_shown_reply_is_read_again(code: int, enhanced: str, text: str) -> None:
    reply = SmtpReply(code, enhanced, text)

    assert str(reply_of(str(reply))) == str(reply)


@given(st.text())
def test_any_text_is_explained_in_one_sentence(text: str) -> None:
    told = explain(reply_of(text), "Google")

    assert told.sentence
    assert told.sentence[0].isupper()
    assert "\n" not in told.sentence
