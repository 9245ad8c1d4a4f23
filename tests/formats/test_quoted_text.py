"""What a person wrote in a reply, apart from quotation and signature."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.mail.quoted_text import Reply, read_reply, split_html_reply, split_reply
from postroom.mail.received import Received

QUOTED = "> Did you get the parcel?\n> It left on Monday.\n"
UNMARKED = "Did you get the parcel?\nIt left on Monday.\n"

INTRODUCTIONS = {
    "Gmail, English": "On Mon, Feb 3, 2025 at 10:00 AM Ann Example <ann@example.org> wrote:",
    "Gmail, English, wrapped": "On Mon, Feb 3, 2025 at 10:00 AM Ann Example the Long <\nann@example.org>\nwrote:",
    "Apple, English": "On 3 Feb 2025, at 10:00, Ann Example <ann@example.org> wrote:",
    "Thunderbird, English": "On 2/3/25 10:00, Ann Example wrote:",
    "Gmail, German": "Am Mo., 3. Feb. 2025 um 10:00 Uhr schrieb Ann Example <ann@example.org>:",
    "Apple, German": "Am 03.02.2025 um 10:00 schrieb Ann Example <ann@example.org>:",
    "Gmail, French": "Le lun. 3 févr. 2025 à 10:00, Ann Example <ann@example.org> a écrit :",
    "Gmail, Spanish": "El lun, 3 feb 2025 a las 10:00, Ann Example (<ann@example.org>) escribió:",
    "Gmail, Italian": "Il giorno lun 3 feb 2025 alle ore 10:00 Ann Example <ann@example.org> ha scritto:",
    "Gmail, Portuguese": "Em seg., 3 de fev. de 2025 às 10:00, Ann Example <ann@example.org> escreveu:",
    "Gmail, Dutch": "Op ma 3 feb 2025 om 10:00 schreef Ann Example <ann@example.org>:",
    "Gmail, Polish": "pon., 3 lut 2025 o 10:00 Ann Example <ann@example.org> napisał(a):",
    "Thunderbird, Polish": "W dniu 3.02.2025 o 10:00, Ann Example pisze:",
    "Gmail, Russian": "пн, 3 февр. 2025 г. в 10:00, Ann Example <ann@example.org>:",
    "Thunderbird, Russian": "03.02.2025 10:00, Ann Example пишет:",
    "Yandex": '03.02.2025, 10:00, "Ann Example" <ann@example.org>:',
    "Gmail, Ukrainian": "пн, 3 лют. 2025 р. о 10:00 Ann Example <ann@example.org> пише:",
    "Gmail, Japanese": "2025年2月3日(月) 10:00 Ann Example <ann@example.org>:",
    "Gmail, Chinese": "Ann Example <ann@example.org> 于2025年2月3日周一 上午10:00写道：",
    "Gmail, Taiwan": "Ann Example <ann@example.org> 於 2025年2月3日 週一 上午10:00寫道：",
    "Gmail, Korean": "2025년 2월 3일 (월) 오전 10:00, Ann Example <ann@example.org>님이 작성:",
    "Gmail, Turkish": "Ann Example <ann@example.org>, 3 Şub 2025 Pzt, 10:00 tarihinde şunu yazdı:",
    "Gmail, Swedish": "Den mån 3 feb. 2025 kl 10:00 skrev Ann Example <ann@example.org>:",
    "Gmail, Danish": "Den man. 3. feb. 2025 kl. 10.00 skrev Ann Example <ann@example.org>:",
    "Gmail, Norwegian": "man. 3. feb. 2025 kl. 10:00 skrev Ann Example <ann@example.org>:",
    "Gmail, Finnish": "ma 3. helmik. 2025 klo 10.00 Ann Example (ann@example.org) kirjoitti:",
    "Gmail, Czech": "po 3. 2. 2025 v 10:00 odesílatel Ann Example <ann@example.org> napsal:",
    "Thunderbird, Czech": "Dne 3.2.2025 v 10:00 Ann Example napsal(a):",
    "Gmail, Slovak": "po 3. 2. 2025 o 10:00 Ann Example <ann@example.org> napísal(a):",
    "Gmail, Hungarian": "Ann Example <ann@example.org> ezt írta (időpont: 2025. febr. 3., H, 10:00):",
    "Gmail, Romanian": "În lun., 3 feb. 2025 la 10:00, Ann Example <ann@example.org> a scris:",
    "Gmail, Greek": "Στις Δευ 3 Φεβ 2025 στις 10:00 π.μ., ο χρήστης Ann Example <ann@example.org> έγραψε:",
    "Gmail, Hebrew": "\u202bבתאריך יום ב׳, 3 בפבר׳ 2025 ב-10:00 מאת \u202aAnn\u202c\u200f <\u202aann@example.org\u202c\u200f>:\u202c",
    "Gmail, Arabic": "في الاثنين، ٣ فبراير ٢٠٢٥ في 10:00 ص تمت كتابة ما يلي بواسطة Ann <ann@example.org>:",
    "Gmail, Vietnamese": "Vào Th 2, 3 thg 2, 2025 vào lúc 10:00 Ann Example <ann@example.org> đã viết:",
    "Gmail, Indonesian": "Pada tanggal Sen, 3 Feb 2025 pukul 10.00 Ann Example <ann@example.org> menulis:",
    "Gmail, Thai": "เมื่อ จ. 3 ก.พ. 2025 เวลา 10:00 Ann Example <ann@example.org> เขียนว่า:",
    "Gmail, Hindi": "सोम, 3 फ़र॰ 2025 को 10:00 am बजे को Ann Example <ann@example.org> ने लिखा:",
    "Gmail, Bulgarian": "На пн, 3.02.2025 г. в 10:00 Ann Example <ann@example.org> написа:",
    "Gmail, Croatian": "pon, 3. velj 2025. u 10:00 Ann Example <ann@example.org> napisao je:",
    "Apple, Dutch": "Op 3-feb.-2025, om 10:00 heeft Ann Example <ann@example.org> het volgende geschreven:",
    "Apple, Portuguese": "Ann Example <ann@example.org> escreveu no dia 3/02/2025, às 10:00:",
    "Apple, Japanese": "2025/02/03 10:00、Ann Example <ann@example.org>のメール:",
    "Gmail, any": "2025-02-03 10:00 GMT+01:00 Ann Example <\nann@example.org>:",
    "bold": "*On Mon, Feb 3, 2025 at 10:00 AM Ann Example <ann@example.org> wrote:*",
    "Notes": "Ann Example <ann@example.org> wrote on 02/03/2025 10:00:00 AM:",
}

HEADERS = {
    "English": "From: Ann <ann@example.org>\nSent: Monday, February 3, 2025 10:00\nTo: Bob\nSubject: Parcel",
    "English, bold": "*From:* Ann <ann@example.org>\n*Sent:* Monday\n*To:* Bob\n*Subject:* Parcel",
    "German": "Von: Ann <ann@example.org>\nGesendet: Montag, 3. Februar 2025 10:00\nAn: Bob\nBetreff: Parcel",
    "French": "De : Ann <ann@example.org>\nEnvoyé : lundi 3 février 2025 10:00\nÀ : Bob\nObjet : Parcel",
    "Spanish": "De: Ann <ann@example.org>\nEnviado: lunes, 3 de febrero\nPara: Bob\nAsunto: Parcel",
    "Portuguese": "De: Ann <ann@example.org>\nEnviado: segunda-feira\nPara: Bob\nAssunto: Parcel",
    "Italian": "Da: Ann <ann@example.org>\nInviato: lunedì\nA: Bob\nOggetto: Parcel",
    "Dutch": "Van: Ann <ann@example.org>\nVerzonden: maandag\nAan: Bob\nOnderwerp: Parcel",
    "Polish": "Od: Ann <ann@example.org>\nWysłano: poniedziałek\nDo: Bob\nTemat: Parcel",
    "Russian": "От: Ann <ann@example.org>\nОтправлено: понедельник\nКому: Bob\nТема: Parcel",
    "Swedish": "Från: Ann <ann@example.org>\nSkickat: måndag\nTill: Bob\nÄmne: Parcel",
    "Danish": "Fra: Ann <ann@example.org>\nSendt: mandag\nTil: Bob\nEmne: Parcel",
    "Finnish": "Lähettäjä: Ann <ann@example.org>\nLähetetty: maanantai\nVastaanottaja: Bob\nAihe: Parcel",
    "Czech": "Od: Ann <ann@example.org>\nOdesláno: pondělí\nKomu: Bob\nPředmět: Parcel",
    "Turkish": "Kimden: Ann <ann@example.org>\nGönderildi: Pazartesi\nKime: Bob\nKonu: Parcel",
    "Japanese": "差出人: Ann <ann@example.org>\n送信日時: 2025年2月3日\n宛先: Bob\n件名: Parcel",
    "Chinese": "发件人： Ann <ann@example.org>\n发送时间： 2025年2月3日\n收件人： Bob\n主题： Parcel",
    "Korean": "보낸 사람: Ann <ann@example.org>\n보낸 날짜: 2025년\n받는 사람: Bob\n제목: Parcel",
    "Greek": "Από: Ann <ann@example.org>\nΣτάλθηκε: Δευτέρα\nΠρος: Bob\nΘέμα: Parcel",
    "Hungarian": "Feladó: Ann <ann@example.org>\nElküldve: hétfő\nCímzett: Bob\nTárgy: Parcel",
}


@pytest.mark.parametrize("introduction", INTRODUCTIONS.values(), ids=INTRODUCTIONS)
@pytest.mark.parametrize("quoted", [QUOTED, "\n" + QUOTED])
def test_an_introduction_belongs_to_the_quotation(introduction: str, quoted: str) -> None:
    reply = split_reply(f"Yes, thank you!\n\n{introduction}\n{quoted}\nBye\n")
    assert reply.written == "Yes, thank you!\n\nBye"
    assert reply.quoted.startswith(introduction)
    assert reply.quoted.endswith("> It left on Monday.")


@pytest.mark.parametrize("introduction", INTRODUCTIONS.values(), ids=INTRODUCTIONS)
def test_without_marks_all_below_an_introduction_is_quoted(introduction: str) -> None:
    reply = split_reply(f"Yes, thank you!\nAnn\n\n{introduction}\n\n{UNMARKED}")
    assert (reply.written, reply.signature) == ("Yes, thank you!\nAnn", "")


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize(
    "rule", ["", "_" * 32 + "\n", "-----Original Message-----\n", "-----Urspr\xfcngliche Nachricht-----\n"]
)
def test_all_below_a_quoted_header_is_quoted(header: str, rule: str) -> None:
    reply = split_reply(f"Yes, thank you!\n\n{rule}{header}\n\n{UNMARKED}")
    assert reply.written == "Yes, thank you!"
    assert reply.quoted.endswith("It left on Monday.")


@pytest.mark.parametrize("size", [1, 100])
def test_answers_between_quoted_lines_are_written(size: int) -> None:
    answers = [f"Answer {number}" for number in range(size)]
    text = "Hello Ann,\n\nOn Monday at 10:00 you wrote:\n" + "".join(f"> Question\n{one}\n\n" for one in answers)
    assert split_reply(text).written == "Hello Ann,\n\n" + "\n\n".join(answers)


@pytest.mark.parametrize(
    "introduction",
    [
        "Ann Example writes:",
        "2025/2/3 Ann Example <ann@example.org>",
        "* Ann Example <ann@example.org> [2025-02-03 10:00]:",
        "Zitat von Ann Example <ann@example.org>:",
        "Quoting Ann Example (ann@example.org):",
        "---- On Mon, 03 Feb 2025 10:00:00 +0100 Ann Example <ann@example.org> wrote ----",
    ],
)
def test_other_introductions_are_known_by_the_marks_below(introduction: str) -> None:
    reply = split_reply(f"Yes, thank you!\n\n{introduction}\n\n{QUOTED}")
    assert reply == Reply("Yes, thank you!", f"{introduction}\n\n{QUOTED}".strip(), "")


def test_words_like_an_introduction_are_written_where_nothing_is_quoted() -> None:
    for text in (
        "I told you what John wrote:\n\nthat it works.",
        "On reflection, this is what I wrote:\nnothing",
        "From: the top\nI can see: the sea",
        "My answers:\n1. yes\n2. no",
        "Date: tomorrow at 10:00\nPlace: my office",
        "My flight:\nDate: 5 May\nFrom: Berlin\nTo: Paris\nSee you",
        "Write to bob@example.org about these:\nfirst\nsecond",
        "-- \n",
    ):
        assert split_reply(text).quoted == ""


@pytest.mark.parametrize(
    "line",
    [
        "Sent from my iPhone",
        "Von meinem iPhone gesendet",
        "أُرسلت من الـ iPhone",
        "Diese Nachricht wurde von meinem Android-Ger\xe4t mit GMX Mail gesendet.",
        "Envoy\xe9 de mon iPhone",
        "Enviado desde mi iPhone",
        "Enviado do meu iPhone",
        "Inviato da iPhone",
        "Verstuurd vanaf mijn iPhone",
        "Skickat fr\xe5n min iPhone",
        "Sendt fra min iPhone",
        "L\xe4hetetty iPhonesta",
        "Wys\u0142ane z iPhone'a",
        "Odesl\xe1no z iPhonu",
        "Отправлено с iPhone",
        "iPhone'umdan g\xf6nderildi",
        "iPhoneから送信",
        "发自我的iPhone",
        "나의 iPhone에서 보냄",
        "Get Outlook for iOS<https://aka.ms/o0ukef>",
        "Outlook f\xfcr Android herunterladen",
        "Sent from Yahoo Mail on Android",
        "Sent from Mail for Windows",
        "Sent with Proton Mail secure email.",
    ],
)
def test_what_a_device_says_of_itself_is_a_signature(line: str) -> None:
    reply = split_reply(
        f"Yes, thank you!\n\n{line}\n\nOn Mon, Feb 3, 2025 at 10:00 AM Ann <ann@example.org> wrote:\n\n{QUOTED}"
    )
    assert (reply.written, reply.signature) == ("Yes, thank you!", line)


def test_a_sentence_about_a_device_is_written() -> None:
    for text in ("I sent it from my iPhone yesterday, did it arrive?", "Please get the telephone from the office."):
        assert split_reply(text).written == text


def test_a_signature_goes_to_the_next_quotation() -> None:
    reply = split_reply(
        f"Yes.\n-- \nAnn\nExample Ltd\n\nOn Monday at 10:00 Bob <b@example.org> wrote:\n{QUOTED}\nPS: no"
    )
    assert reply == Reply(
        "Yes.\n\nPS: no",
        f"On Monday at 10:00 Bob <b@example.org> wrote:\n{QUOTED}".strip(),
        "--\nAnn\nExample Ltd",
    )


def test_a_forwarded_mail_is_quoted() -> None:
    gmail = "---------- Forwarded message ---------\nFrom: Ann <ann@example.org>\nDate: Mon, 3 Feb\nSubject: x\nTo: y\n\ntext"
    apple = "Begin forwarded message:\n\nFrom: Ann <ann@example.org>\nSubject: x\nDate: 3 February\nTo: y\n\ntext"
    for text in (gmail, apple):
        assert split_reply(f"See below.\n\n{text}") == Reply("See below.", text, "")


GMAIL = (
    '<div dir="ltr">Yes, <b>thank</b> you!<div>Bye</div><div class="gmail_signature">Bob</div></div><br>'
    '<div class="gmail_quote"><div class="gmail_attr">On Mon Ann wrote:<br></div>'
    '<blockquote class="gmail_quote" style="border-left:1px">Did you?<p>It left.</p></blockquote></div>'
)
OUTLOOK = (
    '<body><div class="elementToProof">Yes, thank you!</div><div>Bye</div><div id="appendonsend"></div><hr>'
    '<div id="divRplyFwdMsg"><font><b>From:</b> Ann<br><b>Sent:</b> Monday<br></font></div><div>Did you?</div></body>'
)
WORD = (
    "<p class=MsoNormal>Yes, thank you!<o:p></o:p></p><p>Bye</p><div style='border-top:solid #E1E1E1 1.0pt'><p>"
    "<b>From:</b> Ann &lt;a@example.org&gt; <br><b>Sent:</b> Monday<br><b>To:</b> Bob<br><b>Subject:</b> Parcel</p></div>"
    "<p>Did you?</p>"
)
THUNDERBIRD = (
    '<p>Yes, thank you!</p><p>Bye</p><div class="moz-cite-prefix">Am 3.2.25 um 10:00 schrieb Ann:<br></div>'
    '<blockquote type="cite" cite="mid:1@example.org"><p>Did you?</p></blockquote>'
)
YAHOO = (
    '<div class="ydp1yahoo-style-wrap"><div>Yes, thank you!</div><div>Bye</div></div>'
    '<div id="ydp2yahoo_quoted_1" class="ydp2yahoo_quoted"><div>On Monday Ann wrote:</div><div>Did you?</div></div>'
)
PROTON = (
    "<div>Yes, thank you!</div><div>Bye</div>"
    '<div class="protonmail_quote">On Monday Ann wrote:<br><blockquote type="cite">Did you?</blockquote></div>'
)
MAIL_RU = '<div>Yes, thank you!<br>Bye</div><blockquote style="border-left:1px solid #0857A6;">Did you?</blockquote>'


@pytest.mark.parametrize("html", [GMAIL, OUTLOOK, WORD, THUNDERBIRD, YAHOO, PROTON, MAIL_RU])
def test_an_html_reply_is_cut_by_its_elements(html: str) -> None:
    reply = split_html_reply(html)
    assert reply.written.replace("\n\n", "\n") == "Yes, thank you!\nBye"
    assert "Did you?" in reply.quoted
    assert "Bob" not in reply.written


def test_answers_between_html_quotations_are_written() -> None:
    html = "<blockquote type=cite>One?</blockquote><p>Yes</p><blockquote type=cite>Two?</blockquote><p>No</p>"
    assert split_html_reply(html).written == "Yes\n\nNo"


def test_a_mail_is_read_by_its_plain_text_else_by_its_html() -> None:
    head = b"MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n\n--b\n"
    plain = b"Content-Type: text/plain; charset=utf-8\n\nPlain\n> quoted\n--b\n"
    html = b"Content-Type: text/html; charset=utf-8\n\n<p>Rich</p><blockquote type=cite>quoted</blockquote>\n--b--\n"
    assert read_reply(Received(head + plain + html)).written == "Plain"
    assert read_reply(Received(head + html)).written == "Rich"
    assert read_reply(Received(b"Subject: x\n\n")) == Reply("", "", "")


LONG = {
    "lines with a colon": "1:\n" * 350_000,
    "empty lines": "\n" * 1_000_000,
    "quoted lines": ">\n" * 500_000,
    "From lines": "From:\n" * 170_000,
    "introductions that are none": ("wrote x 10 " * 33 + ":\n") * 2_700,
    "addresses": "x@y.z 10:00 <" * 80_000 + ":",
    "at signs": ("a@" * 390 + ":\n") * 1_300,
    "one line": "a" * 1_000_000,
    "one line of dashes": "-" * 1_000_000,
    "signatures": "Sent from my iPhone\n" * 50_000,
    "signature marks": "-- \n" * 250_000,
    "nested elements": "<div>" * 200_000,
    "nested quotations": "<blockquote type=cite>" * 45_000,
    "open paragraphs": "<p>a" * 250_000,
    "open formatting": "<b><i><p>" * 100_000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_a_megabyte_of_anything_takes_well_under_a_second(text: str) -> None:
    before = time.process_time()
    split_reply(text)
    split_html_reply(text)
    assert time.process_time() - before < 5  # 0.1 to 0.5 on a free machine; what is not linear takes minutes


@given(st.text(st.sampled_from("<>@: \n\r-_0123abcOn wrote.\u202a\u3000：")), st.text())
def test_nothing_is_lost_and_nothing_fails_on_any_text(marks: str, text: str) -> None:
    for one in (marks, text, marks + "\n" + text):
        reply = split_reply(one)
        parts = sorted(reply.written.split() + reply.quoted.split() + reply.signature.split())
        assert parts == sorted(one.split())
        split_html_reply(one)


def test_a_text_around_a_file_is_read_and_a_text_file_is_not() -> None:
    raw = (
        b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nSee the file:\n"
        b"--b\nContent-Type: text/plain; name=a.txt\nContent-Disposition: attachment\n\nOf the file\n"
        b"--b\nContent-Type: text/plain\n\nThat is it.\n\n-- \nAnn\n--b--\n"
    )
    reply = read_reply(Received(raw))
    assert (reply.written.split("\n"), reply.signature) == (["See the file:", "That is it."], "--\nAnn")


def test_html_that_goes_on_behind_a_file_was_written_too() -> None:
    raw = (
        b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>Above</p>\n"
        b"--b\nContent-Type: image/png; name=x.png\n\nPNG\n"
        b"--b\nContent-Type: text/html\n\n<p>Below</p><blockquote type=cite>quoted</blockquote>\n--b--\n"
    )

    reply = read_reply(Received(raw))

    assert reply.written == "Above\n\nBelow"
    assert reply.quoted.startswith("> quoted")


@pytest.mark.parametrize("media_type", ["text/plain", "text/html"])
def test_of_two_alternatives_of_one_type_one_is_what_was_written(media_type: str) -> None:
    """RFC 2046 5.1.4: they say the same."""
    part = f"--b\nContent-Type: {media_type}\n\nYes.\n"
    raw = f"MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n\n{part}{part}--b--\n"

    assert read_reply(Received(raw.encode())).written == "Yes."


@given(st.binary(max_size=500))
def test_any_bytes_are_read(raw: bytes) -> None:
    read_reply(Received(raw))
    read_reply(Received(b"Content-Type: text/html\r\n\r\n" + raw))
