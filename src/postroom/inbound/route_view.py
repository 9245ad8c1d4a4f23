"""Which route takes a mail: all routes of all workspaces in memory, and the tester that says why."""

from dataclasses import dataclass

from postroom.inbound.route_rules import ROLES, AtRcpt, OwnDomains, RouteRules
from postroom.ledger.route_rows import RouteRow
from postroom.mail.address import address_key, domain_of
from postroom.mail.verdict import MailKind
from postroom.store import routes
from postroom.store.database import Database

_MACHINES = "bounces of your mail, replies to it and unsubscribes come to addresses there, which only Postroom makes"


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
        self._rules = RouteRules(domains)

    async def refresh(self) -> None:
        """Read all routes again. Raises TryLater."""
        self._rules.take(await self._database.read(routes.all_routes))

    def at_rcpt(self, recipient: str) -> AtRcpt:
        """As `RouteRules.at_rcpt`."""
        return self._rules.at_rcpt(recipient)

    def match(self, recipient: str, sender: str, kind: MailKind, *, is_disowned: bool = False) -> RouteRow | None:
        """Return the route that takes a mail, or None.

        `sender` is the author's address, empty where there is none; `is_disowned` says that nobody may go by it.
        """
        key, sender_key = address_key(recipient), address_key(sender)
        for rule in self._rules.asked(key):
            if not rule.why_not(key, sender_key, kind) and not (is_disowned and rule.goes_by_author()):
                return rule.row
        return None

    def test(self, workspace_id: int, recipient: str, sender: str, kind: MailKind | None) -> Tested:
        """Tell which route of a workspace takes a mail, and why the others do not. `kind` None: any.

        Both are checked addresses; `sender` may be empty.
        """
        key, sender_key = address_key(recipient), address_key(sender)
        considered = tuple(
            Considered(rule.row, rule.why_not(key, sender_key, kind)) for rule in self._rules.of_workspace(workspace_id)
        )
        domain, owners = domain_of(key), self._domains.owners()
        if owners.get(domain) != workspace_id:
            is_machines = domain.startswith("rp.") and owners.get(domain.removeprefix("rp.")) == workspace_id
            why = f"no route is asked about {domain}: {_MACHINES}" if is_machines else not_owned(domain)
            return Tested(None, AtRcpt.UNKNOWN, why, considered)
        taker = next((one.row for one in considered if not one.why_not), None)
        at_rcpt = AtRcpt.TAKEN if key.rpartition("@")[0] in ROLES else self.at_rcpt(recipient)
        return Tested(taker, at_rcpt, "", considered)


def not_owned(domain: str) -> str:
    """Return in words that a domain is none of the workspace's, with the remedy."""
    return (
        f"{domain} is no proved domain of this workspace, and routes take mail for those only: "
        "add it and publish its TXT record, or have the operator vouch for it"
    )
