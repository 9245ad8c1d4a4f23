"""Addresses of the envelope: check, compare, show (RFC 5321 4.1.2 and 4.5.3.1, RFC 6531 3.3, RFC 5890).

An address is text as its author wrote it and is dialled so. `address_key` is the
form in which two addresses are compared. Addresses in header fields are read by
`mail.address_list`.
"""

import ipaddress
import re
import unicodedata
from dataclasses import dataclass

import idna

from postroom.base.errors import WrongInput

MAX_LOCAL_PART = 64
"""Octets, RFC 5321 4.5.3.1.1."""
MAX_DOMAIN = 255
"""Octets, RFC 5321 4.5.3.1.2."""
MAX_ADDRESS = 254
"""Octets: a path has 256 with its angle brackets (RFC 5321 4.5.3.1.3)."""

# Said by what is not in them: Python takes ten milliseconds to compile a set that reaches beyond U+FFFF.
_ATOM = r'[^\x00-\x20"(),.:;<>@\[\\\]\x7f]+'
_DOT_ATOM = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
# Dots at any place: docomo.ne.jp and ezweb.ne.jp gave out such addresses, and their servers take them unquoted.
_LOCAL_PART = re.compile(r'[^\x00-\x20"(),:;<>@\[\\\]\x7f]+')
_QUOTED = re.compile(r'"((?:[^\x00-\x1f"\\\x7f]|\\[ -~])*)"')
_QUOTED_PAIR = re.compile(r"\\(.)")
# The underscore is no host name, but some live domains have it and Postfix takes it.
_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_ASCII_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


@dataclass(frozen=True, slots=True)
class Address:
    """A checked address as written, in its two halves."""

    local_part: str
    """With its quotes where it has some."""
    domain: str
    """Domain, or address literal with its brackets."""

    @property
    def is_literal(self) -> bool:
        """The domain is an address literal (RFC 5321 4.1.3)."""
        return self.domain.startswith("[")

    @property
    def needs_smtputf8(self) -> bool:
        """The local-part is not ASCII: no A-label can say it (RFC 6531 3.2). A domain alone needs no extension."""
        return not self.local_part.isascii()

    def __str__(self) -> str:
        return f"{self.local_part}@{self.domain}"


def parse_address(text: str) -> Address:
    """Return an envelope address without angle brackets; a source route in front is dropped (RFC 5321 4.1.2).

    Raises WrongInput for the field `address` with the remedy. Whether a client may use
    letters outside ASCII is for the caller to decide by `text.isascii()`.
    """
    if text.startswith("@"):
        text = text.partition(":")[2]
    if not 0 < len(text) <= MAX_ADDRESS or len(text.encode("utf-8", "replace")) > MAX_ADDRESS:
        raise _wrong(f"an address has 3 to {MAX_ADDRESS} octets")
    local_part, at, domain = text.rpartition("@")
    if not at:
        raise _wrong(f"{text!r} has no @: write local-part@domain")
    if not _LOCAL_PART.fullmatch(local_part) and not _QUOTED.fullmatch(local_part):
        raise _wrong(f"the part before the @ of {text!r} is not allowed: quote it or correct it")
    if len(local_part.encode("utf-8", "replace")) > MAX_LOCAL_PART:
        raise _wrong(f"the part before the @ of {text!r} is longer than {MAX_LOCAL_PART} octets")
    # The patterns let no control character of ASCII pass.
    if not local_part.isascii() and (
        not unicodedata.is_normalized("NFC", local_part) or any(_is_control(letter) for letter in local_part)
    ):
        raise _wrong(f"{text!r} has letters that no address can have: control characters or a form other than NFC")
    if domain.startswith("["):
        _check_literal(domain)
    else:
        domain_to_a_labels(domain)
    return Address(local_part, domain)


def check_address(text: str, *, field: str = "address") -> str:
    """Return an address from the API, white space around removed, or raise WrongInput for `field` with the remedy.

    Stricter than the envelope: no quoted local-part, no literal, no dots side by side, a dot in the domain.
    Domains of private networks (`sandbox.test`, `localhost`) are fine. No DNS is asked.
    """
    try:
        address = parse_address(text.strip())
    except WrongInput as error:
        raise WrongInput(field, str(error)) from error
    if not _DOT_ATOM.fullmatch(address.local_part):
        remedy = "the part before the @ has letters, digits, single dots inside and some signs, no quotes"
    elif not all(map(_is_visible, address.local_part)) or unicodedata.combining(address.local_part[0]):
        remedy = "the part before the @ has letters that nobody can see"
    elif address.is_literal:
        remedy = "write a domain behind the @, no IP address"
    elif "." not in address.domain and address.domain.lower() != "localhost":
        remedy = "the domain behind the @ needs a dot, such as example.com"
    else:
        return str(address)
    raise WrongInput(field, f"{str(address)!r} is no address: {remedy}")


