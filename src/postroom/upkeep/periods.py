"""How long things are kept, and how operators write it: `30d`, `12h`."""

import re
from dataclasses import dataclass

from postroom.base.clock import DAY_MS, HOUR_MS
from postroom.base.errors import WrongInput
from postroom.ledger.keeping_rows import KeepingRow

_FORM = re.compile(r"([1-9][0-9]{0,4})([hd])", re.ASCII)
_AGE = re.compile(r"([0-9]{1,5})([mhd])", re.ASCII)
_UNITS = {"m": HOUR_MS // 60, "h": HOUR_MS, "d": DAY_MS}
LEAST_MS = DAY_MS
"""A shorter time would take contents away while their mail may still be asked for."""
MOST_MS = 3_650 * DAY_MS


@dataclass(frozen=True, slots=True)
class Periods:
    """How long a workspace keeps what, in milliseconds."""

    bodies_ms: int = 30 * DAY_MS
    """Contents, after the last recipient settled; of mail that came in, after that."""
    hits_ms: int = 30 * DAY_MS
    """Hits with their evidence; their events stay as long as the ledger."""
    ledger_ms: int = 400 * DAY_MS
    """Messages, recipients and events, after the last thing that happened to the message; mail that came in."""
    sandbox_ms: int = 30 * DAY_MS
    """Copies that the sandbox kept."""


DEFAULTS = Periods()


def periods_of(row: KeepingRow) -> Periods:
    """Return the periods of a workspace: what is set, else the defaults."""

    def given(value: int | None, default: int) -> int:
        return default if value is None else value

    return Periods(
        given(row.bodies_ms, DEFAULTS.bodies_ms),
        given(row.hits_ms, DEFAULTS.hits_ms),
        given(row.ledger_ms, DEFAULTS.ledger_ms),
        given(row.sandbox_ms, DEFAULTS.sandbox_ms),
    )


def read_period(text: str, field: str) -> int:
    """Return milliseconds of a period such as `30d` or `36h`, one day at least. Raises WrongInput."""
    match = _FORM.fullmatch(text.strip())
    period_ms = int(match[1]) * _UNITS[match[2]] if match else 0
    if not LEAST_MS <= period_ms <= MOST_MS:
        raise WrongInput(field, f"{field} is {text!r}; write a time from 1d to 3650d, such as 30d or 36h")
    return period_ms


def read_age(text: str, field: str) -> int:
    """Return milliseconds of an age such as `90m`, `2h` or `3d`. Raises WrongInput."""
    match = _AGE.fullmatch(text.strip())
    if match is None:
        raise WrongInput(field, f"{field} is {text!r}; write a time such as 90m, 2h or 3d")
    return int(match[1]) * _UNITS[match[2]]


def show_period(period_ms: int) -> str:
    """Return a period as `read_period` reads it."""
    days, rest = divmod(period_ms, DAY_MS)
    return f"{period_ms // HOUR_MS}h" if rest else f"{days}d"


def check_periods(periods: Periods) -> None:
    """Refuse periods that contradict one another. Raises WrongInput."""
    for field, period_ms in (("bodies", periods.bodies_ms), ("hits", periods.hits_ms), ("sandbox", periods.sandbox_ms)):
        if period_ms > periods.ledger_ms:
            raise WrongInput(
                field,
                f"{field} ({show_period(period_ms)}) cannot be kept longer than their ledger "
                f"({show_period(periods.ledger_ms)}): lengthen the ledger's time too",
            )
