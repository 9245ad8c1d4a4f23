"""From the spool into the database: every 200 ms or 1,000 hits, with what follows from them.

A hit whose recipient is gone (purged), whose message does not track its kind,
or that came in on another workspace's host is dropped. A hit that is stored
already is left alone, so a batch may be repeated: after a crash, a lost
connection, or a commit whose answer did not arrive.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

import structlog

from postroom.base.clock import Clock
from postroom.base.errors import TryLater
from postroom.base.ids import IdSource
from postroom.ledger.rows import HitRow
from postroom.outbound.submission import Track
from postroom.store import hits as store
from postroom.store.database import Database, Tx
from postroom.store.hits import HitFacts
from postroom.tracking import machines
from postroom.tracking.clicks import record_clicks
from postroom.tracking.evidence import facts_told, since_delivery, written_evidence
from postroom.tracking.hit import Hit, HitKind, Labelled
from postroom.tracking.hosts import INSTALLATION
from postroom.tracking.machines import Evidence
from postroom.tracking.opens import record_opens
from postroom.tracking.spool import Batch, Spool

BATCH_HITS = 1_000
PAUSE_SECONDS = 0.2
FUNCTION_HITS = 250
"""Hits of one write function: two rows each, so that it stays within the 500 rows of DESIGN section 5."""
_LONGEST_PAUSE_SECONDS = 5.0

_log = structlog.get_logger(__name__)
_TRACKED = {HitKind.OPEN: Track.OPENS.value, HitKind.CLICK: (Track.CLICKS | Track.TEXT_CLICKS).value}


class Ingest:
    """Carries hits from one spool into the database."""

    def __init__(self, spool: Spool, database: Database, ids: IdSource, clock: Clock) -> None:
        self._spool = spool
        self._database = database
        self._ids = ids
        self._clock = clock
        self.carried = 0
        """Hits taken from the spool since the start."""

    async def run(self) -> None:
        """Carry hits over until cancelled. While the database does not answer they wait in the spool."""
        pause = PAUSE_SECONDS
        while True:
            await self._spool.written.wait()
            if self._spool.waiting < BATCH_HITS:
                await self._clock.sleep(PAUSE_SECONDS)
            try:
                await self.carry_batch()
                pause = PAUSE_SECONDS
            except TryLater as error:
                _log.warning("hits wait in the spool", waiting=self._spool.waiting, reason=str(error))
                await self._clock.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            except Exception:
                # The edge of the loop: the hits stay in the spool, the door goes on answering.
                _log.exception("hits could not be stored", waiting=self._spool.waiting)
                await self._clock.sleep(_LONGEST_PAUSE_SECONDS)

    async def carry_all(self) -> None:
        """Carry over everything that is in the spool; for the stop. Raises what `carry_batch` raises."""
        self._spool.flush()
        while await self.carry_batch():
            pass

    async def carry_batch(self) -> bool:
        """Store the oldest hits and their consequences; return whether there were any.

        Raises TryLater when the database does not answer; then nothing is
        taken from the spool.
        """
        batch = self._spool.read(BATCH_HITS)
        if batch is None:
            return False
        parts = [batch.hits[start : start + FUNCTION_HITS] for start in range(0, len(batch.hits), FUNCTION_HITS)]
        # All at once, so that they share a commit; the store keeps their order.
        results = await asyncio.gather(
            *[self._store(part, perhaps_stored=batch.perhaps_stored) for part in parts], return_exceptions=True
        )
        errors = [result for result in results if isinstance(result, BaseException)]
        for error in errors:
            if isinstance(error, TryLater) or not isinstance(error, Exception):
                raise error
        if errors:
            await self._store_singly(batch, errors[0])
        self._spool.take(batch)
        self.carried += len(batch.hits)
        return True

    async def _store(self, hits: Sequence[Hit], *, perhaps_stored: bool) -> None:
        # Ids are made before the write function, which may be run again. Those of events are made now, not at
        # arrival: readers page through events by id.
        event_ids = [self._ids.next() for _ in hits]
        await self._database.write(
            lambda tx: record_hits(tx, hits, event_ids, perhaps_stored=perhaps_stored), size_bytes=600 * len(hits)
        )

    async def _store_singly(self, batch: Batch, error: BaseException) -> None:
        """Store each hit alone, so that one which the database refuses does not hold up the others.

        Raises the error where none goes in: then the hits are not to blame.
        """
        refused = []
        for hit in batch.hits:
            try:
                await self._store((hit,), perhaps_stored=True)
            except TryLater:
                raise
            except Exception as cause:
                _log.error("a hit is refused by the database", hit=hit.id, error=repr(cause))
                refused.append(hit)
        if len(refused) == len(batch.hits):
            raise error
        self._spool.set_aside(refused)


def record_hits(tx: Tx, hits: Sequence[Hit], event_ids: Sequence[int], *, perhaps_stored: bool = True) -> int:
    """Store those of the hits that are new and ours to keep, with their consequences; return how many.

    `event_ids` has an id for each hit. Not `perhaps_stored` says that none of them was ever tried before.
    """
    known = store.known_hits(tx, [hit.id for hit in hits]) if perhaps_stored else ()
    facts = store.hit_facts(tx, list({hit.recipient_id for hit in hits}))
    kept = sorted(
        (
            (hit, event_id)
            for hit, event_id in zip(hits, event_ids, strict=True)
            if hit.id not in known and _is_kept(hit, facts)
        ),
        key=lambda pair: pair[0].at_ms,
    )
    if not kept:
        return 0
    clicks = _clicks_near(tx, [hit for hit, _ in kept], facts)
    told = {recipient_id: facts_told(fact) for recipient_id, fact in facts.items()}
    opened: list[Labelled] = []
    clicked: list[Labelled] = []
    for hit, event_id in kept:
        fact = facts[hit.recipient_id]
        row = _row(hit, fact, clicks.get(hit.recipient_id, ()))
        collected = opened if hit.kind is HitKind.OPEN else clicked
        collected.append(Labelled(row, told[hit.recipient_id], event_id, hit.target))
    record_opens(tx, opened, facts)
    record_clicks(tx, clicked, facts)
    return len(kept)


def _is_kept(hit: Hit, facts: Mapping[int, HitFacts]) -> bool:
    fact = facts.get(hit.recipient_id)
    return (
        fact is not None
        and hit.host_workspace_id in (INSTALLATION, fact.workspace_id)
        and bool(fact.track & _TRACKED[hit.kind])
    )


def _clicks_near(tx: Tx, hits: Sequence[Hit], facts: Mapping[int, HitFacts]) -> dict[int, list[tuple[int, int]]]:
    """Return time and link position of the recipients' clicks: those of these hits and those shortly before."""
    clicks = [hit for hit in hits if hit.kind is HitKind.CLICK]
    near: dict[int, list[tuple[int, int]]] = defaultdict(list)
    again = list({hit.recipient_id for hit in clicks if facts[hit.recipient_id].clicked_ms is not None})
    if again:
        for recipient_id, position, at_ms in store.recent_clicks(tx, again, clicks[0].at_ms - machines.BURST_MS):
            near[recipient_id].append((at_ms, position))
    for hit in clicks:
        near[hit.recipient_id].append((hit.at_ms, hit.position))
    return near


