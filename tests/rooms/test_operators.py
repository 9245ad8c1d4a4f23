"""Operators, the way in, and sessions, with a clock that the test moves."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pyotp
import pytest
from migrated import sqlite_url
from operators_room import HERE, NAME, PASSWORD, Room, open_room

from postroom.access import login
from postroom.access.audit import COMMAND
from postroom.access.login import LOCKED, NeedsCode, Opened, Refusal
from postroom.base.clock import ManualClock
from postroom.base.errors import TryLater, WrongInput
from postroom.base.secrets import Sealer
from postroom.ledger.operator_rows import OperatorRow
from postroom.store.database import open_database


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    clock = ManualClock()
    database = await open_database(sqlite_url(tmp_path), clock=clock)
    async with open_room(database, clock) as opened:
        yield opened
    await database.close()


@pytest.fixture
async def ada(room: Room) -> OperatorRow:
    return await room.operators.create(NAME, PASSWORD, COMMAND)


async def test_the_right_password_opens_a_session_whatever_the_case_of_the_name(room: Room, ada: OperatorRow) -> None:
    answer = await room.password(" ada@EXAMPLE.com ")

    assert isinstance(answer, Opened)
    found = await room.sessions.check(answer.cookie)
    assert found is not None
    assert found.operator.id == ada.id
    assert found.session.address == HERE


async def test_only_hashes_of_password_and_cookie_are_stored(room: Room, ada: OperatorRow) -> None:
    opened = await room.opened()

    session = (await room.sessions.list(ada.id))[0]
    assert ada.password_hash.startswith("$argon2id$")
    assert opened.cookie.encode() not in session.hash
    assert len(opened.cookie) >= 43  # 256 bits in base64url


async def test_after_a_lock_three_tries_count_anew(room: Room, ada: OperatorRow) -> None:
    for _ in range(3):
        await room.password(password="wrong one")
    room.clock.advance(hours=1)

    for _ in range(2):
        assert await room.password(password="wrong one") == Refusal(login.WRONG)
    assert isinstance(await room.password(), Opened)


async def test_a_login_forgets_earlier_wrong_passwords(room: Room, ada: OperatorRow) -> None:
    for _ in range(3):
        await room.password(password="wrong one")
        await room.opened()

    assert isinstance(await room.password(), Opened)


async def test_an_unknown_name_is_answered_like_a_known_one(room: Room, ada: OperatorRow) -> None:
    known = [await room.password(password="wrong one", address="192.0.2.1") for _ in range(4)]
    checks = room.passwords.checks
    unknown = [await room.password("nobody", password="wrong one", address="192.0.2.2") for _ in range(4)]

    assert unknown == known
    assert room.passwords.checks == 2 * checks, "argon2 is asked as often, so it takes as long"


async def test_tries_of_one_network_over_many_names_are_spaced(room: Room, ada: OperatorRow) -> None:
    for number in range(6):
        await room.password(f"name {number}", "a guess", address="2001:db8:1:2::5")

    refused = await room.password(address="2001:db8:1:2:3::9")
    assert isinstance(refused, Refusal)
    assert refused.wait_seconds > 0
    assert isinstance(await room.password(), Opened), "others are not held up"
    room.clock.advance(seconds=refused.wait_seconds)
    assert isinstance(await room.password(address="2001:db8:1:2::5"), Opened)


async def test_a_flood_of_logins_is_put_off_before_it_takes_the_threads(room: Room, ada: OperatorRow) -> None:
    tries = [room.password(f"name {n}", "a guess", address=f"192.0.2.{n}") for n in range(40)]
    answers = await asyncio.gather(*tries, return_exceptions=True)

    assert any(isinstance(answer, TryLater) for answer in answers)
    assert isinstance(await room.password(), Opened)


async def test_an_operator_can_be_unlocked(room: Room, ada: OperatorRow) -> None:
    for _ in range(3):
        await room.password(password="wrong one")

    await room.operators.unlock(ada, COMMAND)

    assert isinstance(await room.password(), Opened)


async def test_a_session_ends_after_12_hours_without_use(room: Room, ada: OperatorRow) -> None:
    opened = await room.opened()

    room.clock.advance(hours=11)
    assert await room.sessions.check(opened.cookie) is not None
    room.clock.advance(hours=11)
    assert await room.sessions.check(opened.cookie) is not None
    room.clock.advance(hours=12)
    assert await room.sessions.check(opened.cookie) is None
    assert await room.sessions.list(ada.id) == []


async def test_a_session_ends_after_30_days_however_it_is_used(room: Room, ada: OperatorRow) -> None:
    opened = await room.opened()

    for _ in range(59):
        room.clock.advance(hours=12, ms=-1)
        assert await room.sessions.check(opened.cookie) is not None
    room.clock.advance(hours=12, ms=59)

    assert await room.sessions.check(opened.cookie) is None


async def test_a_new_password_ends_all_sessions_and_the_lock(room: Room, ada: OperatorRow) -> None:
    opened = await room.opened()
    for _ in range(3):
        await room.password(password="wrong one")

    await room.operators.set_password(ada.id, "another sentence", COMMAND)

    assert await room.sessions.check(opened.cookie) is None
    assert isinstance(await room.password(password="another sentence"), Opened)
    assert isinstance(await room.password(), Refusal)


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaa", NAME, "x" * 1001])
async def test_a_password_that_is_easy_to_guess_is_refused(room: Room, password: str) -> None:
    with pytest.raises(WrongInput, match="password"):
        await room.operators.create(NAME, password, COMMAND)


async def test_a_name_belongs_to_one_operator(room: Room, ada: OperatorRow) -> None:
    with pytest.raises(WrongInput, match="already"):
        await room.operators.create("ADA@example.com", PASSWORD, COMMAND)


# The first operator


async def test_a_first_link_makes_the_first_operator_once(room: Room) -> None:
    token = await room.operators.new_first_link()
    assert token is not None

    made = await room.operators.create_first(token, "ada", PASSWORD, HERE)

    assert made is not None
    assert await room.operators.create_first(token, "eve", PASSWORD, HERE) is None
    assert await room.operators.new_first_link() is None
    assert not await room.operators.first_link_is_good(token)


async def test_a_first_link_expires_after_a_day(room: Room) -> None:
    token = await room.operators.new_first_link()
    assert token is not None
    room.clock.advance(hours=24)

    assert not await room.operators.first_link_is_good(token)
    assert await room.operators.create_first(token, "ada", PASSWORD, HERE) is None


async def test_an_operator_made_by_command_ends_the_links(room: Room) -> None:
    token = await room.operators.new_first_link()
    assert token is not None

    await room.operators.create("ada", PASSWORD, COMMAND)

    assert not await room.operators.first_link_is_good(token)


# The second factor


async def test_with_an_authenticator_the_password_alone_opens_nothing(room: Room, ada: OperatorRow) -> None:
    totp, _ = await room.with_authenticator(ada)
    room.clock.advance(seconds=30)

    answer = await room.password()

    assert isinstance(answer, NeedsCode)
    assert await room.sessions.list(ada.id) == []
    assert isinstance(await room.logins.code(answer.ticket, room.code(totp), HERE, ""), Opened)


async def test_the_code_that_confirmed_an_authenticator_logs_nobody_in(room: Room, ada: OperatorRow) -> None:
    totp, _ = await room.with_authenticator(ada)
    answer = await room.password()
    assert isinstance(answer, NeedsCode)

    assert await room.logins.code(answer.ticket, room.code(totp), HERE, "") == Refusal(login.WRONG_CODE)


@pytest.mark.parametrize(("steps", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
async def test_a_telephone_may_be_wrong_by_one_step(room: Room, ada: OperatorRow, steps: int, good: bool) -> None:
    totp, _ = await room.with_authenticator(ada)
    room.clock.advance(seconds=300)
    answer = await room.password()
    assert isinstance(answer, NeedsCode)

    assert isinstance(await room.logins.code(answer.ticket, room.code(totp, steps), HERE, ""), Opened) is good


async def test_three_wrong_codes_lock_even_between_right_passwords(room: Room, ada: OperatorRow) -> None:
    totp, _ = await room.with_authenticator(ada)
    room.clock.advance(seconds=30)
    for expected in (login.WRONG_CODE, login.WRONG_CODE, LOCKED):
        answer = await room.password()
        assert isinstance(answer, NeedsCode)
        refused = await room.logins.code(answer.ticket, "000000", HERE, "")
        assert isinstance(refused, Refusal)
        assert refused.text == expected

    assert await room.password() == Refusal(LOCKED)
    assert await room.logins.code(answer.ticket, room.code(totp), HERE, "") == Refusal(LOCKED, over=True)


async def test_a_half_done_login_ends_after_five_minutes(room: Room, ada: OperatorRow) -> None:
    totp, _ = await room.with_authenticator(ada)
    answer = await room.password()
    assert isinstance(answer, NeedsCode)
    room.clock.advance(seconds=300)

    assert await room.logins.code(answer.ticket, room.code(totp), HERE, "") == Refusal(login.TICKET_OVER, over=True)
    assert await room.logins.code("made up", room.code(totp), HERE, "") == Refusal(login.TICKET_OVER, over=True)


async def test_new_recovery_codes_end_the_old_ones(room: Room, ada: OperatorRow) -> None:
    _, old = await room.with_authenticator(ada)
    current = await room.operators.get(ada.id)
    assert current is not None

    new = await room.authenticators.new_codes(current, COMMAND)

    answer = await room.password()
    assert isinstance(answer, NeedsCode)
    assert isinstance(await room.logins.code(answer.ticket, old[0], HERE, ""), Refusal)
    assert isinstance(await room.logins.code(answer.ticket, new[0], HERE, ""), Opened)


async def test_an_authenticator_is_stored_only_after_its_code_was_right(room: Room, ada: OperatorRow) -> None:
    offer = room.authenticators.offer(ada)

    with pytest.raises(WrongInput, match="clock"):
        await room.authenticators.confirm(ada, offer.sealed, "000000", COMMAND)

    assert isinstance(await room.password(), Opened)


async def test_an_offer_to_one_operator_is_of_no_use_to_another(room: Room, ada: OperatorRow) -> None:
    bob = await room.operators.create("bob", PASSWORD, COMMAND)
    offer = room.authenticators.offer(ada)

    with pytest.raises(WrongInput, match="not yours"):
        room.authenticators.same_offer(bob, offer.sealed)


async def test_the_secret_is_sealed_for_its_operator(room: Room, ada: OperatorRow) -> None:
    offer = room.authenticators.offer(ada)
    await room.authenticators.confirm(ada, offer.sealed, room.code(pyotp.TOTP(offer.secret)), COMMAND)

    stored = await room.operators.get(ada.id)

    assert stored is not None
    assert stored.totp_secret is not None
    assert offer.secret.encode() not in stored.totp_secret
    other = Sealer(b"k" * 32)
    assert other.open(stored.totp_secret, f"operator/{ada.id}/totp_secret") == offer.secret.encode()


async def test_without_the_authenticator_the_password_is_enough(room: Room, ada: OperatorRow) -> None:
    await room.with_authenticator(ada)

    await room.authenticators.remove(ada, COMMAND)

    assert isinstance(await room.password(), Opened)
    assert await room.authenticators.codes_left(ada) == 0
