"""What people do with routes: make, change, put in order, test, delete."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from postroom.base.clock import Clock
from postroom.base.errors import WrongInput
from postroom.base.ids import IdSource
from postroom.base.secrets import Sealer
from postroom.inbound.patterns import Pattern, parse_pattern
from postroom.inbound.route_rules import OwnDomains
from postroom.inbound.route_view import RouteView, Tested, not_owned
from postroom.ledger.route_rows import RouteAction, RouteRow
from postroom.mail.address import check_address, parse_address
from postroom.mail.verdict import MailKind
from postroom.net.address_guard import Network
from postroom.net.http_client import url_problem
from postroom.net.webhook_signature import new_secret
from postroom.store import route_outbox, routes
from postroom.store.database import Database, Tx
from postroom.store.together import InTransaction, if_done, nothing_else

MOST_ROUTES = 200
"""Of a workspace: each is asked for each mail."""
_PAGE = 500
_PAGES_OF_DELETE = 20

_encode = msgspec.json.Encoder().encode
_decode_kinds = msgspec.json.Decoder(list[str]).decode


@dataclass(frozen=True, slots=True)
class Asked:
    """What a route shall be."""

    recipient: str
    """A pattern."""
    action: RouteAction
    target: str = ""
    """URL of a webhook, address of a forward, else empty."""
    sender: str = "*"
    """A pattern of the author's address."""
    kinds: tuple[MailKind, ...] = ()
    """Empty: every kind."""
    is_enabled: bool = True
    description: str = ""


class _Checked(NamedTuple):
    """What a route shall be, as it is stored."""

    recipient: Pattern | None
    sender: Pattern | None
    target: str
    problems: Sequence[WrongInput]


class TooManyRoutes(WrongInput):
    """The workspace has as many routes as it may."""

    def __init__(self) -> None:
        super().__init__("recipient", f"a workspace has at most {MOST_ROUTES} routes; delete one", code="too_many")


