"""`/erase`: a person's address leaves the workspace."""

from typing import Annotated

from litestar import Response, post
from msgspec import Meta, Struct

from postroom.access.audit import Actor
from postroom.base.errors import WrongInput
from postroom.doors.http.fields import Errors, read_object
from postroom.doors.http.operation import Operation, described
from postroom.doors.http.problems import Problem
from postroom.doors.http.requests import answer, body_of
from postroom.doors.http.services import ApiRequest, services_of
from postroom.mail.address import check_address


class EraseIn(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to erase."""

    address: Annotated[str, Meta(extra_json_schema={"format": "email"})]
    as_author: Annotated[bool, Meta(description="Erase the mail that the address is the author of, too.")] = False


class EraseOut(Struct, frozen=True):
    """What was erased. Counters stay as they were."""

    recipients: int
    """Recipients that stand without address, reason and merge values now."""
    cancelled: int
    """Those of them that still waited."""
    contents: int
    """Contents that were deleted because they named the address."""
    events: int
    """Events whose details were cut."""
    hits: int
    copies: int
    """Copies of the sandbox that were deleted."""
    suppressions: int
    """Suppressions that hold on by a keyed hash of the address."""
    texts: int
    """Other rows out of whose text the address was cut."""
    accounts: int
    """Watched accounts that were deleted because they are the person's."""
    left: list[str]
    """What still names the address, why, and what to do. Empty: nothing in this workspace does."""


@post(
    "/erase",
    status_code=200,
    opt=described(Operation("Erase a person", answers=EraseOut, body=EraseIn, conflicts=True)),
)
async def erase_person(request: ApiRequest) -> Response[bytes]:
    """Erase an address: mail to it that waits is cancelled, contents, hits and copies go, counters stay.

    409 where the address is the author of mail and `as_author` does not say that this mail goes too.
    """
    services, errors = services_of(request), Errors()
    async with body_of(request) as body:
        given = read_object(await body.json(), EraseIn, errors)
    address = ""
    if "address" not in errors:
        try:
            address = check_address(given.address)
        except WrongInput as error:
            errors.add("address", "invalid_address", str(error))
    errors.end()
    by = Actor(None, f"API of {request.user.name}")
    try:
        erased = await services.erasure.erase(address, [request.user.id], by, as_author=given.as_author)
    except WrongInput as error:
        # Nothing is wrong with the address itself: mail of which it is the author is in the way.
        raise Problem(409, "address-is-author", str(error)) from error
    return answer(
        EraseOut(
            erased.recipients,
            erased.cancelled,
            erased.contents,
            erased.events,
            erased.hits,
            erased.copies,
            erased.suppressions,
            erased.texts,
            erased.accounts,
            erased.left,
        )
    )
