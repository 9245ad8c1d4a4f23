"""How machines that answer for somebody begin their subjects, and what they say of themselves."""

AUTOMATIC = (
    # English
    "automatic reply", "automatic response", "automated reply", "automated response", "auto reply", "auto-reply",
    "autoreply", "auto response", "auto-response", "autoresponse", "autoresponder", "auto:", "auto-responder",
    "auto-antwort", "autoresponse:", "automatisch", "automatic email reply", "yahoo! auto response",
    # German, Dutch
    "automatische antwort", "automatische rückmeldung", "automatische rueckmeldung", "automatische abwesenheit",
    "automatische e-mail-antwort", "autom. antwort", "auto. antwort", "automatisch antwoord", "automatische reactie",
    "automatisch bericht", "automatische beantwoording", "automatische reply", "auto-antwoord",
    # Nordic
    "autosvar", "autom. svar", "automatiskt svar", "automatisk svar", "automatisk besvarelse", "automatsvar",
    "automaattinen vastaus", "automaattivastaus", "sjálfvirkt svar",
    # Romance
    "réponse automatique", "reponse automatique", "message automatique", "répondeur automatique",
    "respuesta automática", "respuesta automatica", "autorespuesta", "auto-respuesta", "contestador automático",
    "risposta automatica", "risponditore automatico", "resposta automática", "resposta automatica", "resposta automàtica",
    "auto-resposta", "autoresposta", "răspuns automat", "raspuns automat",
    # Slavic, Baltic, Hungarian
    "automatyczna odpowiedź", "automatyczna odpowiedz", "odpowiedź automatyczna", "autoodpowiedź", "autoodpowiedz",
    "wiadomość automatyczna", "автоответ", "автоматический ответ", "авто-ответ", "автоматическое уведомление",
    "автоматична відповідь", "автовідповідь", "автоматичен отговор", "аутоматски одговор", "automatická odpověď",
    "automaticka odpoved", "automatická odpoveď", "automatski odgovor", "automatsko odgovaranje", "samodejni odgovor",
    "automatinis atsakymas", "automātiskā atbilde", "automātiska atbilde", "automaatvastus", "automatikus válasz",
    # others
    "αυτόματη απάντηση", "otomatik yanıt", "otomatik cevap", "otomatik yanit", "תשובה אוטומטית", "מענה אוטומטי",
    "הודעה אוטומטית", "رد تلقائي", "الرد التلقائي", "رد آلي", "پاسخ خودکار", "自動返信", "自動応答", "自動送信",
    "自动回复", "自动答复", "自動回覆", "自動回復", "自動答覆", "자동 회신", "자동회신", "자동 응답", "자동응답", "자동 답장",
    "ตอบกลับอัตโนมัติ", "การตอบกลับอัตโนมัติ", "trả lời tự động", "thư trả lời tự động", "balasan otomatis",
    "jawaban otomatis", "balas automatik", "स्वचालित उत्तर", "erantzun automatikoa", "atebiad awtomatig",
)  # fmt: skip
"""Beginnings of subjects that say that nobody wrote this."""