class Routes:
    """The routes of all workspaces.

    `in_transaction` of a change runs in its transaction, where there is something to change.
    """

    def __init__(
        self,
        database: Database,
        ids: IdSource,
        clock: Clock,
        sealer: Sealer,
        domains: OwnDomains,
        allow_private: tuple[Network, ...] = (),
    ) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock
        self._sealer = sealer
        self._domains = domains
        self._allow_private = allow_private
        self.view = RouteView(database, domains)

    # Reading

    async def list(self, workspace_id: int) -> list[RouteRow]:
        """Return the routes of a workspace in the order in which they are asked."""
        return await self._database.read(lambda conn: routes.routes_of(conn, workspace_id))

    async def get(self, workspace_id: int, route_id: int) -> RouteRow | None:
        """Return a route of a workspace, or None."""
        return await self._database.read(lambda conn: routes.route_by_id(conn, workspace_id, route_id))

    async def test(self, workspace_id: int, recipient: str, sender: str, kind: MailKind | None) -> Tested:
        """Tell which route of a workspace takes a mail, as the store has them now.

        `sender` may be empty: that of a mail without an author. Raises WrongInput for what is no address, and TryLater.
        """
        recipient = _address(recipient, "recipient")
        sender = _address(sender, "sender") if sender.strip() else ""
        await self.view.refresh()
        return self.view.test(workspace_id, recipient, sender, kind)

    def problems(self, workspace_id: int, asked: Asked, before: str = "") -> Sequence[WrongInput]:
        """Return everything that is wrong with a route, each by its field.

        `before` is the recipient that it has: where that stays, nobody asks again whose domain it is.
        """
        return self._checked(workspace_id, asked, before).problems

    # Changing

    async def create(
        self, workspace_id: int, asked: Asked, *, in_transaction: InTransaction = nothing_else
    ) -> tuple[RouteRow, str]:
        """Make a route, the last in order; return it with a webhook's secret, which is shown this once.

        Raises WrongInput, and of these TooManyRoutes.
        """
        route_id = self._ids.next()
        secret = new_secret() if asked.action is RouteAction.WEBHOOK else ""
        sealed = self._seal(route_id, secret) if secret else None
        checked = self._checked(workspace_id, asked, "")
        row = _row(asked, checked, workspace_id, route_id, sealed, self._clock.now_ms())

        def write(tx: Tx) -> RouteRow:
            count, last = routes.count_routes(tx, workspace_id)
            if count >= MOST_ROUTES:
                raise TooManyRoutes
            placed = row._replace(position=last + 1)
            tx.add(placed)
            in_transaction(tx)
            return placed

        made = await self._database.write(write)
        await self.view.refresh()
        return made, secret

    async def update(
        self, row: RouteRow, asked: Asked, *, in_transaction: InTransaction = nothing_else
    ) -> tuple[bool, str]:
        """Write what a route is; tell whether it is still there, and the secret where it becomes a webhook.

        Raises WrongInput. What waits for a route goes to its new target at once, with all its tries.
        """
        secret, sealed = "", None
        if asked.action is RouteAction.WEBHOOK:
            sealed = row.secret
            if sealed is None:
                secret = new_secret()
                sealed = self._seal(row.id, secret)
        checked = self._checked(row.workspace_id, asked, row.recipient)
        after = _row(asked, checked, row.workspace_id, row.id, sealed, row.created_ms)
        is_new_way = (after.action, after.target, after.is_enabled) != (row.action, row.target, row.is_enabled)
        now_ms = self._clock.now_ms()

        def write(tx: Tx) -> bool:
            if is_new_way:
                route_outbox.hasten(tx, row.id, now_ms)
            return if_done(routes.update_route(tx, after), tx, in_transaction)

        found = await self._database.write(write)
        await self.view.refresh()
        return found, secret if found else ""

    async def rotate(self, row: RouteRow, *, in_transaction: InTransaction = nothing_else) -> str | None:
        """Give a webhook a new secret and return it; the old one is dead at once. None where the route is gone.

        Raises WrongInput for a route that is no webhook.
        """
        if row.action != RouteAction.WEBHOOK:
            raise WrongInput("action", "only a webhook has a secret", code="no_webhook")
        secret = new_secret()
        after = row._replace(secret=self._seal(row.id, secret))

        def write(tx: Tx) -> bool:
            return if_done(routes.update_route(tx, after), tx, in_transaction)

        return secret if await self._database.write(write) else None

    async def put_in_order(
        self, workspace_id: int, route_ids: Sequence[int], *, in_transaction: InTransaction = nothing_else
    ) -> None:
        """Have a workspace's routes asked in this order. Raises WrongInput unless each is named once."""

        def write(tx: Tx) -> None:
            there = [row.id for row in routes.routes_of(tx, workspace_id)]
            if sorted(there) != sorted(route_ids):
                raise WrongInput("routes", "name every route of the workspace once", code="all_routes")
            routes.place_routes(tx, workspace_id, route_ids)
            in_transaction(tx)

        await self._database.write(write)
        await self.view.refresh()

    async def delete(self, workspace_id: int, route_id: int, *, in_transaction: InTransaction = nothing_else) -> bool:
        """Delete a route with what it was still to hand on; tell whether there was one."""

        def write(tx: Tx) -> bool:
            return if_done(routes.delete_route(tx, workspace_id, route_id), tx, in_transaction)

        if not await self._database.write(write):
            return False
        await self.view.refresh()
        for _ in range(_PAGES_OF_DELETE):
            # What is left after this goes by upkeep.
            if await self._database.write(lambda tx: route_outbox.drop(tx, route_id, _PAGE)) < _PAGE:
                break
        return True

    def _checked(self, workspace_id: int, asked: Asked, before: str) -> _Checked:
        problems: list[WrongInput] = []
        recipient = _pattern(asked.recipient, "recipient", problems)
        is_new = recipient is not None and not recipient.is_any and str(recipient) != before
        if recipient and is_new and self._domains.owners().get(recipient.domain) != workspace_id:
            problems.append(WrongInput("recipient", not_owned(recipient.domain), code="not_owned"))
        sender, target = _pattern(asked.sender, "sender", problems), asked.target.strip()
        match asked.action:
            case RouteAction.WEBHOOK:
                problem = url_problem(target, self._allow_private) if target else "say the URL that is told"
                if problem is not None:
                    problems.append(WrongInput("target", problem, code="invalid_url"))
            case RouteAction.FORWARD if not target:
                problems.append(WrongInput("target", "say the address that gets the mail", code="missing"))
            case RouteAction.FORWARD:
                try:
                    target = check_address(target, field="target")
                except WrongInput as error:
                    problems.append(error)
            case RouteAction.STORE | RouteAction.REFUSE:
                if target:
                    problems.append(WrongInput("target", "goes with webhook and forward only", code="no_target"))
        return _Checked(recipient, sender, target, problems)

    def _seal(self, route_id: int, secret: str) -> bytes:
        return self._sealer.seal(secret.encode(), f"route/{route_id}/secret")


def asked_of(row: RouteRow) -> Asked:
    """Return what a route is."""
    words = _decode_kinds(row.kinds)
    return Asked(
        recipient=row.recipient,
        action=RouteAction(row.action),
        target=row.target,
        sender=row.sender,
        kinds=tuple(kind for kind in MailKind if kind.value in words),
        is_enabled=bool(row.is_enabled),
        description=row.description,
    )


def _row(
    asked: Asked, checked: _Checked, workspace_id: int, route_id: int, secret: bytes | None, created_ms: int
) -> RouteRow:
    if checked.problems:
        raise checked.problems[0]
    return RouteRow(
        id=route_id,
        workspace_id=workspace_id,
        position=0,
        recipient=str(checked.recipient),
        sender=str(checked.sender),
        kinds=_encode([kind.value for kind in asked.kinds]).decode(),
        action=asked.action.value,
        target=checked.target,
        secret=secret,
        is_enabled=int(asked.is_enabled),
        description=asked.description,
        created_ms=created_ms,
    )


def _address(text: str, of: str) -> str:
    """Return an address of a mail that might come; the inbound door takes the same for one."""
    try:
        return str(parse_address(text.strip()))
    except WrongInput as error:
        raise WrongInput(of, str(error), code=error.code) from error


def _pattern(text: str, of: str, problems: list[WrongInput]) -> Pattern | None:
    try:
        return parse_pattern(text, of=of)
    except WrongInput as error:
        problems.append(error)
        return None
