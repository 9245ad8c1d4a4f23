"""Replies and reports in words that the rules had not met: gathered from documentation and sources of mail servers.

Each was judged wrongly once. What is written here is what the server means by it.
"""
# ruff: noqa: E501 - a reply is one line

import pytest

from postroom.mail.bounce_rules import reason_of, reason_of_reply
from postroom.mail.reasons import Reason
from postroom.mail.smtp_reply import SmtpReply

TOLD = """
RCPT starttls 421 4.7.0 TLS required for RCPT domain, closing connection.
MAIL rate 450 4.2.1 Peak SMTP relay limit exceeded for customer.
MAIL protocol 451 4.5.0 SMTP protocol violation, see RFC 2821.
DATA network 552 5.7.0 Number of 'Received:' headers exceeds the maximum permitted.
DATA starttls 421 4.7.29 Your email has been rate limited because it was not sent over a TLS connection.
DATA authentication 421 4.7.30 This message has been rate limited because DKIM does not pass.
DATA authentication 421 4.7.32 Your email has been rate limited because the From: header isn't aligned with either domain.
- no_such_user! 550 5.1.3 STOREDRV.Submit; invalid recipient address
- network 451 4.4.316 Connection refused [Message=Socket error code 10061]
- not_compliant 550 5.6.11 Invalid characters: bare linefeed
RCPT rate 550 5.7.508 Access denied, [192.0.2.0] has exceeded permitted limits within /24 range
- rate 432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded
MAIL rate 421 RP-001 We have limits for how many messages can be sent per hour and per day.
RCPT rate 421 Max message per connection reached, closing transmission channel
RCPT system_error 452 temporary domain failure <a@b.example>
RCPT authentication 550 SPF Sender Invalid - Envelope Rejected
DATA authentication 550 DKIM Sender Invalid - Rejected
RCPT authentication 550 Blocked by SPF
RCPT security 550 Submitter failed to authenticate
DATA content 554 Rejected due to banned content
DATA content 550 Message contained unsafe content
MAIL starttls 530 #5.7.0 Must issue STARTTLS command first
RCPT rate 450 Requested mail action not taken: mailbox unavailable. Mail send limit exceeded.
RCPT filtered 550 Mail is rejected by recipients.
DATA filtered 541 5.4.1 Mail rejected by destination domain
DATA policy 550 5.7.1 Requested action not taken: message refused
MAIL system_error 450 queue unavailable.
MAIL system_error 450 database temporary error.
MAIL system_error 452 4.3.1 Temporary System Error
MAIL protocol 551 line parse error
CONN protocol 554 SMTP synchronization error
DATA rate 552 too many same size mails.
DATA too_large 552 message is too long.
DATA too_large 554 attachment is too long.
- too_large exceeded mailsize limit
RCPT relaying_denied 553 host denies relay.
RCPT security 571 a@b.example will leave the Internet, prohibited without authentication
- expired rcpt handle timeout
- no_such_user! recipient does not have an account
- no_such_user! not user of this server
- blocked remote ip is forbidden
RCPT rate 450 4.2.1 <a@b.example>: Mailbox received too much email in a short period of time
MAIL rate 452 192.0.2.1 Message threshold exceeded.
RCPT sender_rejected 550 Callback setup failed while verifying <x@y.example>
- network host lookup did not complete
- network delivery temporarily suspended: connect to mx.b.example[192.0.2.1]:25: Connection refused
- mailbox_full 5.2.2 cannot update mailbox /var/mail/ann for user ann. error writing message: File too large
- mailer_error smrsh: "vacation" not available for sendmail programs (stat failed)
- system_error Unable to chdir to maildir. (#4.2.1)
- network 450 Host down (mx.b.example)
- no_such_domain! smtp;5.4.4 (unable to route: no mail hosts for domain)
DATA content 554 5.7.0 Reject, id=12345-01 - BANNED: multipart/mixed | application/octet-stream,.exe,setup.exe
DATA virus 554 5.7.0 Reject, id=12345-01 - INFECTED: Eicar-Test-Signature
- starttls 550 5.7.30 TLS not available, but required (REQUIRETLS)
- starttls 550 5.7.321 starttls-not-supported: Destination mail server must support TLS to receive mail.
- network 550 5.7.324 dnssec-invalid: Destination domain returned invalid DNSSEC records
- network 421 4.4.2 Connection dropped due to SocketError
DATA not_compliant 550 Required header 'Date' missing
DATA too_large 552 Message body is too big
AUTH security 535 Authentication not allowed on IBSMTP Servers. IB401
CONN no_ptr 421 Temporarily rejected. Reverse DNS for 192.0.2.1 failed. IB108
DATA sender_rejected 550 5.7.60 SMTP; Client does not have permissions to send as this sender
- suspended 554 5.2.0 STOREDRV.Deliver.Exception:AccountDisabledException
RCPT relaying_denied 550 5.1.2 Relay not allowed.
RCPT suspended 550 5.1.1 <a@b.example> recipient rejected, account administratively disabled
RCPT no_such_user! 550 User ann not found
RCPT no_such_user! 550 5.1.1 Mailbox <a@b.example> does not exist
- no_such_user! L'indirizzo di posta ann@b.example non è stato trovato
- no_such_user! O endereço ann@b.example não pôde ser encontrado
- no_such_user! Het e-mailadres ann@b.example kan niet worden gevonden
- no_such_user! Adressen hittades inte
- no_such_user! E-mail-adressen ann@b.example blev ikke fundet
- no_such_user! Nie znaleziono adresu ann@b.example
- no_such_user! Adresa ann@b.example nebyla nalezena
- no_such_user! Adresa nebyla nalezena
- no_such_user! Adresinizi kontrol edin: alici bulunamadi
- no_such_user! A felhasználó nem létezik
- no_such_user! Користувача не знайдено
- mailbox_full La boîte aux lettres du destinataire est pleine
- mailbox_full El buzón de correo del destinatario está lleno
- mailbox_full La cassetta postale del destinatario è piena
- mailbox_full A caixa de correio do destinatário está cheia
- mailbox_full Het postvak van de ontvanger is vol
- mailbox_full Skrzynka odbiorcy jest pełna
- mailbox_full Postkassen er fuld
- mailbox_full Schránka je plná
- too_large Il messaggio è troppo grande
- too_large Сообщение слишком большое
"""
"""SMTP command, reason (`!`: hard) and the words."""


