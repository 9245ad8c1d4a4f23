"""Kept connections."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import trustme
from peers.process import wait_until
from peers.smtp_sink import DROP, SmtpSink

from postroom.base.clock import ManualClock
from postroom.mail.envelope import Envelope, EnvelopeRecipient
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp.client import ClientSettings, Endpoint, SmtpConnection
from postroom.net.smtp.dialogue import Credentials, Refused, TlsPolicy, TroubleKind
from postroom.net.smtp.pool import PoolSettings, SmtpPool
from postroom.net.tls import ClientContexts

SETTINGS = PoolSettings(max_connections=2, max_mails=3, wait_seconds=20)
CONTENT = b"Subject: x\r\n\r\nHi\r\n"
ENVELOPE = Envelope("b@rp.test", (EnvelopeRecipient("ann@example.net"),))


class Journal:
    def before_final_dot(self) -> bool:
        return True

    def after_reply(self, reply: SmtpReply) -> None:
        return


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="module")
def contexts() -> ClientContexts:
    return ClientContexts()


@pytest.fixture
async def pool(clock: ManualClock, contexts: ClientContexts) -> AsyncIterator[SmtpPool]:
    made = SmtpPool(ClientSettings("client.test"), SETTINGS, contexts, clock)
    yield made
    await made.close()


def at(sink: SmtpSink, **changes: object) -> Endpoint:
    return replace(Endpoint("localhost", "127.0.0.1", sink.port), **changes)  # type: ignore[arg-type]


async def taken(pool: SmtpPool, endpoint: Endpoint, *, fresh: bool = False) -> SmtpConnection:
    connection = await pool.acquire(endpoint, fresh=fresh)
    assert isinstance(connection, SmtpConnection), connection
    return connection


async def mail(pool: SmtpPool, endpoint: Endpoint) -> SmtpReply | None:
    connection = await taken(pool, endpoint)
    sent = await connection.send(ENVELOPE, [CONTENT], len(CONTENT), Journal())
    pool.release(connection)
    return sent.recipients[0].reply


async def test_mails_to_one_endpoint_share_a_connection(pool: SmtpPool, sink: SmtpSink) -> None:
    for _ in range(3):
        await mail(pool, at(sink))
    assert sink.connections == 1


async def test_endpoints_that_differ_in_policy_or_login_share_nothing(pool: SmtpPool, sink: SmtpSink) -> None:
    await mail(pool, at(sink))
    await mail(pool, at(sink, tls=TlsPolicy.NONE))
    await mail(pool, at(sink, host="other"))
    assert sink.connections == 3


async def test_a_connection_is_changed_after_its_number_of_mails(pool: SmtpPool, sink: SmtpSink) -> None:
    for _ in range(SETTINGS.max_mails + 1):
        await mail(pool, at(sink))
    assert sink.connections == 2


async def test_no_more_connections_than_the_limit_are_open_and_everybody_gets_a_turn(
    pool: SmtpPool, sink: SmtpSink
) -> None:
    in_use: list[SmtpConnection] = []
    most = 0

    async def send() -> SmtpReply | None:
        nonlocal most
        connection = await taken(pool, at(sink))
        in_use.append(connection)
        most = max(most, len(in_use))
        sent = await connection.send(ENVELOPE, [CONTENT], len(CONTENT), Journal())
        in_use.remove(connection)
        pool.release(connection)
        return sent.recipients[0].reply

    # How the mails fall to the connections is chance: one that is full may be replaced by a third.
    replies = await asyncio.gather(*(send() for _ in range(SETTINGS.max_mails * 2)))
    assert [reply.code for reply in replies if reply] == [250] * SETTINGS.max_mails * 2
    assert most <= 2


async def test_who_waits_longest_is_served_first(pool: SmtpPool, sink: SmtpSink) -> None:
    held = [await taken(pool, at(sink)) for _ in range(2)]
    order: list[int] = []

    async def wait(number: int) -> None:
        connection = await taken(pool, at(sink))
        order.append(number)
        pool.release(connection)

    tasks = [asyncio.create_task(wait(number)) for number in range(3)]
    await asyncio.sleep(0)
    for connection in held:
        pool.release(connection)
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2]


async def test_one_who_stops_waiting_loses_no_place(pool: SmtpPool, sink: SmtpSink) -> None:
    """A cancelled waiter, also one that was just given a place, leaves the number of connections right."""
    held = [await taken(pool, at(sink)) for _ in range(2)]
    tasks = [asyncio.create_task(pool.acquire(at(sink))) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.sleep(0)
    pool.release(held[0])
    tasks[1].cancel()
    pool.release(held[1])
    connection = await asyncio.wait_for(tasks[2], 10)
    assert isinstance(connection, SmtpConnection)
    other = await asyncio.wait_for(taken(pool, at(sink)), 10)
    pool.release(connection)
    pool.release(other)
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_waiting_for_a_connection_has_a_limit(
    clock: ManualClock, contexts: ClientContexts, sink: SmtpSink
) -> None:
    settings = PoolSettings(max_connections=1, wait_seconds=0.05)
    pool = SmtpPool(ClientSettings("client.test"), settings, contexts, clock)
    held = await taken(pool, at(sink))
    refused = await pool.acquire(at(sink))
    assert isinstance(refused, Refused)
    assert refused.trouble is not None
    assert refused.trouble.kind is TroubleKind.BUSY
    pool.release(held)
    assert await taken(pool, at(sink)) is held
    pool.release(held)
    await pool.close()


async def test_an_idle_connection_is_closed_with_quit_after_its_time(
    pool: SmtpPool, sink: SmtpSink, clock: ManualClock
) -> None:
    await mail(pool, at(sink))
    clock.advance(seconds=SETTINGS.idle_seconds - 1)
    pool.sweep()
    assert pool.has_idle(at(sink))
    clock.advance(seconds=2)
    pool.sweep()
    assert not pool.has_idle(at(sink))
    await pool.close()
    wait_until(lambda: "QUIT" in [line for _, line in sink.commands], "QUIT has come")


async def test_over_all_endpoints_only_so_many_idle_connections_are_kept(
    clock: ManualClock, contexts: ClientContexts, sink: SmtpSink
) -> None:
    pool = SmtpPool(ClientSettings("client.test"), PoolSettings(max_idle=2), contexts, clock)
    endpoints = [at(sink, host=f"host{number}") for number in range(3)]
    for endpoint in endpoints:
        await mail(pool, endpoint)
        clock.advance(seconds=1)
    assert [pool.has_idle(endpoint) for endpoint in endpoints] == [False, True, True]
    await pool.close()


async def test_a_broken_connection_is_not_kept(pool: SmtpPool, sink: SmtpSink) -> None:
    sink.on("DOT", DROP, times=1)
    assert await mail(pool, at(sink)) is None
    assert not pool.has_idle(at(sink))
    assert await mail(pool, at(sink)) is not None


async def test_a_kept_connection_that_the_server_closed_is_passed_over(pool: SmtpPool, sink: SmtpSink) -> None:
    connection = await taken(pool, at(sink))
    pool.release(connection)
    sink.drop_connections()
    await connection.wait_closed()
    assert await mail(pool, at(sink)) is not None
    assert sink.connections == 2


async def test_a_fresh_connection_is_new_although_one_is_kept(pool: SmtpPool, sink: SmtpSink) -> None:
    await mail(pool, at(sink))
    connection = await taken(pool, at(sink), fresh=True)
    assert connection.mails == 0
    pool.release(connection)


async def test_fresh_and_kept_connections_together_stay_within_the_limit(pool: SmtpPool, sink: SmtpSink) -> None:
    held = [await taken(pool, at(sink)) for _ in range(2)]
    for connection in held:
        pool.release(connection)
    fresh = await taken(pool, at(sink), fresh=True)
    other = await taken(pool, at(sink))
    assert sink.connections == 3
    assert sum(connection.usable for connection in (*held, fresh)) == 2
    pool.release(fresh)
    pool.release(other)


async def test_abilities_are_known_after_the_first_connection_and_forgotten_after_a_refusal(
    pool: SmtpPool, sink: SmtpSink, clock: ManualClock
) -> None:
    assert pool.abilities(at(sink)) is None
    await mail(pool, at(sink))
    abilities = pool.abilities(at(sink))
    assert abilities is not None
    assert abilities.pipelining
    sink.on("EHLO", "421 busy", times=1)
    assert isinstance(await pool.acquire(at(sink), fresh=True), Refused)
    assert pool.abilities(at(sink)) is None
    pool.release(await taken(pool, at(sink), fresh=True))
    assert pool.abilities(at(sink)) is not None
    clock.advance(seconds=SETTINGS.abilities_seconds)
    assert pool.abilities(at(sink)) is None


@pytest.fixture
def broken_tls() -> ssl.SSLContext:
    """A server that offers STARTTLS and speaks a version that we do not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    context.set_alpn_protocols([])
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("PSK-AES128-GCM-SHA256")
    return context


