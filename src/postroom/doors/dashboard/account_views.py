"""What pages say of watched accounts: states, lines, events, cursors and times in words. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from postroom.accounts.providers import Providers
from postroom.base.ids import show_id
from postroom.doors.dashboard.event_words import EventWords, words_of
from postroom.doors.dashboard.forms import sentence
from postroom.doors.dashboard.times import duration
from postroom.ledger.account_rows import AccountState, Outcome, TracerRow
from postroom.ledger.rows import EventRow
from postroom.net.imap.names import shown_name
from postroom.store.account_audit import MailboxAudit
from postroom.store.account_events import AccountEvent
from postroom.store.account_list import AccountLine
from postroom.store.tracers import STAGES

STATE_LOOKS: Mapping[str, tuple[str, str]] = {
    AccountState.UNCONNECTED: ("idle", "not connected"),
    AccountState.CONNECTING: ("busy", "connecting"),
    AccountState.WATCHING: ("good", "watching"),
    AccountState.POLLING: ("good", "asked regularly"),
    AccountState.AWAY: ("warn", "server away"),
    AccountState.REFUSED: ("bad", "login refused"),
    AccountState.ARCHIVED: ("idle", "archived"),
}
"""Tone and label of each state."""
OUTCOME_LOOKS: Mapping[str, tuple[str, str]] = {
    Outcome.DELIVERED: ("good", "delivered"),
    Outcome.TRUNCATED: ("warn", "too large to fetch"),
    Outcome.TRACER: ("idle", "tracer"),
    Outcome.VANISHED: ("idle", "gone before it was fetched"),
}
STAGE_WORDS: Mapping[str, tuple[str, str]] = {
    "provider": ("Provider", "from the last server's hand-over to the mailbox"),
    "notify": ("Notice", "from the mailbox to when we knew"),
    "fetch": ("Fetch", "until its bytes were here"),
    "queue": ("Queue", "until it was on disk"),
    "hook": ("Webhook", "until the first receiver had it"),
}
_MOST_ABILITIES = 60


@dataclass(frozen=True, slots=True)
class StateView:
    """How an account is watched, in words."""

    tone: str
    label: str
    sentence: str
    """Why, or what the state means."""


@dataclass(frozen=True, slots=True)
class LineView:
    """An account in the list."""

    id: str
    name: str
    tag: str
    provider: str
    is_tracer: bool
    state: StateView
    since_ms: int
    node: int | None
    events: int
    retry_ms: int | None
    auth_failed_ms: int | None
    token_expires_ms: int | None
    last_mail_ms: int | None
    silent: str
    """When its server last said something, where this node watches it; else empty."""


@dataclass(frozen=True, slots=True)
class EventLine:
    """A numbered event of an account."""

    number: int
    at_ms: int
    words: EventWords
    tone: str
    told: str
    told_at_ms: int | None
    has_content: bool
    may_repeat: bool
    """It may be told again: nothing is on its way already."""


@dataclass(frozen=True, slots=True)
class MailboxView:
    """A watched mailbox and how far it is."""

    id: str
    name: str
    """As people read it."""
    wire_name: str
    """As the server writes it (RFC 3501 5.1.3)."""
    uid_validity: int
    uid_next: int
    first_uid: int
    sweep_next: int | None
    is_swept: bool
    """A sweep has told of mail from before."""
    swept: int
    """Percent of the old mail that a sweep has looked at."""
    checked_ms: int
    audited_ms: int
    trust: int
    outcomes: tuple[tuple[str, str, int], ...]
    """Tone, label and number of mails of this epoch."""
    absent: int
    """UIDs between the first one and the cursor that the server never had, or had no more."""


@dataclass(frozen=True, slots=True)
class TracerView:
    """A tracer and its times."""

    id: str
    account: str
    name: str
    sent_ms: int
    tone: str
    label: str
    why: str
    total: str
    stages: tuple[tuple[str, str, float, float, str], ...]
    """Name, label, where its bar begins and how wide it is in percent, and its time in words."""


@dataclass(frozen=True, slots=True)
class ServerView:
    """What an account's server says of itself."""

    pairs: tuple[tuple[str, str], ...]
    abilities: tuple[str, ...]
    claimed: tuple[str, ...]
    """What it says that it can and we do not believe."""


def state_view(state: str, why: str, *, has_events: bool) -> StateView:
    """Return a state in words; `has_events`: something happened in the account before."""
    tone, label = STATE_LOOKS.get(state, ("idle", state))
    if state == AccountState.UNCONNECTED and not why:
        return StateView(tone, label, "It was disconnected." if has_events else "Nobody has connected it yet.")
    meaning = next((one.meaning for one in AccountState if one.value == state), "")
    return StateView(tone, label, sentence(why) if why else meaning)


def silence(seconds: float | None) -> str:
    """Return when a server last said something, of so many seconds; None: nobody here knows."""
    return "" if seconds is None else f"{duration(round(seconds) * 1000 or 1)} ago"


