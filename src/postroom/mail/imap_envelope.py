"""The envelope of a mail as IMAP's FETCH ENVELOPE gives it (RFC 3501 7.4.2), made of the mail's bytes.

In the form of SuperIMAP's webhooks, which is that of Ruby's Net::IMAP: texts
stand as they are written in the header, encoded words and all, only unfolded;
what is missing is null; a group is an address without host that names it, its
members, and an address that has nothing. Nothing here fails on any bytes.
"""

import re
from collections.abc import Iterable

from postroom.mail.address_list import lexemes, unquoted
from postroom.mail.encoded_words import text_of
from postroom.mail.header import field_name, split_header

MAX_HEADER = 256 << 10
"""Octets of the header that are read: what stands behind them is not told."""
MOST_ADDRESSES = 1_000
"""Of one field; those behind them are not told."""

_TEXTS = (b"date", b"subject", b"in-reply-to", b"message-id")
_LISTS = (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc")
_NAMES = ("date", "subject", "from", "sender", "reply_to", "to", "cc", "bcc", "in_reply_to", "message_id")

_FOLD = re.compile(rb"[ \t]*[\r\n]+[ \t]*")
"""As IMAP servers give it: a fold and what stands around it is one space."""

Address = dict[str, str | None]
"""name, route, mailbox, host."""
Envelope = dict[str, str | list[Address] | None]


def envelope_of(raw: bytes) -> Envelope:
    """Return the envelope of a mail, or of its header alone.

    Where a field of texts stands twice, the first counts; lists of addresses are joined.
    """
    fields, _ = split_header(raw[:MAX_HEADER])
    return envelope_of_fields(fields)


def envelope_of_fields(header: Iterable[bytes]) -> Envelope:
    """Return the envelope of a header's raw fields."""
    texts: dict[bytes, str] = {}
    lists: dict[bytes, list[str]] = {}
    for field in header:
        name = field_name(field)
        if name in _TEXTS:
            texts.setdefault(name, _shown(field))
        elif name in _LISTS:
            lists.setdefault(name, []).append(_shown(field))
    found: Envelope = dict.fromkeys(_NAMES)
    for name, text in texts.items():
        found[_shown_name(name)] = text
    for name, values in lists.items():
        found[_shown_name(name)] = imap_addresses(", ".join(values)) or None
    # RFC 3501 7.4.2: a client does not see that these are missing.
    found["sender"] = found["sender"] or found["from"]
    found["reply_to"] = found["reply_to"] or found["from"]
    return found


def imap_addresses(text: str) -> list[Address]:
    """Return the addresses of an unfolded list in IMAP's form; groups stand in it as RFC 3501 7.4.2 says."""
    reader = _Reader()
    for lexeme in lexemes(text):
        if len(reader.found) >= MOST_ADDRESSES:
            return reader.found
        reader.take(lexeme)
    reader.end()
    return reader.found


class _Reader:
    """Collects tokens into addresses."""

    def __init__(self) -> None:
        self.found: list[Address] = []
        self._in_group = False
        self._begin()

    def _begin(self) -> None:
        self._words: list[str] = []
        """What stands outside of angle brackets, white space as one space."""
        self._inside: list[str] | None = None
        """What stands since the `<`; None outside of angle brackets."""
        self._route = ""
        self._is_complete = False
        self._comment = ""

    def take(self, lexeme: str) -> None:
        if lexeme[0] == "(":
            self._comment = lexeme[1:].strip() or self._comment
        elif self._inside is not None and not self._is_complete:
            self._take_inside(lexeme, self._inside)
        elif lexeme == "<":
            self._inside = self._inside or []
        elif lexeme == ",":
            self._end_address()
        elif lexeme == ";":
            self._end_address()
            self._end_group()
        elif lexeme == ":":
            self._begin_group()
        elif self._inside is None and lexeme != ">":
            self._words.append(" " if lexeme.isspace() else lexeme)

    def end(self) -> None:
        self._end_address()
        self._end_group()

    def _take_inside(self, lexeme: str, inside: list[str]) -> None:
        is_route = bool(inside) and inside[0] == "@"
        if lexeme == ">":
            self._is_complete = True
        elif lexeme == ":" and is_route:
            self._route = "".join(inside)
            inside.clear()
        elif lexeme in (",", ";") and not is_route:
            self.take_end(lexeme)
        elif not lexeme.isspace():
            inside.append(lexeme)

    def take_end(self, lexeme: str) -> None:
        """The angle bracket was never closed."""
        self._is_complete = True
        self.take(lexeme)

    def _begin_group(self) -> None:
        name = _phrase(self._words)
        self._end_group()
        self._begin()
        self.found.append(_address(None, "", name, None))
        self._in_group = True

    def _end_group(self) -> None:
        if self._in_group:
            self.found.append(_address(None, "", None, None))
        self._in_group = False

    def _end_address(self) -> None:
        if self._inside is not None:
            mailbox, host = _addr_spec(self._inside)
            name = _phrase(self._words) or self._comment
            self.found.append(_address(name, self._route, mailbox, host))
        elif any(word != " " for word in self._words):
            words = [word for word in self._words if word != " "]
            if "@" in words or len(words) == 1:
                mailbox, host = _addr_spec(words)
                self.found.append(_address(self._comment, "", mailbox, host))
            else:
                # A name and no address.
                self.found.append(_address(_phrase(self._words), "", "", ""))
        self._begin()


def _address(name: str | None, route: str, mailbox: str | None, host: str | None) -> Address:
    return {"name": name or None, "route": route or None, "mailbox": mailbox, "host": host}


def _addr_spec(tokens: list[str]) -> tuple[str, str]:
    """Return local-part, its quotes taken off, and domain; empty what is missing."""
    at = len(tokens) - 1 - tokens[::-1].index("@") if "@" in tokens else len(tokens)
    return "".join(map(_plain, tokens[:at])), "".join(tokens[at + 1 :])


def _phrase(words: list[str]) -> str:
    return "".join(map(_plain, words)).strip()


def _plain(token: str) -> str:
    return unquoted(token) if token.startswith('"') else token


def _shown(field: bytes) -> str:
    value = _FOLD.sub(b" ", field.partition(b":")[2]).strip(b" \t\r\n")
    # NUL is what no database keeps in a text.
    return text_of(value).replace("\0", "\ufffd")


def _shown_name(name: bytes) -> str:
    return name.decode().replace("-", "_")
