"""Words by which mail systems say in many languages that mail was not delivered, is late, or comes back.

Each tuple holds pieces of regular expressions; they are searched for without
regard to case. They never decide alone: a person writes such words too.
"""

# ruff: noqa: RUF001 - quotation marks and colons as the texts have them

import re


def _any(*pieces: str) -> re.Pattern[str]:
    return re.compile("|".join(pieces), re.IGNORECASE)


SYSTEM_NAMES = _any(
    r"mailer[-_. ]?daemon", r"post[-_]?master", r"mail[-_. ]?daemon", r"mail[-_. ]deliver", r"mdaemon", r"bounce",
    r"\bdelivery (?:sub)?system\b", r"system administrator", r"mail system", r"\bndr\b", r"no-?reply.*deliver",
    r"microsoftexchange", r"mail administrator", r"-admin@",
)  # fmt: skip
"""In From."""

PROGRAM_NAMES = _any(
    r"mail", r"smtp", r"gateway", r"server", r"virus", r"admin", r"system", r"service", r"spam", r"daemon", r"notif",
    r"no-?reply", r"security", r"filter", r"scan", r"robot", r"\bbot\b", r"report", r"deliver", r"support", r"exchange",
    r"domino", r"notes", r"master", r"[_\d]",
)  # fmt: skip
"""In the name in From, if a program wrote it."""

FAILING = _any(
    # English
    r"undeliver", r"non-?deliver",
    r"not (?:be )?(?:been )?(?:deliver|sent|accepted|listed|relay|known|exact|valid|a member)",
    r"deliver\w* (?:status|fail|error|problem|report|notif)", r"fail(?:ed|ure|s)", r"unable to", r"could ?n[o'’]t",
    r"can ?not", r"can['’]t", r"(?:not|never) reach", r"return(?:ed|ing)", r"reject", r"bounce", r"unknown",
    r"invalid",
    r"no such", r"n[o'’]t exist", r"not found", r"not recogni", r"permanent", r"fatal", r"trouble", r"n[o'’]t able",
    r"refused", r"un(?:successful|available|routable)", r"not available", r"denied", r"blocked", r"is full", r"quota",
    r"expired", r"\bloop", r"duplicat", r"did not", r"\berrors?\b", r"problem", r"inactive", r"disabled",
    r"suspended",
    r"does not like", r"mail system", r"postponed", r"warning", r"delay", r"not yet",
    # German, Dutch, Nordic, Finnish
    r"nicht (?:zu|ge|er|ang|weiter)", r"unzustellbar", r"unbekannt", r"fehler", r"fehlgeschlagen", r"konnte\w* ",
    r"verzöger", r"onbestelbaar", r"niet (?:be|af|wor|ge)", r"kunde inte", r"misslyck", r"olever", r"kunne ikke",
    r"ei voitu",
    # French, Spanish, Portuguese, Italian
    r"[ée]chec", r"impossible", r"n['’]a (?:pas )?pu", r"n['’]existe", r"non (?:remis|d[ée]livr|distribu)", r"erreur",
    r"inconnu", r"rejet", r"n['’]ont", r"no (?:se |ha |pudo|puede|existe|fue)",
    r"n[ãa]o (?:foi|p[ôo]de|existe|entreg)",
    r"falh", r"fall[oó]", r"\berro", r"rechaz", r"recus", r"desconoc", r"desconhec", r"devuelt", r"devolvid",
    r"inv[áa]lid",
    r"non [èe]", r"impossibile", r"mancata", r"sconosciut", r"rifiutat", r"non (?:recapit|consegn)",
    # Slavic, Turkish
    r"не (?:может|удалось|доставл|был|найден|существ)", r"недостав", r"ошибк", r"отклон",
    r"nie (?:mo[żz]|zosta|uda|istnie)", r"niedost", r"b[łl][ąa]d", r"nelze", r"nedoru[čc]", r"iletilemedi",
    r"edilemedi",
    # Japanese, Chinese, Korean
    r"エラー", r"できません", r"できない", r"届きません", r"届け", r"失敗", r"見つかりません", r"存在しません",
    r"存在しない",
    r"配信不能", r"不達", r"宛先", r"あて先", r"戻", r"退信", r"失败", r"无法", r"無法", r"不存在", r"未能", r"拒",
    r"错误",
    r"錯誤", r"未送达", r"실패", r"오류", r"반송", r"없는", r"없습니다",
)  # fmt: skip
"""In a sentence."""

