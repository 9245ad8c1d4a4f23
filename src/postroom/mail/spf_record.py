"""SPF records: what a domain says about who may use it in the envelope (RFC 7208 4.6, 5, 6, 7).

Pure: text in, values out. Who looks records up and decides is `inbound.spf`. A
record is read whole before anything of it counts: an error anywhere makes all of
it void (RFC 7208 4.6).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import quote

from postroom.mail.authentication import Result

_VERSION = re.compile(r"v=spf1(?: |\Z)", re.IGNORECASE)
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9._-]*)=(.*)", re.DOTALL)
_DIRECTIVE = re.compile(r"([-+?~]?)([A-Za-z0-9]+)([:/].*)?", re.DOTALL)
_HOST = re.compile(r"(:.*?)?(?:/(0|[1-9]\d?))?(?://(0|[1-9]\d{0,2}))?", re.ASCII | re.DOTALL)
_MACRO = re.compile(r"%\{([A-Za-z])(\d*)([rR]?)([-.+,/_=]*)\}|%([%_-])|([^%]+)", re.ASCII)
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_LETTERS = frozenset("slodiphv")
_EXPLANATION_LETTERS = frozenset("crt")
"""RFC 7208 7.2: only in explanations."""
_ESCAPES = {"%": "%", "_": " ", "-": "%20"}
_LONGEST_RECORD = 8_192
"""Characters. RFC 7208 3.4 asks for records below 512; what is far longer is there to keep us busy."""
_LONGEST_NAME = 253
"""RFC 7208 7.3: a name of more octets loses labels from the left."""


class SpfSyntaxError(ValueError):
    """The record cannot be read. `str()` says where, for the log and Authentication-Results."""


_QUALIFIERS = {
    "": Result.PASS,
    "+": Result.PASS,
    "-": Result.FAIL,
    "~": Result.SOFTFAIL,
    "?": Result.NEUTRAL,
}


class Mechanism(StrEnum):
    """What a directive looks at."""

    ALL = "all"
    INCLUDE = "include"
    A = "a"
    MX = "mx"
    PTR = "ptr"
    IP4 = "ip4"
    IP6 = "ip6"
    EXISTS = "exists"


_MECHANISMS = {str(mechanism): mechanism for mechanism in Mechanism}


@dataclass(frozen=True, slots=True)
class Macro:
    """One `%{…}` of a macro string."""

    letter: str
    """Lower case."""
    keep: int
    """How many labels from the right are kept; 0: all."""
    is_reversed: bool
    delimiters: str
    is_escaped: bool
    """The letter was written in upper case: the value is escaped as in a URL."""


MacroString = tuple[str | Macro, ...]
"""Text and macros in their order."""


@dataclass(frozen=True, slots=True)
class Directive:
    """A mechanism and what it answers."""

    qualifier: Result
    mechanism: Mechanism
    domain: MacroString | None = None
    """The domain it names; None: the domain of the record."""
    network: IPv4Network | IPv6Network | None = None
    """Of `ip4` and `ip6`."""
    prefix4: int = 32
    prefix6: int = 128

    def __str__(self) -> str:
        return f"{self.mechanism}:{self.network}" if self.network else str(self.mechanism)


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """A record that can be evaluated."""

    directives: tuple[Directive, ...]
    redirect: MacroString | None = None
    explanation: MacroString | None = None
    """Where the text stands that says why (`exp=`)."""


def choose_record(texts: Sequence[str]) -> str | None:
    """Return the one SPF record among the TXT records of a domain, or None.

    Raises SpfSyntaxError where there are several (RFC 7208 4.5).
    """
    found = [text for text in texts if _VERSION.match(text)]
    if len(found) > 1:
        raise SpfSyntaxError("the domain has several SPF records")
    return found[0] if found else None


def parse_record(text: str) -> SpfRecord:
    """Return the record that `text` is. Raises SpfSyntaxError; any text is allowed."""
    if len(text) > _LONGEST_RECORD or not text.isascii():
        raise SpfSyntaxError("the record is too long or has letters outside ASCII")
    directives: list[Directive] = []
    modifiers: dict[str, MacroString] = {}
    for term in text[len("v=spf1") :].split(" "):
        if not term:
            continue
        if modifier := _MODIFIER.fullmatch(term):
            name = modifier[1].lower()
            if name not in ("redirect", "exp"):
                parse_macros(modifier[2])
            elif name in modifiers:
                raise SpfSyntaxError(f"{name}= stands twice")
            else:
                modifiers[name] = _domain(modifier[2])
        else:
            directives.append(_directive(term))
    return SpfRecord(tuple(directives), modifiers.get("redirect"), modifiers.get("exp"))


def parse_macros(text: str, *, is_explanation: bool = False) -> MacroString:
    """Return a macro string (RFC 7208 7.1). Raises SpfSyntaxError.

    An explanation may have spaces and the macros `c`, `r` and `t`.
    """
    if not text.isascii() or not text.isprintable() or (" " in text and not is_explanation):
        raise SpfSyntaxError(f"{text[:80]!r} has letters that are not allowed")
    parts: list[str | Macro] = []
    at = 0
    while at < len(text):
        match = _MACRO.match(text, at)
        if match is None:
            raise SpfSyntaxError(f"{text[at : at + 20]!r} is no macro")
        at = match.end()
        letter, keep, is_reversed, delimiters, escape, literal = match.groups()
        if literal is not None:
            parts.append(literal)
        elif escape is not None:
            parts.append(_ESCAPES[escape])
        else:
            known = letter.lower() in _LETTERS or (is_explanation and letter.lower() in _EXPLANATION_LETTERS)
            # No name has 128 labels; a longer number is a trick (RFC 7208 7.1: not zero).
            if not known or (keep and (len(keep) > 3 or int(keep) == 0)):
                raise SpfSyntaxError(f"{match[0][:20]!r} is no macro")
            parts.append(Macro(letter.lower(), int(keep or 0), bool(is_reversed), delimiters or ".", letter.isupper()))
    return tuple(parts)


def letters_of(macros: MacroString) -> frozenset[str]:
    """Return the letters of the macros in a macro string."""
    return frozenset(part.letter for part in macros if isinstance(part, Macro))


def expand(macros: MacroString, values: Mapping[str, str]) -> str:
    """Return the text of a macro string. `values` has a value for each letter of `letters_of`."""
    return "".join(part if isinstance(part, str) else _expanded(part, values[part.letter]) for part in macros)


def expand_domain(macros: MacroString, values: Mapping[str, str]) -> str:
    """Return the domain that a macro string names, cut to what DNS takes, without its final dot."""
    name = expand(macros, values).removesuffix(".")
    if len(name) > _LONGEST_NAME:
        name = name[-_LONGEST_NAME - 1 :].partition(".")[2] or name
    return name


def _expanded(macro: Macro, value: str) -> str:
    if macro.keep or macro.is_reversed or macro.delimiters != ".":
        labels = re.split(f"[{re.escape(macro.delimiters)}]", value)
        if macro.is_reversed:
            labels.reverse()
        value = ".".join(labels[-macro.keep :])
    return quote(value, safe="", errors="replace") if macro.is_escaped else value


def _directive(term: str) -> Directive:
    match = _DIRECTIVE.fullmatch(term)
    mechanism = _MECHANISMS.get(match[2].lower()) if match else None
    if match is None or mechanism is None:
        raise SpfSyntaxError(f"{term[:80]!r} is no mechanism")
    qualifier, rest = _QUALIFIERS[match[1]], match[3] or ""
    if mechanism is Mechanism.ALL:
        if rest:
            raise SpfSyntaxError(f"{term[:80]!r}: all takes nothing")
        return Directive(qualifier, mechanism)
    if mechanism in (Mechanism.IP4, Mechanism.IP6):
        return Directive(qualifier, mechanism, network=_network(mechanism, rest))
    if mechanism in (Mechanism.A, Mechanism.MX):
        return _host(qualifier, mechanism, rest)
    if rest[:1] != ":" and (rest or mechanism is not Mechanism.PTR):
        raise SpfSyntaxError(f"{term[:80]!r} names no domain")
    return Directive(qualifier, mechanism, _domain(rest[1:]) if rest else None)


def _host(qualifier: Result, mechanism: Mechanism, rest: str) -> Directive:
    match = _HOST.fullmatch(rest)
    if match is None or int(match[2] or 0) > 32 or int(match[3] or 0) > 128:
        raise SpfSyntaxError(f"{rest[:80]!r}: the prefix is wrong")
    domain = _domain(match[1][1:]) if match[1] else None
    return Directive(qualifier, mechanism, domain, prefix4=int(match[2] or 32), prefix6=int(match[3] or 128))


def _network(mechanism: Mechanism, rest: str) -> IPv4Network | IPv6Network:
    address, slash, prefix = rest[1:].partition("/")
    longest = 32 if mechanism is Mechanism.IP4 else 128
    if rest[:1] != ":" or (slash and not re.fullmatch(r"0|[1-9]\d{0,2}", prefix, re.ASCII)) or "%" in address:
        raise SpfSyntaxError(f"{rest[:80]!r} is no network")
    length = int(prefix) if slash else longest
    try:
        if length > longest:
            raise AddressValueError(prefix)
        if mechanism is Mechanism.IP4:
            return IPv4Network((int(IPv4Address(address)), length), strict=False)
        return IPv6Network((int(IPv6Address(address)), length), strict=False)
    except AddressValueError as error:
        raise SpfSyntaxError(f"{rest[:80]!r} is no network") from error


def _domain(text: str) -> MacroString:
    macros = parse_macros(text)
    # RFC 7208 7.1, domain-end: a macro, or a dot and a top label that is no number.
    _, dot, top = text.removesuffix(".").rpartition(".")
    is_top_label = dot and _LABEL.fullmatch(top) and not top.isdigit()
    if not macros or not (isinstance(macros[-1], Macro) or is_top_label):
        raise SpfSyntaxError(f"{text[:80]!r} is no domain")
    return macros
