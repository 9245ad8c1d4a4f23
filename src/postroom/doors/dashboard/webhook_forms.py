"""The forms of webhooks: what an endpoint shall be told, and what it is told again."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from postroom.base.ids import parse_id
from postroom.doors.dashboard.forms import Form
from postroom.doors.dashboard.times import utc
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.states import Stream
from postroom.ledger.webhook_rows import WebhookEndpointRow
from postroom.store.webhook_replay import MOST_LOOKED_AT, SpanCount
from postroom.webhooks.endpoints import MOST_BATCH, Asked

MOST_CHOSEN = 100
"""Requests that one form may name."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What shall be told again: the events of some requests, or those of a time."""

    attempt_ids: tuple[int, ...] = ()
    since_ms: int = 0
    until_ms: int = 0
    kinds: tuple[EventKind, ...] = ()
    """Empty: those that the endpoint asks for."""

    def until(self, most_ms: int) -> "Replay":
        """Return the same with no time beyond `most_ms`."""
        return replace(self, since_ms=min(self.since_ms, most_ms), until_ms=min(self.until_ms, most_ms))

    def fields(self) -> list[tuple[str, str]]:
        """Return the hidden fields by which the question's answer repeats what was asked."""
        if self.attempt_ids:
            return []
        kinds = [("kinds", kind.value) for kind in self.kinds]
        return [("since", _typed(self.since_ms)), ("until", _typed(self.until_ms)), *kinds]


def read_endpoint(form: Form) -> Asked:
    """Return what a form asks for; what is wrong stands in the form."""
    url = form.text("url", "Enter the address that is told.", most=2000)
    description = form.text("description", most=200)
    batch = form.text("batch") or "1"
    if not batch.isascii() or not batch.isdecimal() or not 1 <= int(batch[:9]) <= MOST_BATCH:
        form.errors["batch"] = f"Enter a whole number from 1 to {MOST_BATCH}."
        batch = "1"
    stream = form.get("stream")
    if stream not in ("", *Stream):
        form.errors["stream"] = "Choose one of the list."
        stream = ""
    return Asked(url, description, read_kinds(form), Stream(stream) if stream else None, int(batch))


def read_kinds(form: Form) -> tuple[EventKind, ...]:
    """Return the ticked kinds; all ticked is the same as none."""
    chosen = set(form.all("kinds"))
    kinds = tuple(kind for kind in EventKind if kind.value in chosen)
    if chosen - set(EventKind):
        form.errors["kinds"] = "One of the kinds is not known."
    return kinds


def form_of(row: WebhookEndpointRow) -> Form:
    """Return the form as an endpoint fills it."""
    values = {"url": row.url, "description": row.description, "stream": row.stream, "batch": str(row.batch)}
    return Form(values, {"kinds": json.loads(row.kinds)})


def span_form(now_ms: int) -> Form:
    """Return the form of a time, which offers the last hour."""
    return Form({"since": _typed(now_ms - 3_600_000), "until": _typed(now_ms + 1000)})


def read_replay(form: Form) -> Replay | str:
    """Return what a form asks to tell again, or what is wrong with it."""
    attempts = form.all("attempt")[:MOST_CHOSEN]
    if attempts:
        ids = [parse_id("wha", one) for one in attempts]
        return Replay(tuple(one for one in ids if one is not None))
    if not form.get("since") and not form.get("until"):
        return "Nothing is chosen: tick the requests whose events you want to tell again, or give a time."
    since, until = _time(form.get("since")), _time(form.get("until"))
    if since is None or until is None:
        return "Give both times as 2026-01-31T08:00, in UTC."
    if since >= until:
        return "The time ends before it begins."
    return Replay((), since, until, read_kinds(form))


def chosen_words(requests: int, events: int) -> str:
    """Return what will be told again of chosen requests."""
    of = "the request that you chose" if requests == 1 else f"the {requests} requests that you chose"
    return f"At most {events:,} event{'' if events == 1 else 's'} of {of} {'is' if events == 1 else 'are'} told again."


def span_words(replay: Replay, count: SpanCount, most: int, asked_for: Sequence[str]) -> str:
    """Return what will be told again of a time."""
    kinds = ", ".join((one.value for one in replay.kinds) if replay.kinds else asked_for).replace("_", " ")
    what = f" ({kinds})" if kinds else ""
    span = f"between {utc(replay.since_ms)} and {utc(replay.until_ms)}"
    if not count.is_all:
        return (
            f"More than {MOST_LOOKED_AT:,} events were recorded {span}. "
            f"Those that fit{what} are told again, {most:,} at most at a time."
        )
    if not count.events:
        return f"No event{what} was recorded {span}: nothing will be told."
    plural = "event" if count.events == 1 else "events"
    return f"At most {count.events:,} {plural}{what} recorded {span} {'is' if count.events == 1 else 'are'} told again."


def _time(text: str) -> int | None:
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _typed(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
