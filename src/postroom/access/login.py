"""Logging in: password, then the code of an authenticator where the operator has one.

Three wrong passwords or codes lock an operator for an hour; then the right
password is refused too. A name that nobody has is answered alike, in the same
time, so that nobody learns which names there are. Beside it tries of one
network are spaced: guessing over many names is slow as well.
"""

import base64
import binascii
import json
import secrets
from collections import OrderedDict
from dataclasses import dataclass

import structlog

from postroom.access import audit, totp
from postroom.access.audit import Actor
from postroom.access.operators import name_key
from postroom.access.pace import Pace
from postroom.access.passwords import Passwords
from postroom.access.sessions import Sessions
from postroom.base.clock import HOUR_MS, Clock
from postroom.base.ids import IdSource
from postroom.base.secrets import CannotOpen, Sealer, secret_hash
from postroom.ledger.operator_rows import OperatorRow
from postroom.store import operators
from postroom.store.database import Database, Tx

MOST_TRIES = 3
LOCK_MS = HOUR_MS
_TICKET_MS = 5 * 60_000
"""Time to find the telephone."""
_TICKET_ROW = "login/ticket"
_MOST_STRANGERS = 10_000

_log = structlog.get_logger(__name__)

WRONG = "Name or password is wrong. After three wrong tries the login is locked for an hour."
WRONG_AGAIN = "This is not your password. After three wrong tries the login is locked for an hour."
WRONG_CODE = "This code is wrong or was used already. After three wrong tries the login is locked for an hour."
LOCKED = (
    "This login is locked for an hour after three wrong tries. Wait, or have another operator unlock it under "
    "Settings; at the machine, “postroom operator unlock NAME” does it."
)
TICKET_OVER = "That took longer than five minutes. Log in again."


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nobody was logged in."""

    text: str
    """What to tell, with the remedy."""
    wait_seconds: int = 0
    """Not before; 0: at once."""
    over: bool = False
    """A half-done login does not go on: begin with the password."""


@dataclass(frozen=True, slots=True)
class NeedsCode:
    """The password was right; a code is still to come."""

    ticket: str
    """Sealed; the browser gives it back with the code."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session."""

    cookie: str
    operator: OperatorRow