ABSENT = (
    # English
    "out of office", "out of the office", "out-of-office", "ooo:", "ooo -", "ooto", "o.o.o.", "i am out of", "i'm out of",
    "currently out of", "on vacation", "on holiday", "vacation:", "vacation reply", "vacation message", "vacation response",
    "vacation notice", "vacation notification", "vacation alert", "away from my", "away from the", "away until",
    "i am away", "i'm away", "away message", "absence notice", "absent from", "absence from", "annual leave", "on leave",
    "maternity leave", "parental leave", "sick leave", "leave notification", "not in the office", "no longer with the company",
    "no longer works", "no longer employed", "has left the company", "has left the organization",
    # German, Dutch
    "abwesenheit", "abwesend", "außer haus", "ausser haus", "nicht im büro", "nicht im haus", "ich bin nicht im",
    "ich bin abwesend", "ich bin im urlaub",
    "ich bin derzeit abwesend", "ich bin derzeit nicht im", "ich bin derzeit nicht erreichbar", "ich bin derzeit im urlaub",
    "ich bin zurzeit abwesend", "ich bin zurzeit nicht im", "ich bin zurzeit nicht erreichbar", "ich bin zurzeit im urlaub",
    "ich bin zur zeit abwesend", "ich bin zur zeit nicht im", "ich bin zur zeit nicht erreichbar", "ich bin zur zeit im urlaub",
    "im urlaub", "urlaub:", "urlaubsbenachrichtigung", "urlaubsmeldung", "elternzeit",
    "afwezig", "niet aanwezig", "niet op kantoor", "buiten kantoor", "ik ben afwezig", "met vakantie", "op vakantie",
    # Nordic
    "frånvaro", "frånvarande", "ej på kontoret", "inte på kontoret", "jag är på semester", "semester:", "fravær",
    "fraværende", "ikke på kontoret", "ikke til stede", "ferie:", "på ferie", "poissa", "poissaolo", "lomalla", "en ole paikalla",
    # Romance
    "absence du bureau", "absent du bureau", "absente du bureau", "absence :", "absence:", "absent :", "message d'absence",
    "en congé", "je suis absent", "je suis en congé", "hors du bureau", "congé de maternité", "notification d'absence",
    "fuera de la oficina", "fuera de oficina", "ausente", "ausencia", "de vacaciones", "estoy fuera", "estoy de vacaciones",
    "fuori sede", "fuori ufficio", "assenza", "assente", "in ferie", "fuori dall'ufficio", "sono assente",
    "ausência", "fora do escritório", "fora do escritorio", "estou de férias", "de férias", "férias:", "fora da oficina",
    "absència", "fora de l'oficina", "în afara biroului", "absent din birou", "in afara biroului",
    # Slavic, Baltic, Hungarian
    "poza biurem", "nieobecność", "nieobecny", "nieobecna", "jestem na urlopie", "urlop:", "вне офиса", "отсутствую",
    "отсутствие", "отпуск", "я в отпуске", "поза офісом", "відпустка", "извън офиса", "nepřítomnost", "mimo kancelář",
    "nejsem v kanceláři", "dovolená", "neprítomnosť", "mimo kancelárie", "dovolenka", "izvan ureda", "odsutan", "odsutnost",
    "odsotnost", "odsoten", "nebūsiu biure", "nesu biure", "ārpus biroja", "kontorist väljas", "olen puhkusel",
    "házon kívül", "távollét", "szabadságon",
    # others
    "εκτός γραφείου", "απουσία", "ofis dışında", "ofis dışındayım", "izinli", "yıllık izin", "מחוץ למשרד", "לא במשרד",
    "خارج المكتب", "في إجازة", "不在通知", "不在のお知らせ", "不在:", "不在：", "休暇中", "外出中", "外出：", "外出:", "不在办公室", "休假",
    "不在辦公室", "부재중", "부재 중", "외출 중", "휴가 중", "휴가중", "ไม่อยู่ที่สำนักงาน", "vắng mặt", "di luar kantor", "cuti",
)  # fmt: skip
"""Beginnings of subjects that say that somebody is away."""

NAMED_ABSENT = (
    " is out of the office", " is out of office", " is away from", " is on vacation", " is on leave", " is on holiday", " ist abwesend",
    " ist nicht im büro", " ist nicht im hause", " ist im urlaub", " est absent", " est en congé", " está fuera de la oficina",
    " está ausente", " è fuori ufficio", " è assente", " está fora do escritório", " is afwezig", " is niet aanwezig", " är inte på kontoret",
    " er ikke på kontoret", " ei ole paikalla", " jest nieobecn", " вне офиса", " в отпуске",
)  # fmt: skip
"""Behind the name of who is away, in subjects."""

ACKNOWLEDGED = (
    "[request received]", "request received", "we have received your", "we've received your", "we received your",
    "your request has been received", "your message has been received", "your email has been received",
    "your e-mail has been received", "your ticket has been", "your support request", "ticket received", "ticket created",
    "new ticket created", "a new ticket has been", "case created", "support ticket opened", "thank you for contacting",
    "thanks for contacting", "thank you for your email", "thank you for your e-mail", "thank you for your message",
    "thank you for your inquiry", "thank you for your enquiry", "thank you for getting in touch", "thanks for reaching out",
    "confirmation of receipt", "acknowledgement of", "acknowledgment of", "eingangsbestätigung", "eingangsbestaetigung",
    "ihre anfrage", "ihre nachricht", "ihre e-mail an", "vielen dank für ihre", "danke für ihre", "empfangsbestätigung",
    "accusé de réception", "accuse de reception", "nous avons bien reçu", "votre demande", "merci pour votre message",
    "hemos recibido su", "hemos recibido tu", "acuse de recibo", "gracias por contactar", "gracias por su mensaje",
    "abbiamo ricevuto", "conferma di ricezione", "conferma ricezione", "grazie per averci contattato", "recebemos sua",
    "recebemos o seu", "recebemos a sua", "confirmação de recebimento", "obrigado por entrar em contato", "ontvangstbevestiging",
    "we hebben uw", "wij hebben uw", "bedankt voor uw", "potwierdzenie otrzymania", "otrzymaliśmy", "dziękujemy za",
    "мы получили ваш", "ваша заявка", "ваше обращение", "ваш запрос", "potvrzení přijetí", "potvrzení o přijetí", "mottagningsbekräftelse",
    "vi har mottagit", "tack för ditt", "kvittering for", "vi har modtaget", "tak for din", "vi har mottatt", "takk for",
    "お問い合わせありがとうございます", "お問い合わせを受け付け", "受付完了", "受付のお知らせ", "我们已收到", "已收到您的", "문의가 접수",
)  # fmt: skip
"""Beginnings of subjects that say that something arrived. People write so too: a sign of a machine must be there."""

