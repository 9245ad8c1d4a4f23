"""What accounts log in with: tokens are refreshed once, in time, and only a revoked authorization is a failure."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar

import pytest
from connect_world import LOOPBACK, ConnectWorld, connect_world
from hypothesis import given
from hypothesis import strategies as st
from peers.http_receiver import answer, hang
from webhook_world import Literals

from postroom.accounts.changes import AccountChange
from postroom.accounts.credentials import AuthRevoked, Bearer, Password, TokenServerAway
from postroom.accounts.oauth import AuthorizationServers, _email_in, challenge_of
from postroom.base.clock import ManualClock
from postroom.net.http_client import HttpClient, HttpLimits
from postroom.store.database import open_database, statement

T = TypeVar("T")

HOUR_MS = 3_600_000
_EXPIRES = statement("SELECT token_expires_ms FROM account_status WHERE account_id = ?")


@pytest.fixture
async def world(sqlite_url: str) -> AsyncIterator[ConnectWorld]:
    clock = ManualClock()
    database = await open_database(sqlite_url, clock=clock)
    async with connect_world(database, clock) as made:
        yield made
    await database.close()


def test_the_challenge_is_that_of_rfc_7636_appendix_b() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@given(st.text(max_size=60))
def test_any_id_token_is_read_without_a_crash(text: str) -> None:
    assert isinstance(_email_in(text), str)
    assert isinstance(_email_in(f"a.{text}.b"), str)


async def test_a_password_is_opened_for_its_user(world: ConnectWorld) -> None:
    account = await world.account("GMAIL")
    connection = await world.connection(account)
    change = AccountChange(email="ada@gmail.com", password="pass word")
    account = await world.accounts.update(account, connection, change)

    opened = await world.credentials.open(account, connection, world.provider("GMAIL"))

    assert opened == Password("ada@gmail.com", "pass word")
    assert "pass word" not in repr(opened)


async def test_a_token_is_used_until_shortly_before_its_end_and_then_refreshed(world: ConnectWorld) -> None:
    account, connection, provider = await world.connected()

    first = await world.credentials.open(account, connection, provider)
    world.clock.advance(seconds=50 * 60)
    still_first = await world.credentials.open(account, connection, provider)
    world.clock.advance(seconds=7 * 60 + 1)
    second = await world.credentials.open(account, connection, provider)

    assert isinstance(first, Bearer)
    assert (first.user, first.token) == ("ada@example.test", "access-1")
    assert still_first == first
    assert isinstance(second, Bearer)
    assert second.token == "access-2"
    assert "access" not in repr(first)
    expires = await world.database.read(lambda conn: conn.one(_EXPIRES, (account.id,)))
    assert expires == (world.clock.now_ms() + HOUR_MS,)


async def test_fifty_who_ask_at_once_make_one_request(world: ConnectWorld) -> None:
    account, connection, provider = await world.connected()
    world.credentials.forget(account.id)
    world.token_server.asked.clear()

    opened = await asyncio.gather(*(world.credentials.open(account, connection, provider) for _ in range(50)))

    assert len(world.token_server.asked) == 1
    assert len(set(opened)) == 1


async def test_one_who_gives_up_does_not_lose_the_token_of_the_others(world: ConnectWorld) -> None:
    account, connection, provider = await world.connected()
    world.credentials.forget(account.id)

    first = asyncio.create_task(world.credentials.open(account, connection, provider))
    second = asyncio.create_task(world.credentials.open(account, connection, provider))
    await asyncio.sleep(0)
    first.cancel()

    assert isinstance(await second, Bearer)


async def test_a_new_refresh_token_is_stored_before_its_access_token_is_used(world: ConnectWorld) -> None:
    account, connection, provider = await world.connected()
    before = account.refresh_token

    for _ in range(3):
        # The row that a watcher holds is older each time.
        world.credentials.forget(account.id)
        await world.credentials.open(account, connection, provider)

    after = await world.row(account)
    assert after.refresh_token != before
    assert after.refresh_token is not None
    assert world.sealer.open(after.refresh_token, f"account/{account.id}/refresh_token") == b"refresh-4"
    assert after.changed_ms == account.changed_ms, "nobody has to read the account again for it"


async def test_a_token_that_another_node_replaced_meanwhile_is_read_again(world: ConnectWorld) -> None:
    account, connection, provider = await world.connected()
    here, there = world.new_credentials(), world.new_credentials()

    both = await world.settled(
        _both(here.open(account, connection, provider), there.open(account, connection, provider))
    )

    assert all(isinstance(one, Bearer) for one in both)
    await here.close()
    await there.close()


async def test_a_token_of_the_authorization_before_is_not_used_for_another(world: ConnectWorld) -> None:
    account, connection, provider = await world.connected()
    world.clock.advance(seconds=1)
    change = AccountChange(email="grace@example.test", refresh_token="of grace")
    changed = await world.accounts.update(account, connection, change)

    opened = await world.credentials.open(changed, connection, provider)

    assert isinstance(opened, Bearer)
    assert (opened.user, opened.token) == ("grace@example.test", "access-2")
    assert world.token_server.asked[-1]["refresh_token"] == "of grace"


async def test_a_row_that_was_read_before_the_token_was_replaced_needs_no_other_one(world: ConnectWorld) -> None:
    account, connection, provider = await world.connected()
    world.credentials.forget(account.id)
    world.token_server.asked.clear()

    for _ in range(3):
        await world.credentials.open(account, connection, provider)

    assert len(world.token_server.asked) == 1


async def test_invalid_grant_is_a_revoked_authorization_and_is_asked_once_in_ten_minutes(world: ConnectWorld) -> None:
    account, connection, provider = await world.connected()
    world.token_server.refused.add("refresh-1")
    world.credentials.forget(account.id)
    world.token_server.asked.clear()

    for _ in range(5):
        with pytest.raises(AuthRevoked, match="expired or revoked"):
            await world.settled(world.credentials.open(account, connection, provider))
    assert len(world.token_server.asked) == 1
    world.clock.advance(seconds=601)
    with pytest.raises(AuthRevoked):
        await world.settled(world.credentials.open(account, connection, provider))

    assert len(world.token_server.asked) == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"oops"),
        (503, b'{"error": "temporarily_unavailable"}'),
        (200, b"<html>Captive portal</html>"),
        (200, b'{"access_token": "a\\u0001b", "token_type": "Bearer"}'),
        (400, b'{"error": ["invalid_grant"]}'),
        (500, b'{"error": "invalid_grant"}'),
        (302, b""),
        (429, b""),
    ],
)
async def test_a_token_endpoint_in_trouble_is_never_an_authentication_failure(
    world: ConnectWorld, status: int, body: bytes
) -> None:
    account, connection, provider = await world.connected()
    world.credentials.forget(account.id)
    world.receiver.behave("/token", answer(status, body))

    with pytest.raises(TokenServerAway):
        await world.credentials.open(account, connection, provider)


async def test_a_wrong_client_secret_is_told_to_the_operator_and_blames_no_person(world: ConnectWorld) -> None:
    account, connection, provider = await world.connected()
    world.credentials.forget(account.id)
    wrong = connection._replace(client_secret=world.sealer.seal(b"no", f"connection/{connection.id}/client_secret"))

    with pytest.raises(TokenServerAway, match="client secret of the connection are wrong") as error:
        await world.credentials.open(account, wrong, provider)

    assert "hush" not in str(error.value)
    assert "refresh-1" not in str(error.value)


async def test_while_the_endpoint_is_away_the_token_at_hand_is_used_to_its_end(world: ConnectWorld) -> None:
    account, connection, provider = await world.connected()
    world.receiver.behave("/token", answer(503))
    world.clock.advance(seconds=59 * 60)

    last = await world.credentials.open(account, connection, provider)
    world.clock.advance(seconds=61)

    assert isinstance(last, Bearer)
    assert last.token == "access-1"
    with pytest.raises(TokenServerAway):
        await world.credentials.open(account, connection, provider)


async def test_an_endpoint_that_says_nothing_costs_its_time_limit_and_no_more(world: ConnectWorld) -> None:
    account, connection, provider = await world.connected()
    world.receiver.behave("/token", hang())
    http = HttpClient(Literals(), allow_private=LOOPBACK, limits=HttpLimits(whole_seconds=0.3))
    impatient = world.new_credentials(AuthorizationServers(http, world.clock))

    with pytest.raises(TokenServerAway, match="no answer from the token endpoint"):
        await impatient.open(account, connection, provider)
    await http.close()


@pytest.mark.parametrize("url", ["https://192.168.7.7/token", "http://app.example.test/token", "ftp://x/token", ""])
async def test_private_and_unprotected_token_endpoints_are_not_asked(world: ConnectWorld, url: str) -> None:
    account, connection, provider = await world.connected()
    world.credentials.forget(account.id)
    elsewhere = dataclasses.replace(provider.oauth, token_url=url)
    changed = dataclasses.replace(provider, oauth=elsewhere)

    with pytest.raises(TokenServerAway):
        await world.credentials.open(account, connection._replace(server=""), changed)


async def _both(first: Awaitable[T], second: Awaitable[T]) -> list[T]:
    return list(await asyncio.gather(first, second))