FAILING_SUBJECT = _any(
    r"undeliver", r"non-?deliver", r"deliver\w*(?: status)? (?:fail|error|problem|report|notif|has|delay)",
    r"not (?:be )?deliver",
    r"(?:mail|deliver\w*|message|send\w*)\b.{0,30}\bfail(?:ed|ure)", r"bounce", r"\bloop\b",
    r"\bfail(?:ed|ure)\b.{0,20}(?:mail|deliver|notice|message|send)",
    r"return(?:ed|ing)\b.{0,20}(?:mail|message|sender)",
    r"reject(?:ed)?\b.{0,20}(?:mail|message)", r"(?:mail|message)\b.{0,20}reject", r"\bndn\b", r"failure notice",
    r"(?:unknown|invalid|no such) (?:user|recip|addr|mail)", r"\buser unknown", r"deliver\w*.{0,20}warning",
    r"(?:unable to|could not|can ?not|can't) (?:be )?(?:deliver|send|sent)",
    r"(?:mail|transport|smtp|send\w*|message)\b.{0,20}\b(?:error|problem)", r"error sending", r"delayed", r"mail delay",
    r"warning: (?:could|message|mail)", r"not (?:be )?sent", r"could not send",
    r"unzustellbar", r"nicht zu", r"fehler", r"fehlgeschlagen", r"zustell", r"onbestelbaar", r"olever", r"kunne ikke",
    r"misslyck",
    r"[ée]chec", r"non (?:remis|distribu)", r"erreur", r"impossible", r"no se (?:pu|ha)", r"devuelt", r"devolvid",
    r"n[ãa]o (?:foi|p[ôo]de|entreg)", r"falha", r"fallo", r"no entreg", r"mancata", r"impossibile", r"errore",
    r"не доставлен", r"недостав", r"ошибк", r"niedostarcz", r"nie dostarcz", r"edilemedi",
    r"エラー", r"できません", r"失敗", r"不達", r"配信", r"戻", r"退信", r"失败", r"无法", r"無法", r"未送达",
    r"반송", r"실패",
)  # fmt: skip

FAILED_AT_END = _any(r"\((?:delivery failed|undeliverable|undelivered|non remis)\W*$")
"""Behind the subject that is returned, which may begin with `Re:`."""


DELAYED = _any(
    r"not yet been delivered", r"warning message only", r"will (?:be re-?tried|continue|keep|retry|try)\b",
    r"still (?:be(?:ing)? |trying|attempting|in )", r"(?:has been|is|was|temporarily) delayed",
    r"attempts will continue",
    r"no action is required", r"could not send message for (?:the )?past", r"do not need to resend",
    r"notification \(delay\)",
    r"delayed mail", r"postponed", r"continue to try", r"delayed:", r"message delayed",
    r"wird weiter versucht", r"verz[öo]ger", r"retard[ée]", r"se ha retrasado", r"atrasad",
    r"message frozen", r"遅延", r"再送を(?:試み|続け)", r"延迟", r"задерж",
)  # fmt: skip
"""It is still being tried."""

GIVEN_UP = _any(
    r"permanent", r"giv(?:en|ing) up", r"gave up", r"not going to try again", r"in the queue too long", r"has failed",
    r"returned to sender", r"delivery failed", r"no further (?:delivery )?attempts", r"undeliverable",
    r"retry time(?:out)? (?:not reached|exceeded)", r"has expired", r"message expired", r"cannot be delivered",
    r"will not be (?:retried|tried)", r"un?recoverable",
)  # fmt: skip

