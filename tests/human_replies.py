"""Replies of made-up people, with what each of them wrote: many languages and mail programs, always the same by seed.

Some quote a whole bounce or a complaint report, and some write of mail that
did not arrive in their own words. None is a report.
"""

import html
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

ADDRESS = "ann@example.org"


@dataclass(frozen=True)
class Language:
    """How people and programs write in one language."""

    code: str
    introduction: str
    """How Gmail or Thunderbird introduces a quotation; {who} is a name and address."""
    header: tuple[str, str, str, str]
    """How Outlook names From, Sent, To and Subject."""
    answer: str
    """In front of the subject."""
    sentences: tuple[str, ...]
    failures: tuple[str, ...]
    """Of mail that did not arrive."""
    closings: tuple[str, ...]
    device: str


@dataclass(frozen=True)
class HumanReply:
    """A reply and what its author wrote."""

    raw: bytes
    written: str
    signature: str
    name: str
    """Language and mail program, for the test's message."""


LANGUAGES = (
    Language(
        "en", "On Mon, Feb 3, 2025 at 10:00 AM {who} wrote:", ("From", "Sent", "To", "Subject"), "Re",
        ("Thank you, that works for us.", "Can we move the meeting to Thursday?", "I have read the contract: two points are open.",
         "Please find my answers below.", "The parcel arrived on Friday!", "From what I can see, the total is 1,204.50 EUR."),
        ("My last mail was returned as undeliverable, did you get it?", "The mail to Bob bounced: \"550 user unknown\".",
         "Your message was not delivered to our team, so I only see it now.", "It says delivery failed permanently, what does that mean?"),
        ("Best regards,\nAnn", "Cheers, Ann"), "Sent from my iPhone",
    ),
    Language(
        "de", "Am Mo., 3. Feb. 2025 um 10:00 Uhr schrieb {who}:", ("Von", "Gesendet", "An", "Betreff"), "AW",
        ("Vielen Dank, das passt so.", "Können wir den Termin auf Donnerstag legen?", "Anbei meine Antworten.", "Das Paket ist am Freitag angekommen!"),
        ("Meine letzte E-Mail kam als unzustellbar zurück.", "Die Nachricht an Bob konnte nicht zugestellt werden, Empfänger unbekannt."),
        ("Mit freundlichen Grüßen\nAnn", "Viele Grüße, Ann"), "Von meinem iPhone gesendet",
    ),
    Language(
        "fr", "Le lun. 3 févr. 2025 à 10:00, {who} a écrit :", ("De", "Envoyé", "À", "Objet"), "RE",
        ("Merci, cela nous convient.", "Peut-on déplacer la réunion à jeudi ?", "Le colis est arrivé vendredi !", "Voici mes réponses ci-dessous."),
        ("Mon dernier message m'est revenu : échec de remise.", "Votre courriel n'a pas pu être distribué à Bob, adresse inconnue."),
        ("Cordialement,\nAnn", "Bien à vous, Ann"), "Envoyé de mon iPhone",
    ),
    Language(
        "es", "El lun, 3 feb 2025 a las 10:00, {who} escribió:", ("De", "Enviado", "Para", "Asunto"), "RE",
        ("Gracias, nos parece bien.", "¿Podemos mover la reunión al jueves?", "El paquete llegó el viernes.", "Respondo abajo."),
        ("Mi último correo fue devuelto, no se pudo entregar.", "El mensaje a Bob rebotó: usuario desconocido."),
        ("Saludos,\nAnn",), "Enviado desde mi iPhone",
    ),
    Language(
        "it", "Il giorno lun 3 feb 2025 alle ore 10:00 {who} ha scritto:", ("Da", "Inviato", "A", "Oggetto"), "R",
        ("Grazie, per noi va bene.", "Possiamo spostare la riunione a giovedì?", "Il pacco è arrivato venerdì.", "Rispondo qui sotto."),
        ("La mia ultima mail è tornata indietro: impossibile recapitare.", "Il messaggio a Bob non è stato consegnato."),
        ("Cordiali saluti\nAnn",), "Inviato da iPhone",
    ),
    Language(
        "pt", "Em seg., 3 de fev. de 2025 às 10:00, {who} escreveu:", ("De", "Enviado", "Para", "Assunto"), "RES",
        ("Obrigada, para nós está bem.", "Podemos passar a reunião para quinta?", "A encomenda chegou na sexta."),
        ("O meu último e-mail foi devolvido, não foi possível entregar.", "A mensagem para o Bob falhou: utilizador desconhecido."),
        ("Atenciosamente,\nAnn",), "Enviado do meu iPhone",
    ),
    Language(
        "nl", "Op ma 3 feb 2025 om 10:00 schreef {who}:", ("Van", "Verzonden", "Aan", "Onderwerp"), "Antw",
        ("Dank je, dat is goed.", "Kunnen we de afspraak naar donderdag verzetten?", "Het pakket kwam vrijdag aan."),
        ("Mijn laatste mail kwam onbestelbaar terug.", "Het bericht aan Bob is niet bezorgd."),
        ("Met vriendelijke groet,\nAnn",), "Verstuurd vanaf mijn iPhone",
    ),
    Language(
        "pl", "pon., 3 lut 2025 o 10:00 {who} napisał(a):", ("Od", "Wysłano", "Do", "Temat"), "Odp",
        ("Dziękuję, to nam odpowiada.", "Czy możemy przenieść spotkanie na czwartek?", "Paczka dotarła w piątek."),
        ("Mój ostatni e-mail wrócił jako niedostarczony.", "Wiadomość do Boba nie została dostarczona."),
        ("Pozdrawiam\nAnn",), "Wysłane z iPhone'a",
    ),
    Language(
        "ru", "пн, 3 февр. 2025 г. в 10:00, {who}:", ("От", "Отправлено", "Кому", "Тема"), "RE",
        ("Спасибо, нам подходит.", "Можно перенести встречу на четверг?", "Посылка пришла в пятницу."),
        ("Моё последнее письмо вернулось: не удалось доставить.", "Письмо Бобу не доставлено, пользователь не найден."),
        ("С уважением,\nАнна",), "Отправлено с iPhone",
    ),
    Language(
        "uk", "пн, 3 лют. 2025 р. о 10:00 {who} пише:", ("Від", "Надіслано", "Кому", "Тема"), "Re",
        ("Дякую, нам підходить.", "Чи можна перенести зустріч на четвер?"), ("Мій останній лист повернувся недоставленим.",),
        ("З повагою,\nАнна",), "Надіслано з iPhone",
    ),
    Language(
        "cs", "po 3. 2. 2025 v 10:00 odesílatel {who} napsal:", ("Od", "Odesláno", "Komu", "Předmět"), "RE",
        ("Děkuji, vyhovuje nám to.", "Můžeme schůzku přesunout na čtvrtek?"), ("Můj poslední e-mail se vrátil jako nedoručitelný.",),
        ("S pozdravem\nAnna",), "Odesláno z iPhonu",
    ),
    Language(
        "sv", "Den mån 3 feb. 2025 kl 10:00 skrev {who}:", ("Från", "Skickat", "Till", "Ämne"), "Sv",
        ("Tack, det passar oss.", "Kan vi flytta mötet till torsdag?"), ("Mitt senaste mejl kom i retur: kunde inte levereras.",),
        ("Vänliga hälsningar\nAnn",), "Skickat från min iPhone",
    ),
    Language(
        "da", "Den man. 3. feb. 2025 kl. 10.00 skrev {who}:", ("Fra", "Sendt", "Til", "Emne"), "SV",
        ("Tak, det passer os fint.", "Kan vi flytte mødet til torsdag?"), ("Min sidste mail kom retur, den kunne ikke leveres.",),
        ("Venlig hilsen\nAnn",), "Sendt fra min iPhone",
    ),
    Language(
        "fi", "ma 3. helmik. 2025 klo 10.00 {who} kirjoitti:", ("Lähettäjä", "Lähetetty", "Vastaanottaja", "Aihe"), "VS",
        ("Kiitos, se sopii meille.", "Voimmeko siirtää kokouksen torstaille?"), ("Viestini palautui, sitä ei voitu toimittaa.",),
        ("Terveisin\nAnn",), "Lähetetty iPhonesta",
    ),
    Language(
        "tr", "{who}, 3 Şub 2025 Pzt, 10:00 tarihinde şunu yazdı:", ("Kimden", "Gönderildi", "Kime", "Konu"), "YNT",
        ("Teşekkürler, bize uyar.", "Toplantıyı perşembeye alabilir miyiz?"), ("Son e-postam iletilemedi diye geri döndü.",),
        ("Saygılarımla\nAnn",), "iPhone'umdan gönderildi",
    ),
    Language(
        "el", "Στις Δευ 3 Φεβ 2025 στις 10:00 π.μ., ο χρήστης {who} έγραψε:", ("Από", "Στάλθηκε", "Προς", "Θέμα"), "ΑΠ",
        ("Ευχαριστώ, μας βολεύει.", "Μπορούμε να μεταφέρουμε τη συνάντηση;"), ("Το τελευταίο μου μήνυμα επέστρεψε ως μη παραδοτέο.",),
        ("Με εκτίμηση,\nΆννα",), "Στάλθηκε από το iPhone μου",
    ),
    Language(
        "hu", "{who} ezt írta (időpont: 2025. febr. 3., H, 10:00):", ("Feladó", "Elküldve", "Címzett", "Tárgy"), "Vá",
        ("Köszönöm, nekünk megfelel.", "Áttehetjük a megbeszélést csütörtökre?"), ("Az utolsó levelem kézbesíthetetlenként visszajött.",),
        ("Üdvözlettel\nAnna",), "Elküldve az iPhone-omról",
    ),
    Language(
        "ja", "2025年2月3日(月) 10:00 {who}:", ("差出人", "送信日時", "宛先", "件名"), "Re",
        ("ありがとうございます。問題ありません。", "会議を木曜日に変更できますか。", "荷物は金曜日に届きました。"), ("前のメールは配信エラーで戻ってきました。",),
        ("よろしくお願いいたします。\n安",), "iPhoneから送信",
    ),
    Language(
        "zh", "{who} 于2025年2月3日周一 上午10:00写道：", ("发件人", "发送时间", "收件人", "主题"), "回复",
        ("谢谢，我们没有问题。", "会议可以改到星期四吗？", "包裹星期五到了。"), ("我上一封邮件被退信了，说无法投递。",), ("此致\n安",), "发自我的iPhone",
    ),
    Language(
        "ko", "2025년 2월 3일 (월) 오전 10:00, {who}님이 작성:", ("보낸 사람", "보낸 날짜", "받는 사람", "제목"), "회신",
        ("감사합니다. 저희는 괜찮습니다.", "회의를 목요일로 옮길 수 있을까요?"), ("지난 메일이 전송 실패로 반송되었습니다.",), ("감사합니다.\n안",), "나의 iPhone에서 보냄",
    ),
)  # fmt: skip

