"""A stress run from beginning to end: server and receiver, nodes, mails, a node killed and one added, the verdict.

All of it is on loopback and in a temporary folder. Chaos lasts from the first connection to the last mail;
then the server behaves, and what is still on its way has time to come.
"""

import asyncio
import secrets
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from postroom.app.stress.behaviours import SUPERIMAP_MIX, WORSE, arriving_mail
from postroom.app.stress.chaos import SUPERIMAP_PERCENT, Chaos
from postroom.app.stress.installation import Login, install, refuse_used_database
from postroom.app.stress.mails import Generator
from postroom.app.stress.nodes import Node, allow_many_files
from postroom.app.stress.receiver import Receiver
from postroom.app.stress.verdict import Verdict, judge, latencies_ms, waited_for
from postroom.base.clock import Clock
from postroom.base.errors import WrongInput
from postroom.config import read_settings
from postroom.net.imap.listening import ImapListener
from postroom.net.imap.mailstore import MailStore, StoredAccount
from postroom.net.imap.server import ServerRules, ServerSession

Told = Callable[[str, int, int], None]
"""Is told what is being done, how much of it is done, and how much there is."""

_LOOK_SECONDS = 0.25
_QUIET_SECONDS = 1.0
_QUIET_AFTER_REFUSALS_SECONDS = 8.0
"""Longer than the first pause of a webhook that was refused (6 s)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to be."""

    accounts: int = 100
    mails_per_minute: int = 300
    minutes: float = 1.0
    nodes: int = 1
    chaos_percent: float = SUPERIMAP_PERCENT
    only_superimap: bool = False
    """Its mix alone, without what is worse."""
    patient: bool = True
    """With behaviours that a client gets over after a minute only."""
    refuse_percent: float = 2.0
    """First tries of webhooks that are kept but answered with 503."""
    kill: bool = False
    """Kill one node after a third of the time."""
    add: bool = False
    """Add one after two thirds."""
    database: str = ""
    """URL of an empty PostgreSQL database; empty: SQLite, and one node."""
    seed: int = 1
    wait_seconds: float = 600.0
    """How long to wait for accounts to be watched, and for the last webhook."""

    def check(self) -> None:
        """Raise WrongInput where it cannot be done."""
        if self.nodes > 1 and not self.database:
            raise WrongInput("nodes", "several nodes need --database with the URL of an empty PostgreSQL database")
        if self.add and not self.database:
            raise WrongInput("add", "--add needs --database: SQLite belongs to one node")
        if self.kill and self.nodes < 2 and not self.add and self.database:
            raise WrongInput("kill", "--kill needs a second node, or --add")


@dataclass(slots=True)
class NodeFigures:
    """What a node used."""

    name: str
    memory_before_kb: int = 0
    memory_after_kb: int = 0
    descriptors_before: int = 0
    descriptors_after: int = 0
    errors: int = 0
    """Lines of its log that tell of an error."""
    fate: str = "ran to the end"


@dataclass(slots=True)
class Report:
    """What came of a run."""

    verdict: Verdict = field(default_factory=Verdict)
    watched_seconds: float = 0.0
    """Until every mailbox was open for the first time."""
    quiet_seconds: float = 0.0
    """From the last mail until all was told."""
    commands: int = 0
    behaviours: dict[str, int] = field(default_factory=dict)
    connections: int = 0
    events: dict[str, int] = field(default_factory=dict)
    """Webhooks by path."""
    p50_ms: int = 0
    p99_ms: int = 0
    longest_ms: int = 0
    nodes: list[NodeFigures] = field(default_factory=list)
    logs: str = ""
    """Folder of logs and data; empty: it is gone."""

    def as_json(self) -> dict[str, Any]:
        """Return it as an object, with `holds`."""
        return {"holds": self.verdict.holds, **asdict(self)}