ORIGINAL_FOLLOWS = _any(
    r"\s*[-=*_|>+~]{2,}.{0,60}\b(?:original|returned|unsent|undelivered|copy of) .{0,20}"
    r"(?:message|mail|header|info|text)",
    r"\s*[-=*_|]{2,}.{0,40}message text follows",
    r"\s*[-=*_]{2,}\s*(?:urspr|message d'origine|mensaje original|mensagem original|元のメッセージ|原始邮件)",
    r"(?!.{0,80}delete)\s*.{0,50}\b(?:original|unsent|returned|undelivered|message|mail)(?: \w+){0,4}"
    r" (?:follows?|is included|is attached|below)\W*$",
    r"\s*.{0,20}\b(?:copy|part|header|headers|top|first .{1,20}) of (?:the|your) (?:original )?(?:message|mail)\b",
    r"\W*original message(?: headers)?\W*$",
)  # fmt: skip
"""A line behind which the returned message stands; to be matched at its beginning."""

CONTACT = _any(
    r"\bcontact", r"\bplease (?:e-?mail|write|send|forward|mail)", r"\bquestions?\b", r"\bhelp ?desk", r"\bsupport\b",
    r"\bassistance", r"\bfurther information", r"\breport (?:this|abuse)", r"\brequest removal", r"\bunblock",
    r"\bdelist",
    r"\badministrat(?:or|eur)\b", r"\bforward this", r"\bwenden sie", r"\bkontakt", r"お問い合わせ", r"ご連絡",
)  # fmt: skip
"""Where somebody who could help is named."""

WHO_ACTED = _any(
    r"\b(?:from|by|sender|you|von|contact)[ \t]*:?[ \t]*[(<\"']?$",
    r"\b(?:please (?:try|use)|moved to|changed to|new (?:e-?mail )?address(?: is)?)[ \t]*:?[ \t]*[(<\"']?$",
)
"""In front of the address of somebody who did something, or whom to write to from now on (RFC 5321 3.4)."""

DELIVERS = _any(
    r"deliver", r"recipient", r"address", r"reach", r"zustell", r"destinat", r"empf[äa]ng", r"宛先", r"送信"
)
"""In front of a colon and the address that failed."""

DELIVERS_TO = _any(
    r"\b(?:deliver\w*|send\w*|sent|reach\w*|forward\w*|zustell\w*|remis|livr\w*|entreg\w*|recapit\w*)\b"
    r"[^@.]{0,40}[ :<\"'(]$"
)
"""In front of the address that something was to be delivered to."""

LISTED = _any(r"(?:\bto|\ba|\bà|\ban|address(?:es|\(es\))?|recipients?|\(s\)|recipients?\(s\))[.,]?$", r"[:：。=-]$")
"""How a line ends that announces addresses."""

RECIPIENT = (
    r"(?:(?:failed|final|original|intended|invalid|unknown|undeliverable|bad|rejected|your|the|e-?mail|envelope)[ -])"
    r"{0,3}(?:recipients?(?: address(?:es)?)?|rcpt(?: to)?|address(?:es)?|user|mailbox|account|email|destinataires?"
    r"|empf[äa]nger"
    r"|destinat[aá]rios?|destinatari|宛先|あて先|受信者"
    r"|收件人)(?:\(s\)|\(es\))?"
)
"""The name of a field in a text that holds who was written to."""

SUMMARY = _any(
    r"[ \t>|*]*(?:from|to|cc|bcc|subject|date|sent|sender|message-id|reply-to|return[ -]path|received|von|an"
    r"|betreff|datum|gesendet|de|à|objet|asunto|para|assunto|enviado|送信者|件名|送信日時|mail from"
    r"|envelope[- ](?:from|sender)"
    r"|sender address|from address|orig-from|orig-to)[ \t]*[:：=]"
)
"""A line about the returned message."""

EXPANDED = _any(
    r"\(?(?:expanded from|generated (?:from|by)|forwarded (?:from|to)|ultimately generated from|expanding)\b"
)
"""In front of the address that led to the one above."""
