"""The events of one endpoint that are in memory: those that wait, in each recipient's order, and those being told.

Of a recipient only the first ones go, and the next wait until those are told or
put off; other recipients go on. What fails leaves the window, with all of its
recipient that waits behind it, and comes back from the store once it is due again.
"""

from collections.abc import Sequence

from postroom.store.webhook_outbox import Waiting

WINDOW = 1_000
"""Events of one endpoint in memory: less than 200 kB."""
OF_RECIPIENT = 50
"""Events of one recipient in the window, so that it leaves room for others."""


class Window:
    """What one endpoint is told next."""

    def __init__(self) -> None:
        self.more = False
        """The store has due events that are not here."""
        self._waiting: dict[int, list[Waiting]] = {}
        self._known: set[int] = set()
        """The events that wait, and those that are being told."""
        self._busy: set[int] = set()
        self._failed: set[int] = set()
        """What failed since the store was last asked."""

    def __len__(self) -> int:
        return len(self._known)

    @property
    def is_full(self) -> bool:
        """There is no room to ask the store for more."""
        return len(self._known) >= WINDOW

    @property
    def has_failed(self) -> bool:
        """Something failed since `known`."""
        return bool(self._failed)

    def known(self) -> frozenset[int]:
        """Return the events that are here, for `add`: call this before the store is asked."""
        self._failed.clear()
        return frozenset(self._known)

    def full_recipients(self) -> list[int]:
        """Return the recipients of whom no more is taken now."""
        return [key for key, rows in self._waiting.items() if key > 0 and len(rows) >= OF_RECIPIENT]

    def add(self, rows: Sequence[Waiting], known: frozenset[int]) -> int:
        """Let rows of the store wait; return how many came in. `known` is what `known` returned before the store read.

        An event that was told meanwhile does not come back with its answer. What failed meanwhile has left the window
        with all that came behind it: none of that is in `known` any more, and what was read here would overtake it.
        """
        before = len(self._known)
        keys = set()
        for row in rows:
            key = _key(row)
            if row.event_id not in known and key not in self._failed:
                keys.add(key)
                self._waiting.setdefault(key, []).append(row)
                self._known.add(row.event_id)
        for key in keys:
            waiting = sorted(self._waiting[key])
            self._waiting[key] = waiting[:OF_RECIPIENT]
            self.more = self.more or len(waiting) > OF_RECIPIENT
            self._known.difference_update(row.event_id for row in waiting[OF_RECIPIENT:])
        return len(self._known) - before

    def take(self, batch: int) -> list[Waiting]:
        """Take what goes into one request, at most `batch`, by event id. Give it back to `done`."""
        chosen: list[Waiting] = []
        limit = tries = 0
        for key in [key for key in self._waiting if key not in self._busy]:
            waiting = self._waiting[key]
            if not chosen:
                tries = waiting[0].tries
                # A batch that failed is told in smaller ones, down to the event that the receiver does not like.
                limit = max(1, batch >> 2 * tries)
            count = 0
            while count < len(waiting) and len(chosen) < limit and waiting[count].tries == tries:
                chosen.append(waiting[count])
                count += 1
            if count:
                self._busy.add(key)
                self._leave(key, waiting[count:])
            if len(chosen) >= limit:
                break
        # By event id, so that within a request each recipient's events are in order too.
        return sorted(chosen)

    def done(self, rows: Sequence[Waiting], *, settled: bool) -> None:
        """Let what was taken go; where it was not `settled`, with all that would overtake it."""
        for row in rows:
            key = _key(row)
            self._busy.discard(key)
            if not settled:
                self._failed.add(key)
                # The store has all of them.
                self._known.difference_update(one.event_id for one in self._waiting.pop(key, ()))
        self._known.difference_update(row.event_id for row in rows)

    def _leave(self, key: int, rows: list[Waiting]) -> None:
        if rows:
            self._waiting[key] = rows
        else:
            self._waiting.pop(key, None)


def _key(row: Waiting) -> int:
    """Return what a row waits in line with: its recipient, or itself."""
    return row.recipient_id or -row.event_id