MOVED = (
    "my email address has changed", "my e-mail address has changed", "my new email address", "new email address",
    "new e-mail address", "email address change", "e-mail address change", "change of email address", "change of e-mail",
    "changed email address", "i have a new email", "i have changed my email", "this email address is no longer",
    "this e-mail address is no longer", "email address no longer", "address has changed", "neue e-mail-adresse",
    "neue mailadresse", "neue emailadresse", "neue email-adresse", "meine e-mail-adresse hat sich", "adressänderung",
    "geänderte e-mail", "changement d'adresse", "nouvelle adresse e-mail", "nouvelle adresse mail", "nouvelle adresse email",
    "nuevo correo", "nueva dirección de correo", "cambio de correo", "cambio de dirección", "nuovo indirizzo",
    "cambio indirizzo", "novo e-mail", "novo email", "mudança de e-mail", "mudança de email", "nieuw e-mailadres",
    "nieuw emailadres", "gewijzigd e-mailadres", "nowy adres e-mail", "nowy adres email", "zmiana adresu", "новый адрес",
    "смена адреса", "nová e-mailová adresa", "změna e-mailu", "ny e-postadress", "ny mailadresse", "ny e-postadresse",
    "uusi sähköposti", "új e-mail cím", "yeni e-posta", "メールアドレス変更", "アドレス変更", "邮箱变更", "更换邮箱", "이메일 주소 변경",
)  # fmt: skip
"""Beginnings of subjects or sentences that say that an address changed."""

_AUTOMATIC_THINGS = (
    "reply", "response", "message", "e-mail", "email", "mail", "notification", "notice", "answer", "acknowledg", "confirmation",
    "receipt", "reminder", "system", "service", "generated", "vacation", "out of office", "out-of-office",
)  # fmt: skip

OF_ITSELF = (
    *(f"this is {a} {automatic} {thing}" for a in ("a", "an") for automatic in ("automatic", "automated") for thing in _AUTOMATIC_THINGS),
    "this is an automatically", "this is a automatically", "this is an auto-generated", "this is an autogenerated",
    "this is an auto-reply", "this is an auto reply", "this is an autoreply", "this is an auto-response",
    "this message was automatically", "this message is automatically",
    "this email was automatically", "this e-mail was automatically", "this email is automatically", "this is a system generated",
    "this is a system-generated", "this reply was automatically", "this response was automatically", "this is a recording",
    "dies ist eine automatisch", "das ist eine automatisch", "diese nachricht wurde automatisch", "diese e-mail wurde automatisch",
    "diese mail wurde automatisch", "diese antwort wurde automatisch", "hierbei handelt es sich um eine automatisch",
    "ceci est un message automatique", "ceci est une réponse automatique", "ce message est automatique",
    "ce message a été généré automatiquement", "cet e-mail a été généré automatiquement", "ceci est un courriel automatique",
    "este es un mensaje automático", "esta es una respuesta automática", "este mensaje se ha generado automáticamente",
    "este mensaje ha sido generado automáticamente", "este correo se ha generado automáticamente", "mensaje generado automáticamente",
    "questo è un messaggio automatico", "questa è una risposta automatica", "questa e-mail è stata generata automaticamente",
    "messaggio generato automaticamente", "esta é uma mensagem automática", "esta é uma resposta automática",
    "este é um e-mail automático", "este é um email automático", "mensagem automática", "dit is een automatisch",
    "deze e-mail is automatisch", "dit bericht is automatisch", "to jest automatyczna", "to jest wiadomość automatyczna",
    "wiadomość wygenerowana automatycznie", "ta wiadomość została wygenerowana automatycznie", "это автоматический ответ",
    "это автоматическое сообщение", "данное сообщение сформировано автоматически", "данное письмо сформировано автоматически",
    "это письмо отправлено автоматически", "це автоматична відповідь", "toto je automatická", "tato zpráva byla vygenerována automaticky",
    "detta är ett automatiskt", "dette er en automatisk", "dette er et automatisk", "denne meddelelse er automatisk",
    "tämä on automaattinen", "ez egy automatikus", "acesta este un mesaj automat", "acesta este un răspuns automat",
    "αυτό είναι ένα αυτόματο", "bu otomatik bir", "bu mesaj otomatik olarak", "bu e-posta otomatik olarak", "זוהי הודעה אוטומטית",
    "זוהי תשובה אוטומטית", "هذه رسالة تلقائية", "هذا رد تلقائي", "このメールは自動", "これは自動返信", "本メールは自動", "※このメールは自動",
    "这是一封自动", "这是自动回复", "此邮件为系统自动", "本邮件由系统自动", "這是自動回覆", "此郵件為系統自動", "이 메일은 자동", "본 메일은 자동",
    "본 메일은 발신", "đây là thư trả lời tự động", "ini adalah balasan otomatis", "ini adalah email otomatis",
)  # fmt: skip
"""Beginnings of sentences by which a machine says what it is."""

