"""Operators: the people who look after an installation and see all its workspaces."""

import secrets

from postroom.access import audit
from postroom.access.audit import Actor
from postroom.access.passwords import Passwords, check_password
from postroom.base.clock import HOUR_MS, Clock
from postroom.base.errors import WrongInput
from postroom.base.ids import IdSource
from postroom.base.secrets import secret_hash
from postroom.ledger.operator_rows import FirstLinkRow, OperatorRow
from postroom.store import operators
from postroom.store.database import Database, Tx

FIRST_LINK_MS = 24 * HOUR_MS
_TOKEN_BYTES = 24
_LONGEST_NAME = 254


class Operators:
    """All operators of the installation."""

    def __init__(self, database: Database, ids: IdSource, clock: Clock, passwords: Passwords) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock
        self._passwords = passwords

    async def list(self) -> list[OperatorRow]:
        """Return all operators, oldest first."""
        return await self._database.read(operators.all_operators)

    async def named(self, name: str) -> OperatorRow:
        """Return the operator of this name. Raises WrongInput where there is none."""
        key = name_key(name)
        row = await self._database.read(lambda conn: operators.operator_by_name(conn, key))
        if row is None:
            raise WrongInput("name", f"there is no operator {name!r}; `postroom operator list` shows all")
        return row

    async def get(self, operator_id: int) -> OperatorRow | None:
        """Return the operator of this id, or None."""
        return await self._database.read(lambda conn: operators.operator_by_id(conn, operator_id))

    async def create(self, name: str, password: str, by: Actor) -> OperatorRow:
        """Make an operator. Raises WrongInput where the name is taken or unfit, or the password too easy."""
        row, note_id = await self._new(name, password), self._ids.next()

        def write(tx: Tx) -> None:
            _add(tx, row)
            # Who can make operators at the machine needs no link, and one that lies about is a danger.
            operators.take_first_links(tx)
            audit.note(tx, note_id, row.created_ms, by, "operator.create", subject=row.name)

        await self._database.write(write)
        return row

    async def new_first_link(self) -> str | None:
        """Return the token of a new link that makes the first operator, or None where there is one. Raises TryLater.

        It opens for 24 hours, once; links made before it stay good as long as there is no operator.
        """
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        now = self._clock.now_ms()
        row = FirstLinkRow(secret_hash(token), now, now + FIRST_LINK_MS)

        def write(tx: Tx) -> bool:
            if operators.has_operators(tx):
                return False
            tx.add(row)
            return True

        return token if await self._database.write(write) else None

    async def first_link_is_good(self, token: str) -> bool:
        """Tell whether a first link's token still opens. Raises TryLater."""
        presented, now = secret_hash(token), self._clock.now_ms()
        return await self._database.read(lambda conn: operators.first_link_is_good(conn, presented, now))

    async def create_first(self, token: str, name: str, password: str, address: str) -> OperatorRow | None:
        """Make the first operator with a link's token, or None where it no longer opens. Raises WrongInput."""
        if not await self.first_link_is_good(token):
            return None
        row, note_id, presented = await self._new(name, password), self._ids.next(), secret_hash(token)

        def write(tx: Tx) -> bool:
            # Taking the links first keeps two first operators apart: the other transaction finds none.
            links = operators.take_first_links(tx)
            if operators.has_operators(tx) or not any(
                link.hash == presented and link.expires_ms > row.created_ms for link in links
            ):
                return False
            _add(tx, row)
            by = Actor(row.id, row.name, address)
            audit.note(tx, note_id, row.created_ms, by, "operator.create", subject=row.name, detail="by the first link")
            return True

        return row if await self._database.write(write) else None

    async def set_password(self, operator_id: int, password: str, by: Actor, *, kept_session: int = 0) -> None:
        """Set a password, unlock, and end all sessions but `kept_session`. Raises WrongInput."""
        row = await self.get(operator_id)
        if row is None:
            raise WrongInput("name", "this operator is gone")
        check_password(password, row.name)
        hashed, note_id, now = await self._passwords.hash(password), self._ids.next(), self._clock.now_ms()

        def write(tx: Tx) -> None:
            operators.set_password(tx, operator_id, hashed, now)
            operators.unlock(tx, operator_id)
            operators.end_other_sessions(tx, operator_id, kept_session)
            audit.note(tx, note_id, now, by, "operator.password", subject=row.name)

        await self._database.write(write)

    async def unlock(self, row: OperatorRow, by: Actor) -> None:
        """Let an operator who was locked out log in again."""
        note_id, now = self._ids.next(), self._clock.now_ms()

        def write(tx: Tx) -> None:
            if operators.unlock(tx, row.id):
                audit.note(tx, note_id, now, by, "operator.unlock", subject=row.name)

        await self._database.write(write)

    async def delete(self, row: OperatorRow, by: Actor) -> None:
        """Delete an operator and end all sessions. Raises WrongInput for the last one."""
        note_id, now = self._ids.next(), self._clock.now_ms()

        def write(tx: Tx) -> None:
            if operators.lock_all_operators(tx) == [row.id]:
                raise WrongInput("name", f"{row.name} is the only operator; make another one first")
            if operators.delete_operator(tx, row.id):
                audit.note(tx, note_id, now, by, "operator.delete", subject=row.name)

        await self._database.write(write)

    async def _new(self, name: str, password: str) -> OperatorRow:
        name = check_name(name)
        key = name_key(name)
        check_password(password, name)
        if await self._database.read(lambda conn: operators.operator_by_name(conn, key)) is not None:
            raise _taken(name)
        hashed = await self._passwords.hash(password)
        now = self._clock.now_ms()
        return OperatorRow(self._ids.next(), name, key, hashed, now, now)


def check_name(name: str) -> str:
    """Return an operator's name without blanks around it. Raises WrongInput."""
    name = name.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise WrongInput("name", f"a name or e-mail address has 1 to {_LONGEST_NAME} printable characters")
    return name


def name_key(name: str) -> str:
    """Return what two names that mean the same operator have in common."""
    return name.strip().casefold()


def _add(tx: Tx, row: OperatorRow) -> None:
    if operators.operator_by_name(tx, row.name_key) is not None:
        raise _taken(row.name)
    tx.add(row)


def _taken(name: str) -> WrongInput:
    return WrongInput("name", f"there is an operator {name!r} already")
