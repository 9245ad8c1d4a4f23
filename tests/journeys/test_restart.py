"""A restart under load: nothing is lost, nothing comes twice, and no client gets an answer that ends its mail."""

import asyncio

import pytest
from mass_mail import check_ledger, settled
from peers.counting_sink import CountingSink
from peers.process import wait_until
from running_server import RunningServer
from steady_load import SteadyLoad


async def restart_under(load: SteadyLoad, server: RunningServer, restarts: int, seconds: float) -> int:
    """Restart the server again and again under the load; return how many mails there were."""
    stop = asyncio.Event()
    running = asyncio.create_task(load.run(stop))
    loop = asyncio.get_running_loop()
    for _ in range(restarts):
        await asyncio.sleep(seconds)
        await loop.run_in_executor(None, server.restart)
    await asyncio.sleep(seconds)
    stop.set()
    return await running


def survive(*, holds_sockets: bool, restarts: int, seconds: float, rate: int = 200) -> SteadyLoad:
    sink = CountingSink()
    told = {"vouched": ["example.com"], "holds_sockets": holds_sockets}
    with sink, RunningServer(**told, transport=f"smtp://{sink.address}", helpers="1") as server:  # type: ignore[arg-type]
        load = SteadyLoad(server, rate)
        mails = asyncio.run(restart_under(load, server, restarts, seconds))
        assert load.accepted == mails
        wait_until(lambda: settled(server), "all are settled", 120)
        assert check_ledger(server, sink, mails) == {"delivered": mails}
        assert max(sink.counts().values()) == 1
        print(f"{mails} mails, {restarts} restarts, the longest took {load.longest:.1f} s, clients saw {load.seen}")
    return load


def without_refusals(load: SteadyLoad) -> None:
    """Assert that clients saw nothing but sessions that ended politely."""
    assert set(load.seen) <= {"smtp 421", "cut kept", "http 409"}


def with_refusals(load: SteadyLoad) -> None:
    """Assert that clients saw nothing that is more than `come again`."""
    assert set(load.seen) <= {"smtp 421", "cut kept", "cut", "http 409", "http 503", "refused"}


def test_with_held_sockets_a_restart_under_200_mails_a_second_refuses_nobody() -> None:
    without_refusals(survive(holds_sockets=True, restarts=1, seconds=1.0))


@pytest.mark.soak
def test_with_held_sockets_ten_restarts_under_200_mails_a_second_refuse_nobody() -> None:
    without_refusals(survive(holds_sockets=True, restarts=10, seconds=15.0))


@pytest.mark.soak
def test_ten_restarts_under_200_mails_a_second_lose_nothing() -> None:
    with_refusals(survive(holds_sockets=False, restarts=10, seconds=15.0))