_ORIGINAL = (
    "Dear Ann,\n\nyour order 4711 has left our house on Monday.\nYou can follow it at https://track.example.com/c/abc\n\n"
    "-- \nExample Shop\nTo unsubscribe from these mails, click https://example.com/u/xyz\n"
)
_BOUNCE = (
    "This is the mail system at host mail.example.net.\n\nI'm sorry to have to inform you that your message could not\n"
    "be delivered to one or more recipients. It's attached below.\n\n<bob@example.net>: host mx.example.net[192.0.2.1] said:\n"
    "    550 5.1.1 <bob@example.net>: Recipient address rejected: User unknown (in reply to RCPT TO command)\n\n"
    "Reporting-MTA: dns; mail.example.net\nArrival-Date: Mon,  3 Feb 2025 10:00:00 +0000 (UTC)\n\n"
    "Final-Recipient: rfc822; bob@example.net\nOriginal-Recipient: rfc822;bob@example.net\nAction: failed\nStatus: 5.1.1\n"
    "Diagnostic-Code: smtp; 550 5.1.1 User unknown\n\nReturn-Path: <b-token@rp.example.com>\nReceived: from a by b; Mon, 3 Feb 2025\n"
    "From: Shop <shop@example.com>\nTo: bob@example.net\nSubject: Order\nMessage-ID: <1@example.com>\n\nDear Bob\n"
)
_COMPLAINT = (
    "This is an email abuse report for an email message received from IP 192.0.2.1 on Mon, 3 Feb 2025 10:00:00 +0000.\n\n"
    "Feedback-Type: abuse\nUser-Agent: SomeGenerator/1.0\nVersion: 1\nOriginal-Rcpt-To: bob@example.net\nSource-IP: 192.0.2.1\n\n"
    "From: Shop <shop@example.com>\nSubject: Order\n"
)
_FAILING_SUBJECTS = (
    "Undelivered Mail Returned to Sender", "Delivery Status Notification (Failure)", "Mail delivery failed: returning message to sender",
    "Undeliverable: Order 4711", "failure notice", "Unzustellbar: Bestellung", "Email Feedback Report for IP 192.0.2.1", "Out of Office",
)  # fmt: skip
_WHO = "Shop, the <shop@example.com>"


