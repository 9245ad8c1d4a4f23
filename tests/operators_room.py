"""The room `access` for operators over a database, with cheap passwords: `room` and `ada` for tests of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pyotp
from dashboard_browser import CHEAP

from postroom.access.audit import Actor
from postroom.access.authenticators import Authenticators
from postroom.access.login import Logins, Opened
from postroom.access.operators import Operators
from postroom.access.passwords import Passwords
from postroom.access.sessions import Sessions
from postroom.base.clock import ManualClock
from postroom.base.ids import IdSource
from postroom.base.secrets import Sealer
from postroom.base.threads import Threads
from postroom.ledger.operator_rows import OperatorRow
from postroom.store import operators as rows
from postroom.store.database import Database

NAME, PASSWORD = "Ada@example.com", "a sentence of hers"
HERE = "192.0.2.7"


class Room:
    """The room `access` over a database."""

    def __init__(self, database: Database, clock: ManualClock, slow: Threads) -> None:
        self.database, self.clock = database, clock
        ids, sealer = IdSource(1, clock), Sealer(b"k" * 32)
        self.passwords = CountingPasswords(slow, CHEAP)
        self.sessions = Sessions(database, ids, clock)
        self.operators = Operators(database, ids, clock, self.passwords)
        self.logins = Logins(database, ids, clock, sealer, self.passwords, self.sessions)
        self.authenticators = Authenticators(database, ids, clock, sealer, "mail.postroom.test")

    async def password(self, name: str = NAME, password: str = PASSWORD, address: str = HERE) -> object:
        """Try a password."""
        return await self.logins.password(name, password, address, "a browser")

    async def opened(self) -> Opened:
        """Log in."""
        answer = await self.password()
        assert isinstance(answer, Opened), answer
        return answer

    async def with_authenticator(self, row: OperatorRow) -> tuple[pyotp.TOTP, list[str]]:
        """Give an operator an authenticator; its first code is used up."""
        offer = self.authenticators.offer(row)
        totp = pyotp.TOTP(offer.secret)
        codes = await self.authenticators.confirm(row, offer.sealed, self.code(totp), Actor(row.id, row.name))
        return totp, codes

    def code(self, totp: pyotp.TOTP, steps: int = 0) -> str:
        """Return the code that an authenticator shows, or showed some steps away."""
        return totp.generate_otp(self.clock.now_ms() // 30_000 + steps)

    async def actions(self) -> list[str]:
        """Return what the audit log tells, oldest first."""
        found = await self.database.read(lambda conn: rows.audit_page(conn, 1 << 62, 100))
        return [row.action for row in reversed(found)]


class CountingPasswords(Passwords):
    """Counts how often argon2 is asked."""

    checks = 0

    async def verify(self, stored: str | None, password: str) -> bool:
        self.checks += 1
        return await super().verify(stored, password)


@asynccontextmanager
async def open_room(database: Database, clock: ManualClock) -> AsyncIterator[Room]:
    """Open the room over a database."""
    slow = Threads("slow", 2)
    try:
        yield Room(database, clock, slow)
    finally:
        slow.close()
