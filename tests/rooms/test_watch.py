"""A look at what a node delivers."""

import asyncio

from queue_rows import due_lane

from postroom.base.clock import ManualClock
from postroom.ledger.states import Stream
from postroom.outbound.hops import LaneHops
from postroom.outbound.sites import Sites
from postroom.outbound.transport import NextHop, TransportKind, TransportSetting
from postroom.outbound.watch import Watch

DIRECT = TransportSetting(TransportKind.DIRECT)


class Lookup:
    """Every domain has a site of its own."""

    async def of(self, setting: TransportSetting, domain: str) -> NextHop:
        return NextHop(setting.kind, f"mx.{domain}", seconds=300.0)


async def test_a_domain_s_site_is_told_once_it_was_looked_up() -> None:
    clock, known = ManualClock(), asyncio.Event()
    hops = LaneHops(Lookup(), lambda _: DIRECT, clock, known.set, lambda domain, hop: None)
    watch = Watch(Sites(clock, 20), lambda: hops, lambda: [3], lambda: None)
    assert watch.site_of(1, "a.test") is None
    hops.known(due_lane(1, domain="a.test"))
    await known.wait()
    assert watch.site_of(1, "a.test") == "mx.a.test"
    assert watch.site_of(1, "b.test") is None
    await hops.close()


def test_a_pause_ends_when_somebody_asks_for_a_try_and_the_worker_looks() -> None:
    clock, woken = ManualClock(), []
    sites = Sites(clock, 20)
    watch = Watch(sites, lambda: None, list, lambda: woken.append(1))
    sites.take("mx.test", Stream.BULK, 1)
    sites.give_back("mx.test", Stream.BULK, busy=True, delivered=False)
    assert watch.look_at("mx.test").pause_seconds == 5.0
    watch.resume(["mx.test"])
    assert (watch.busy(), woken) == ([], [1])


def test_a_node_without_a_worker_says_so() -> None:
    watch = Watch(Sites(ManualClock(), 20), lambda: None, lambda: [1, 2], lambda: None)
    assert (watch.delivers, watch.nodes(), watch.site_of(1, "a.test")) == (False, [1, 2], None)
