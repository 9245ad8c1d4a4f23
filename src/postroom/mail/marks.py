"""Marks of ours that a mail carries back: machine addresses, our own header fields, tracked links. Not yet checked.

Anybody can write such a mark; the caller checks the token with the ring of
keys. Of a report, those of the returned message count, since that is what the
report is about; links come last, since a quotation of an old mail has them too.
"""

import re
from collections.abc import Iterator

from postroom.base.tokens import TokenKind
from postroom.mail.encoded_words import text_of
from postroom.mail.message_id import find_message_ids
from postroom.mail.reading import decoded
from postroom.mail.received import Fields, Received
from postroom.mail.verdict import Mark

MOST = 50

_LETTERS = {
    "b": TokenKind.BOUNCE,
    "r": TokenKind.REPLY,
    "u": TokenKind.UNSUBSCRIBE_MAIL,
    "f": TokenKind.FEEDBACK,
}
_PATHS = {b"c": TokenKind.CLICK, b"o": TokenKind.OPEN, b"u": TokenKind.UNSUBSCRIBE}
_TOKEN = re.compile(r"[a-z2-7]{32}", re.IGNORECASE)
_ADDRESS = re.compile(r"(?<![A-Za-z0-9._+-])([brfu])-([a-z2-7]{32})@", re.IGNORECASE)
# Tokens of links have 27 letters and more with the position; a quoted-printable text breaks its lines with `=`.
_LINK = re.compile(rb"/([cou])/([A-Za-z0-9_-]{27,36})(?![A-Za-z0-9_-])")
_SOFT_BREAK = re.compile(rb"=[ \t]*\r?\n")
_RETURNED = ("Return-Path", "X-Postroom-Id", "CFBL-Feedback-ID", "Reply-To", "CFBL-Address", "List-Unsubscribe")
_REPORTS = frozenset({b"message/feedback-report", b"message/delivery-status", b"message/global-delivery-status"})
_MOST_OF_REPORT = 20_000
_OWN = ("To", "Delivered-To", "X-Original-To", "Cc", "X-Postroom-Id", "CFBL-Feedback-ID")


def marks_of(mail: Received) -> tuple[Mark, ...]:
    """Return the marks that a mail carries, the most trustworthy first, each token once."""
    found: dict[tuple[TokenKind, str], Mark] = {}
    for mark in _all(mail):
        found.setdefault((mark.kind, mark.text), mark)
        if len(found) >= MOST:
            break
    return tuple(found.values())


def answers_of(mail: Received) -> tuple[str, ...]:
    """Return the Message-IDs that a mail answers or returns, the nearest first."""
    values = [mail.returned.raw("message-id"), mail.header.raw("in-reply-to")]
    found = [message_id for value in values for message_id in find_message_ids(value)]
    found += reversed(find_message_ids(mail.header.raw("references")))
    return tuple(dict.fromkeys(found))[:MOST]


def _all(mail: Received) -> Iterator[Mark]:
    yield from _of_header(mail.returned, _RETURNED)
    yield from _of_header(mail.header, _OWN)
    yield from _reverse_paths(mail)
    for letter, token in _ADDRESS.findall(mail.body):
        yield Mark(_LETTERS[letter.lower()], token.lower(), "text")
    if mail.returned_raw:
        yield from _links(Received(mail.returned_raw))
    yield from _links(mail)


def _of_header(header: Fields, names: tuple[str, ...]) -> Iterator[Mark]:
    for name in names:
        for value in header.values(name.lower()):
            for letter, token in _ADDRESS.findall(value):
                yield Mark(_LETTERS[letter.lower()], token.lower(), name)
            if name in ("X-Postroom-Id", "CFBL-Feedback-ID") and (told := _TOKEN.fullmatch(value)):
                yield Mark(TokenKind.FEEDBACK, told[0].lower(), name)


def _reverse_paths(mail: Received) -> Iterator[Mark]:
    """Original-Mail-From of RFC 5965 3.2, X-Postfix-Sender: all that is left of a report that returns no header."""
    for number, part in enumerate(mail.parts):
        if part.is_leaf and part.media_type in _REPORTS:
            for letter, token in _ADDRESS.findall(mail.text(number, _MOST_OF_REPORT)):
                if letter in "bB":
                    yield Mark(TokenKind.BOUNCE, token.lower(), "report")


def _links(mail: Received) -> Iterator[Mark]:
    for part in mail.parts:
        if part.is_leaf and part.media_type in (b"text/html", b"text/plain"):
            content = decoded(mail.raw, part._replace(end=min(part.end, part.start + _MOST_OF_TEXT)))
            # The text of a message that stands in a text keeps its encoding.
            for path, token in _LINK.findall(_SOFT_BREAK.sub(b"", content)):
                yield Mark(_PATHS[path], text_of(token), "link")


_MOST_OF_TEXT = 256 << 10
