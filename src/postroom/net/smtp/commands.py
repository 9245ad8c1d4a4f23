"""Command lines: MAIL, RCPT and BDAT with their parameters, as values.

RFC 5321 4.1.1 (MAIL, RCPT), 1870 (SIZE), 6152 (BODY), 6531 (SMTPUTF8), 3461 (DSN),
4954 5 (AUTH=), 3030 (BDAT). A reader returns what the command says or the reply that refuses it.
Source routes are read over, as RFC 5321 3.3 and appendix C allow.
"""

import re
from dataclasses import dataclass

from postroom.mail.envelope import DEFAULT_NOTIFY, BodyType, Envelope, EnvelopeRecipient, Notify
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp import replies

MAX_PATH_BYTES = 256
"""RFC 5321 4.5.3.1.3, with the angle brackets."""

_MAX_ENVID = 100  # RFC 3461 4.4
_MAX_ORIGINAL = 500  # RFC 3461 4.2

_PATH = r'<(?:@[^\s:<>"]+:)?((?:"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*"@)?[^\s<>"\x00-\x1f\x7f]*)>'
_MAIL = re.compile(rf"FROM:[ ]*{_PATH}(?: +(.*))?", re.IGNORECASE)
_RCPT = re.compile(rf"TO:[ ]*{_PATH}(?: +(.*))?", re.IGNORECASE)
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^=\s\x00-\x1f\x7f]+))?")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_XTEXT_HEX = re.compile(r"\+([0-9A-F]{2})")
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9-]+")
# RFC 6533 3: utf-8-addr-xtext and utf-8-addr-unitext.
_UTF8_ADDRESS = re.compile(r"(?:[!-*,-<>-\[\]-~]|[^\x00-\x7f]|\\x\{[0-9A-F]{2,6}\})+")
_CHUNK = re.compile(r"([0-9]{1,20})(?: +(LAST))? *", re.IGNORECASE)

_NOTIFY_WORDS = {"SUCCESS": Notify.SUCCESS, "FAILURE": Notify.FAILURE, "DELAY": Notify.DELAY}


