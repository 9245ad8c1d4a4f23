"""What the endpoints of routes take and answer."""

from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from postroom.base.ids import show_id
from postroom.doors.http.lists import Limit
from postroom.doors.http.operation import id_pattern
from postroom.doors.http.views import Time
from postroom.doors.http.words import show_time
from postroom.inbound.route_view import Tested
from postroom.inbound.routes import MOST_ROUTES
from postroom.ledger.route_rows import RouteAction, RouteAttemptRow, RouteRow
from postroom.mail.verdict import MailKind
from postroom.store.route_outbox import NO_ROUTE

_LOCAL_PART = "[a-z0-9]{1,20}"
_DOMAIN = r"(?:[a-z0-9]{1,20}\.){1,3}[a-z]{2,20}"
# What it says in the document; the door tells in words what is wrong with a pattern.
_PATTERN_FORM = rf"^(?:\*|\*@{_DOMAIN}|{_LOCAL_PART}-?\*?@{_DOMAIN})$"
_ADDRESS_FORM = rf"^{_LOCAL_PART}@{_DOMAIN}$"

Pattern = Annotated[
    str,
    Meta(
        description="An address, `prefix-*@example.com`, `*@example.com` or `*`.",
        extra_json_schema={"pattern": _PATTERN_FORM},
    ),
]
Target = Annotated[str, Meta(description="URL of a webhook, address of a forward, else empty.")]
Kinds = Annotated[list[MailKind], Meta(max_length=100, description="Empty: every kind.")]
Description = Annotated[str, Meta(max_length=500)]
RouteId = Annotated[str, Meta(pattern=id_pattern("rte"))]

_decode_kinds = msgspec.json.Decoder(list[str]).decode


def _target_of(action: RouteAction, form: dict[str, Any], *, is_needed: bool = True) -> dict[str, Any]:
    shape: dict[str, Any] = {"properties": {"action": {"const": action.value}, "target": form}}
    return {**shape, "required": ["action", "target"] if is_needed else ["action"]}


_TARGETS = [
    _target_of(RouteAction.WEBHOOK, {"type": "string", "pattern": r"^https?://[a-z]{1,20}\.example/[a-z]{0,9}$"}),
    _target_of(RouteAction.FORWARD, {"type": "string", "pattern": _ADDRESS_FORM}),
    _target_of(RouteAction.STORE, {"const": ""}, is_needed=False),
    _target_of(RouteAction.REFUSE, {"const": ""}, is_needed=False),
]
_NEITHER = {"properties": {"action": False, "target": False}}


class RouteIn(Struct, frozen=True, forbid_unknown_fields=True):
    """Which mail goes where."""

    schema_extra: ClassVar[dict[str, Any]] = {"anyOf": _TARGETS}

    recipient: Pattern
    action: RouteAction
    target: Target = ""
    sender: Pattern = "*"
    kinds: Kinds = []
    enabled: bool = True
    description: Description = ""


class RoutePatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What shall change; what is not named stays. With another action goes its target."""

    schema_extra: ClassVar[dict[str, Any]] = {"anyOf": [_NEITHER, *_TARGETS]}

    recipient: Pattern | UnsetType = UNSET
    action: RouteAction | UnsetType = UNSET
    target: Target | UnsetType = UNSET
    sender: Pattern | UnsetType = UNSET
    kinds: Kinds | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    description: Description | UnsetType = UNSET


class RouteOut(Struct, frozen=True):
    """A route. The first one that takes a mail has it."""

    id: str
    position: int
    recipient: str
    """Pattern of the envelope recipient."""
    sender: str
    """Pattern of the author's address (From)."""
    kinds: list[str]
    """Empty: every kind."""
    action: str
    """`webhook`, `forward`, `store` or `refuse`."""
    target: str
    enabled: bool
    description: str
    created_at: Time


class RouteCreated(Struct, frozen=True):
    """A route with the secret that a webhook's requests are signed with, which is not shown again."""

    route: RouteOut
    secret: str | None
    """Null where it got none now."""


