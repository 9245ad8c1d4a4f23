"""What the pages of webhooks show: how an endpoint fares in words, lines of the log, a request whole."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from postroom.base.ids import show_id
from postroom.doors.dashboard.times import in_words
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.webhook_rows import EndpointForm, EndpointState, WebhookAttemptRow, WebhookEndpointRow
from postroom.store.webhooks import MOST_COUNTED, AttemptLine, EndpointHealth


@dataclass(frozen=True, slots=True)
class EndpointView:
    """An endpoint in the list and at the head of its page."""

    id: str
    url: str
    description: str
    state: str
    """A word of EndpointState."""
    tone: str
    """`good`, `warn`, `bad` or `idle`: how it looks."""
    label: str
    health: str
    """How it fares, in one or two sentences."""
    waiting: str
    """How much it is still to be told, in words; empty for nothing."""
    asks_for: str
    """Which events it is told, in words."""
    batch: int
    old_secret_until_ms: int | None
    """Until when requests are signed with the secret before too; None: only with the present one."""
    created_ms: int
    is_superimap: bool
    """Its requests are in SuperIMAP's form."""


@dataclass(frozen=True, slots=True)
class KindChoice:
    """An event kind as a box to tick."""

    word: str
    label: str
    meaning: str


@dataclass(frozen=True, slots=True)
class AttemptView:
    """A request in the log."""

    id: str
    at_ms: int
    tone: str
    answer: str
    """`200`, `no answer`."""
    events: str
    duration: str
    why: str
    is_test: bool


@dataclass(frozen=True, slots=True)
class AttemptWhole:
    """A request with what was sent and what came back."""

    line: AttemptView
    event_ids: tuple[str, ...]
    request_id: str
    request_header: tuple[tuple[str, str], ...]
    response_header: tuple[tuple[str, str], ...]
    response_body: str


KINDS = tuple(KindChoice(kind.value, kind.value.replace("_", " "), kind.meaning) for kind in EventKind)


def endpoint_view(health: EndpointHealth, now_ms: int) -> EndpointView:
    """Show an endpoint."""
    row = health.endpoint
    tone, label, told = _fares(health, now_ms)
    until = row.old_secret_until_ms
    return EndpointView(
        id=show_id("whk", row.id),
        url=row.url,
        description=row.description,
        state=row.state,
        tone=tone,
        label=label,
        health=told,
        waiting=_waiting(health, now_ms),
        asks_for=_asks_for(row),
        batch=row.batch,
        old_secret_until_ms=until if row.old_secret is not None and until is not None and until > now_ms else None,
        created_ms=row.created_ms,
        is_superimap=row.form == EndpointForm.SUPERIMAP,
    )


def attempt_view(line: AttemptLine) -> AttemptView:
    """Show a line of the log."""
    return AttemptView(
        id=show_id("wha", line.id),
        at_ms=line.at_ms,
        tone="good" if line.succeeded else "bad",
        answer="no answer" if line.status is None else str(line.status),
        events="a test event" if line.is_test else _counted(line.event_count, "event"),
        duration=_duration(line.duration_ms),
        why=line.why,
        is_test=bool(line.is_test),
    )


def attempt_whole(row: WebhookAttemptRow) -> AttemptWhole:
    """Show a request whole; its body is made by the webhooks' room."""
    line = AttemptLine(*(getattr(row, name) for name in AttemptLine._fields))
    return AttemptWhole(
        line=attempt_view(line),
        event_ids=tuple(show_id("evt", one) if isinstance(one, int) else str(one) for one in json.loads(row.events)),
        request_id=row.request_id,
        request_header=_fields(row.request_header),
        response_header=_fields(row.response_header),
        response_body=pretty(row.response_body),
    )


def _fares(health: EndpointHealth, now_ms: int) -> tuple[str, str, str]:
    row, progress = health.endpoint, health.progress
    since = in_words(row.state_ms, now_ms)
    if row.state == EndpointState.PAUSED:
        return "warn", "Paused", f"Paused {since}: {_stop(row.why or 'somebody paused it')}"
    if row.state == EndpointState.DISABLED:
        return "bad", "Disabled", f"Disabled {since}: {_stop(row.why)} Its events are no longer kept."
    if progress.failing_since_ms is not None:
        failing = in_words(progress.failing_since_ms, now_ms).removesuffix(" ago")
        tried = _counted(progress.failures, "request")
        quiet = progress.quiet_until_ms
        pause = f" Next try {in_words(quiet, now_ms)}." if quiet > now_ms else ""
        begun = "Failing since just now" if failing == "just now" else f"Failing for {failing}"
        return "bad", "Failing", f"{begun} ({tried}): {_stop(progress.last_error)}{pause}"
    if progress.last_success_ms is not None:
        return "good", "Working", f"Last told {in_words(progress.last_success_ms, now_ms)}."
    return "idle", "New", "Nothing was told yet; the first event that it asks for will be."


def _waiting(health: EndpointHealth, now_ms: int) -> str:
    if not health.waiting:
        return ""
    more = health.waiting > MOST_COUNTED
    count = f"{MOST_COUNTED:,}+ events" if more else _counted(health.waiting, "event")
    oldest = health.oldest_waiting_ms
    return count if oldest is None else f"{count}, the oldest {in_words(oldest, now_ms)}"


def _asks_for(row: WebhookEndpointRow) -> str:
    kinds: list[str] = json.loads(row.kinds)
    words = ", ".join(kind.replace("_", " ") for kind in kinds) or "every event"
    return f"{words} of {row.stream} mail" if row.stream else words


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _duration(ms: int) -> str:
    return f"{ms} ms" if ms < 1000 else f"{ms / 1000:.1f} s"


def _stop(text: str) -> str:
    return (text[:1].upper() + text[1:]).removesuffix(".") + "." if not text.endswith(("!", "?")) else text


def _fields(text: str) -> tuple[tuple[str, str], ...]:
    fields: Mapping[str, object] = json.loads(text or "{}")
    return tuple((name, _joined(value)) for name, value in fields.items())


def _joined(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, Iterable) and not isinstance(value, str) else str(value)


def pretty(text: str) -> str:
    """Return JSON with line ends and indents, anything else as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