def human_replies(
    count: int, seed: int, bounces: Sequence[str] = (), wishes: Sequence[str] = ()
) -> Iterator[HumanReply]:
    """Yield replies; `bounces` are texts of real ones that some of them quote.

    With `wishes` each says one of them and nothing else, and none is sent on.
    """
    chance = random.Random(seed)
    quotable = [_ORIGINAL] * 6 + [_BOUNCE, _COMPLAINT, *chance.sample(list(bounces), min(len(bounces), 60))]
    for number in range(count):
        yield _reply(chance, number, chance.choice(quotable), chance.choice(wishes) if wishes else "")


def _reply(chance: random.Random, number: int, quoted: str, wish: str) -> HumanReply:
    language = chance.choice(LANGUAGES)
    writers = [_top, _top, _bottom, _outlook, _rich_gmail, _rich_outlook, _rich_apple]
    writer = chance.choice(writers if wish else [*writers, _interleaved, _forwarding])
    written = wish or _words(chance, language)
    if chance.random() < 0.6:
        written += "\n\n" + chance.choice(language.closings)
    signature = chance.choice(("", "", language.device, "-- \nAnn Example\nExample Ltd, +49 30 123"))
    if writer in (_interleaved, _bottom):
        signature = "" if signature == language.device else signature
    subtype, text, written = writer(chance, language, written, signature, quoted)
    subject = chance.choice(
        (*_FAILING_SUBJECTS, "Order 4711", "Order 4711", "Bestellung 4711", "注文 4711", "Заказ 4711", "Ihre Anfrage")
    )
    before = (
        chance.choice(("Fwd", "FW", "WG", "TR", "RV", "I", "Enc", "转发")) if writer is _forwarding else language.answer
    )
    subject = f"{before}: {subject}"
    raw = _mail(chance, number, subject, subtype, text)
    return HumanReply(raw, written, signature.strip(), f"{number} {language.code} {writer.__name__.strip('_')}")


