"""The link tables of contents that are clicked on, kept in memory within a bound.

A click must not wait for the database where it need not, and most clicks of a
mailing come to the same content. Which content a recipient got is kept too: it
never changes. Each reader clicks a first time, so clicks that have to ask do
it together: one read is under way, and what comes meanwhile is the next one.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from postroom.base.clock import Clock
from postroom.base.errors import TryLater
from postroom.store.database import Conn, Database
from postroom.store.hits import LinkFacts, link_facts, links_of

CACHE_BYTES = 32 * 1024 * 1024
_RECIPIENT_BYTES = 400
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


@dataclass(slots=True, eq=False)
class _Round:
    """A read for several clicks."""

    recipient_ids: set[int] = field(default_factory=set)
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    facts: dict[int, LinkFacts] = field(default_factory=dict)
    links: dict[LinkFacts, tuple[str, ...] | None] = field(default_factory=dict)
    error: TryLater | None = None


class Links:
    """Answers where a link of a copy leads."""

    def __init__(self, database: Database, clock: Clock, *, cache_bytes: int = CACHE_BYTES) -> None:
        self._database = database
        self._clock = clock
        self._recipients: Recent[int, LinkFacts] = Recent(cache_bytes // 4, lambda _: _RECIPIENT_BYTES)
        self._contents: Recent[LinkFacts, tuple[str, ...]] = Recent(cache_bytes - cache_bytes // 4, _links_bytes)
        self._unknown: dict[int, float] = {}
        self._next: _Round | None = None
        self._reading = asyncio.Lock()

    def cached(self, recipient_id: int, position: int) -> tuple[int, str] | None:
        """Return the workspace and the target of a link where they are in memory, else None: then `find` it."""
        facts = self._recipients.get(recipient_id)
        links = self._contents.get(facts) if facts is not None else None
        if facts is None or links is None or position >= len(links):
            return None
        return facts.workspace_id, links[position]

    async def find(self, recipient_id: int, position: int) -> tuple[int, str] | None:
        """Return the workspace and the target of a link, or None where there is no such recipient or link.

        Raises TryLater when the database has to be asked and does not answer.
        """
        found = self.cached(recipient_id, position)
        if found is not None:
            return found
        if self._unknown.get(recipient_id, 0.0) > self._clock.monotonic():
            return None

        joined = self._next
        if joined is None:
            joined = self._next = _Round()
            joined.recipient_ids.add(recipient_id)
            await self._read(joined)
        else:
            joined.recipient_ids.add(recipient_id)
            await asyncio.shield(joined.done)
        if joined.error is not None:
            raise TryLater(str(joined.error)) from joined.error
        facts = joined.facts.get(recipient_id)
        links = joined.links.get(facts) if facts is not None else None
        if facts is None or links is None:
            self._remember_unknown(recipient_id)
            return None
        return (facts.workspace_id, links[position]) if position < len(links) else None

    async def _read(self, asking: _Round) -> None:
        """Read for all that have joined a round; called by the first of them."""
        try:
            async with self._reading:
                self._next = None
                recipient_ids = list(asking.recipient_ids)
                known = self._contents

                def read(conn: Conn) -> tuple[dict[int, LinkFacts], dict[LinkFacts, tuple[str, ...] | None]]:
                    facts = link_facts(conn, recipient_ids)
                    return facts, {fact: known.peek(fact) or links_of(conn, fact) for fact in set(facts.values())}

                asking.facts, asking.links = await self._database.read(read)
            for recipient_id, facts in asking.facts.items():
                self._recipients.put(recipient_id, facts)
            for facts, links in asking.links.items():
                if links is not None:
                    self._contents.put(facts, links)
        except TryLater as error:
            asking.error = error
        except BaseException as error:
            # The first one's request was cut off, or the read failed: the others try again.
            asking.error = TryLater("the read for others ended early")
            asking.error.__cause__ = error
            raise
        finally:
            if self._next is asking:
                self._next = None
            asking.done.set_result(None)

    def _remember_unknown(self, recipient_id: int) -> None:
        now = self._clock.monotonic()
        if len(self._unknown) >= _MOST_UNKNOWN:
            self._unknown.clear()
        self._unknown[recipient_id] = now + _UNKNOWN_SECONDS


def _links_bytes(links: tuple[str, ...]) -> int:
    return 200 + sum(60 + 4 * len(link) for link in links)