CHALLENGES = (
    "verify that you are a real", "verify that you are a live", "verify that you are human", "verify that you are a human",
    "verify you are a human", "verify you are human", "verify that you're human", "prove that you are human", "prove you are human",
    "prove that you are a real person", "confirm that you are a human", "confirm you are human", "confirm that you are a real person",
    "confirm that you are not a spammer", "requires that you verify", "your email requires verification", "your message requires verification",
    "requires confirmation before", "sender address verification", "one-time sender verification", "allowed sender request",
    "add yourself to my guest list", "added to my guest list", "was waitlisted", "is being held until you", "is being held pending your",
    "your message is being held", "will be delivered once you", "will be delivered after you confirm", "before your message can be delivered",
    "before your email can be delivered", "in order for your message to be delivered", "to have your message delivered",
    "to deliver your message, please", "to release your message", "click the link below to release", "please confirm your message",
    "please confirm your email to", "confirm your message by replying", "protected by spam arrest", "i'm protecting myself from receiving junk",
    "i am protecting myself from receiving junk", "i'm using spamarrest", "click the link below so i can receive", "so that i can receive your emails",
    "you will only need to do this once", "you only have to do this once", "uses mailblocks", "uses choicemail", "my email is protected by",
    "this mailbox is protected by boxbe", "cleanmail", "uol antispam", "antispam uol", "e-mail de confirmação do antispam",
    "authentifier votre e-mail", "authentifier votre message", "m'assurer que vous n'êtes pas un robot", "mailinblack",
    "vous authentifier", "bestätigen sie bitte, dass sie kein spam", "dass sie kein roboter", "ihre e-mail wird zurückgehalten",
    "confirme que no es un robot", "demuestre que es una persona", "confermi di non essere", "confirme que você não é um robô",
    "подтвердите, что вы не робот", "potwierdź, że nie jesteś robotem",
    "requires new senders to", "senders i have approved", "not been verified as a sender", "your message has not yet been delivered because",
    "your message is awaiting your confirmation", "reply to this message to release your", "reply to this email to release your",
    "um zu zeigen, dass sie kein spam", "um zu zeigen, dass sie kein robot", "beweisen sie, dass sie kein spam", "beweisen sie, dass sie kein robot",
    "damit ihre nachricht zugestellt", "damit ihre e-mail zugestellt", "pour que votre message soit délivré", "pour que votre message soit remis",
    "afin que votre message soit délivré", "afin que votre message soit remis", "confirmez que vous n'êtes pas un robot",
    "para liberar a mensagem", "para liberar sua mensagem", "para que su mensaje sea entregado", "per far recapitare il suo messaggio",
    "bevestig dat u geen robot", "чтобы ваше письмо было доставлено", "aby doręczyć wiadomość",
)  # fmt: skip
"""What filters say that ask an author to prove to be a person."""

CHALLENGERS = (
    "boxbe.com", "bluebottle.com", "spamarrest.com", "mailinblack.com", "sendio.", "choicemail", "antispamuol", "antispam.uol",
    "tmda", "spamlion", "knowspam.net", "mailblocks", "vanquish.com", "0spam.com", "bitbounce.com", "digiportal.com", "qurb.com",
)  # fmt: skip
"""In a From or Message-ID of filters that ask so."""
