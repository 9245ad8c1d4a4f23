"""Which route takes a mail: all routes of all workspaces in memory, asked at RCPT and once a mail is understood.

A route is asked only about domains that its workspace owns: proved by DNS, or
vouched for by the operator. The routes of a workspace are asked by position,
and the first that takes a mail has it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import msgspec

from postroom.inbound.patterns import Pattern, read_pattern
from postroom.ledger.route_rows import RouteAction, RouteRow
from postroom.mail.address import address_key, domain_of
from postroom.mail.verdict import MailKind
from postroom.store import routes
from postroom.store.database import Database

_decode_kinds = msgspec.json.Decoder(list[str]).decode


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

    def why_not(self, recipient: str, sender: str | None, kind: MailKind | None) -> str:
        """Return why it does not take a mail, in words; empty where it does.

        `recipient` and `sender` are address keys; None stands for what is not known yet and is let pass.
        """
        if not self.row.is_enabled:
            return "it is off"
        if not self.recipient.takes(recipient):
            return f"it is for {self.recipient}"
        if sender is not None and not self.sender.takes(sender):
            return f"it is for mail from {self.sender}"
        if kind is not None and self.kinds and kind.value not in self.kinds:
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


@dataclass(frozen=True, slots=True)
class Considered:
    """A route and what it says to a mail, for the tester."""

    row: RouteRow
    why_not: str
    """Empty: it takes the mail, or would if no earlier one did."""


@dataclass(frozen=True, slots=True)
class Tested:
    """Which route takes a mail, and why the others do not."""

    route: RouteRow | None
    at_rcpt: AtRcpt
    not_ours: str
    """Why no route of the workspace is asked at all, in words; else empty."""
    routes: tuple[Considered, ...]
    """In the order in which they are asked."""


class RouteView:
    """The routes of all workspaces as last read. `refresh` after each change and every few seconds."""

    def __init__(self, database: Database, domains: OwnDomains) -> None:
        self._database = database
        self._domains = domains
        self._rules: Mapping[int, tuple[Rule, ...]] = {}

    async def refresh(self) -> None:
        """Read all routes again. Raises TryLater."""
        rules: dict[int, list[Rule]] = {}
        for row in await self._database.read(routes.all_routes):
            rules.setdefault(row.workspace_id, []).append(rule_of(row))
        self._rules = {workspace_id: tuple(found) for workspace_id, found in rules.items()}

    def at_rcpt(self, recipient: str) -> AtRcpt:
        """Tell what becomes of mail to an address as far as that is known before its content.

        Refused is only what would be refused whoever writes it: a route that may
        take the mail and is asked before lets it in.
        """
        key = address_key(recipient)
        for rule in self._asked(key):
            if rule.why_not(key, None, None):
                continue
            if rule.row.action != RouteAction.REFUSE:
                return AtRcpt.TAKEN
            if rule.is_unconditional:
                return AtRcpt.REFUSED
        # Routes that refuse some senders make no address.
        return AtRcpt.UNKNOWN

    def match(self, recipient: str, sender: str, kind: MailKind) -> RouteRow | None:
        """Return the route that takes a mail, or None. `sender` is the author's address, empty where there is none."""
        key, sender_key = address_key(recipient), address_key(sender)
        return next((rule.row for rule in self._asked(key) if not rule.why_not(key, sender_key, kind)), None)

    def test(self, workspace_id: int, recipient: str, sender: str, kind: MailKind | None) -> Tested:
        """Tell which route of a workspace takes a mail, and why the others do not. `kind` None: any."""
        key, sender_key = address_key(recipient), address_key(sender)
        considered = tuple(
            Considered(rule.row, rule.why_not(key, sender_key, kind)) for rule in self._rules.get(workspace_id, ())
        )
        domain = domain_of(recipient)
        if self._domains.owners().get(domain) != workspace_id:
            return Tested(None, AtRcpt.UNKNOWN, not_owned(domain), considered)
        taker = next((one.row for one in considered if not one.why_not), None)
        return Tested(taker, self.at_rcpt(recipient), "", considered)

    def _asked(self, key: str) -> Sequence[Rule]:
        owner = self._domains.owners().get(domain_of(key))
        return () if owner is None else self._rules.get(owner, ())


def rule_of(row: RouteRow) -> Rule:
    """Return a route with its patterns read."""
    return Rule(row, read_pattern(row.recipient), read_pattern(row.sender), frozenset(_decode_kinds(row.kinds)))


def not_owned(domain: str) -> str:
    """Return in words that a domain is none of the workspace's, with the remedy."""
    return (
        f"{domain or 'this'} is no proved domain of this workspace, and routes take mail for those only: "
        "add it and publish its TXT record, or have the operator vouch for it"
    )
