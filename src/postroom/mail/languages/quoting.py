"""The words by which mail programs set apart what a reply quotes, in many languages.

Facts about programs (Gmail, Outlook, Apple Mail, Thunderbird, Yahoo, Yandex,
QQ, Notes and others): how they introduce a quotation, name
the fields of the quoted header, rule off an original or forwarded mail, and
name the device that it was sent from. `mail.quoted_text` uses them.
"""

WROTE = frozenset(
    "wrote writes sent "
    "schrieb geschrieben "
    "écrit ecrit "
    "escribió escribio escrito "
    "escreveu escribiu "
    "escriure escrit "
    "scritto scrive "
    "scris scrit "
    "schreef geschreven skreau "
    "napisał napisała napisał/a napisal napisala napísal napísala pisze "
    "napsal napsala "
    "skrev skreiv skrifaði "
    "kirjoitti kirjutas "
    "пишет писал писала написал написала написав пише написа напісаў "
    "yazdı "
    "írta "
    "έγραψε γράψε "
    "כתב כתבה כתב/ה "
    "كتب كتبت كتابة نوشت "
    "viết "
    "menulis "
    "เขียนว่า เขียน "
    "लिखा "
    "napisao "
    "rašė parašė rakstīja "
    "idatzi shkroi".split()
)
"""Said of the author of the quoted text, as a word of its own."""

WROTE_WITHOUT_SPACES = ("写道", "寫道", "写于", "书写", "書きました", "のメール", "작성", "쓴 글", "님이", "เขียน", "លិខ")
"""The same where words are not parted by spaces."""

OPENERS = frozenset(
    "on at in am le el il em op den dne dňa dnia w v в на во o la lo dana på pada vào στις την ima "
    "în în la dia no às as à den þann më بتاريخ في على در בתאריך ב den "
    "mon tue wed thu fri sat sun monday tuesday wednesday thursday friday saturday sunday "
    "mo di mi do fr sa so montag dienstag mittwoch donnerstag freitag samstag sonntag "
    "lun mar mer jeu ven sam dim mié jue vie sáb dom seg ter qua qui sex gio "
    "pon wt śr czw pt sob niedz ndz "
    "пн вт ср чт пт сб вс нд понедельник вторник среда четверг пятница суббота воскресенье "
    "po út st čt pá so ne ut št pi uto sri čet pet ned "
    "man tir ons tor fre lør søn mån tis lör sön ma ti ke to pe la su "
    "ma zo vr za wo zondag maandag dinsdag woensdag donderdag vrijdag zaterdag "
    "เมื่อ 在 於 于".split()
)
"""How the line begins that introduces a quotation, where it does not begin with a digit."""

_FIELDS = {
    "from": (
        "from von de da van od от від från fra frá lähettäjä kimden gönderen gonderen 差出人 送信者 送信元 发件人 "
        "發件人 寄件者 寄件人 feladó felado από מאת من از expéditeur remitente mittente remetente afzender nadawca "
        "odesílatel odosielateľ avsändare afsender avsender отправитель відправник dari šalje pošiljatelj saatja no nuo "
        "จาก từ 보낸사람 발신"
    ),
    "date": (
        "sent date gesendet datum envoyé envoye enviado enviada fecha data inviato verzonden wysłano wyslano отправлено "
        "дата надіслано skickat sendt lähetetty päivämäärä päiväys gönderildi tarih 送信日時 日時 日付 发送时间 发送日期 "
        "日期 时间 發送時間 傳送時間 寄件日期 時間 odesláno odoslané elküldve küldve dátum trimis στάλθηκε ημερομηνία נשלח "
        "תאריך التاريخ تاريخ dikirim tanggal ngày poslano изпратено dato dags saadetud enviat วันที่ 날짜 작성일"
    ),
    "to": (
        "to an à a para naar aan do dla кому до till til vastaanottaja kime alıcı kimə 宛先 收件人 收件者 komu címzett către "
        "προς אל إلى به destinataire destinatario destinatari kepada untuk đến tới ถึง за za pour för 받는사람 수신 mottagare "
        "modtager mottaker получатель"
    ),
    "subject": (
        "subject betreff betrifft objet asunto oggetto onderwerp assunto temat тема ämne emne efni aihe konu 件名 主题 主旨 "
        "主題 제목 předmět predmet tárgy subiect θέμα נושא الموضوع موضوع subjek perihal judul относно zadeva teema tēma tema "
        "เรื่อง sujet assumpte"
    ),
}
_FIELDS_OF_MORE_WORDS = {
    "보낸 사람": "from",
    "보내는 사람": "from",
    "de la": "from",
    "від кого": "from",
    "от кого": "from",
    "보낸 날짜": "date",
    "받은 날짜": "date",
    "enviado em": "date",
    "enviado el": "date",
    "enviada em": "date",
    "date d'envoi": "date",
    "đã gửi": "date",
    "gönderme tarihi": "date",
    "data wysłania": "date",
    "받는 사람": "to",
    "받은 사람": "to",
    "chủ đề": "subject",
}
HEADER_WORDS = {
    **{word: kind for kind, words in _FIELDS.items() for word in words.split()},
    **_FIELDS_OF_MORE_WORDS,
}
"""Names of From, Date, To and Subject in a quoted header."""