def address_key(address: str) -> str:
    """Return the form by which addresses are compared: local-part case-folded, domain as lower-case A-labels.

    Quotes that say nothing are dropped. Any text is allowed; what is no address keeps its local-part as written.
    """
    if address.isascii() and '"' not in address:
        return address.rstrip(".").lower()
    local_part, at, domain = address.rpartition("@")
    local_part = unicodedata.normalize("NFC", unicodedata.normalize("NFC", local_part).casefold())
    if quoted := _QUOTED.fullmatch(local_part):
        plain = _QUOTED_PAIR.sub(r"\1", quoted[1])
        local_part = plain if _DOT_ATOM.fullmatch(plain) else quote(plain)
    return f"{local_part}{at}{domain_key(domain)}"


def domain_of(address: str) -> str:
    """Return the domain of an address as `domain_key` gives it; empty where there is none."""
    return domain_key(address.rpartition("@")[2]) if "@" in address else ""


def domain_key(domain: str) -> str:
    """Return a domain as lower-case A-labels without dots at its end; a literal, or what is none, in lower case."""
    domain = domain.rstrip(".")
    if domain.isascii():
        return domain.lower()
    try:
        return domain_to_a_labels(domain)
    except WrongInput:
        return domain.lower()


def domain_to_a_labels(domain: str) -> str:
    """Return a domain as lower-case A-labels (RFC 5891 4, with the mapping of UTS 46).

    Raises WrongInput for the field `domain` where it is none, or only a number.
    """
    ascii_domain = domain
    if not domain.isascii():
        try:
            # Longer input makes the mapping slow before its own check of the length.
            ascii_domain = idna.encode(domain[: MAX_DOMAIN + 1], uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            raise WrongInput("domain", f"{domain[:MAX_DOMAIN]!r} is no domain: {error}") from error
    if len(ascii_domain) > MAX_DOMAIN - 2 or not _ASCII_DOMAIN.fullmatch(ascii_domain):
        raise WrongInput("domain", f"{domain[:MAX_DOMAIN]!r} is no domain: write labels of letters, digits and hyphens")
    if ascii_domain.rpartition(".")[2].isdigit():
        raise WrongInput("domain", f"{domain!r} is no domain: write an IP address as [192.0.2.1] or [IPv6:2001:db8::1]")
    return ascii_domain.lower()


def domain_to_u_labels(domain: str) -> str:
    """Return a domain for people: U-labels where its A-labels are valid, else as it is. Never for comparing."""
    if "xn--" not in domain.lower():
        return domain
    try:
        return idna.decode(domain[: MAX_DOMAIN + 1])
    except (idna.IDNAError, UnicodeError):
        return domain


def quote(local_part: str) -> str:
    """Return the content of a local-part or display name as a quoted-string (RFC 5322 3.2.4)."""
    return '"' + local_part.replace("\\", "\\\\").replace('"', '\\"') + '"'


def is_dot_atom(text: str) -> bool:
    """Tell whether a local-part needs no quotes."""
    return _DOT_ATOM.fullmatch(text) is not None


def _check_literal(domain: str) -> None:
    inside = domain[1:-1]
    try:
        if not domain.endswith("]"):
            raise ValueError("the closing bracket is missing")
        if inside.lower().startswith("ipv6:"):
            ipaddress.IPv6Address(inside[5:])
            if "%" in inside:
                raise ValueError("a zone is not allowed")
        else:
            ipaddress.IPv4Address(inside)
    except ValueError as error:
        raise _wrong(f"{domain!r} is no address literal: write [192.0.2.1] or [IPv6:2001:db8::1]") from error


def _is_visible(letter: str) -> bool:
    return letter.isascii() or unicodedata.category(letter)[0] in "LMNPS"


def _is_control(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")


def _wrong(message: str) -> WrongInput:
    return WrongInput("address", message)
