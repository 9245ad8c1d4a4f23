"""Browsers in which operators are logged in: 12 hours without use, 30 days at most.

A session is a row; the cookie holds 256 random bits of which only the SHA-256
is stored. So it ends at once, on all nodes, where an operator ends it.
"""

import contextlib
import secrets
from dataclasses import dataclass

from postroom.access import audit
from postroom.access.audit import Actor
from postroom.base.clock import DAY_MS, HOUR_MS, Clock
from postroom.base.errors import TryLater
from postroom.base.ids import IdSource
from postroom.base.secrets import secret_hash
from postroom.ledger.operator_rows import OperatorRow, OperatorSessionRow
from postroom.store import operators
from postroom.store.database import Database, Tx

IDLE_MS = 12 * HOUR_MS
LONGEST_MS = 30 * DAY_MS
_SEEN_EVERY_MS = 5 * 60_000
"""Writing down each request would make every page a write."""
_COOKIE_BYTES = 32
_PURGE_ROWS = 500
_MOST_USER_AGENT = 300


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A session that holds, and whose it is."""

    session: OperatorSessionRow
    operator: OperatorRow


class Sessions:
    """The sessions of all operators."""

    def __init__(self, database: Database, ids: IdSource, clock: Clock) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock

    def new(self, operator_id: int, address: str, user_agent: str) -> tuple[str, OperatorSessionRow]:
        """Return a new cookie value and the row that makes it hold once it is stored."""
        cookie = secrets.token_urlsafe(_COOKIE_BYTES)
        now = self._clock.now_ms()
        agent = user_agent[:_MOST_USER_AGENT].replace("\x00", "")
        return cookie, OperatorSessionRow(
            self._ids.next(), operator_id, secret_hash(cookie), now, now, address[:64], agent
        )

    async def check(self, cookie: str) -> LoggedIn | None:
        """Return the session of a cookie, or None where there is none or it is over. Raises TryLater."""
        presented = secret_hash(cookie)
        found = await self._database.read(lambda conn: operators.session_by_hash(conn, presented))
        if found is None:
            return None
        session, operator = found
        now = self._clock.now_ms()
        if now - session.seen_ms >= IDLE_MS or now - session.created_ms >= LONGEST_MS:
            return None
        if now - session.seen_ms >= _SEEN_EVERY_MS:
            # A page is worth more than the time of its session.
            with contextlib.suppress(TryLater):
                await self._database.write(lambda tx: operators.session_seen(tx, session.id, now))
        return LoggedIn(session, operator)

    async def list(self, operator_id: int) -> list[OperatorSessionRow]:
        """Return the sessions of an operator that hold, the last used first."""
        rows = await self._database.read(lambda conn: operators.sessions(conn, operator_id))
        now = self._clock.now_ms()
        return [row for row in rows if now - row.seen_ms < IDLE_MS and now - row.created_ms < LONGEST_MS]

    async def end(self, operator_id: int, session_id: int, by: Actor, *, action: str = "session.end") -> bool:
        """End one session of an operator; tell whether there was one. `action` is the audit log's word for it."""
        note_id, now = self._ids.next(), self._clock.now_ms()

        def write(tx: Tx) -> bool:
            ended = operators.end_session(tx, operator_id, session_id)
            if ended:
                audit.note(tx, note_id, now, by, action, subject=by.name)
            return ended

        return await self._database.write(write)

    async def end_others(self, operator_id: int, kept_id: int, by: Actor) -> int:
        """End all sessions of an operator but one; return how many."""
        note_id, now = self._ids.next(), self._clock.now_ms()

        def write(tx: Tx) -> int:
            ended = operators.end_other_sessions(tx, operator_id, kept_id)
            if ended:
                audit.note(tx, note_id, now, by, "session.end_others", detail=f"{ended} sessions")
            return ended

        return await self._database.write(write)

    async def purge(self) -> int:
        """Delete sessions that are over and first links that have expired; return how many. Raises TryLater."""
        now = self._clock.now_ms()
        total = await self._database.write(lambda tx: operators.purge_first_links(tx, now))
        while True:
            total += (
                deleted := await self._database.write(
                    lambda tx: operators.purge_sessions(tx, now - IDLE_MS, now - LONGEST_MS, _PURGE_ROWS)
                )
            )
            if deleted < _PURGE_ROWS:
                return total
