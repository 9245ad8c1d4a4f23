"""What a check says: one line for each thing it looked at."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """It works, or works for now."""
    FAIL = "fail"
    """It does not work, or promises are broken."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    area: str
    """What it belongs to: settings, folder, key, disk, database, clock, tls, ports, dns, domains, queue, nodes."""
    verdict: Verdict
    found: str
    remedy: str = ""
    """What to do; empty where nothing is to be done."""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def ok(area: str, found: str, remedy: str = "") -> Finding:
    """Say that a thing is as it should be."""
    return Finding(area, Verdict.OK, found, remedy)


def warn(area: str, found: str, remedy: str) -> Finding:
    """Say that a thing works, and what should be done all the same."""
    return Finding(area, Verdict.WARN, found, remedy)


def fail(area: str, found: str, remedy: str) -> Finding:
    """Say that a thing does not work, and what to do."""
    return Finding(area, Verdict.FAIL, found, remedy)
