"""Machine-readable reports: the fields of message/delivery-status (RFC 3464 2, RFC 6533 4 for addresses beyond ASCII).

Only the outermost report of a mail is read. Where several fields name a
recipient, the original one is taken, since that is what the author wrote; of
what is no address (`@host`, `|program`, a file) nothing is taken.
"""

import re

from postroom.mail.bounce_formats.named import MAX_RECIPIENTS, Named, clean_address
from postroom.mail.encoded_words import decode_words
from postroom.mail.received import MAX_STATUS, Received
from postroom.mail.xtext import decode_orcpt, decode_xtext

_TYPES = (b"message/delivery-status", b"message/global-delivery-status")

_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]{1,40})[ \t]*:[ \t]*(.*)")
_STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_CODE = re.compile(r"(?<![\d.])([45]\d\d)(?![\d.])")
_ERROR_TEXT = re.compile(r'"?[245]\d\d ')
"""sendmail makes a recipient of what is wrong with an address that has no form: `"553 Invalid route address"@host`."""
_UNQUOTED = re.compile(r"<?([^\s@<>\"(),:;\\]+(?: [^\s@<>\"(),:;\\]+){1,8})@([^\s@<>]+)>?")

Block = dict[str, str]
"""Fields of one group: names in lower case, the first of each name."""


def read_status(mail: Received) -> list[Named]:
    """Return the recipients of the outermost report, in their order; empty where there is none."""
    named: list[Named] = []
    for media_type in _TYPES:
        for number in mail.leaves(media_type):
            named += read_blocks(mail.text(number, MAX_STATUS))
    return named


def read_blocks(text: str) -> list[Named]:
    """Return the recipients that the fields of a status text name."""
    named: list[Named] = []
    for block in _blocks(text):
        if len(named) >= MAX_RECIPIENTS:
            break
        if (found := _recipient(block)) is not None:
            named.append(found)
    return named


def _blocks(text: str) -> list[Block]:
    """Cut the text into groups at its empty lines; a second recipient in one group begins a group of its own."""
    blocks: list[Block] = []
    block: Block = {}
    last = ""
    for line in text.split("\n"):
        if not line.strip():
            if block:
                blocks.append(block)
            block, last = {}, ""
            continue
        if line[0] in " \t" and last:
            block[last] = f"{block[last]} {line.strip()}"[:8_000]
            continue
        field = _FIELD.match(line.strip())
        if field is None:
            # Some servers forget to fold.
            if last == "diagnostic-code":
                block[last] = f"{block[last]} {line.strip()}"[:8_000]
            continue
        name = field[1].lower()
        if name in block and name in ("final-recipient", "original-recipient"):
            blocks.append(block)
            block = {}
        last = name if name not in block else ""
        block.setdefault(name, field[2].strip())
    if block:
        blocks.append(block)
    return blocks


def _recipient(block: Block) -> Named | None:
    names = ("original-recipient", "final-recipient", "x-actual-recipient")
    if not any(name in block for name in names):
        return None
    address = next((found for name in names if (found := _address(block.get(name, "")))), "")
    if _ERROR_TEXT.match(address):
        return None
    if not address:
        return None
    diagnostic = decode_words(block.get("diagnostic-code", ""))
    kind, semicolon, text = diagnostic.partition(";")
    # The number that a program ended with says nothing without its kind.
    if semicolon and " " not in kind.strip() and kind.strip().lower() != "x-unix":
        diagnostic = text.strip()
    code = _CODE.search(diagnostic[:40])
    return Named(
        address,
        (diagnostic,) if diagnostic else (),
        block.get("action", "").partition("(")[0].strip().lower(),
        status_of(block.get("status", "")),
        int(code[1]) if code else None,
        block.get("remote-mta", "").partition(";")[2].strip(),
        family="rfc3464",
        final=_address(block.get("final-recipient", "")),
    )


def status_of(value: str) -> str:
    """Return the enhanced status code in a field's value, or nothing."""
    found = _STATUS.search(value)
    return found[1] if found else ""


def _address(value: str) -> str:
    """Return the address of a recipient field: `rfc822; user@example.org` and its variations."""
    kind, semicolon, rest = value.partition(";")
    if not semicolon:
        return clean_address(value)
    kind, rest = kind.strip().lower(), rest.strip()
    text = decode_orcpt(f"utf-8;{rest}")[1] if kind == "utf-8" else decode_xtext(rest)
    if kind == "rfc822" and (bare := _UNQUOTED.fullmatch(text)):
        # Some servers take the quotes off and forget to put them back (RFC 5321 4.1.2).
        text = f'"{bare[1]}"@{bare[2]}'
    return clean_address(text)
