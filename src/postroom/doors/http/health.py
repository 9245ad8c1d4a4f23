"""`/health/live` and `/health/ready`: for load balancers and supervisors, without a key."""

from litestar import Response, get
from msgspec import Struct

from postroom.base.errors import TryLater
from postroom.doors.http.operation import Operation, described
from postroom.doors.http.problems import busy
from postroom.doors.http.requests import answer
from postroom.doors.http.services import ApiRequest, services_of
from postroom.store.database import statement

_ANY = statement("SELECT 1")


class Health(Struct, frozen=True):
    """The process answers."""

    status: str


@get("/health/live", opt=described(Operation("Is the process alive?", answers=Health, public=True)))
async def live(request: ApiRequest) -> Response[bytes]:
    """Answer 200 while the process serves requests at all."""
    return answer(Health("live"))


@get("/health/ready", opt=described(Operation("Can it take mail in?", answers=Health, public=True)))
async def ready(request: ApiRequest) -> Response[bytes]:
    """Answer 200 when mail can be taken in, else 503; `detail` says why.

    The reasons: the store cannot be written or read, the disk is full, or this process is stopping.
    """
    services = services_of(request)
    reason = services.not_ready()
    if reason is not None:
        raise busy(reason)
    if services.database.trouble is not None:
        raise busy("The store cannot be written.")
    try:
        await services.database.read(lambda conn: conn.one(_ANY))
    except TryLater as error:
        raise busy("The store cannot be read.") from error
    return answer(Health("ready"))
