"""The Authentication-Results field: write ours, and know whose another one is (RFC 8601 2).

What is written comes in part from strangers (HELO, domains of signatures), so
every value is quoted where it is no plain word. What others found is not read: we look ourselves.
"""

import re
from collections.abc import Iterator

from postroom.mail.authentication import DkimVerdict, Result, Verdicts
from postroom.mail.header import field_body

_WORD = re.compile(r"[A-Za-z0-9._+!#$&*~^{}|%-]+(?:@[A-Za-z0-9._-]+)?")
_UNPRINTABLE = re.compile(r"[^ -~]")
_LONGEST_VALUE = 255
_MOST_OCTETS = 16_384
"""Of a field that is read; what stands behind is not ours to understand."""
_LEXEME = re.compile(r'"((?:[^"\\]|\\.)*)"?|([;=/()])|(\\.)|[ \t\r\n]+|([^";=/()\\ \t\r\n]+)', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


def field(verdicts: Verdicts, authserv_id: str) -> bytes:
    """Return the whole field with its CRLF. `authserv_id` is our host name, lower-case A-labels."""
    return b"Authentication-Results: " + field_text(verdicts, authserv_id) + b"\r\n"


def field_text(verdicts: Verdicts, authserv_id: str) -> bytes:
    """Return the body of the field, folded, without a line end: what ARC-Authentication-Results repeats."""
    return ";\r\n ".join((authserv_id, *_results(verdicts))).encode("ascii", "replace")


def authserv_id_of(raw_field: bytes) -> str:
    """Return in lower case who wrote an Authentication-Results field; empty where that cannot be read."""
    return next((word.lower() for word in _words(raw_field)), "")


def claims_to_be(raw_field: bytes, authserv_id: str) -> bool:
    """Tell whether anybody could take an Authentication-Results field for one that `authserv_id` wrote.

    Of a field that readers may understand in several ways it is enough that the name stands somewhere in it.
    """
    text, ours = field_body(raw_field).decode("utf-8", "replace").lower(), authserv_id.lower()
    named = authserv_id_of(raw_field).rstrip(".")
    if not named or "\\" in text or text.count("(") != text.count(")"):
        return ours in text
    return named == ours


def _results(verdicts: Verdicts) -> Iterator[str]:
    spf = verdicts.spf
    identity = "helo" if spf.is_helo else "mailfrom"
    yield f"spf={spf.result}{_reason(spf.reason)}" + (f" smtp.{identity}={_value(spf.domain)}" if spf.domain else "")
    for dkim in verdicts.dkim or (DkimVerdict(Result.NONE),):
        named = (("d", dkim.domain), ("s", dkim.selector), ("a", dkim.algorithm), ("b", dkim.signature))
        properties = "".join(f" header.{name}={_value(value)}" for name, value in named if value)
        yield f"dkim={dkim.result}{_reason(dkim.reason)}{properties}"
    dmarc = verdicts.dmarc
    shown = f" (p={dmarc.policy} dis={dmarc.disposition})" if dmarc.result in (Result.PASS, Result.FAIL) else ""
    author = f" header.from={_value(dmarc.domain)}" if dmarc.domain else ""
    yield f"dmarc={dmarc.result}{shown}{_reason(dmarc.reason)}{author}"
    arc = verdicts.arc
    if arc.result is not Result.NONE:
        yield f"arc={arc.result} (i={arc.instance}){_reason(arc.reason)}"


def _reason(text: str) -> str:
    return f" reason={_quoted(text)}" if text else ""


def _value(text: str) -> str:
    return text if _WORD.fullmatch(text) and len(text) <= _LONGEST_VALUE else _quoted(text)


def _quoted(text: str) -> str:
    plain = _UNPRINTABLE.sub("?", text[:_LONGEST_VALUE])
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _words(raw_field: bytes) -> Iterator[str]:
    """Yield what stands outside comments, which nest."""
    depth = 0
    for match in _LEXEME.finditer(field_body(raw_field)[:_MOST_OCTETS].decode("utf-8", "replace")):
        quoted, mark, _, word = match.groups()
        if mark == "(":
            depth += 1
        elif mark == ")":
            depth = max(depth - 1, 0)
        elif depth == 0 and quoted is not None:
            yield _QUOTED_PAIR.sub(r"\1", quoted)
        elif depth == 0 and word:
            yield word
