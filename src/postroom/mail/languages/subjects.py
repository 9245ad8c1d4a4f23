"""What stands in front of the subject of an answer or of a mail that is sent on."""

ANSWER = (
    "re", "r", "ré", "rép", "réf", "aw", "antw", "antwort", "antwoord", "sv", "svar", "vs", "vastaus", "rif", "ref", "odp",
    "odpowiedź", "ynt", "yanıt", "cevap", "απ", "σχετ", "atb", "ats", "vá", "válasz", "ha", "bls", "balas", "res", "resp",
    "risp", "rsp", "отв", "ответ", "відп", "на", "rép.", "tr re", "回复", "答复", "回覆", "答覆", "回復", "返信", "회신", "답장",
    "trả lời", "תגובה", "השב", "رد", "ตอบ", "ตอบกลับ", "resposta", "respuesta", "réponse", "risposta", "răspuns", "odgovor",
)  # fmt: skip
FORWARD = (
    "fw", "fwd", "wg", "tr", "rv", "i", "inoltro", "enc", "vb", "vl", "doorst", "pd", "pr", "ilt", "πρθ", "továbbítás", "vidbf",
    "videresendt", "пересл", "转发", "轉寄", "轉發", "転送", "전달", "chuyển tiếp", "הועבר", "إعادة توجيه", "trs", "fs",
)  # fmt: skip