def _words(chance: random.Random, language: Language) -> str:
    said = [chance.choice(language.sentences) for _ in range(chance.randint(1, 3))]
    if chance.random() < 0.3:
        said.insert(chance.randint(0, len(said)), chance.choice(language.failures))
    return chance.choice((" ", "\n", "\n\n")).join(said)


Parts = tuple[str, str, str]
"""Subtype, text, what was written."""


def _marked(text: str) -> str:
    return "".join(f"> {line}".rstrip() + "\n" for line in text.splitlines())


def _wrapped(chance: random.Random, line: str) -> str:
    """Break an introduction as programs do at 72 or 78 letters, now and then."""
    if chance.random() < 0.5 or " " not in line[30:]:
        return line
    at = line.rfind(" ", 0, 72)
    return f"{line[:at]}\n{line[at + 1 :]}" if at > 20 else line


def _introduction(chance: random.Random, language: Language) -> str:
    return _wrapped(chance, language.introduction.format(who=_WHO))


def _below(signature: str) -> str:
    return f"\n\n{signature}" if signature else ""


def _top(chance: random.Random, language: Language, written: str, signature: str, quoted: str) -> Parts:
    between = chance.choice(("\n", "\n\n"))
    text = f"{written}{_below(signature)}\n\n{_introduction(chance, language)}{between}{_marked(quoted)}"
    return "plain", text, written


def _bottom(chance: random.Random, language: Language, written: str, signature: str, quoted: str) -> Parts:
    return "plain", f"{_introduction(chance, language)}\n{_marked(quoted)}\n{written}{_below(signature)}\n", written