def _row(hit: Hit, fact: HitFacts, clicks: Sequence[tuple[int, int]]) -> HitRow:
    since = since_delivery(hit.at_ms, fact)
    in_burst = _links_within(clicks, hit.at_ms, machines.BURST_MS) if clicks else 0
    in_pair = _links_within(clicks, hit.at_ms, machines.PAIR_MS) if clicks else 0
    is_click = hit.kind is HitKind.CLICK
    was_shown = fact.shown_ms is not None and fact.shown_ms <= hit.at_ms
    verdict = machines.judge(
        Evidence(is_click, hit.method, hit.user_agent, hit.fields, since, in_burst, in_pair, was_shown)
    )
    evidence = written_evidence(verdict.rule, since, hit.fields, was_shown, (in_burst, in_pair) if clicks else None)
    return HitRow(
        hit.id,
        fact.workspace_id,
        hit.recipient_id,
        hit.kind.value,
        hit.position,
        hit.at_ms,
        hit.method,
        hit.address if fact.keep_addresses else "",
        hit.user_agent,
        evidence,
        verdict.label.value,
        machines.RULES_VERSION,
    )


def _links_within(clicks: Sequence[tuple[int, int]], at_ms: int, window_ms: int) -> int:
    if len(clicks) == 1:
        return 1
    return len({position for when, position in clicks if abs(at_ms - when) <= window_ms})
