"""Which accounts this node watches, and the watchers that do.

Every node with the role `watch` computes the same owner of each account from
the live nodes' numbers (`cluster.owners`). The owner takes what nobody watches;
what another live node still watches it connects to first and takes then. A
node keeps what it has until its epoch is gone. It lets go of everything at once
when it could not renew its heartbeat for 25 s: at 30 s the others take over.

What a commit of this process changes is seen at once, what other nodes change
at the next look.
"""

import asyncio
from collections.abc import Awaitable, Iterable
from functools import partial
from typing import Protocol

import structlog

from postroom.accounts.tools import Counts, Tools
from postroom.accounts.watcher import Watcher
from postroom.base.clock import set_or_after
from postroom.base.errors import TryLater
from postroom.base.nursery import Nursery
from postroom.cluster.owners import owner_of
from postroom.ledger.account_rows import AccountState
from postroom.store import watching
from postroom.store.accounts import WAKE
from postroom.store.watching import Watchable

_log = structlog.get_logger(__name__)

ROLE = "watch"
LOOK_SECONDS = 10.0
"""After so long at most it is seen what other nodes have changed."""
_WHOLE_SECONDS = 120.0
"""So often all accounts are compared: what the short look finds by signs only."""
_TICK_SECONDS = 1.0
_ADOPT_SECONDS = 60.0
"""An account that its owner has no room for is taken by a node that has some after this."""
HAND_OVER_SECONDS = 20.0
"""On a clean stop: longer than the others need to see it (a heartbeat) and to connect."""
_FULL = "The node that it belongs to watches as many accounts as POSTROOM_WATCH_ACCOUNTS lets it."


class Cluster(Protocol):
    """The nodes as this one sees them (`cluster.nodes.Nodes`)."""

    number: int

    @property
    def must_let_go(self) -> bool: ...

    @property
    def numbers(self) -> tuple[int, ...]: ...

    def numbers_with(self, role: str) -> tuple[int, ...]: ...

    async def withdraw(self, role: str) -> None: ...


