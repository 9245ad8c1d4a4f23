"""The link tables of contents that are clicked on, kept in memory within a bound.

A click must not wait for the database where it need not, and most clicks of a
mailing come to the same content. Which content a recipient got is kept too: it
never changes. Each reader clicks a first time, so clicks that have to ask do
it together: they gather for a moment, and while one read is under way, what
comes meanwhile is the next one.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog

from postroom.base.clock import Clock
from postroom.base.errors import TryLater
from postroom.store.database import Conn, Database
from postroom.store.hits import LinkFacts, link_facts, links_of

_log = structlog.get_logger(__name__)

CACHE_BYTES = 32 * 1024 * 1024
_RECIPIENT_BYTES = 400
GATHER_SECONDS = 0.002
"""How long a click whose target is not in memory waits for others. Nobody feels it."""
_UNKNOWN_SECONDS = 5.0
"""A recipient that is not there is asked for again after this; the token is good, so it was there once."""
_MOST_UNKNOWN = 10_000

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """The values used last, up to a number of bytes."""

    def __init__(self, most_bytes: int, size_of: Callable[[V], int]) -> None:
        self._most_bytes = most_bytes
        self._size_of = size_of
        self._values: OrderedDict[K, V] = OrderedDict()
        self.size_bytes = 0

    def get(self, key: K) -> V | None:
        """Return the value and mark it as used."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def peek(self, key: K) -> V | None:
        """Return the value; also from another thread."""
        return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        """Keep a value; those unused for longest go. One that alone is too large is not kept."""
        old = self._values.pop(key, None)
        if old is not None:
            self.size_bytes -= self._size_of(old)
        size_bytes = self._size_of(value)
        if size_bytes > self._most_bytes:
            return
        self._values[key] = value
        self.size_bytes += size_bytes
        while self.size_bytes > self._most_bytes:
            _, gone = self._values.popitem(last=False)
            self.size_bytes -= self._size_of(gone)


Target = tuple[int, str]
"""The workspace and where the link leads."""

Asker = Callable[[Target | TryLater | None], None]
"""Told the target, None where there is no such recipient or link, or why nobody can say now."""


@dataclass(slots=True, eq=False)
class _Round:
    """A read for several clicks."""

    askers: dict[int, list[tuple[int, Asker]]] = field(default_factory=dict)
    """By recipient id: link position, and who is to be told."""
    facts: dict[int, LinkFacts] = field(default_factory=dict)
    links: dict[LinkFacts, tuple[str, ...] | None] = field(default_factory=dict)

    def target(self, recipient_id: int, position: int) -> Target | None:
        """Return what was read."""
        facts = self.facts.get(recipient_id)
        links = self.links.get(facts) if facts is not None else None
        if facts is None or links is None or position >= len(links):
            return None
        return facts.workspace_id, links[position]


class Links:
    """Answers where a link of a copy leads."""

    def __init__(self, database: Database, clock: Clock, *, cache_bytes: int = CACHE_BYTES) -> None:
        self._database = database
        self._clock = clock
        self._recipients: Recent[int, LinkFacts] = Recent(cache_bytes // 4, lambda _: _RECIPIENT_BYTES)
        self._contents: Recent[LinkFacts, tuple[str, ...]] = Recent(cache_bytes - cache_bytes // 4, _links_bytes)
        self._unknown: dict[int, float] = {}
        self._next: _Round | None = None
        self._reading: asyncio.Task[None] | None = None

    def cached(self, recipient_id: int, position: int) -> Target | None:
        """Return a target that is in memory, else None: then `ask` or `find` it."""
        facts = self._recipients.get(recipient_id)
        links = self._contents.get(facts) if facts is not None else None
        if facts is None or links is None or position >= len(links):
            return None
        return facts.workspace_id, links[position]

    async def find(self, recipient_id: int, position: int) -> Target | None:
        """Return a target, or None where there is no such recipient or link.

        Raises TryLater when the database has to be asked and does not answer.
        """
        future: asyncio.Future[Target | TryLater | None] = asyncio.get_running_loop().create_future()
        self.ask(recipient_id, position, lambda told: None if future.done() else future.set_result(told))
        told = await future
        if isinstance(told, TryLater):
            raise TryLater(str(told)) from told
        return told

    def ask(self, recipient_id: int, position: int, asker: Asker) -> None:
        """Tell `asker` the target: from memory before this returns, else when it was read."""
        found = self.cached(recipient_id, position)
        if found is not None or self._unknown.get(recipient_id, 0.0) > self._clock.monotonic():
            asker(found)
            return
        if self._next is None:
            self._next = _Round()
        self._next.askers.setdefault(recipient_id, []).append((position, asker))
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read_rounds(), name="links")

    async def _read_rounds(self) -> None:
        """Read until nobody asks any more."""
        try:
            while self._next is not None:
                # A read costs the same for one as for many, and most of it on threads that take turns.
                await asyncio.sleep(GATHER_SECONDS)
                asked, self._next = self._next, None
                await self._read(asked)
        finally:
            self._reading = None

    async def _read(self, asked: _Round) -> None:
        recipient_ids, known = list(asked.askers), self._contents

        def read(conn: Conn) -> tuple[dict[int, LinkFacts], dict[LinkFacts, tuple[str, ...] | None]]:
            facts = link_facts(conn, recipient_ids)
            return facts, {fact: known.peek(fact) or links_of(conn, fact) for fact in set(facts.values())}

        try:
            asked.facts, asked.links = await self._database.read(read)
        except TryLater as error:
            self._tell(asked, error)
            return
        except Exception as error:
            # The edge of this task: who asked must not wait for ever, and the next round comes.
            _log.exception("links could not be looked up")
            self._tell(asked, TryLater(f"a link could not be looked up: {error!r}"))
            return
        for recipient_id, facts in asked.facts.items():
            self._recipients.put(recipient_id, facts)
        for facts, links in asked.links.items():
            if links is not None:
                self._contents.put(facts, links)
        for recipient_id in asked.askers:
            if asked.links.get(asked.facts.get(recipient_id, _NOBODY)) is None:
                self._remember_unknown(recipient_id)
        self._tell(asked, None)

    def _tell(self, asked: _Round, error: TryLater | None) -> None:
        for recipient_id, askers in asked.askers.items():
            for position, asker in askers:
                asker(error or asked.target(recipient_id, position))

    def _remember_unknown(self, recipient_id: int) -> None:
        now = self._clock.monotonic()
        if len(self._unknown) >= _MOST_UNKNOWN:
            self._unknown.clear()
        self._unknown[recipient_id] = now + _UNKNOWN_SECONDS


_NOBODY = LinkFacts(0, b"")


def _links_bytes(links: tuple[str, ...]) -> int:
    return 200 + sum(60 + 4 * len(link) for link in links)