async def test_after_a_failed_handshake_an_opportunistic_endpoint_is_spoken_to_in_clear_for_an_hour(
    pool: SmtpPool, broken_tls: ssl.SSLContext, clock: ManualClock
) -> None:
    with SmtpSink(tls=broken_tls) as sink:
        assert await mail(pool, at(sink)) is not None
        assert sink.connections == 2
        assert not sink.mails[0].tls
        pool.release(await taken(pool, at(sink), fresh=True))
        assert sink.connections == 3
        clock.advance(hours=1)
        pool.release(await taken(pool, at(sink), fresh=True))
        assert sink.connections == 5


@pytest.mark.parametrize(
    "endpoint", [{"tls": TlsPolicy.REQUIRED}, {"tls": TlsPolicy.VERIFY}, {"credentials": Credentials("ann", "secret")}]
)
async def test_neither_required_tls_nor_a_password_ever_falls_back_to_clear(
    pool: SmtpPool, broken_tls: ssl.SSLContext, endpoint: dict[str, object]
) -> None:
    with SmtpSink(tls=broken_tls, users={"ann": "secret"}) as sink:
        refused = await pool.acquire(at(sink, **endpoint))
        assert isinstance(refused, Refused)
        assert refused.trouble is not None
        assert refused.trouble.kind is TroubleKind.TLS
        assert sink.connections == 1


async def test_a_closed_pool_keeps_nothing(pool: SmtpPool, sink: SmtpSink) -> None:
    connection = await taken(pool, at(sink))
    await mail(pool, at(sink))
    await pool.close()
    pool.release(connection)
    assert not pool.has_idle(at(sink))
    await pool.close()