def _interleaved(chance: random.Random, language: Language, written: str, signature: str, quoted: str) -> Parts:
    lines = quoted.splitlines() or [""]
    half = len(lines) // 2
    middle = chance.choice(language.sentences)
    text = f"{_introduction(chance, language)}\n{_marked(chr(10).join(lines[:half]) or 'x')}\n{middle}\n\n"
    text += f"{_marked(chr(10).join(lines[half:]))}\n{written}{_below(signature)}\n"
    return "plain", text, f"{middle}\n\n{written}"


def _header(language: Language) -> list[str]:
    values = ("Shop <shop@example.com>", "Monday, February 3, 2025 10:00", f"Ann <{ADDRESS}>", "Order 4711")
    colon = "：" if language.code == "zh" else " :" if language.code == "fr" else ":"
    return [f"{name}{colon} {value}" for name, value in zip(language.header, values, strict=True)]


def _outlook(chance: random.Random, language: Language, written: str, signature: str, quoted: str) -> Parts:
    rule = chance.choice(("", "_" * 32 + "\n", "-----Original Message-----\n", "-----Ursprüngliche Nachricht-----\n"))
    header = "\n".join(_header(language))
    return "plain", f"{written}{_below(signature)}\n\n{rule}{header}\n\n{quoted}", written


def _forwarding(chance: random.Random, language: Language, written: str, signature: str, quoted: str) -> Parts:
    rule = chance.choice(
        (
            "---------- Forwarded message ---------",
            "-------- Weitergeleitete Nachricht --------",
            "Begin forwarded message:",
        )
    )
    header = "\n".join(_header(language))
    return "plain", f"{written}{_below(signature)}\n\n{rule}\n{header}\n\n{quoted}", written


def _html(text: str) -> str:
    return html.escape(text, quote=False).replace("\n", "<br>")


def _rich_gmail(chance: random.Random, language: Language, written: str, signature: str, quoted: str) -> Parts:
    signed = f'<div class="gmail_signature">{_html(signature)}</div>' if signature else ""
    text = (
        f'<div dir="ltr">{_html(written)}</div>{signed}<br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">'
        f'{_html(language.introduction.format(who=_WHO))}<br></div><blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex">'
        f"{_html(quoted)}</blockquote></div>"
    )
    return "html", text, written


def _rich_outlook(chance: random.Random, language: Language, written: str, signature: str, quoted: str) -> Parts:
    signed = f'<div id="Signature">{_html(signature)}</div>' if signature else ""
    text = (
        f'<html><head><style>p {{ margin: 0 }}</style></head><body dir="ltr"><div class="elementToProof">{_html(written)}</div>{signed}'
        f'<div id="appendonsend"></div><hr style="width:98%"><div id="divRplyFwdMsg" dir="ltr"><font face="Calibri">'
        f"{'<br>'.join(map(_html, _header(language)))}</font></div><div>{_html(quoted)}</div></body></html>"
    )
    return "html", text, written


def _rich_apple(chance: random.Random, language: Language, written: str, signature: str, quoted: str) -> Parts:
    signed = f"<br><div>{_html(signature)}</div>" if signature else ""
    text = (
        f'<html><body style="overflow-wrap: break-word;">{_html(written)}{signed}<div><br><blockquote type="cite"><div>'
        f"{_html(language.introduction.format(who=_WHO))}</div><br><div>{_html(quoted)}</div></blockquote></div></body></html>"
    )
    return "html", text, written


def _mail(chance: random.Random, number: int, subject: str, subtype: str, text: str) -> bytes:
    part = MIMEText(text.encode("utf-8", "replace").decode(), subtype, "utf-8")
    mail: MIMEText | MIMEMultipart = part
    if chance.random() < 0.4:
        mail = MIMEMultipart("mixed" if chance.random() < 0.2 else "alternative")
        mail.attach(part)
    mail["From"] = f"Ann Example <{ADDRESS}>"
    mail["To"] = "r-" + "a" * 32 + "@rp.example.com"
    mail["Subject"] = Header(subject, "utf-8")
    mail["Date"] = "Tue, 4 Feb 2025 10:00:00 +0100"
    mail["Message-ID"] = f"<{number}.human@example.org>"
    if chance.random() < 0.8:
        mail["In-Reply-To"] = "<1@example.com>"
        mail["References"] = "<0@example.com> <1@example.com>"
    return mail.as_bytes()