class Supervisor:
    """Watches this node's accounts. `run` until cancelled; `stop` before."""

    def __init__(self, tools: Tools, cluster: Cluster, most_accounts: int) -> None:
        self._tools = tools
        self._cluster = cluster
        self._most = most_accounts
        self._watchers: dict[int, Watcher] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._nursery = Nursery("account")
        self._awake = asyncio.Event()
        self._named: set[int] = set()
        self._look_at = 0.0
        self._whole_at = 0.0
        self._seen: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
        self._owners: dict[int, int | None] = {}
        self._turned_away: set[int] = set()
        self._unwatched: dict[int, float] = {}
        self._let_go = False
        self._stopping = False
        tools.database.on_commit(WAKE, self._changed)

    @property
    def watchers(self) -> dict[int, Watcher]:
        """The watchers of this node by account."""
        return self._watchers

    @property
    def turned_away(self) -> int:
        """How many accounts belong to this node and find no room on it."""
        return len(self._turned_away)

    def silent_seconds(self, account_id: int) -> float | None:
        """Return for how long an account's server has said nothing; None: it is not watched here now."""
        watcher = self._watchers.get(account_id)
        heard = None if watcher is None else watcher.heard
        return None if heard is None else max(0.0, self._tools.clock.monotonic() - heard)

    @property
    def done(self) -> Counts:
        """What its watchers did since the start."""
        return self._tools.counts

    @property
    def work_waiting(self) -> int:
        """How many mails wait to be read and written, or are."""
        return self._tools.hands.mails

    def counts(self) -> dict[str, int]:
        """Return how many accounts this node watches, by their state."""
        found: dict[str, int] = {}
        for watcher in self._watchers.values():
            found[watcher.state] = found.get(watcher.state, 0) + 1
        return found

    async def run(self) -> None:
        """Watch until cancelled; then every session is closed."""
        try:
            while True:
                await self._went_well(self._turn())
                await set_or_after(self._awake, self._tools.clock, _TICK_SECONDS)
        finally:
            self._end_all()

    async def stop(self, seconds: float) -> None:
        """Give the role up, let other nodes take the accounts, and end the watching.

        Without other nodes that watch it ends at once, and so it does with 0 seconds.
        """
        self._stopping = True
        if seconds > 0 and not self._let_go:
            await self._went_well(self._cluster.withdraw(ROLE))
            if self._cluster.numbers_with(ROLE):
                await self._went_well(self._hand_over())
        self._end_all()
        await self._nursery.drain(1.0)

    # Looking

    def _changed(self, account_ids: set[int]) -> None:
        self._named |= account_ids
        self._awake.set()

    async def _turn(self) -> None:
        self._awake.clear()
        if self._cluster.must_let_go:
            if self._watchers and not self._let_go:
                _log.error(
                    "no heartbeat for 25 s: other nodes may watch these accounts soon", accounts=len(self._tasks)
                )
            self._let_go = True
            self._end_all()
            return
        self._let_go = False
        seen = (self._cluster.numbers, self._cluster.numbers_with(ROLE))
        now = self._tools.clock.monotonic()
        if seen != self._seen:
            self._seen = seen
            self._owners.clear()
            self._kick_moves()
            self._whole_at = now
        if now >= min(self._whole_at, self._look_at):
            # Not all nodes at the same moment.
            look_at = now + LOOK_SECONDS * (0.75 + 0.25 * self._tools.chance())
            if now >= self._whole_at or now - self._look_at > LOOK_SECONDS or await self._look():
                await self._look_at_all()
                self._whole_at = now + _WHOLE_SECONDS
            self._look_at = look_at
        if self._named:
            named, self._named = self._named, set()
            await self._look_at_named(named)

    async def _look_at_all(self) -> None:
        """Compare everything that is to be watched with what is."""
        after_id, found = -1, set()
        while True:
            page = await self._tools.database.read(partial(watching.watchable, after_id=after_id))
            self._decide(page)
            found |= {one.account_id for one in page}
            if len(page) < watching.PAGE:
                break
            after_id = page[-1].account_id
        for account_id in self._watchers.keys() - found:
            self._end(account_id)
        self._turned_away &= found
        self._unwatched = {one: since for one, since in self._unwatched.items() if one in found}

    async def _look(self) -> bool:
        """Look at what somebody has changed and what nobody watches; tell whether all has to be compared.

        With thousands of accounts reading them all each time would cost more than watching them.
        """
        read, number = self._tools.database.read, self._cluster.number
        changed = await read(partial(watching.changed_lately, now_ms=self._tools.clock.now_ms()))
        nobodys = await read(partial(watching.nobodys, live=self._seen[0]))
        self._decide(nobodys)
        await self._look_at_some(set(changed))
        held = await read(partial(watching.accounts_of_node, node=number))
        own = sum(watcher.epoch is not None for watcher in self._watchers.values())
        is_whole = max(len(changed), len(nobodys)) < watching.PAGE
        return held != own or not is_whole

    async def _look_at_some(self, account_ids: Iterable[int]) -> None:
        """The same for some accounts."""
        named = list(account_ids)
        if not named:
            return
        page = await self._tools.database.read(partial(watching.watchable_of, account_ids=named))
        for account_id in set(named) - {one.account_id for one in page}:
            self._end(account_id)
        self._decide(page)

    async def _look_at_named(self, named: set[int]) -> None:
        """The same for accounts that a commit has named; who watched one before looks at its mailboxes again."""
        before = {one: self._watchers[one] for one in named & self._watchers.keys()}
        await self._look_at_some(named)
        for account_id, watcher in before.items():
            if self._watchers.get(account_id) is watcher:
                watcher.wake(await self._tools.database.read(partial(watching.mailboxes_of, account_id=account_id)))

    def _decide(self, page: Iterable[Watchable]) -> None:
        for one in page:
            watcher = self._watchers.get(one.account_id)
            if watcher is not None:
                is_lost = watcher.epoch is not None and watcher.epoch < one.epoch
                if not is_lost and watcher.changed_ms == one.changed_ms:
                    continue
                self._end(one.account_id)
            self._decide_unwatched(one)

    def _decide_unwatched(self, one: Watchable) -> None:
        """Decide about an account that this node does not watch."""
        own, account_id = self._cluster.number, one.account_id
        is_watched = one.node is not None and one.node != own and one.node in self._seen[0]
        has_room = len(self._watchers) < self._most
        if is_watched:
            self._unwatched.pop(account_id, None)
        if self._owner(account_id) == own:
            if has_room:
                self._start(one)
            elif not is_watched and account_id not in self._turned_away:
                self._turned_away.add(account_id)
                self._tools.counts.turned_away += 1
                self._nursery.start(self._went_well(self._say_full(one)), "full")
        elif not is_watched and has_room and self._waited(account_id):
            self._start(one)

    def _waited(self, account_id: int) -> bool:
        """Tell whether nobody has watched an account of another node for a minute, as far as we saw."""
        now = self._tools.clock.monotonic()
        return now - self._unwatched.setdefault(account_id, now) >= _ADOPT_SECONDS

    def _owner(self, account_id: int) -> int | None:
        owner = self._owners.get(account_id)
        if owner is None:
            owner = self._owners[account_id] = owner_of(f"account/{account_id}", self._seen[1])
        return owner

    async def _say_full(self, one: Watchable) -> None:
        now = self._tools.clock.now_ms()
        await self._tools.database.write(
            lambda tx: watching.say_unowned(tx, one.account_id, one.epoch, AccountState.AWAY.value, _FULL, now)
        )

    def _kick_moves(self) -> None:
        for watcher in self._watchers.values():
            if watcher.epoch is None:
                watcher.kick()

    # Watchers

    def _start(self, one: Watchable) -> None:
        if self._stopping:
            return
        self._turned_away.discard(one.account_id)
        self._unwatched.pop(one.account_id, None)
        watcher = Watcher(self._tools, one.account_id, one.changed_ms)
        self._watchers[one.account_id] = watcher
        self._tasks[one.account_id] = self._nursery.start(self._run(watcher), str(one.account_id))

    async def _run(self, watcher: Watcher) -> None:
        try:
            await watcher.run()
        finally:
            # Another one may have its place already.
            if self._watchers.get(watcher.account_id) is watcher:
                del self._watchers[watcher.account_id]
                del self._tasks[watcher.account_id]

    def _end(self, account_id: int) -> None:
        task = self._tasks.pop(account_id, None)
        self._watchers.pop(account_id, None)
        if task is not None:
            task.cancel()

    def _end_all(self) -> None:
        for account_id in list(self._tasks):
            self._end(account_id)

    async def _hand_over(self) -> None:
        """Wait until other nodes have taken what this one watches; what they took ends by its epoch."""
        clock, number = self._tools.clock, self._cluster.number
        until = clock.monotonic() + HAND_OVER_SECONDS
        while clock.monotonic() < until:
            left = await self._tools.database.read(partial(watching.accounts_of_node, node=number))
            if not left:
                return
            await clock.sleep(_TICK_SECONDS / 2)
        _log.warning("not all accounts were taken by other nodes", left=left)

    async def _went_well(self, work: Awaitable[None]) -> None:
        try:
            await work
        except TryLater as error:
            _log.warning("cannot look after the accounts now", reason=str(error))
        except Exception:
            # The edge of a loop: a fault in one turn must not end the others.
            _log.exception("cannot look after the accounts")
