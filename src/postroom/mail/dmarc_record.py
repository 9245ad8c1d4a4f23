"""DMARC records: what a domain asks for when mail in its name cannot be proved (RFC 7489 6.3, 6.6.3).

Pure. A policy that is no word makes the record void; any other wrong tag has its
default, as the standard asks.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from postroom.mail.authentication import DmarcPolicy

_VERSION = re.compile(r"v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_LONGEST_RECORD = 4096
"""Characters that are read; real ones have 20 to 400."""


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """A record that counts."""

    policy: DmarcPolicy
    subdomain_policy: DmarcPolicy
    """`sp=`; the policy where it is not said."""
    percent: int = 100
    """`pct=`: of how many failing mails in a hundred the policy holds in full."""
    is_spf_strict: bool = False
    is_dkim_strict: bool = False


def choose_record(texts: Sequence[str]) -> list[str]:
    """Return the DMARC records among the TXT records of a name. More than one of them means that none counts."""
    return [text for text in texts if _VERSION.match(text)]


def parse_record(text: str) -> DmarcRecord | None:
    """Return what a DMARC record says, or None where its policy cannot be read. Any text is allowed."""
    tags: dict[str, str] = {}
    for spec in text[:_LONGEST_RECORD].split(";"):
        name, _, value = spec.partition("=")
        tags.setdefault(name.strip().lower(), value.strip())
    policy = _policy(tags.get("p", ""))
    subdomain_policy = _policy(tags["sp"]) if "sp" in tags else policy
    if policy is None or subdomain_policy is None:
        # RFC 7489 6.6.3, step 6: what the owner asks for is not known; who asks for reports only watches.
        if "mailto:" not in tags.get("rua", "").lower():
            return None
        policy = subdomain_policy = DmarcPolicy.NONE
    percent = tags.get("pct", "")
    return DmarcRecord(
        policy,
        subdomain_policy,
        int(percent) if re.fullmatch(r"[0-9]{1,2}", percent) else 100,
        tags.get("aspf", "").lower() == "s",
        tags.get("adkim", "").lower() == "s",
    )


def _policy(word: str) -> DmarcPolicy | None:
    try:
        return DmarcPolicy(word.lower())
    except ValueError:
        return None
