"""After a backup came back: everything that waited in it is held until the operator says which of it goes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from postroom.base.clock import Clock
from postroom.base.errors import PostroomError
from postroom.base.ids import IdSource, made_at_ms
from postroom.events.restored import hold_back
from postroom.store import purge, restorations, route_outbox
from postroom.store.database import Database, Tx

_PAGE = 200
"""Recipients a transaction: an update and an event each."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is held back."""

    held: int
    """Recipients that were queued or deferred."""
    in_doubt: int
    """Recipients that were being sent."""
    endpoints: int
    """Webhook endpoints that are paused."""


class ClockBehind(PostroomError):
    """This machine's clock is before what the backup holds: ids would be made a second time."""


def reason_of(backup_ms: int) -> str:
    """Return the reason that held recipients show."""
    return f"{restorations.REASON}{datetime.fromtimestamp(backup_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


async def check_clock(database: Database, clock: Clock, backup_ms: int) -> None:
    """Raise ClockBehind where ids that are made now could be those of rows that are there, or were lost.

    An id is time, node and count. What was made after the backup is not here,
    so the time alone keeps it from being made again: from the backup on it only
    grows, and the node gets a number that the backup does not know.
    """
    newest = await database.read(restorations.newest_id)
    last_ms = max(backup_ms, made_at_ms(newest) if newest else 0)
    if clock.now_ms() <= last_ms:
        last, now = (datetime.fromtimestamp(at / 1000, UTC) for at in (last_ms, clock.now_ms()))
        raise ClockBehind(
            f"this machine's clock says {now:%Y-%m-%d %H:%M:%S} UTC, and the backup holds rows of "
            f"{last:%Y-%m-%d %H:%M:%S} UTC: set the clock right first"
        )


async def hold_everything(
    database: Database, ids: IdSource, clock: Clock, backup_ms: int, told: Callable[[int], None]
) -> Held:
    """Hold what waits, put in doubt what was being sent, pause webhooks, and then let the database be used.

    May be cut off and done again. `told` is called with how many recipients are done.
    """
    reason = reason_of(backup_ms)
    held = in_doubt = 0
    for workspace_id in await database.read(purge.all_workspaces):
        while True:
            found = await database.read(partial(restorations.waiting, workspace_id=workspace_id, limit=_PAGE))
            if not found:
                break
            event_ids = [ids.next() for _ in found]
            page = partial(
                hold_back,
                workspace_id=workspace_id,
                ids=found,
                event_ids=event_ids,
                now_ms=clock.now_ms(),
                reason=reason,
            )
            moved = await database.write(page)
            held, in_doubt = held + moved[0], in_doubt + moved[1]
            told(held + in_doubt)

    def finish(tx: Tx) -> int:
        now = clock.now_ms()
        paused = restorations.pause_endpoints(
            tx, f"{reason}: events that were told since are told again once you resume it", now
        )
        route_outbox.hold(tx)
        restorations.leap_numbers(tx)
        restorations.finish(tx, now, held, in_doubt)
        return paused

    return Held(held, in_doubt, await database.write(finish))