class RoutePage(Struct, frozen=True):
    """The routes of the workspace in the order in which they are asked."""

    items: list[RouteOut]
    next: str | None


class RouteOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """The order in which routes are asked."""

    routes: Annotated[list[RouteId], Meta(max_length=MOST_ROUTES, description="Every route of the workspace once.")]


class RouteSecret(Struct, frozen=True):
    """The new secret, which is not shown again."""

    secret: str


_EMAIL_OR_NONE = {"anyOf": [{"format": "email"}, {"maxLength": 0}]}


class RouteTestIn(Struct, frozen=True, forbid_unknown_fields=True):
    """A mail that might come."""

    recipient: Annotated[str, Meta(description="The envelope recipient.", extra_json_schema={"format": "email"})]
    sender: Annotated[
        str, Meta(description="The author's address; empty: nobody's.", extra_json_schema=_EMAIL_OR_NONE)
    ] = ""
    kind: MailKind | None = None
    """Null: of any kind."""


class ConsideredOut(Struct, frozen=True):
    """A route and what it says to the mail."""

    route: str
    takes: bool
    """It takes the mail, or would if no earlier one did."""
    why: str
    """Why it does not; else empty."""


class RouteTestOut(Struct, frozen=True):
    """Which route takes the mail, and why the others do not."""

    route: RouteOut | None
    at_rcpt: str
    """What is said before the content: `taken`, `refused` (550 5.7.1) or `unknown` (no route is for it)."""
    why: str
    """Why no route is asked at all; else empty."""
    routes: list[ConsideredOut]
    """In the order in which they are asked."""


class HandOnOut(Struct, frozen=True):
    """One try to hand a mail on."""

    id: str
    inbound: str
    route: str | None
    """Null: a reply that goes to the author of what it answers."""
    action: str
    """`webhook` or `forward`."""
    target: str
    at: Time
    duration_ms: int
    succeeded: bool
    """The receiver took it; of a forward: it is queued."""
    status: int | None
    """HTTP status, or the reply code of a forward that was not taken in; null: there was no answer."""
    why: str
    """What went wrong and what comes next; empty after a success."""
    message: str | None
    """The message by which it was forwarded."""
    answer: str
    """The beginning of what a webhook answered."""


class HandOnPage(Struct, frozen=True):
    """Tries, newest first."""

    items: list[HandOnOut]
    next: str | None


class HandOnQuery(Struct, frozen=True):
    """Which tries."""

    cursor: Annotated[str, Meta(pattern=id_pattern("rta"), description="`next` of the page before.")] | None = None
    limit: Limit = 100


def route_view(row: RouteRow) -> RouteOut:
    """Return a route as the API shows it."""
    return RouteOut(
        id=show_id("rte", row.id),
        position=row.position,
        recipient=row.recipient,
        sender=row.sender,
        kinds=_decode_kinds(row.kinds),
        action=row.action,
        target=row.target,
        enabled=bool(row.is_enabled),
        description=row.description,
        created_at=show_time(row.created_ms),
    )


def test_view(tested: Tested) -> RouteTestOut:
    """Return what the tester says."""
    considered = [ConsideredOut(show_id("rte", one.row.id), not one.why_not, one.why_not) for one in tested.routes]
    route = None if tested.route is None else route_view(tested.route)
    return RouteTestOut(route, tested.at_rcpt.value, tested.not_ours, considered)


def hand_on_view(row: RouteAttemptRow) -> HandOnOut:
    """Return a try as the API shows it."""
    return HandOnOut(
        id=show_id("rta", row.id),
        inbound=show_id("inb", row.inbound_id),
        route=None if row.route_id == NO_ROUTE else show_id("rte", row.route_id),
        action=row.action,
        target=row.target,
        at=show_time(row.at_ms),
        duration_ms=row.duration_ms,
        succeeded=bool(row.succeeded),
        status=row.status,
        why=row.why,
        message=None if row.message_id is None else show_id("msg", row.message_id),
        answer=row.response_body,
    )
