"""The clock: does the system keep it right, and has it gone back since the last event?"""

import ctypes
from collections.abc import Iterator

from postroom.app.check.findings import Finding, fail, ok, warn

_AREA = "clock"
_TIME_ERROR = 5
"""adjtimex(2): the clock is not synchronised."""
_TIMEX_BYTES = 256
"""More than struct timex takes on any machine; all zero asks and changes nothing."""
_AHEAD_MS = 2_000
_FAR_MS = 30_000


def check_synchronised() -> list[Finding]:
    """Ask the kernel whether something keeps its clock right."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        state = -1
    if state < 0:
        return [ok(_AREA, "this system does not tell whether its clock is synchronised", "look at it by hand")]
    if state == _TIME_ERROR:
        remedy = "run systemd-timesyncd or chrony; in a container the host has to"
        return [warn(_AREA, "the kernel says that its clock is not synchronised", remedy)]
    return [ok(_AREA, "the kernel's clock is synchronised")]


def check_times(now_ms: int, database_ms: int, newest_ms: int | None) -> Iterator[Finding]:
    """Compare our clock with the database's and with the newest event of the ledger."""
    apart = abs(now_ms - database_ms)
    if apart > _AHEAD_MS:
        blame = fail if apart > _FAR_MS else warn
        yield blame(_AREA, f"this machine and the database are {apart / 1000:.1f} s apart", "synchronise both clocks")
    else:
        yield ok(_AREA, "this machine and the database agree about the time")
    if newest_ms is not None and newest_ms > max(now_ms, database_ms) + _AHEAD_MS:
        ahead = (newest_ms - now_ms) / 1000
        remedy = "correct the clock; until then new events carry times that have already been given"
        yield fail(_AREA, f"the newest event is {ahead:.0f} s in the future: the clock has gone back", remedy)