@dataclass(frozen=True, slots=True)
class MailCommand:
    """MAIL: an envelope without recipients yet."""

    envelope: Envelope
    size_bytes: int | None
    """SIZE as the client declares it (RFC 1870 6), or None."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """BDAT: the octets that follow and whether they are the last."""

    size_bytes: int
    last: bool


def read_mail(argument: str) -> MailCommand | SmtpReply:
    """Return what stands behind `MAIL `."""
    match = _MAIL.fullmatch(argument.rstrip())
    if match is None:
        return SmtpReply(501, "5.1.7", "syntax: MAIL FROM:<address> [parameters]")
    path = match[1]
    if _too_long(path):
        return SmtpReply(501, "5.1.7", "reverse-path too long")
    if match[2] is None:
        return MailCommand(Envelope(path, ()), None) if path.isascii() else replies.NON_ASCII
    parameters = _parameters(match[2])
    if isinstance(parameters, SmtpReply):
        return parameters
    return _mail_with(path, parameters)


def read_rcpt(argument: str, *, smtputf8: bool) -> EnvelopeRecipient | SmtpReply:
    """Return what stands behind `RCPT `; `smtputf8` is that of the MAIL before."""
    match = _RCPT.fullmatch(argument.rstrip())
    if match is None or not match[1]:
        return SmtpReply(501, "5.1.3", "syntax: RCPT TO:<address> [parameters]")
    path = match[1]
    if _too_long(path):
        return SmtpReply(501, "5.1.3", "forward-path too long")
    if not smtputf8 and not argument.isascii():
        return replies.NON_ASCII
    if match[2] is None:
        return EnvelopeRecipient(path)
    parameters = _parameters(match[2])
    if isinstance(parameters, SmtpReply):
        return parameters
    return _rcpt_with(path, parameters, smtputf8)


def read_chunk(argument: str) -> Chunk | None:
    """Return what stands behind `BDAT `, or None where it cannot be read."""
    match = _CHUNK.fullmatch(argument)
    return None if match is None else Chunk(int(match[1]), match[2] is not None)


def _mail_with(path: str, parameters: dict[str, str | None]) -> MailCommand | SmtpReply:
    smtputf8 = "SMTPUTF8" in parameters
    body, ret, envid, size = BodyType.SEVEN_BIT, None, None, None
    for keyword, value in parameters.items():
        match keyword, value:
            case "SIZE", str() if value.isascii() and value.isdigit() and len(value) <= 20:
                size = int(value)
            case "BODY", str() if value.upper() in ("7BIT", "8BITMIME"):
                body = BodyType(value.upper())
            case "SMTPUTF8", None:
                pass
            case "RET", str() if value.upper() in ("FULL", "HDRS"):
                ret = value.upper()
            case "ENVID", str() if len(value) <= _MAX_ENVID and _printable_xtext(value):
                envid = value
            case "AUTH", str() if value == "<>" or _XTEXT.fullmatch(value):
                pass  # RFC 4954 5: nobody here is trusted to assert another submitter, so it is not kept
            case "SIZE" | "BODY" | "SMTPUTF8" | "RET" | "ENVID" | "AUTH", _:
                return _bad_value(keyword)
            case _:
                return _unknown(keyword)
    if not smtputf8 and not path.isascii():
        return replies.NON_ASCII
    return MailCommand(Envelope(path, (), body, smtputf8, ret, envid), size)


def _rcpt_with(path: str, parameters: dict[str, str | None], smtputf8: bool) -> EnvelopeRecipient | SmtpReply:
    notify: Notify | None = DEFAULT_NOTIFY
    original = None
    for keyword, value in parameters.items():
        match keyword, value:
            case "NOTIFY", str():
                notify = _notify(value)
                if notify is None:
                    return _bad_value(keyword)
            case "ORCPT", str() if _is_original(value, smtputf8):
                original = value
            case "NOTIFY" | "ORCPT", _:
                return _bad_value(keyword)
            case _:
                return _unknown(keyword)
    return EnvelopeRecipient(path, notify if notify is not None else DEFAULT_NOTIFY, original)


def _parameters(text: str) -> dict[str, str | None] | SmtpReply:
    found: dict[str, str | None] = {}
    for word in text.split():
        match = _PARAMETER.fullmatch(word)
        if match is None:
            return SmtpReply(501, "5.5.4", "a parameter is KEYWORD or KEYWORD=value")
        keyword = match[1].upper()
        if keyword in found:
            return SmtpReply(501, "5.5.4", f"{keyword} is given twice")
        found[keyword] = match[2]
    return found


def _notify(value: str) -> Notify | None:
    words = value.upper().split(",")
    if words == ["NEVER"]:
        return Notify.NEVER
    notify = Notify.NEVER
    for word in words:
        flag = _NOTIFY_WORDS.get(word)
        if flag is None:
            return None
        notify |= flag
    return notify


def _is_original(value: str, smtputf8: bool) -> bool:
    kind, _, address = value.partition(";")
    if len(value) > _MAX_ORIGINAL or not address or not _ADDRESS_TYPE.fullmatch(kind):
        return False
    if kind.lower() == "utf-8":
        return (smtputf8 or address.isascii()) and _UTF8_ADDRESS.fullmatch(address) is not None
    return _printable_xtext(address)


def _printable_xtext(value: str) -> bool:
    """RFC 3461 4.2 and 4.4: decoded, it is printable US-ASCII."""
    if _XTEXT.fullmatch(value) is None:
        return False
    return all(0x20 <= int(code, 16) <= 0x7E for code in _XTEXT_HEX.findall(value))


def _too_long(path: str) -> bool:
    return len(path) > MAX_PATH_BYTES // 4 and len(path.encode("utf-8", "surrogatepass")) + 2 > MAX_PATH_BYTES


def _bad_value(keyword: str) -> SmtpReply:
    return SmtpReply(501, "5.5.4", f"bad value of {keyword}")


def _unknown(keyword: str) -> SmtpReply:
    return SmtpReply(555, "5.5.4", f"parameter {keyword} not recognised")