RULED = (
    "original message",
    "original appointment",
    "forwarded message",
    "forwarded by",
    "original email",
    "original mail",
    "original-nachricht",
    "originalnachricht",
    "original nachricht",
    "originale nachricht",
    "ursprüngliche nachricht",
    "ursprüngliche mitteilung",
    "weitergeleitete nachricht",
    "message d'origine",
    "message d’origine",
    "message original",
    "message initial",
    "message transféré",
    "forwarded mail",
    "mensaje original",
    "mensaje reenviado",
    "mensagem original",
    "mensagem encaminhada",
    "mensagem reencaminhada",
    "mensaxe orixinal",
    "missatge original",
    "messaggio originale",
    "messaggio inoltrato",
    "oorspronkelijk bericht",
    "oorspronkelijke bericht",
    "doorgestuurd bericht",
    "wiadomość oryginalna",
    "oryginalna wiadomość",
    "treść oryginalnej wiadomości",
    "treść przekazanej wiadomości",
    "wiadomość przekazana",
    "исходное сообщение",
    "исходное письмо",
    "пересылаемое сообщение",
    "пересланное сообщение",
    "конец пересылаемого",
    "початкове повідомлення",
    "вихідне повідомлення",
    "оригинално писмо",
    "ursprungligt meddelande",
    "vidarebefordrat meddelande",
    "oprindelig meddelelse",
    "videresendt meddelelse",
    "opprinnelig melding",
    "videresendt melding",
    "alkuperäinen viesti",
    "välitetty viesti",
    "původní zpráva",
    "původní e-mail",
    "přeposlaná zpráva",
    "pôvodná správa",
    "preposlaná správa",
    "eredeti üzenet",
    "továbbított üzenet",
    "mesaj original",
    "mesajul original",
    "mesaj redirecționat",
    "αρχικό μήνυμα",
    "προωθημένο μήνυμα",
    "özgün ileti",
    "orijinal mesaj",
    "orijinal ileti",
    "yönlendirilmiş ileti",
    "iletilen mesaj",
    "הודעה מקורית",
    "הודעה שהועברה",
    "الرسالة الأصلية",
    "رسالة معاد توجيهها",
    "pesan asli",
    "pesan terusan",
    "thư gốc",
    "tin nhắn gốc",
    "izvorna poruka",
    "izvirno sporočilo",
    "originalus laiškas",
    "algne kiri",
    "元のメッセージ",
    "転送メッセージ",
    "转发的邮件",
    "转发邮件信息",
    "轉寄郵件",
    "原始邮件",
    "原始郵件",
    "原始消息",
    "原始訊息",
    "回复的原邮件",
    "원본 메시지",
    "원본 메일",
    "전달된 메시지",
    "전달된 메일",
)
"""What stands between dashes above an original or forwarded mail; more words may follow."""

