"""Replies and reports in words that the rules had not met: gathered from documentation and sources of mail servers.

Each was judged wrongly once. What is written here is what the server means by it.
"""
# ruff: noqa: E501, RUF001 - a reply is one line, in any script

import pytest

from postroom.mail.bounce_rules import reason_of, reason_of_reply
from postroom.mail.reasons import Reason
from postroom.mail.smtp_reply import SmtpReply, reply_from_lines

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
MAIL authentication 550 5.7.1 [BFD] Sender prohibited by SPF
RCPT rate 550 5.7.1 Our system has detected an excessively high number of invalid recipients originating from your account.
RCPT filtered 550 5.7.1 [UNS] Recipient has unsubscribed from your list.
DATA rate 554 5.7.1 <END-OF-MESSAGE>: End-of-data rejected: Quota exceeded (number of mails in total)
RCPT sender_rejected 554 5.7.1 <a@b.example>: Recipient address rejected: Only moderators are allowed
RCPT sender_rejected 550 5.5.3 <a@b.example>: Recipient address rejected: Multi-recipient bounce
RCPT blocked 550 Dictionary attack detected
RCPT rate 550 Maximum hourly bounces exceeded
RCPT system_error 451 Unable to verify destination address
RCPT reputation 550 b.example won't accept mail from y.example, based on its current reputation.
RCPT relaying_denied 550 Relay Disabled
DATA content 554 5.5.7 e-mail Rejected Content Attachment
DATA not_compliant 550 Headers contain illegal BOM
RCPT no_such_user! 550 <a@b.example> is not a valid address.
RCPT no_such_user! 550 Adressee Unknown
- system_error System incorrectly configured
- system_error Directory server failure
- expired No answer from host
- network Bad connection
- rate Mail system congestion
- protocol Wrong protocol version
- security Cryptographic failure
- starttls Encryption needed
- authentication No passing DKIM signature found
- rate Mail flood detected
- moved! Mailbox owner has changed
- policy Priority Level is too low
- filtered Destination mailbox address ambiguous
- no_such_domain! host is unknown
RCPT no_such_user! 550 invalid adress
RCPT no_such_user! 550 recipient e-mail adress unknown
RCPT no_such_user! 550 mailbox is unavailable
RCPT no_such_user! 550 Account ann@b.example does not exist
RCPT no_such_domain! 550 5.1.10 Recipient domain not found
RCPT suspended 550 mailbox has been deactivated
RCPT filtered 550 only registered users may use this system
RCPT relaying_denied 550 Relaying is prohibited
- system_error message could not be stored
RCPT suspended 550 5.1.1 Inactive mbox
RCPT system_error 550 5.1.1 Servidor temporariamente fora
CONN network 421 4.4.1 192.0.2.1: Network is busy.
RCPT system_error 451 Relay Server Not Ready.
RCPT relaying_denied 554 Relay operation rejected
- expired The maximum number of delivery attempts has been reached
- network End of socket stream data
- protocol Bad server response
- mailer_error maillock: lock busy!
- spam Viesti on merkitty roskapostiksi
- spam Meldingen er merket som søppelpost
- too_large Meddelandet är för stort
- too_large Zpráva je příliš velká
- mailbox_full Postafiókja megtelt
- mailbox_full Innboksen er full
- no_such_user! Käyttäjä: osoitetta ei löydy
- no_such_user! Utilizatorul nu există
- no_such_user! Böyle bir kullanıcı yok
- no_such_user! E-postadressen ann@b.example ble ikke funnet
- no_such_user! Nie można odnaleźć wprowadzonego adresu e-mail
- no_such_user! Не удалось найти указанный адрес
RCPT no_such_user! 550 5.1.1 isn't a valid mailbox
RCPT no_such_user! 550 User ann unknown
RCPT no_such_user! 550 not a user on this host
RCPT moved! 550 ann@b.example has been replaced by bob@b.example
RCPT moved! 551 recipient has moved
DATA authentication 550 the domain in From is not aligned with the signature
DATA rate 450 too many same messages in a short period of time
DATA rate 552 Quota exceeded (accumulated size of mails)
CONN blocked 554 remote IP rejected
DATA too_large 552 email is too long
DATA content 554 Attachments are disallowed here
RCPT security 550 5.7.17 RRVS test failed
AUTH security 535 auth failure
RCPT sender_rejected 550 bounces are never sent to this list
RCPT relaying_denied 550 I cannot deliver mail for b.example
RCPT relaying_denied 550 host refuses relay
RCPT suspended 550 5.1.1 deactivated for abuse
RCPT system_error 550 5.1.1 momentan vorübergehend gestört
- system_error Routing server failure
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
        # Exchange numbers on where the registry ends.
        (SmtpReply(451, "4.4.399", "no"), Reason.SYSTEM_ERROR),
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


def test_a_greeting_that_gives_a_cause_is_judged_by_it() -> None:
    lines = (b"554-gmx.net (mxgmx016) Nemesis ESMTP Service not available", b"554-No SMTP service",
             b"554 Bad DNS PTR resource record.")  # fmt: skip
    judged = reason_of_reply(reply_from_lines(lines), host="mx00.gmx.net", command="CONNECT")
    assert (judged.reason, judged.is_hard) == (Reason.NO_PTR, False)


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