def line_view(line: AccountLine, providers: Providers, silent_seconds: float | None) -> LineView:
    """Return an account as the list shows it."""
    return LineView(
        show_id("acc", line.id),
        line.email or line.tag,
        line.tag if line.email else "",
        title_of(line.provider, providers),
        bool(line.is_tracer),
        state_view(line.state, line.why, has_events=line.last_number > 0),
        line.since_ms,
        line.node,
        line.last_number,
        line.retry_ms,
        line.auth_failed_ms,
        line.token_expires_ms,
        line.last_mail_ms,
        silence(silent_seconds),
    )


def title_of(code: str, providers: Providers) -> str:
    """Return what people call a provider."""
    provider = providers.get(code)
    return code if provider is None else provider.title


def event_line(event: AccountEvent, account_id: int, workspace_id: int, *, is_heard: bool) -> EventLine:
    """Return a numbered event; `is_heard`: a webhook in SuperIMAP's form asks for its kind."""
    row = EventRow(event.event_id, workspace_id, None, None, event.kind, event.at_ms, event.detail, account_id)
    at_ms: int | None = None
    if event.is_waiting:
        tone, told = "busy", "to be told"
    elif event.told_ms is not None:
        tone, told, at_ms = "good", "told", event.told_ms
    elif event.given_up_ms is not None:
        tone, told, at_ms = "bad", "given up", event.given_up_ms
    else:
        tone, told = "idle", "no webhook"
    may_repeat = is_heard and not event.is_waiting
    return EventLine(event.number, event.at_ms, words_of(row), tone, told, at_ms, event.has_content, may_repeat)


def mailbox_view(audit: MailboxAudit) -> MailboxView:
    """Return a mailbox with what became of the mail of its epoch."""
    row, of_it = audit.mailbox, {one.outcome: one.mails for one in audit.outcomes}
    swept = 100 if row.sweep_next is None else round(100 * row.sweep_next / max(row.first_uid, 1))
    return MailboxView(
        show_id("box", row.id),
        shown_name(row.name),
        row.name,
        row.uid_validity,
        row.uid_next,
        row.first_uid,
        row.sweep_next,
        any(one.first < row.first_uid for one in audit.outcomes),
        min(swept, 100),
        row.checked_ms,
        row.audited_ms,
        row.trust,
        tuple((tone, label, of_it[word]) for word, (tone, label) in OUTCOME_LOOKS.items() if word in of_it),
        sum(last - first + 1 for first, last in audit.absent),
    )


def tracer_views(rows: Sequence[TracerRow], names: Mapping[int, str]) -> list[TracerView]:
    """Return tracers with bars that share one scale: the slowest of them is the whole width."""
    totals = [sum(_stages(row).values()) for row in rows if row.arrived_ms is not None]
    return [_tracer_view(row, names.get(row.account_id, ""), max(totals, default=1) or 1) for row in rows]


def _tracer_view(row: TracerRow, name: str, scale: int) -> TracerView:
    stages, at, bars = _stages(row), 0, []
    for stage in STAGES:
        if stage in stages:
            took = stages[stage]
            bars.append((stage, STAGE_WORDS[stage][0], 100 * at / scale, 100 * took / scale, duration(took)))
            at += took
    if row.arrived_ms is not None:
        tone, label = ("warn", "arrived after all") if row.lost_ms is not None else ("good", "arrived")
    elif row.lost_ms is not None:
        tone, label = "bad", "lost"
    elif row.why:
        tone, label = "warn", "not sent"
    else:
        tone, label = "busy", "on its way"
    account = show_id("acc", row.account_id)
    total = duration(row.arrived_ms - row.sent_ms) if row.arrived_ms is not None else ""
    why = sentence(row.why) if row.why else ""
    return TracerView(show_id("trc", row.id), account, name, row.sent_ms, tone, label, why, total, tuple(bars))


def server_view(text: str) -> ServerView:
    """Return what stands in `account_status.server`; nothing of it where it has another form."""
    try:
        told: Any = json.loads(text) if text else {}
    except ValueError:
        told = {}
    if not isinstance(told, dict):
        told = {}
    identity = told.get("id")
    named = identity.items() if isinstance(identity, dict) else ()
    pairs = [("Greeting", told.get("banner")), *((_words(name), value) for name, value in named)]
    claimed = {str(one) for one in _list(told.get("claims_only"))}
    abilities = [str(one) for one in _list(told.get("capabilities"))][:_MOST_ABILITIES]
    return ServerView(
        tuple((name, str(value)) for name, value in pairs if value),
        tuple(one for one in abilities if one not in claimed),
        tuple(sorted(claimed))[:_MOST_ABILITIES],
    )


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _words(name: str) -> str:
    return name.replace("_", " ").replace("-", " ").capitalize()


def _stages(row: TracerRow) -> dict[str, int]:
    try:
        told: Any = json.loads(row.stages) if row.stages else {}
    except ValueError:
        told = {}
    return {name: value for name, value in told.items() if isinstance(value, int)} if isinstance(told, dict) else {}
