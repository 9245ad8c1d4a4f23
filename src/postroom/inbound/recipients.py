"""Who may receive mail from outside: every envelope recipient is decided here, at RCPT and without the database.

The order: machine addresses on hosts of their own, aliases, routes, the roles
that RFC 5321 4.5.1 and RFC 2142 ask for. Anything else is refused in the same words, whether it never
existed or has expired, so that nobody learns which. Mail for others is never taken: there is no relaying here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Protocol

from postroom.base.errors import WrongInput
from postroom.base.instant import DAY_MS
from postroom.base.tokens import TokenKeys, TokenKind
from postroom.inbound.route_rules import ROLES, AtRcpt, OwnDomains
from postroom.ledger.inbound_rows import Destination
from postroom.mail.address import address_key, parse_address
from postroom.mail.return_path import MOST_DAYS_AHEAD, read_machine_address
from postroom.mail.smtp_reply import SmtpReply

NO_SUCH_ADDRESS = SmtpReply(550, "5.1.1", "no such address here")
REFUSED_BY_ROUTE = SmtpReply(550, "5.7.1", "this address takes no mail")

_PEERS_TRY_DAYS = 14
"""How long after its last try a peer may still report: RFC 5321 4.5.4.1 has four or five days, some take twice that."""
_DESTINATIONS = {
    TokenKind.BOUNCE: Destination.BOUNCE,
    TokenKind.REPLY: Destination.REPLY,
    TokenKind.UNSUBSCRIBE_MAIL: Destination.UNSUBSCRIBE,
    TokenKind.FEEDBACK: Destination.FEEDBACK,
}


@dataclass(frozen=True, slots=True)
class Addressed:
    """One envelope recipient that is taken."""

    address: str
    """As written."""
    destination: Destination
    workspace_id: int | None
    """None for a machine address: the recipient that its token names knows its workspace."""
    own_recipient_id: int | None = None


class Routes(Protocol):
    """The routes, in memory; `inbound.route_rules` has them."""

    def at_rcpt(self, recipient: str) -> AtRcpt:
        """Tell what becomes of mail to an address as far as that is known before its content."""
        ...


class AliasView(Protocol):
    """The alias addresses, in memory."""

    def decide(self, recipient: str, reverse_path: str) -> Addressed | SmtpReply | None:
        """Return how mail for an alias is taken, why it is not, or None for what is no alias."""
        ...


@dataclass(frozen=True, slots=True)
class OwnHosts:
    """The installation's own names."""

    hostname: str
    return_path_host: str
    """Where machine addresses live until a domain has its own host."""


class Recipients:
    """Decides about envelope recipients."""

    def __init__(
        self,
        hosts: OwnHosts,
        domains: OwnDomains,
        keys: Callable[[], TokenKeys],
        now_ms: Callable[[], int],
        *,
        give_up_after: timedelta,
        first_workspace: Callable[[], int | None],
        routes: Routes | None = None,
        aliases: AliasView | None = None,
    ) -> None:
        """`first_workspace` is whose the roles of the installation's own hosts are.

        `give_up_after` is how long our side tries: a bounce address outlives that, and how far
        ahead mail may be scheduled, by two weeks (docs/decisions/0003).
        """
        self._hosts = hosts
        self._domains = domains
        self._keys = keys
        self._now_ms = now_ms
        self._first_workspace = first_workspace
        self._routes = routes
        self._aliases = aliases
        self._lifetime_days = MOST_DAYS_AHEAD + ceil(give_up_after.total_seconds() * 1000 / DAY_MS) + _PEERS_TRY_DAYS

    def decide(self, address: str, reverse_path: str) -> Addressed | SmtpReply:
        """Return how mail for this address is taken, or the reply that refuses it."""
        key = address_key(address)
        if key == "postmaster":
            # RFC 5321 4.5.1: without a domain too, in any letters.
            return self._role(address, self._first_workspace())
        local_part, _, domain = key.rpartition("@")
        owners = self._domains.owners()
        owner = owners.get(domain)
        rp_owner = owners.get(domain.removeprefix("rp.")) if domain.startswith("rp.") else None
        if rp_owner is not None or domain == self._hosts.return_path_host:
            machine = self._machine(address, local_part)
            if machine is not None:
                return machine
        if _is_no_address(address):
            return NO_SUCH_ADDRESS
        if self._aliases is not None and (decided := self._aliases.decide(address, reverse_path)) is not None:
            return decided
        said = self._routes.at_rcpt(address) if self._routes is not None and owner is not None else AtRcpt.UNKNOWN
        if said is AtRcpt.TAKEN:
            return Addressed(address, Destination.ROUTE, owner)
        if local_part in ROLES:
            is_own = domain in (self._hosts.hostname, self._hosts.return_path_host)
            return self._role(address, owner or rp_owner or (self._first_workspace() if is_own else None))
        return REFUSED_BY_ROUTE if said is AtRcpt.REFUSED else NO_SUCH_ADDRESS

    def decide_forms(self, forms: Sequence[str], reverse_path: str) -> Addressed | SmtpReply:
        """Return what `decide` says about the first form of an address that is one of ours, else about the first.

        An MTA that calls a command tells one recipient in several forms (`config.Delivery`).
        """
        decided = [self.decide(form, reverse_path) for form in forms]
        found = next((one for one in decided if isinstance(one, Addressed)), decided[0])
        if isinstance(found, SmtpReply):
            return SmtpReply(found.code, found.enhanced, f"{forms[0]}: {found.text}")
        return found

    def _machine(self, address: str, local_part: str) -> Addressed | None:
        machine = read_machine_address(local_part, self._keys())
        if machine is None or machine.has_expired(self._now_ms(), self._lifetime_days):
            return None
        return Addressed(address, _DESTINATIONS[machine.kind], None, machine.token.recipient_id)

    @staticmethod
    def _role(address: str, workspace_id: int | None) -> Addressed | SmtpReply:
        return NO_SUCH_ADDRESS if workspace_id is None else Addressed(address, Destination.ROLE, workspace_id)


def _is_no_address(address: str) -> bool:
    try:
        parse_address(address)
    except WrongInput:
        return True
    return False
