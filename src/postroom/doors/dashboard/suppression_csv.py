"""Suppressions as CSV: reading lists of any length and origin, and writing ours (RFC 4180).

A list is read row by row; only what is being looked at is in memory. A cell
that a spreadsheet would take for a formula gets an apostrophe in front when it
leaves, and loses it when it comes back.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO

from postroom.base.errors import WrongInput
from postroom.doors.dashboard.times import iso
from postroom.events.evidence import quoted_line
from postroom.ledger.rows import SuppressionRow
from postroom.ledger.states import SuppressionScope
from postroom.mail.address import address_key, check_address

COLUMNS = ("address", "scope", "reason", "source", "evidence", "expires", "created")
MOST_REASON = 500
_MOST_SHOWN = 120
_LONGEST_LINE = 64 << 10
"""A file without line ends is read in pieces of this many letters."""
_ADDRESS_NAMES = frozenset({"address", "email", "e-mail", "email_address", "recipient"})
_SEPARATORS = ",;\t"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_SCOPES = frozenset(scope.value for scope in SuppressionScope)


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of a list that can be suppressed."""

    address_key: str
    scope: str
    reason: str
    expires_ms: int | None


@dataclass(frozen=True, slots=True)
class WrongLine:
    """A row that cannot."""

    number: int
    """Of the line in the file, from 1."""
    shown: str
    why: str


@dataclass(frozen=True, slots=True)
class Slice:
    """Some rows of a list."""

    entries: list[Entry]
    wrong: list[WrongLine]


class ListReader:
    """Reads a list in slices. Its methods compute, so they belong on a thread."""

    def __init__(self, file: IO[bytes], scope: str, reason: str, now_ms: int) -> None:
        """`scope` and `reason` are for rows that name none; what has expired at `now_ms` is wrong."""
        text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")
        self._lines = _Lines(text)
        self._rows = csv.reader(self._lines, delimiter=self._lines.separator(), strict=False)
        self._columns: Mapping[str, int] | None = None
        self._scope = scope
        self._reason = reason
        self._now_ms = now_ms

    def next_slice(self, rows: int) -> Slice | None:
        """Return what the next `rows` rows hold, None at the end. Empty rows are left out."""
        found = Slice([], [])
        for _ in range(rows):
            try:
                row = next(self._rows)
                if self._is_data(row):
                    found.entries.append(self._entry(row))
            except StopIteration:
                return found if found.entries or found.wrong else None
            except csv.Error as error:
                found.wrong.append(WrongLine(self._lines.number, "", f"this is no CSV: {error}"))
            except WrongInput as error:
                found.wrong.append(WrongLine(self._lines.number, ", ".join(row)[:_MOST_SHOWN], str(error)))
        return found

    def _is_data(self, row: Sequence[str]) -> bool:
        if not any(cell.strip() for cell in row):
            return False
        if self._columns is None:
            self._columns = _columns(row)
            return self._columns is _WITHOUT_HEAD
        return True

    def _entry(self, row: Sequence[str]) -> Entry:
        address = check_address(self._cell(row, "address"))
        scope = self._cell(row, "scope").lower() or self._scope
        if scope not in _SCOPES:
            raise WrongInput("scope", f"{scope[:40]!r} is no scope: write all, bulk or transactional")
        expires = self._cell(row, "expires")
        expires_ms = read_time_ms(expires) if expires else None
        if expires and expires_ms is None:
            raise WrongInput("expires", f"{expires[:40]!r} is no time: write 2026-01-31 or 2026-01-31T08:00:00Z")
        if expires_ms is not None and expires_ms <= self._now_ms:
            raise WrongInput("expires", "it has expired already")
        reason = (self._cell(row, "reason") or self._reason)[:MOST_REASON]
        return Entry(address_key(address), scope, reason, expires_ms)

    def _cell(self, row: Sequence[str], name: str) -> str:
        columns = self._columns or {}
        at = columns.get(name)
        return "" if at is None or at >= len(row) else bare(row[at].strip().replace("\x00", ""))


class _Lines:
    """The lines of a file with the number of the one that was read last."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._first = text.readline(_LONGEST_LINE)
        self._is_first = True
        self.number = 0

    def separator(self) -> str:
        """Return the separator that the first line has most of."""
        return max(_SEPARATORS, key=self._first.count)

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._first if self._is_first else self._text.readline(_LONGEST_LINE)
        self._is_first = False
        if not line:
            raise StopIteration
        self.number += 1
        return line


_WITHOUT_HEAD: Mapping[str, int] = {"address": 0, "scope": 1, "reason": 2, "expires": 3}
"""How a list without names of columns is read."""


def _columns(first: Sequence[str]) -> Mapping[str, int]:
    names = [cell.strip().lower() for cell in first]
    found = {name: at for at, name in reversed(list(enumerate(names))) if name in COLUMNS}
    if "expires" not in found and "expires_at" in names:
        found["expires"] = names.index("expires_at")
    if "address" not in found:
        at = next((at for at, name in enumerate(names) if name in _ADDRESS_NAMES), None)
        if at is None:
            return _WITHOUT_HEAD
        found["address"] = at
    return found


def read_time_ms(text: str) -> int | None:
    """Return a date or a time (UTC where it names no offset) in epoch milliseconds, None for anything else."""
    try:
        time = datetime.fromisoformat(text.strip())
        if time.tzinfo is None:
            time = time.replace(tzinfo=UTC)
        return int(time.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def head() -> bytes:
    """Return the first line of an exported list."""
    return _written([COLUMNS])


def written(rows: Iterable[SuppressionRow]) -> bytes:
    """Return lines of an exported list."""
    return _written(
        (
            guarded(row.address_key),
            row.scope,
            guarded(row.reason),
            guarded(row.source),
            guarded(quoted_line(row.evidence)),
            "" if row.expires_ms is None else iso(row.expires_ms),
            iso(row.created_ms),
        )
        for row in rows
    )


def guarded(cell: str) -> str:
    """Return a cell that no spreadsheet runs."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def bare(cell: str) -> str:
    """Return a cell as it was before `guarded`."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def _written(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
