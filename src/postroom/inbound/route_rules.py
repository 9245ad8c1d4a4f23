"""Which route takes a mail: asked at RCPT, and again once a mail is understood.

A route is asked only about domains that its workspace owns: proved by DNS, or
vouched for by the operator. The routes of a workspace are asked by position,
and the first that takes a mail has it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from postroom.inbound.patterns import Pattern, read_pattern
from postroom.ledger.route_rows import RouteAction, RouteRow
from postroom.mail.address import address_key, domain_of

ROLES = ("postmaster", "abuse")
"""Local-parts that are always taken, whatever routes refuse (RFC 5321 4.5.1, RFC 2142 2)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A route with its patterns read."""

    row: RouteRow
    recipient: Pattern
    sender: Pattern
    kinds: frozenset[str]
    """Empty: all."""

    @property
    def is_unconditional(self) -> bool:
        """It asks for neither sender nor kind: what it takes is known at RCPT."""
        return self.sender.is_any and not self.kinds

    def goes_by_author(self) -> bool:
        """Tell whether it takes mail because of who wrote it; refusing is right whoever only claims to."""
        return not self.sender.is_any and self.row.action != RouteAction.REFUSE

    def why_not(self, recipient: str, sender: str | None, kind: str | None) -> str:
        """Return why it does not take a mail, in words; empty where it does.

        `recipient` and `sender` are address keys, `kind` is a word of `mail.verdict.MailKind`; None stands for what
        is not known yet and is let pass.
        """
        if not self.row.is_enabled:
            return "it is off"
        if not self.recipient.takes(recipient):
            return f"it is for {self.recipient}"
        if sender is not None and not self.sender.takes(sender):
            return f"it is for mail from {self.sender}"
        if kind is not None and self.kinds and kind not in self.kinds:
            return f"it is for mail of the kind {' or '.join(sorted(self.kinds))}"
        return ""


class AtRcpt(Enum):
    """What routes say to an address before the content is known."""

    TAKEN = "taken"
    """A route may take it."""
    REFUSED = "refused"
    """Whatever comes, it is refused."""
    UNKNOWN = "unknown"
    """No route is for it."""


class OwnDomains(Protocol):
    """The domains of the installation's workspaces, in memory (`domains.registry`)."""

    def owners(self) -> Mapping[str, int]:
        """Return the proved domains, as lower-case A-labels, with their workspaces."""
        ...


class RouteRules:
    """The routes of workspaces, in the order in which they are asked."""

    def __init__(self, domains: OwnDomains, rows: Iterable[RouteRow] = ()) -> None:
        """As `take` for `rows`."""
        self._domains = domains
        self._rules: Mapping[int, tuple[Rule, ...]] = {}
        self.take(rows)

    def take(self, rows: Iterable[RouteRow]) -> None:
        """Go by these routes from now on; those of each workspace come in the order in which they are asked."""
        rules: dict[int, list[Rule]] = {}
        for row in rows:
            rules.setdefault(row.workspace_id, []).append(_rule_of(row))
        self._rules = {workspace_id: tuple(found) for workspace_id, found in rules.items()}

    def of_workspace(self, workspace_id: int) -> Sequence[Rule]:
        """Return the routes of a workspace."""
        return self._rules.get(workspace_id, ())

    def asked(self, key: str) -> Sequence[Rule]:
        """Return the routes that are asked about an address, by its key."""
        owner = self._domains.owners().get(domain_of(key))
        return () if owner is None else self._rules.get(owner, ())

    def at_rcpt(self, recipient: str) -> AtRcpt:
        """Tell what becomes of mail to an address as far as that is known before its content.

        Refused is only what would be refused whoever writes it: a route that may
        take the mail and is asked before lets it in.
        """
        key = address_key(recipient)
        for rule in self.asked(key):
            if rule.why_not(key, None, None):
                continue
            if rule.row.action != RouteAction.REFUSE:
                return AtRcpt.TAKEN
            if rule.is_unconditional:
                return AtRcpt.REFUSED
        # Routes that refuse some senders make no address.
        return AtRcpt.UNKNOWN


def _rule_of(row: RouteRow) -> Rule:
    """Return a route with its patterns read."""
    return Rule(row, read_pattern(row.recipient), read_pattern(row.sender), frozenset(json.loads(row.kinds)))