class Logins:
    """The way in for operators."""

    def __init__(
        self, database: Database, ids: IdSource, clock: Clock, sealer: Sealer, passwords: Passwords, sessions: Sessions
    ) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock
        self._sealer = sealer
        self._passwords = passwords
        self._sessions = sessions
        self._pace = Pace()
        self._strangers: OrderedDict[str, tuple[int, int]] = OrderedDict()

    async def password(self, name: str, password: str, address: str, user_agent: str) -> Opened | NeedsCode | Refusal:
        """Check name and password. Raises TryLater where the store cannot say."""
        if wait := self._pace.wait(address, self._clock.monotonic()):
            return _slow_down(wait)
        key = name_key(name)[:300].replace("\x00", "")
        row = await self._database.read(lambda conn: operators.operator_by_name(conn, key))
        number = await (self._begin(row) if row else self._begin_stranger(key))
        if number is None:
            return Refusal(LOCKED)
        if not await self._passwords.verify(row.password_hash if row else None, password) or row is None:
            return await self._failed(row, number, address, WRONG)
        if row.totp_secret is not None:
            await self._database.write(lambda tx: operators.take_back_try(tx, row.id))
            return NeedsCode(self._ticket(row))
        return await self.open(row, address, user_agent)

    async def code(self, ticket: str, code: str, address: str, user_agent: str) -> Opened | Refusal:
        """Check the code of an authenticator, or a recovery code, after the password. Raises TryLater."""
        if wait := self._pace.wait(address, self._clock.monotonic()):
            return _slow_down(wait)
        row = await self._of_ticket(ticket)
        if row is None or row.totp_secret is None:
            return Refusal(TICKET_OVER, over=True)
        number = await self._begin(row)
        if number is None:
            return Refusal(LOCKED, over=True)
        if not await self._code_is_right(row, row.totp_secret, code):
            return await self._failed(row, number, address, WRONG_CODE)
        return await self.open(row, address, user_agent)

    async def password_again(self, row: OperatorRow, password: str, address: str) -> Refusal | None:
        """Check the password of somebody who is logged in; a wrong one counts like one at the door. Raises TryLater."""
        if wait := self._pace.wait(address, self._clock.monotonic()):
            return _slow_down(wait)
        number = await self._begin(row)
        if number is None:
            return Refusal(LOCKED)
        if not await self._passwords.verify(row.password_hash, password):
            return await self._failed(row, number, address, WRONG_AGAIN)
        await self._database.write(lambda tx: operators.take_back_try(tx, row.id))
        return None

    async def open(self, row: OperatorRow, address: str, user_agent: str) -> Opened:
        """Begin a session of an operator who has shown all that is needed."""
        cookie, session = self._sessions.new(row.id, address, user_agent)
        note_id, now = self._ids.next(), self._clock.now_ms()

        def write(tx: Tx) -> None:
            operators.unlock(tx, row.id)
            tx.add(session)
            audit.note(tx, note_id, now, Actor(row.id, row.name, address), "login", subject=row.name)

        await self._database.write(write)
        self._pace.succeeded(address)
        return Opened(cookie, row)

    async def _begin(self, row: OperatorRow) -> int | None:
        now = self._clock.now_ms()
        return await self._database.write(lambda tx: operators.begin_try(tx, row.id, now, MOST_TRIES, now + LOCK_MS))

    async def _begin_stranger(self, key: str) -> int | None:
        await self._write_as_if()
        return self._stranger(key)

    async def _write_as_if(self) -> None:
        nothing = secrets.token_bytes(32)
        await self._database.write(lambda tx: operators.write_as_if(tx, nothing))

    def _stranger(self, key: str) -> int | None:
        """Count a try for a name that nobody has, as an operator's is counted."""
        now = self._clock.now_ms()
        tries, locked_until = self._strangers.pop(key, (0, 0))
        if locked_until > now:
            self._strangers[key] = (tries, locked_until)
            return None
        tries = 1 if locked_until else tries + 1
        self._strangers[key] = (tries, now + LOCK_MS if tries >= MOST_TRIES else 0)
        if len(self._strangers) > _MOST_STRANGERS:
            self._strangers.popitem(last=False)
        return tries

    async def _failed(self, row: OperatorRow | None, number: int, address: str, text: str) -> Refusal:
        self._pace.failed(address, self._clock.monotonic())
        _log.warning("a login failed", address=address, locked=number >= MOST_TRIES)
        if row is None:
            await self._write_as_if()
        else:
            note_id, now = self._ids.next(), self._clock.now_ms()
            by = Actor(None, "login page", address)
            action = "login.locked" if number >= MOST_TRIES else "login.failed"
            await self._database.write(lambda tx: audit.note(tx, note_id, now, by, action, subject=row.name))
        return Refusal(LOCKED, over=True) if number >= MOST_TRIES else Refusal(text)

    async def _code_is_right(self, row: OperatorRow, sealed: bytes, code: str) -> bool:
        now = self._clock.now_ms()
        letters = totp.plain_recovery_code(code)
        if letters is not None:
            used = secret_hash(letters)
            return await self._database.write(lambda tx: operators.use_recovery_code(tx, row.id, used, now))
        secret = self._sealer.open(sealed, totp_row(row.id)).decode()
        step = totp.step_of(secret, code, now, row.totp_step)
        if step is None:
            return False
        return await self._database.write(lambda tx: operators.take_totp_step(tx, row.id, step))

    def _ticket(self, row: OperatorRow) -> str:
        value = json.dumps([row.id, row.password_ms, self._clock.now_ms() + _TICKET_MS]).encode()
        return base64.urlsafe_b64encode(self._sealer.seal(value, _TICKET_ROW)).decode()

    async def _of_ticket(self, ticket: str) -> OperatorRow | None:
        try:
            sealed = base64.urlsafe_b64decode(ticket.encode("ascii", "replace"))
            operator_id, password_ms, until_ms = json.loads(self._sealer.open(sealed, _TICKET_ROW))
        except (binascii.Error, CannotOpen, ValueError):
            return None
        if until_ms <= self._clock.now_ms():
            return None
        row = await self._database.read(lambda conn: operators.operator_by_id(conn, operator_id))
        return row if row is not None and row.password_ms == password_ms else None


def totp_row(operator_id: int) -> str:
    """Return what an operator's TOTP secret is sealed for."""
    return f"operator/{operator_id}/totp_secret"


def _slow_down(wait: float) -> Refusal:
    seconds = max(1, round(wait))
    return Refusal(f"Too many wrong tries came from your network. Wait {seconds} seconds and try again.", seconds)
