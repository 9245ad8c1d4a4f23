"""Operators on both engines: what two transactions must not both do, and what is found again."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from operators_room import HERE, NAME, PASSWORD, Room, open_room

from postroom.access import login
from postroom.access.audit import COMMAND
from postroom.access.login import LOCKED, NeedsCode, Opened, Refusal
from postroom.base.clock import ManualClock
from postroom.base.errors import WrongInput
from postroom.ledger.operator_rows import OperatorRow
from postroom.store.database import Database
from postroom.upkeep.chores import Sweeps


@pytest.fixture
async def room(database: Database, clock: ManualClock) -> AsyncIterator[Room]:
    async with open_room(database, clock) as opened:
        yield opened


@pytest.fixture
async def ada(room: Room) -> OperatorRow:
    return await room.operators.create(NAME, PASSWORD, COMMAND)


async def test_three_wrong_passwords_lock_the_operator_for_an_hour(room: Room, ada: OperatorRow) -> None:
    for _ in range(2):
        assert await room.password(password="wrong one") == Refusal(login.WRONG)
    assert await room.password(password="wrong one") == Refusal(LOCKED, over=True)

    assert await room.password() == Refusal(LOCKED)
    room.clock.advance(seconds=3599)
    assert await room.password() == Refusal(LOCKED)
    room.clock.advance(seconds=1)
    assert isinstance(await room.password(), Opened)


async def test_of_many_passwords_tried_at_once_no_more_than_three_are_checked(room: Room, ada: OperatorRow) -> None:
    answers = await asyncio.gather(*(room.password(password=f"guess {n}", address=f"192.0.2.{n}") for n in range(20)))

    assert room.passwords.checks == 3
    assert all(isinstance(answer, Refusal) for answer in answers)


async def test_all_other_sessions_can_be_ended(room: Room, ada: OperatorRow) -> None:
    first, second, third = [await room.opened() for _ in range(3)]
    kept = await room.sessions.check(second.cookie)
    assert kept is not None

    assert await room.sessions.end_others(ada.id, kept.session.id, COMMAND) == 2

    assert await room.sessions.check(first.cookie) is None
    assert await room.sessions.check(second.cookie) is not None
    assert await room.sessions.check(third.cookie) is None


async def test_the_last_operator_cannot_be_deleted(room: Room, ada: OperatorRow) -> None:
    bob = await room.operators.create("bob", PASSWORD, COMMAND)
    opened = await room.opened()

    await room.operators.delete(ada, COMMAND)
    with pytest.raises(WrongInput, match="only operator"):
        await room.operators.delete(bob, COMMAND)

    assert await room.sessions.check(opened.cookie) is None
    assert [row.name for row in await room.operators.list()] == ["bob"]


async def test_two_operators_who_delete_each_other_at_once_leave_one(room: Room, ada: OperatorRow) -> None:
    bob = await room.operators.create("bob", PASSWORD, COMMAND)

    done = await asyncio.gather(
        room.operators.delete(ada, COMMAND), room.operators.delete(bob, COMMAND), return_exceptions=True
    )

    assert sum(isinstance(one, WrongInput) for one in done) == 1
    assert len(await room.operators.list()) == 1


async def test_every_link_is_good_until_there_is_an_operator(room: Room) -> None:
    """`init` prints one, `serve` another, and people use whichever they see."""
    first, second = await room.operators.new_first_link(), await room.operators.new_first_link()
    assert first is not None
    assert second is not None

    done = await asyncio.gather(
        room.operators.create_first(first, "ada", PASSWORD, HERE),
        room.operators.create_first(second, "eve", PASSWORD, HERE),
    )

    assert sum(one is not None for one in done) == 1
    assert len(await room.operators.list()) == 1


async def test_a_code_is_taken_once_also_by_logins_side_by_side(room: Room, ada: OperatorRow) -> None:
    totp, _ = await room.with_authenticator(ada)
    room.clock.advance(seconds=30)
    answer = await room.password()
    assert isinstance(answer, NeedsCode)

    done = await asyncio.gather(
        *(room.logins.code(answer.ticket, room.code(totp), HERE, "") for _ in range(2)), return_exceptions=True
    )

    assert sorted(type(one).__name__ for one in done) == ["Opened", "Refusal"]


async def test_a_recovery_code_is_taken_once_however_it_is_typed(room: Room, ada: OperatorRow) -> None:
    _, codes = await room.with_authenticator(ada)
    assert len(set(codes)) == 10
    answer = await room.password()
    assert isinstance(answer, NeedsCode)

    typed = codes[3].upper().replace("-", " ")
    assert isinstance(await room.logins.code(answer.ticket, typed, HERE, ""), Opened)
    assert await room.logins.code(answer.ticket, codes[3], HERE, "") == Refusal(login.WRONG_CODE)
    assert await room.authenticators.codes_left(ada) == 9


async def test_the_audit_log_tells_who_came_in_and_who_tried(room: Room, ada: OperatorRow) -> None:
    await room.opened()
    for _ in range(3):
        await room.password(password="wrong one")
    await room.operators.unlock(ada, COMMAND)

    assert await room.actions() == [
        "operator.create", "login", "login.failed", "login.failed", "login.locked", "operator.unlock",
    ]  # fmt: skip


async def test_sessions_and_links_that_are_over_go(room: Room, ada: OperatorRow, clock: ManualClock) -> None:
    await room.opened()
    clock.advance(hours=11)
    kept = await room.opened()
    clock.advance(hours=1)

    assert await room.sessions.purge() == 1
    assert await room.sessions.check(kept.cookie) is not None
    assert await room.sessions.purge() == 0


async def test_the_audit_log_keeps_400_days(room: Room, ada: OperatorRow) -> None:
    await room.password(password="wrong one")
    room.clock.advance(hours=24 * 300)
    await room.password(password="wrong one")
    sweeps = Sweeps(room.database, room.clock)

    assert await sweeps.audit() == 0
    room.clock.advance(hours=24 * 101)

    assert await sweeps.audit() == 2
    assert await room.actions() == ["login.failed"]