async def run(plan: Plan, clock: Clock, told: Told) -> Report:
    """Perform a run. Raises WrongInput, NodeFailed and what the database says; CancelledError on SIGTERM.

    Its nodes end with it, however it ends.
    """
    plan.check()
    if plan.database:
        refuse_used_database(plan.database)
    allow_many_files()
    folder = Path(tempfile.mkdtemp(prefix="postroom-stress-"))
    stress = _Stress(plan, clock, told, folder)
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is not None:
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        report = await stress.perform()
        if not report.verdict.holds:
            report.logs = str(folder)
        return report
    finally:
        await stress.close()
        loop.remove_signal_handler(signal.SIGTERM)
        if not stress.report.logs:
            shutil.rmtree(folder, ignore_errors=True)


class _Stress:
    def __init__(self, plan: Plan, clock: Clock, told: Told, folder: Path) -> None:
        self.report = Report()
        self._plan = plan
        self._clock = clock
        self._told = told
        self._folder = folder
        self._random = Random(plan.seed)  # noqa: S311 - the same seed is the same run
        self._generator = Generator(self._random, clock.now_ms, clock.monotonic)
        self._is_generating = False
        worse = () if plan.only_superimap else (*WORSE, arriving_mail(self._arrive))
        behaviours = [one for one in (*SUPERIMAP_MIX, *worse) if plan.patient or not one.is_slow]
        self._chaos = Chaos(Random(plan.seed + 1), plan.chaos_percent, behaviours)  # noqa: S311
        self._store = MailStore()
        rules = ServerRules(self._store, clock.now_ms, self._chaos)
        self._listener = ImapListener(lambda is_tls: ServerSession(rules, is_tls=is_tls))
        refuser = Random(plan.seed + 2)  # noqa: S311
        self._receiver = Receiver(refuser, clock.monotonic, plan.refuse_percent)
        self._nodes: list[Node] = []
        self._settings: dict[str, str] = {}

    async def perform(self) -> Report:
        await self._prepare()
        await asyncio.gather(*(node.start() for node in self._nodes))
        await self._wait_until_watched()
        self._figures("before")
        await self._generate()
        await self._wait_until_quiet()
        self._figures("after")
        return self._judge()

    async def close(self) -> None:
        await asyncio.gather(*(node.stop() for node in self._nodes))
        await self._listener.close()
        await self._receiver.close()

    async def _prepare(self) -> None:
        plan = self._plan
        self._told("Accounts are made", 0, plan.accounts)
        port = await self._listener.listen()
        await self._receiver.open()
        logins = [Login(f"user{n:05d}@stress.test", f"password {n}") for n in range(1, plan.accounts + 1)]
        for login in logins:
            self._store.add(login.user, login.password)
        self._settings = {
            "http": "127.0.0.1:0",
            "submission": "",
            "inbound": "",
            "helpers": "0",
            "roles": "api,deliver,watch,upkeep",
            "allow_private": "127.0.0.0/8",
            "secret": secrets.token_hex(32),
            "database_url": plan.database,
            "log_level": "warning",
            "log_format": "json",
            "tracer_seconds": "0",
            "watch_accounts": str(plan.accounts),
        }
        self._nodes = [self._node(number) for number in range(1, plan.nodes + 1)]
        told = {"POSTROOM_DATA": str(self._nodes[0].data)}
        told |= {f"POSTROOM_{name.upper()}": value for name, value in self._settings.items()}
        made = await install(read_settings(told), self._clock, port, logins, self._receiver.url)
        self._receiver.key, self._receiver.secrets = made.key, made.secrets

    def _node(self, number: int) -> Node:
        return Node(f"node{number}", self._folder, self._settings)

    # While it runs

    async def _wait_until_watched(self) -> None:
        began, accounts = self._clock.monotonic(), list(self._store.accounts.values())
        while True:
            left = [one for one in accounts if not one.inbox.told_from]
            self._told("Mailboxes are opened", len(accounts) - len(left), len(accounts))
            self.report.watched_seconds = round(self._clock.monotonic() - began, 1)
            if not left:
                return
            if self.report.watched_seconds > self._plan.wait_seconds:
                self.report.verdict.unfinished.append(f"{len(left)} mailboxes were never opened")
                return
            await self._clock.sleep(_LOOK_SECONDS)

    async def _generate(self) -> None:
        plan, began = self._plan, self._clock.monotonic()
        seconds, rate = plan.minutes * 60, plan.mails_per_minute / 60
        deeds: list[tuple[float, Callable[[], Any]]] = []
        if plan.kill:
            deeds.append((seconds / 3, self._kill))
        if plan.add:
            deeds.append((seconds * 2 / 3, self._add))
        accounts, busy = list(self._store.accounts.values()), []
        self._is_generating, due = True, 0.0
        while due < seconds:
            # As people's mail comes: at any moment, whatever came before.
            due += self._random.expovariate(rate)
            while deeds and due >= deeds[0][0]:
                at, deed = deeds.pop(0)
                await self._clock.sleep(max(0.0, began + at - self._clock.monotonic()))
                busy.append(asyncio.create_task(deed()))
            await self._clock.sleep(max(0.0, began + due - self._clock.monotonic()))
            if due < seconds:
                self._generator.put_into(self._random.choice(accounts))
            self._told("Mails come", round(due), round(seconds))
        self._is_generating = False
        await asyncio.gather(*busy)
        self._chaos.is_calm = True

    def _arrive(self, account: StoredAccount) -> None:
        """A mail comes just now, while the server answers."""
        if self._is_generating:
            self._generator.put_into(account)

    async def _kill(self) -> None:
        await self._nodes[-1].kill()
        if not self._plan.database:
            # SQLite: nobody else can take its place.
            await self._nodes[-1].start()
            self._nodes[-1].was_ended = False

    async def _add(self) -> None:
        node = self._node(len(self._nodes) + 1)
        self._nodes.append(node)
        await node.start()

    async def _wait_until_quiet(self) -> None:
        began, generated = self._clock.monotonic(), len(self._generator.generated)
        requests, since = -1, began
        quiet = _QUIET_AFTER_REFUSALS_SECONDS if self._plan.refuse_percent else _QUIET_SECONDS
        while True:
            now = self._clock.monotonic()
            left = waited_for(self._generator.generated, self._receiver.told, self._store.accounts)
            self._told("What came is told", generated - len(left), generated)
            if self._receiver.requests != requests:
                requests, since = self._receiver.requests, now
            if not left:
                self.report.quiet_seconds = self.report.quiet_seconds or round(now - began, 1)
                if now - since >= quiet:
                    return
            if now - began > self._plan.wait_seconds:
                self.report.verdict.unfinished.append(f"{len(left)} mails were not told in {now - began:.0f} s")
                return
            await self._clock.sleep(_LOOK_SECONDS)

    # Afterwards

    def _figures(self, when: str) -> None:
        known = {one.name: one for one in self.report.nodes}
        for node in self._nodes:
            figures = known.get(node.name)
            if figures is None:
                self.report.nodes.append(figures := NodeFigures(node.name))
            if when == "before":
                figures.memory_before_kb, figures.descriptors_before = node.memory_kb(), node.descriptors()
                continue
            figures.memory_after_kb, figures.descriptors_after = node.memory_kb(), node.descriptors()
            with suppress(OSError):
                figures.errors = len(node.error_lines())
            if node.was_ended:
                figures.fate = "was killed"
            elif not node.is_running:
                figures.fate = "ended by itself"

    def _judge(self) -> Report:
        report, receiver = self.report, self._receiver
        unfinished = report.verdict.unfinished
        report.verdict = judge(self._generator.generated, receiver.told, self._store.accounts)
        report.verdict.unfinished += unfinished
        report.verdict.refused += receiver.refused
        report.verdict.died += [f"{one.name} {one.fate}" for one in report.nodes if one.fate == "ended by itself"]
        report.commands, report.behaviours = self._chaos.commands, dict(self._chaos.done.most_common())
        report.connections = self._listener.opened
        report.events = dict(Counter(one.kind for one in receiver.told))
        found = latencies_ms(self._generator.generated, receiver.told)
        if found:
            report.p50_ms, report.p99_ms = found[len(found) // 2], found[min(len(found) - 1, len(found) * 99 // 100)]
            report.longest_ms = found[-1]
        return report
