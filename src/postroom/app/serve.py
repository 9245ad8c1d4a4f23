"""`postroom serve`: starts every part in order, and stops them in the other order.

Stop (SIGTERM): listeners close and new sessions get 421 or 503; open DATA and
requests end (10 s at most); claims stop; attempts end or are cut before their
final dot (30 s); settlements and spool are flushed; the store closes. A second
signal skips to the flush.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Coroutine, Mapping
from typing import Any, Protocol

import structlog
import uvloop

from postroom.app.control import control_path, serve_control
from postroom.app.doors import Doors
from postroom.app.greeting import greet
from postroom.app.inbound import make_rcpt_copy, make_take_in
from postroom.app.memory import give_large_pieces_back
from postroom.app.operations import Operations
from postroom.app.outbound import Outbound
from postroom.app.returns import make_hand_on, make_inbound_worker
from postroom.app.services import Services, open_services
from postroom.app.sockets import InheritedSockets
from postroom.app.supervisor import Supervisor
from postroom.app.upkeep import make_upkeep
from postroom.app.watching import make_tracers, make_watching
from postroom.app.webhooks import make_webhook_worker
from postroom.base.clock import SystemClock
from postroom.base.collector import calm_collector
from postroom.base.errors import PostroomError, TryLater
from postroom.base.log import set_up_log
from postroom.config import Settings, Supervision
from postroom.inbound.rcpt_copy import RcptCopy
from postroom.outbound.worker import Worker

_log = structlog.get_logger(__name__)

_DOOR_SECONDS = 10.0
_ATTEMPT_SECONDS = 30.0
_REFRESH_SECONDS = 10.0


class _OtherWorker(Protocol):
    """What works beside delivery until it is cancelled."""

    def run(self) -> Coroutine[Any, Any, None]:
        """Work until cancelled."""
        ...

    async def stop(self, seconds: float) -> None:
        """Begin nothing more, and let what is under way end for so long."""
        ...


def run_server(settings: Settings, supervision: Supervision) -> None:
    """Run until SIGTERM or SIGINT. Raises PostroomError and OSError where it cannot start."""
    # CPython gives the interpreter up at every step of a statement: with the usual 5 ms the
    # store's writer would wait for computing code at each of them.
    sys.setswitchinterval(0.0005)
    give_large_pieces_back()
    set_up_log(settings.log_level, settings.log_format)
    uvloop.run(_serve(settings, supervision))


async def _serve(settings: Settings, supervision: Supervision) -> None:
    signals = _Signals()
    supervisor = Supervisor(supervision)
    inherited = InheritedSockets(supervision.sockets)
    settings = inherited.addresses_in(settings)
    async with open_services(settings, SystemClock()) as services:
        outbound = Outbound(services)
        doors = Doors(services, outbound, inherited)
        rcpt_copy = make_rcpt_copy(services)
        operations = Operations(services, outbound)
        worker = await outbound.open() if "deliver" in settings.roles else None
        others = _other_workers(services, outbound, doors)
        made = await operations.init({})
        await doors.open()
        greet(made, settings, doors.http_port, doors.submission_port)
        control = await serve_control(control_path(settings.data), operations.by_name())
        background = _start_background(services, doors, worker, others, outbound, rcpt_copy, supervisor)
        calm_collector()
        supervisor.ready()
        try:
            await _until_stop(background, signals)
        finally:
            supervisor.stopping()
            control.close()
            await _stop(services, doors, worker, others, outbound, background, signals)
            if rcpt_copy is not None:
                # For who decides by it from now on: the last change may be seconds old.
                await rcpt_copy.refresh()


async def _until_stop(background: list[asyncio.Task[None]], signals: "_Signals") -> None:
    first = asyncio.create_task(signals.first.wait(), name="first signal")
    done, _ = await asyncio.wait([first, *background], return_when=asyncio.FIRST_COMPLETED)
    first.cancel()
    for task in done - {first}:
        # None of these ends by itself: the process cannot go on without it.
        error = task.exception()
        _log.error("a part of the server has ended", part=task.get_name(), exc_info=error)
        raise PostroomError(f"{task.get_name()} has ended: {error}") from error


async def _stop(
    services: Services,
    doors: Doors,
    worker: Worker | None,
    others: Mapping[str, _OtherWorker],
    outbound: Outbound,
    background: list[asyncio.Task[None]],
    signals: "_Signals",
) -> None:
    _log.info("stopping")
    await signals.unless_hurried(_close_doors(doors, others))
    if worker is not None:
        await signals.unless_hurried(worker.stop(_ATTEMPT_SECONDS))
        if signals.second.is_set():
            await worker.stop(0)
    if signals.second.is_set():
        await asyncio.gather(*(other.stop(0) for other in others.values()))
    for task in background:
        task.cancel()
    await asyncio.gather(*background, return_exceptions=True)
    await doors.flush()
    await outbound.close()
    with contextlib.suppress(TryLater):
        await services.nodes.leave()


async def _close_doors(doors: Doors, others: Mapping[str, _OtherWorker]) -> None:
    # Beside one another: what is told out may take as long as what is handed in.
    await asyncio.gather(doors.close(_DOOR_SECONDS), *(other.stop(_DOOR_SECONDS) for other in others.values()))


def _other_workers(services: Services, outbound: Outbound, doors: Doors) -> dict[str, _OtherWorker]:
    """Return what works beside delivery, by the name of its loop."""
    roles = services.settings.roles
    found: dict[str, _OtherWorker] = {}
    if "deliver" in roles:
        found["webhooks"] = make_webhook_worker(services)
        found["routes"] = make_hand_on(services, outbound)
    if "inbound" in roles:
        found["inbound"] = make_inbound_worker(services, outbound)
    if "watch" in roles:
        found["mailboxes"] = doors.metrics.mailboxes = make_watching(services)
        found["tracers"] = doors.metrics.tracers = make_tracers(services)
    return found


def _start_background(
    services: Services,
    doors: Doors,
    worker: Worker | None,
    others: Mapping[str, _OtherWorker],
    outbound: Outbound,
    rcpt_copy: RcptCopy | None,
    supervisor: Supervisor,
) -> list[asyncio.Task[None]]:
    loops: dict[str, Coroutine[Any, Any, None]] = {
        "heartbeat": services.nodes.run(),
        "hits": doors.ingest.run(),
        "refresh": _refresh(services, doors, outbound),
        "arrived": make_take_in(services).run(),
        "watchdog": supervisor.stay_awake(),
    }
    if worker is not None:
        loops["worker"] = worker.run()
    if rcpt_copy is not None:
        loops["rcpt copy"] = rcpt_copy.run()
    loops |= {name: other.run() for name, other in others.items()}
    if "upkeep" in services.settings.roles:
        loops["upkeep"] = make_upkeep(services, outbound).run()
    return [asyncio.create_task(work, name=name) for name, work in loops.items()]


async def _refresh(services: Services, doors: Doors, outbound: Outbound) -> None:
    while True:
        await services.clock.sleep(_REFRESH_SECONDS)
        # Another node, or a command, may have changed these.
        with contextlib.suppress(TryLater):
            await services.workspaces.refresh()
            await services.domains.refresh()
            await services.routes.view.refresh()
            await services.refresh_token_keys()
            doors.refresh()
            outbound.refresh()


class _Signals:
    """The first signal stops, a second one hurries."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._came)

    async def unless_hurried(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for `work`, but not beyond a second signal."""
        task = asyncio.create_task(work)
        hurry = asyncio.create_task(self.second.wait())
        await asyncio.wait((task, hurry), return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if not task.done():
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    def _came(self) -> None:
        (self.second if self.first.is_set() else self.first).set()
