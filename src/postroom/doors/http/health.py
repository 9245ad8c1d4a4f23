"""`/health/live` and `/health/ready`: for load balancers and supervisors, without a key."""

from litestar import Response, get
from msgspec import Struct

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
    """Answer 200 when the store can be read and written, else 503."""
    database = services_of(request).database
    if database.trouble is not None:
        raise busy("The store cannot be written.")
    await database.read(lambda conn: conn.one(_ANY))
    return answer(Health("ready"))
