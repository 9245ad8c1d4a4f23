"""How people begin, fill and close letters: what tells one that copies a bounce from the bounce itself."""

import re

_GREETINGS = (
    "hi", "hello", "hey", "dear", "good morning", "good day", "good afternoon", "good evening", "hallo", "guten tag", "guten morgen",
    "guten abend", "liebe", "lieber", "liebes", "sehr geehrte", "moin", "servus", "bonjour", "salut", "cher", "chère", "madame", "monsieur",
    "hola", "buenos días", "buenas tardes", "buenas", "estimado", "estimada", "estimados", "querido", "querida", "olá", "prezado", "prezada",
    "prezados", "bom dia", "boa tarde", "ciao", "buongiorno", "buonasera", "salve", "gentile", "egregio", "beste", "geachte", "goedendag",
    "goedemorgen", "goedemiddag", "hej", "hei", "dzień dobry", "cześć", "witam", "szanowni", "szanowna", "dobrý den", "ahoj", "здравствуйте",
    "добрый день", "добрый вечер", "доброе утро", "привет", "уважаемые", "уважаемый", "доброго дня", "вітаю", "kedves", "bună ziua",
    "merhaba", "您好", "你好", "お世話になって", "いつもお世話", "안녕하세요",
)  # fmt: skip
_CLOSINGS = (
    "thanks", "thank you", "thx", "cheers", "regards", "kind regards", "best regards", "warm regards", "best wishes", "sincerely", "yours",
    "danke", "vielen dank", "viele grüße", "liebe grüße", "mit freundlichen grüßen", "mfg", "lg", "merci", "cordialement", "bien à vous",
    "gracias", "saludos", "un saludo", "atentamente", "obrigado", "obrigada", "atenciosamente", "abraços", "grazie", "cordiali saluti",
    "distinti saluti", "bedankt", "groet", "groeten", "met vriendelijke groet", "pozdrawiam", "dziękuję", "děkuji", "s pozdravem",
    "спасибо", "с уважением", "дякую", "tack", "tak", "takk", "kiitos", "köszönöm", "mulțumesc", "teşekkürler", "谢谢", "謝謝", "감사합니다",
    "よろしくお願い",
)  # fmt: skip
_SENTENCES = (
    r"[?\uff1f]$", r"^fyi\b", r"^(?:yesterday|today)\b",
    r"\b(?:please help|can you (?:help|check|look|tell)|could you|what (?:does|is|can|should)|do you (?:know|have))\b",
    r"\bi (?:just )?(?:got|get|received|receive|wrote|sent|tried|see|keep)\b",
    r"\b(?:mail|e-?mail|message|newsletter)s?\b.{0,40}\b(?:that )?i (?:sen[dt]|wr[io]te)\b",
    r"\b(?:ich (?:habe|bekomme|erhalte|bekam|erhielt)|können (?:sie|ihr) (?:mir|bitte|das))\b", r"\bj'ai (?:reçu|envoyé)\b",
    r"\b(?:he recibido|he enviado|recebi|enviei|ho ricevuto|ho inviato|ik kreeg|ik heb|dostałem|dostałam|я получил|мне пришло)\b",
)  # fmt: skip
LETTER = re.compile(
    "|".join(
        (
            rf"^(?:{'|'.join(map(re.escape, (*_GREETINGS, *_CLOSINGS)))})(?!\w)[^.:]{{0,50}}[,!.]?$",
            *_SENTENCES,
        )
    ),
    re.IGNORECASE,
)
"""On a line of a letter. Servers are polite too, so this is asked only of mail that has no sign of a machine."""