@pytest.mark.parametrize("line", TOLD.strip().splitlines())
def test_words_that_no_rule_had_met_have_their_reason(line: str) -> None:
    command, told, text = line.split(" ", 2)
    judged = reason_of([text], reply_code=None, status="", command=command.strip("-"))
    assert judged.reason.value + "!" * judged.is_hard == told, judged.rule


@pytest.mark.parametrize("status", ["", "5.0.0"])
def test_a_general_status_says_no_more_than_none(status: str) -> None:
    """Programs write 5.0.0 where they know nothing better: the words beside it count."""
    judged = reason_of(["该用户不存在"], reply_code=None, status=status)
    assert (judged.reason, judged.is_hard) == (Reason.NO_SUCH_USER, True)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (SmtpReply(451, "4.3.0", "no"), Reason.SYSTEM_ERROR),
        (SmtpReply(451, "", "no"), Reason.SYSTEM_ERROR),
        (SmtpReply(452, "", "no"), Reason.SYSTEM_FULL),
        (SmtpReply(550, "5.4.6", "no"), Reason.NETWORK),
        # RFC 1870 6.1: the size that MAIL declares. No mailbox was named yet that could be full.
        (SmtpReply(552, "", "no"), Reason.TOO_LARGE),
        (SmtpReply(550, "", "no"), Reason.SENDER_REJECTED),
        (SmtpReply(550, "5.1.1", "no"), Reason.SENDER_REJECTED),
    ],
)
def test_codes_about_machines_are_no_word_about_the_sender(reply: SmtpReply, reason: Reason) -> None:
    judged = reason_of_reply(reply, command="MAIL")
    assert (judged.reason, judged.is_hard) == (reason, False)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("550 5.3.0 Recipient server returned an unknown error", Reason.SYSTEM_ERROR),
        ("550 5.3.5 mailbox server for b.example not found in configuration", Reason.SYSTEM_ERROR),
        ("550 5.2.0 The recipient has set a policy, and the category of this mail is unknown", Reason.POLICY),
        ("550 5.1.1 Unknown return address x@y.example", Reason.SENDER_REJECTED),
        ("550 5.1.1 Absender unbekannt", Reason.SENDER_REJECTED),
        ("550 5.1.1 Adresse des Absenders existiert nicht", Reason.SENDER_REJECTED),
        ("550 5.1.1 Adresse de l'expéditeur inexistante", Reason.SENDER_REJECTED),
        ("550 5.1.1 Dirección del remitente no existe", Reason.SENDER_REJECTED),
        ("550 5.1.1 Adres nadawcy nie istnieje", Reason.SENDER_REJECTED),
        ("550 5.1.1 Адрес отправителя не найден", Reason.SENDER_REJECTED),
        ("550 5.1.1 Avsändarens adress finns inte", Reason.SENDER_REJECTED),
        ("550 5.7.1 Адрес получателя не принимает писем", Reason.SECURITY),
    ],
)
def test_what_does_not_exist_may_be_something_else(said: str, reason: Reason) -> None:
    """The words that condemn an address stand in the line, about a server, an error, the sender."""
    judged = reason_of([said], reply_code=None, status="", command="RCPT")
    assert (judged.reason, judged.is_hard) == (reason, False), judged.rule
