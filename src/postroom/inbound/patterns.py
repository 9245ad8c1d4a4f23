"""Patterns of addresses: which recipients and senders a route is for.

Four forms, compared as `mail.address.address_key` compares addresses:

- `support@example.com`: this address, and `support+anything@example.com`, unless the pattern has a `+` itself;
- `prefix-*@example.com`: addresses whose local-part begins so;
- `*@example.com`: every address of the domain;
- `*`: every address.
"""

from dataclasses import dataclass

from postroom.base.errors import WrongInput
from postroom.mail.address import address_key, check_address, domain_key

_FORMS = "write an address, prefix-*@example.com, *@example.com or *"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A checked pattern."""

    local_part: str
    """As in an address key. The beginning where `is_open`."""
    domain: str
    """As in an address key; empty: any."""
    is_open: bool
    """What follows the local-part does not matter."""

    @property
    def is_any(self) -> bool:
        """It takes every address."""
        return not self.domain

    def takes(self, key: str) -> bool:
        """Tell whether an address is meant; `key` is its address key, empty for none."""
        if self.is_any:
            return True
        local_part, _, domain = key.rpartition("@")
        if domain != self.domain:
            return False
        if self.is_open:
            return local_part.startswith(self.local_part)
        if local_part == self.local_part:
            return True
        return "+" not in self.local_part and local_part.partition("+")[0] == self.local_part

    def __str__(self) -> str:
        if self.is_any:
            return "*"
        return f"{self.local_part}{'*' if self.is_open else ''}@{self.domain}"


def parse_pattern(text: str, *, of: str) -> Pattern:
    """Return a pattern, letters folded and the domain as A-labels. Raises WrongInput for the field `of`."""
    text = text.strip()
    if text == "*":
        return Pattern("", "", is_open=True)
    local_part, at, domain = text.rpartition("@")
    if not at or "*" in domain or "*" in local_part[:-1]:
        raise WrongInput(of, f"{text[:80]!r} is no pattern: {_FORMS}", code="pattern")
    is_open = local_part.endswith("*")
    # A letter in the star's place makes an address, which is checked as one.
    checked = check_address(f"{local_part[:-1]}x@{domain}" if is_open else text, field=of)
    key_local_part, _, key_domain = address_key(checked).rpartition("@")
    return Pattern(key_local_part[:-1] if is_open else key_local_part, domain_key(key_domain), is_open)


def read_pattern(text: str) -> Pattern:
    """Return a pattern that was checked when it was stored."""
    if text == "*":
        return Pattern("", "", is_open=True)
    local_part, _, domain = text.rpartition("@")
    is_open = local_part.endswith("*")
    return Pattern(local_part[:-1] if is_open else local_part, domain, is_open)