@pytest.mark.parametrize(
    "said",
    [
        "550 Command is not recognized",
        "550 Sender address unknown",
        "550 5.1.0 Sender mailbox not found",
        "550 5.1.1 The sender's mailbox does not exist",
        "550 5.1.1 From address does not exist",
        "550 5.1.1 Unknown sender",
        "550 Return address unknown",
        "550 Originator unknown",
        "550 unknown domain in HELO",
        "550 unknown domain in MAIL FROM",
        "550 5.1.2 Domain in your From address does not exist",
        "550 The domain of your address does not exist",
        "550 HELO x.example isn't a valid hostname",
        "550 Your account no longer exists, you may not relay",
        "550 Your mailbox does not exist here, so you cannot send",
        "550 Recipient policy does not exist",
        "550 5.1.1 SPF record does not exist for y.example",
        "550 Reverse DNS entry does not exist",
        "550 mailbox database not found",
        "550 5.1.1 temporary failure, user database not found",
        "550 user configuration not found",
        "550 5.2.1 address list does not exist",
        "550 This service is no longer available",
        "550 The key used to sign is no longer valid",
        "550 Too many invalid users tried",
        "550 mail from unknown users is refused",
        "550 You sent mail to too many addresses that do not exist",
        "550 This domain does not accept email over IPv6",
        "550 b.example does not accept email from outside",
        "550 This server does not accept mail for external relay",
        "550 Domain does not accept mail without DKIM",
        "550 mail receiving disabled for maintenance",
        "550 mailbox not available at this time",
        "550 user unknown: temporary LDAP failure",
        "550 account not found in cache, try again later",
        "550 recipient verification failed: timeout",
        "550 Mail server has moved to 192.0.2.9",
        "550 The policy has been replaced by a newer one",
        "550 no MX record found for domain of sender",
        "550 no such host in our trusted relays",
        "550 invalid address format in header From",
        "550 not a valid user agent",
        "550 Unknown mailbox error",
        "550 IP address 192.0.2.1 not found",
        "550 bad recipient count, max 50",
        "550 unknown host in EHLO",
        "550 EHLO host not found",
        "550 You are not a valid user of this relay",
        "550 SMTP AUTH account not found",
        "550 The account used to authenticate no longer exists",
        "550 invalid address in From header",
        "550 invalid address in To: header",
        "550 Bad address syntax in Reply-To",
        "550 IP address not known here",
        "550 Client host not known here",
        "550 Sending host is unknown",
        "550 domain not found (sender)",
        "550 no such user: sender callback failed",
        "550 no MX record found for the domain of the sender",
        "550 5.1.7 invalid address: x@y.example",
        "550 5.1.8 unknown domain y.example",
        "550 address no longer accepts mail without TLS",
        "550 This address no longer accepts mail larger than 10 MB",
        "550 mailbox is not available for external senders",
        "550 The mailbox does not exist or you are not allowed to write to it",
        "550 Unknown recipient error",
        "550 Unknown domain in DKIM signature",
        "550 DMARC domain does not exist",
        "550 No such domain in our SPF cache",
        "550 The domain in the return-path does not exist",
        "550 Unknown account error",
        "550 Invalid account settings",
        "550 Bad RCPT order",
        "550 Unknown recipient policy does not exist",
        "550 Invalid user agent",
        "550 recipient does not exist in cache",
        "550 Die Domain y.example des Absenders wurde nicht gefunden",
        "550 Le domaine de l'expéditeur n'existe pas",
        "550 La dirección IP no existe en DNS",
        "550 El dominio del remitente no existe",
        "550 Dominio del mittente: casella inesistente",
        "550 O endereço do remetente não foi encontrado",
        "550 Afzender niet gevonden, adres onbekend",
        "550 Adres IP nie istnieje",
        "550 Rekord PTR nie istnieje",
        "550 Konto nadawcy nie istnieje",
        "550 Почтовый ящик отправителя не существует",
        "550 IP-адрес не найден",
        "550 IP-adressen finns inte",
        "550 Adresa odesílatele neexistuje",
        "550 IP adresa neexistuje",
        "550 Gönderen adresi bulunamadı",
        "550 发件人地址不存在",
        "550 送信者のアドレスが存在しません",
    ],
)
def test_no_address_is_condemned_by_words_about_somebody_or_something_else(said: str) -> None:
    reply = reply_from_lines([said.encode()])
    assert not reason_of_reply(reply, command="RCPT").is_hard


@pytest.mark.parametrize(
    "said",
    [
        "550 5.1.1 <a@b.example>: Recipient address rejected: User unknown in virtual mailbox table",
        "550 User ann@b.example not found in our database",
        "550 5.1.1 ann: no such user in LDAP directory",
        "550 <a@b.example> is not recognized",
        "550 5.1.1 Recipient not found in Global Address List",
        "550 5.1.1 User does not exist. Please tell the sender's administrator",
        "550 5.1.1 <a@b.example>: User unknown; from=<x@y.example> to=<a@b.example> proto=ESMTP helo=<y.example>",
        "550 5.1.1 Invalid recipients: a@b.example",
        "550 5.1.1 No such user (policy is to reject)",
        "550 5.1.1 użytkownik ann@b.example nie istnieje",
        "550 5.1.1 Message returned to sender: mailbox does not exist",
        "550 5.1.1 No such user. Please check the address and try again.",
    ],
)
def test_words_beside_a_dead_address_do_not_save_it(said: str) -> None:
    judged = reason_of_reply(reply_from_lines([said.encode()]), command="RCPT")
    assert (judged.reason, judged.is_hard) == (Reason.NO_SUCH_USER, True), judged.rule


def test_a_status_that_leaves_open_whose_address_it_means_condemns_none() -> None:
    """RFC 3463 3.2: X.1.0 is about an address, the sender's or the recipient's."""
    for said in ("550 5.1.0 Rejected 4711", "550 5.1.0 see https://b.example/4711"):
        judged = reason_of_reply(reply_from_lines([said.encode()]), command="RCPT")
        assert (judged.reason, judged.is_hard) == (Reason.FILTERED, False)