FORWARD_OPENERS = (
    "begin forwarded message",
    "start of forwarded message",
    "anfang der weitergeleiteten",
    "début du message transféré",
    "début du message réexpédié",
    "inicio del mensaje reenviado",
    "inizio messaggio inoltrato",
    "início da mensagem encaminhada",
    "início da mensagem reencaminhada",
    "begin doorgestuurd bericht",
    "vidarebefordrat brev",
    "vidarebefordrat mejl",
    "videresendt meddelelse",
    "videresendt melding",
    "välitetty viesti alkaa",
    "początek przekazywanej wiadomości",
    "начало переадресованного сообщения",
    "начало пересылаемого сообщения",
    "začátek přeposlané zprávy",
    "転送されたメッセージ",
    "下面是被转发的邮件",
    "以下是轉寄的郵件",
    "전달된 메시지 시작",
    "yönlendirilen mesajın başlangıcı",
    "iletilmiş mesajın başlangıcı",
)
"""How a line begins that opens a forwarded mail without dashes."""

REPLY_ABOVE = (
    "reply above this line",
    "type your reply above",
    "write above this line",
    "please reply above",
    "antworten sie oberhalb dieser zeile",
    "bitte oberhalb dieser linie antworten",
    "répondez au-dessus de cette ligne",
    "responda por encima de esta línea",
    "responda acima desta linha",
)
"""What a help desk writes above the text that it wants back."""

SENT_STEMS = tuple(
    "sent gesendet versendet verschickt envoyé envoye enviad enviat inviat spedit verstuurd verzonden wysłan wyslan "
    "отправлен надіслан изпратен skicka sendt lähetetty odeslán odeslan odoslan gönderil trimis küldve elküldve στάλθηκε "
    "נשלח أرسل أُرسل dikirim gửi poslano saadetud išsiųsta".split()
)
"""How the first or last word begins of a line that names the device."""
SENT_WITHOUT_SPACES = ("送信", "发自", "发送", "發自", "寄自", "傳送", "送出", "보냄", "보낸", "ส่งจาก")
GET_OUTLOOK = (
    "outlook for ios",
    "outlook for android",
    "outlook pour ",
    "outlook für ",
    "outlook para ",
    "outlook per ",
    "outlook voor ",
    "outlook dla ",
    "outlook для ",
    "outlook för ",
    "outlook til ",
    "outlook for mobile",
    "outlook for mac",
    "android için outlook",
    "ios için outlook",
    "ios 版 outlook",
    "android 版 outlook",
    "ios 版outlook",
    "android 版outlook",
    "ios용 outlook",
    "android용 outlook",
    "outlook pro ",
)
"""In a line that offers a mail program."""
DEVICES = (
    "iphon",
    "ipad",
    "ipod",
    "ios",
    "android",
    "samsung",
    "galaxy",
    "huawei",
    "xiaomi",
    "redmi",
    "oneplus",
    "nokia",
    "blackberry",
    "windows phone",
    "mail for windows",
    "mail für windows",
    "mail app",
    "mail-app",
    "outlook",
    "yahoo mail",
    "yahoo!",
    "yahoo",
    "proton",
    "tutanota",
    "thunderbird",
    "gmail mobile",
    "gmail app",
    "gmx",
    "web.de",
    "t-online",
    "mail.ru",
    "яндекс",
    "aol",
    "icloud",
    "smartphone",
    "mobile device",
    "my mobile",
    "mobiltelefon",
    "mobilgerät",
    "handy",
    "mobil",
    "telefon",
    "téléphone",
    "teléfono",
    "telefono",
    "телефон",
    "手机",
    "手機",
    "スマホ",
    "网易邮箱",
    "qq邮箱",
    "foxmail",
    "naver",
    "k-9",
    "fairemail",
    "spark",
    "superhuman",
    "front app",
    "airmail",
    "mailspring",
    "canary mail",
    "bluemail",
    "typeapp",
    "nine",
    "zoho mail",
    "fastmail",
)
"""What a mail program or phone calls itself in a line of its own below the text."""

QUOTE_MARKS = (">", "＞")
COLONS = (":", "：", "៖", "﹕")
DASHES = "-_=*‐‑–—―─━"
