"""Addresses in header fields: From, To, Cc, Reply-To (RFC 5322 3.4, RFC 2047 5, RFC 6532).

Reading is tolerant: groups are opened, comments dropped, obsolete forms and
common mistakes understood, and the time grows with the length only. Writing is
strict.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from postroom.base.errors import WrongInput
from postroom.mail.address import check_address, domain_to_a_labels, domain_to_u_labels, is_dot_atom, quote
from postroom.mail.encoded_words import decode_words, encode_words, text_of

# Each alternative takes what it can and never fails after its first letter, so nothing is read twice.
_LEXEME = re.compile(r'"(?:[^"\\]|\\.)*"?|\[[^\[\]]*\]?|[()<>,;:@]|[ \t\r\n]+|[^"\[()<>,;:@ \t\r\n]+', re.DOTALL)
_COMMENT = re.compile(r"[^()\\]+|\\.?|[()]", re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_API_MAILBOX = re.compile(r"\s*(.*?)\s*<([^<>]*)>\s*", re.DOTALL)
_QUOTED_NAME = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SEVERAL = re.compile(r"@[^@,;]*[,;]")
"""Outside of quotes: an address with something behind it."""
_FIELD_NAME_ROOM = len("Reply-To: ")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A person named in a header field."""

    address: str
    """As written, without comments and white space; may be no valid address when it was read from a mail."""
    name: str = ""
    """Display name, decoded; empty where there is none."""


def parse_address_list(value: bytes | str) -> list[Mailbox]:
    """Return the mailboxes of an address list field in their order. Any bytes are allowed."""
    reader = _Reader()
    for lexeme in lexemes(text_of(value) if isinstance(value, bytes) else value):
        reader.take(lexeme)
    reader.end_mailbox()
    return reader.found


def parse_mailbox(text: str, *, field: str) -> Mailbox:
    """Return `ada@example.com` or `Ada Lovelace <ada@example.com>` from the API, checked.

    Raises WrongInput for `field` with the remedy.
    """
    match = _API_MAILBOX.fullmatch(text) if text.rstrip().endswith(">") else None
    name = match[1] if match is not None else ""
    is_quoted = _QUOTED_NAME.fullmatch(name) is not None
    if not is_quoted and ("<" in name or _SEVERAL.search(name or text)):
        # Taken as a name, the other addresses would silently get nothing.
        raise WrongInput(field, f"{text[:80]!r} holds several addresses: write each as an item of its own in a list")
    if match is None:
        return Mailbox(check_address(text, field=field))
    if is_quoted:
        name = _QUOTED_PAIR.sub(r"\1", name[1:-1])
    return Mailbox(check_address(match[2], field=field), check_name(name, field=field))


def check_name(name: str, *, field: str) -> str:
    """Return a display name from the API, or raise WrongInput for `field` where it has control characters."""
    if any(letter < " " or letter == "\x7f" for letter in name):
        raise WrongInput(field, f"the display name {name[:80]!r} has a line end or control character: take it out")
    return name


def format_mailbox(mailbox: Mailbox) -> str:
    """Return a checked mailbox as a header field shows it; not ASCII only where its local-part is not (RFC 6532).

    The domain is written as A-labels beside an ASCII local-part, so that old servers understand it.
    """
    address = header_address(mailbox.address)
    name = " ".join(mailbox.name.split())
    if not name:
        return address
    if not name.isascii() or not name.isprintable() or "=?" in name or any(len(word) > 70 for word in name.split(" ")):
        name = " ".join(encode_words(name, taken=_FIELD_NAME_ROOM))
    elif not _PLAIN_NAME.fullmatch(name):
        name = quote(name)
    return f"{name} <{address}>"


def header_address(address: str) -> str:
    """Return a checked address with the domain as A-labels, or as U-labels beside a local-part that is not ASCII."""
    local_part, _, domain = address.rpartition("@")
    if domain.startswith("["):
        return address
    return f"{local_part}@{domain_to_a_labels(domain) if local_part.isascii() else domain_to_u_labels(domain)}"


def lexemes(text: str) -> Iterator[str]:
    """Yield the lexical tokens of an address list (RFC 5322 3.2); a whole comment is one that begins with `(`."""
    at = 0
    while at < len(text):
        match = _LEXEME.match(text, at)
        if match is None:
            return
        at = match.end()
        if match[0] != "(":
            yield match[0]
            continue
        depth, start = 1, at
        while depth and at < len(text):
            piece = _COMMENT.match(text, at)
            if piece is None:
                break
            at = piece.end()
            depth += {"(": 1, ")": -1}.get(piece[0], 0)
        yield "(" + text[start : at - (depth == 0)]


def unquoted(token: str) -> str:
    """Return what a quoted string says (RFC 5322 3.2.4); its end may be missing."""
    inside = token[1:-1] if len(token) > 1 and token.endswith('"') else token[1:]
    return _QUOTED_PAIR.sub(r"\1", inside)


class _Reader:
    """Collects tokens into mailboxes."""

    def __init__(self) -> None:
        self.found: list[Mailbox] = []
        self._words: list[str] = []
        """Display name or bare address: tokens with the white space between them."""
        self._inside: list[str] | None = None
        """Tokens since the `<`; None outside of angle brackets."""
        self._address: str | None = None
        self._comment = ""

    def take(self, lexeme: str) -> None:
        if lexeme[0] == "(":
            self._comment = self._comment or lexeme[1:]
        elif self._inside is not None:
            self._take_inside(lexeme, self._inside)
        elif lexeme == "<":
            if self._address is not None:
                self.end_mailbox()  # the comma is missing; whom a reader would show is not known
            self._inside = []
        elif lexeme in (",", ";"):
            self.end_mailbox()
        elif lexeme == ":":
            # The name of a group; its members follow.
            self._words.clear()
        elif lexeme != ">":
            self._words.append(lexeme)

    def _take_inside(self, lexeme: str, inside: list[str]) -> None:
        if lexeme == ">":
            self._address = _addr_spec(inside)
            self._inside = None
        elif lexeme == ":" and inside and inside[0] == "@":
            inside.clear()  # a source route (RFC 5322 4.4)
        elif lexeme in (",", ";") and not (inside and inside[0] == "@"):
            self.end_mailbox()
        elif not lexeme.isspace():
            inside.append(lexeme)

    def end_mailbox(self) -> None:
        if self._inside is not None and self._address is None:
            self._address = _addr_spec(self._inside)
        if self._address is not None:
            name = _phrase(self._words)
            address = self._address
        else:
            address = _addr_spec([word for word in self._words if not word.isspace()])
            name = decode_words(self._comment).strip()
            if "@" not in address:
                address, name = "", _phrase(self._words)
        if address or name:
            self.found.append(Mailbox(address, name))
        self._words, self._inside, self._address, self._comment = [], None, None, ""


def _phrase(words: list[str]) -> str:
    plain = (unquoted(word) if word.startswith('"') else word for word in words)
    return " ".join(decode_words("".join(plain)).split())


def _addr_spec(tokens: list[str]) -> str:
    """Join the tokens of an address; quotes that say nothing go."""
    joined = []
    for token in tokens:
        plain = unquoted(token) if token.startswith('"') else token
        joined.append(plain if plain and is_dot_atom(plain) else token)
    return "".join(joined)
