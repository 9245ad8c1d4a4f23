"""Judging hits again by today's rules, and moving what follows from the labels.

A label is a judgement over stored evidence (`machines`). When a rule changes,
each recipient's hits are judged again together, as if they had all come in one
batch: so a click that came a batch before the rest of its burst belongs to it
now. The first open and click by a person move, and the human counters with
them, in the same transaction: they stay equal to a recount. What was told
stays told: events and webhooks keep the label that the hit had then.

What retention has taken away is not judged: where the hit of a first is gone,
the first stays, unless a person's hit that is still there is earlier.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from postroom.events.record import count, hour_of
from postroom.ledger.rows import HitRow
from postroom.store import labels as store
from postroom.store.database import Database, Tx
from postroom.store.hits import HitFacts, Verb, hit_facts
from postroom.store.labels import HumanFirst
from postroom.tracking import machines
from postroom.tracking.evidence import facts_told, since_delivery, written_evidence
from postroom.tracking.hit import HitKind
from postroom.tracking.machines import Evidence, Label

PAGE_HITS = 200
_MANY_HITS = 50
"""A recipient with more is judged once a call, not once a page."""
_VERBS: dict[HitKind, Verb] = {HitKind.OPEN: "opened", HitKind.CLICK: "clicked"}
_COUNTERS: dict[Verb, str] = {"opened": "opens_human", "clicked": "clicks_human"}


class _Stored(msgspec.Struct, frozen=True):
    """The evidence of a hit as it is stored."""

    since_delivery_ms: int | None = None
    fields: dict[str, str] = {}


_decode = msgspec.json.Decoder(_Stored).decode


class Relabelled(NamedTuple):
    """What judging again has done so far."""

    after: int | None
    """The last hit that was looked at, to go on behind it; None: there are no more."""
    hits: int = 0
    changed: int = 0
    """Hits whose label is another one now."""
    firsts: int = 0
    """Firsts by a person that moved, came or went."""


async def relabel(database: Database, workspace_id: int, *, after: int, since_ms: int, pages: int) -> Relabelled:
    """Judge up to `pages` pages of a workspace's hits again, from behind hit `after` on. Raises TryLater.

    Hits before `since_ms` keep their labels. Each page is one transaction.
    """
    done, judged = Relabelled(after), set[int]()
    for _ in range(pages):
        page = await database.read(
            lambda conn, after=done.after: store.hits_page(conn, workspace_id, after, PAGE_HITS)  # type: ignore[misc]
        )
        wanted = sorted({recipient_id for _, recipient_id in page} - judged)
        changed, firsts, many = await database.write(
            lambda tx, wanted=wanted: relabel_recipients(tx, wanted, since_ms)  # type: ignore[misc]
        )
        judged |= many
        is_last = len(page) < PAGE_HITS
        done = Relabelled(
            None if is_last else page[-1][0], done.hits + len(page), done.changed + changed, done.firsts + firsts
        )
        if is_last:
            break
    return done


def relabel_recipients(tx: Tx, recipient_ids: Sequence[int], since_ms: int) -> tuple[int, int, set[int]]:
    """Judge all hits of these recipients again; return how many labels and firsts changed, and who has many hits."""
    facts = hit_facts(tx, recipient_ids)
    hits = defaultdict[int, list[HitRow]](list)
    for row in store.hits_of(tx, list(facts)):
        hits[row.recipient_id].append(row)
    written: list[HitRow] = []
    changed = 0
    firsts: dict[Verb, list[HumanFirst]] = {verb: [] for verb in _VERBS.values()}
    for recipient_id, before in sorted(hits.items()):
        fact = facts[recipient_id]
        after = _judged(before, fact, since_ms)
        written += [new for old, new in zip(before, after, strict=True) if new is not old]
        changed += sum(new.label != old.label for old, new in zip(before, after, strict=True))
        for kind, verb in _VERBS.items():
            stored = fact.human_opened_ms if verb == "opened" else fact.human_clicked_ms
            first = _first_by_a_person([row for row in after if row.kind == kind.value], stored)
            if first != stored:
                firsts[verb].append(HumanFirst(recipient_id, first))
                _count(tx, fact, _COUNTERS[verb], stored, first)
    store.label_again(tx, written)
    for verb, moved in firsts.items():
        store.move_human_firsts(tx, verb, moved)
    many = {recipient_id for recipient_id, rows in hits.items() if len(rows) > _MANY_HITS}
    return changed, sum(map(len, firsts.values())), many


def _judged(hits: Sequence[HitRow], fact: HitFacts, since_ms: int) -> list[HitRow]:
    """Return a recipient's hits, in order of time, with today's labels; the same rows where nothing changes."""
    clicks = [(row.at_ms, row.position) for row in hits if row.kind == HitKind.CLICK.value]
    return [row if row.at_ms < since_ms else _judge(row, fact, clicks) for row in hits]


def _judge(row: HitRow, fact: HitFacts, clicks: Sequence[tuple[int, int]]) -> HitRow:
    stored = _decode(row.evidence)
    since = since_delivery(row.at_ms, fact)
    if since is None:
        # The delivery may have been known when the hit came: a bounce takes it away again.
        since = stored.since_delivery_ms
    is_click = row.kind == HitKind.CLICK.value
    in_burst = _links_within(clicks, row.at_ms, machines.BURST_MS) if is_click else 0
    in_pair = _links_within(clicks, row.at_ms, machines.PAIR_MS) if is_click else 0
    was_shown = fact.shown_ms is not None and fact.shown_ms <= row.at_ms
    verdict = machines.judge(
        Evidence(is_click, row.method, row.user_agent, stored.fields, since, in_burst, in_pair, was_shown)
    )
    if verdict.label.value == row.label and row.rules == machines.RULES_VERSION:
        return row
    evidence = written_evidence(
        verdict.rule, since, stored.fields, was_shown, (in_burst, in_pair) if is_click else None
    )
    return row._replace(label=verdict.label.value, evidence=evidence, rules=machines.RULES_VERSION)


def _links_within(clicks: Sequence[tuple[int, int]], at_ms: int, window_ms: int) -> int:
    first = bisect_left(clicks, (at_ms - window_ms,))
    last = bisect_right(clicks, (at_ms + window_ms, float("inf")))
    return len({position for _, position in clicks[first:last]})


def _first_by_a_person(hits: Iterable[HitRow], stored: int | None) -> int | None:
    times = [row.at_ms for row in hits if row.label == Label.HUMAN.value]
    if stored is not None and all(row.at_ms != stored for row in hits):
        times.append(stored)
    return min(times, default=None)


def _count(tx: Tx, fact: HitFacts, counter: str, before: int | None, after: int | None) -> None:
    told = facts_told(fact)
    if before is not None:
        count(tx, told, hour_of(before), counter, -1)
    if after is not None:
        count(tx, told, hour_of(after), counter)
