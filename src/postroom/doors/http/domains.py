"""`/domains`: the DNS domains that a workspace sends from, with the records to publish."""

from typing import Annotated

from litestar import Response, delete, get, post
from msgspec import Meta, Struct

from postroom.base.errors import WrongInput
from postroom.doors.http.operation import Operation, described
from postroom.doors.http.problems import FieldError, Problem, not_found, wrong_fields
from postroom.doors.http.requests import answer, read_json
from postroom.doors.http.services import ApiRequest, DnsRecord, services_of
from postroom.doors.http.views import Time
from postroom.doors.http.words import show_time, show_time_or_none
from postroom.ledger.rows import DomainRow
from postroom.mail.address import domain_to_a_labels


class RecordOut(Struct, frozen=True):
    """A DNS record to publish."""

    purpose: str
    name: str
    type: str
    value: str
    seen: bool | None = None
    """Whether DNS holds it; null where this request did not look."""
    problem: str = ""
    """What DNS holds instead, in words."""


class DomainOut(Struct, frozen=True):
    """A domain. Mail from it leaves by smarthost and direct once it is proved."""

    name: str
    proved: bool
    """By DNS, or the operator vouches for it."""
    proved_at: Time | None
    return_path_seen_at: Time | None
    tracking_seen_at: Time | None
    checked_at: Time | None
    created_at: Time
    records: list[RecordOut]


class DomainPage(Struct, frozen=True):
    """The domains of the workspace by name."""

    items: list[DomainOut]
    next: str | None


class DomainIn(Struct, frozen=True, forbid_unknown_fields=True):
    """A domain to send from."""

    name: Annotated[
        str,
        Meta(
            max_length=255,
            description="With a dot, such as example.com. In whatever letter case and script, as people write it.",
            # Every name of this form is fine; what else is a domain no pattern says.
            extra_json_schema={"pattern": r"^(?:[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?\.){1,6}[a-z]{2,30}$"},
        ),
    ]


@get("/domains", opt=described(Operation("List domains", answers=DomainPage)))
async def list_domains(request: ApiRequest) -> Response[bytes]:
    """Return the domains of the workspace with the records to publish."""
    domains = services_of(request).domains
    rows = await domains.list(request.user)
    return answer(DomainPage([_view(row, domains.records(row)) for row in rows], None))


@post(
    "/domains",
    status_code=201,
    opt=described(Operation("Add a domain", answers=DomainOut, status=201, body=DomainIn, conflicts=True)),
)
async def add_domain(request: ApiRequest) -> Response[bytes]:
    """Make a domain with its DKIM keys; the answer has the records to publish. 409 where it is taken."""
    domains = services_of(request).domains
    name = _checked_name((await read_json(request, DomainIn)).name)
    if await domains.get(request.user, name) is not None:
        raise Problem(409, "domain-exists", f"{name} is there already: GET /api/v1/domains/{name}")
    try:
        row = await domains.create(request.user, name)
    except WrongInput as error:
        # The form was checked above, so the name is taken: proved by another workspace, or made meanwhile.
        raise Problem(409, "domain-taken", str(error)) from error
    return answer(_view(row, domains.records(row)), 201)


@get("/domains/{name:str}", opt=described(Operation("Show a domain", answers=DomainOut)))
async def get_domain(request: ApiRequest) -> Response[bytes]:
    """Return a domain with the records to publish."""
    row = await _existing(request)
    return answer(_view(row, services_of(request).domains.records(row)))


@post(
    "/domains/{name:str}/check",
    status_code=200,
    opt=described(Operation("Look the records up", answers=DomainOut)),
)
async def check_domain(request: ApiRequest) -> Response[bytes]:
    """Look now whether DNS holds the records; once the proof is seen, the domain is proved."""
    view = await services_of(request).domains.check(await _existing(request))
    records = [_record(one.record, seen=one.seen, problem=one.problem) for one in view.records]
    return answer(_shown(view.row, records))


@delete(
    "/domains/{name:str}",
    status_code=204,
    opt=described(Operation("Delete a domain", answers=None, status=204)),
)
async def delete_domain(request: ApiRequest) -> Response[None]:
    """Delete a domain with its keys. Mail of it that still waits leaves unsigned by it."""
    row = await _existing(request)
    if not await services_of(request).domains.delete(request.user, row.name):
        raise not_found("domain")
    return Response(None, status_code=204)


def _checked_name(given: str) -> str:
    """Return the name as lower-case A-labels. Raises Problem 422 with the remedy."""
    try:
        name = domain_to_a_labels(given.strip().rstrip("."))
    except WrongInput as error:
        raise wrong_fields([FieldError("name", "invalid_domain", str(error))]) from error
    if "." not in name:
        raise wrong_fields([FieldError("name", "invalid_domain", "needs at least one dot, such as example.com")])
    return name


async def _existing(request: ApiRequest) -> DomainRow:
    try:
        name = domain_to_a_labels(request.path_params["name"].rstrip("."))
    except WrongInput as error:
        raise not_found("domain") from error
    row = await services_of(request).domains.get(request.user, name)
    if row is None:
        raise not_found("domain")
    return row


def _view(row: DomainRow, records: tuple[DnsRecord, ...]) -> DomainOut:
    return _shown(row, [_record(record) for record in records])


def _record(record: DnsRecord, *, seen: bool | None = None, problem: str = "") -> RecordOut:
    return RecordOut(record.purpose, record.name, record.type, record.value, seen, problem)


def _shown(row: DomainRow, records: list[RecordOut]) -> DomainOut:
    return DomainOut(
        name=row.name,
        proved=row.proved_ms is not None or bool(row.vouched),
        proved_at=show_time_or_none(row.proved_ms),
        return_path_seen_at=show_time_or_none(row.return_path_seen_ms),
        tracking_seen_at=show_time_or_none(row.tracking_seen_ms),
        checked_at=show_time_or_none(row.checked_ms),
        created_at=show_time(row.created_ms),
        records=records,
    )
