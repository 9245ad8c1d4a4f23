"""xtext, ORCPT and ENVID: addresses and ids inside SMTP parameters (RFC 3461 4, RFC 6533 3)."""

import re

_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_HEX = re.compile(r"\+([0-9A-F]{2})")
_UTF8_HEX = re.compile(r"\\x\{(0*[0-9A-Fa-f]{2,6})\}")
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9-]{1,32}")


def is_xtext(text: str) -> bool:
    """Tell whether `text` is well-formed xtext."""
    return _XTEXT.fullmatch(text) is not None


def decode_xtext(text: str) -> str:
    """Return what xtext says; text that is no xtext, or says what is no printable ASCII, comes back as it is."""
    if not is_xtext(text):
        return text
    decoded = _HEX.sub(lambda match: chr(int(match[1], 16)), text)
    return decoded if decoded.isascii() and decoded.isprintable() else text


def decode_orcpt(text: str) -> tuple[str, str]:
    """Return address type and decoded address of a well-formed ORCPT value, both printable.

    The address is not ASCII only where the type is `utf-8`.
    """
    address_type, _, address = text.partition(";")
    if address_type.lower() != "utf-8":
        return address_type, decode_xtext(address)
    decoded = _UTF8_HEX.sub(_letter, address)
    return address_type, decoded if decoded.isprintable() else address


def _letter(match: re.Match[str]) -> str:
    number = int(match[1], 16)
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else match[0]
