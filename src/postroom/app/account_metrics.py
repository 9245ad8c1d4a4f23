"""Metrics of watched mailboxes. Those that SuperIMAP has name it in their help."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from postroom.accounts.supervisor import Supervisor
from postroom.accounts.tracers import Tracers
from postroom.base.clock import DAY_MS
from postroom.store.account_list import count_states, count_unwatched
from postroom.store.database import Conn
from postroom.store.tracers import count_lost


@dataclass(frozen=True, slots=True)
class AccountsSeen:
    """What the store said about accounts."""

    states: Mapping[str, int] = field(default_factory=dict)
    unwatched: int | None = None
    """Accounts that are to be watched and have no node."""
    lost: int | None = None
    """Tracers of the last 24 hours that have not arrived."""


def look_at_accounts(conn: Conn, now_ms: int) -> AccountsSeen:
    """Return what is to be known of the accounts of all workspaces."""
    return AccountsSeen(count_states(conn), count_unwatched(conn), count_lost(conn, now_ms - DAY_MS))


def account_families(seen: AccountsSeen, mailboxes: Supervisor | None, tracers: Tracers | None) -> Iterator[Metric]:
    """Return the families; what this process watches only where it watches."""
    states = GaugeMetricFamily("postroom_accounts", "Mailbox accounts by state, over all nodes.", labels=("state",))
    for state, count in seen.states.items():
        states.add_metric((state,), count)
    yield states
    if seen.unwatched is not None:
        told = "Accounts that are to be watched and have no node, over all nodes, counted up to 100,000."
        yield GaugeMetricFamily("postroom_accounts_unwatched", told, value=seen.unwatched)
    if seen.lost is not None:
        told = "Tracers of the last 24 hours that are lost, over all nodes."
        yield GaugeMetricFamily("postroom_tracers_lost", told, value=seen.lost)
    if mailboxes is not None:
        yield from _of_this_node(mailboxes)
    if tracers is not None:
        told = "Tracers that were lost and that this node was the first to tell."
        yield CounterMetricFamily("postroom_tracers_told_lost", told, value=tracers.lost)


def _of_this_node(mailboxes: Supervisor) -> Iterator[Metric]:
    done = mailboxes.done
    watchers = GaugeMetricFamily(
        "postroom_accounts_watched",
        "Accounts that this node watches, by state. SuperIMAP: imap_client.user_thread.count.",
        labels=("state",),
    )
    for state, count in mailboxes.counts().items():
        watchers.add_metric((state,), count)
    yield watchers
    told = "Mails that got an outcome here since the start. SuperIMAP: imap_client.total_emails_processed."
    yield CounterMetricFamily("postroom_account_mails", told, value=done.mails)
    told = "Fetched mails that wait to be written, or are being written. SuperIMAP: imap_client.work_queue.length."
    yield GaugeMetricFamily("postroom_account_work_queue", told, value=mailboxes.work_waiting)
    told = "From the bytes of a mail to its COMMIT. SuperIMAP: work_queue.latency."
    work = done.stages.work
    yield HistogramMetricFamily("postroom_account_work_seconds", told, buckets=work.cumulative(), sum_value=work.total)
    stages = HistogramMetricFamily(
        "postroom_account_stage_seconds",
        "How long found mail took, by provider and stage: provider (hand-over to the mailbox), notify, fetch, queue.",
        labels=("provider", "stage"),
    )
    for key, one in list(done.stages.by_stage.items()):
        stages.add_metric(key, buckets=one.cumulative(), sum_value=one.total)
    yield stages
    for name, told, count in (
        ("connections", "IMAP connections that were opened.", done.connections),
        ("failures", "Sessions that ended otherwise than we wanted.", done.failures),
        ("logins_refused", "Logins that a server or a provider refused.", done.refused),
        ("mailbox_resets", "Mailboxes whose UIDs began anew.", done.resets),
        ("unannounced_mails", "Mails that their server had told nothing of.", done.unannounced),
        ("missing_mails", "Mails that only an audit found.", done.missing),
    ):
        yield CounterMetricFamily(f"postroom_account_{name}", told, value=count)
    told = "Accounts of this node's share that find no room on it (POSTROOM_WATCH_ACCOUNTS)."
    yield GaugeMetricFamily("postroom_accounts_turned_away", told, value=mailboxes.turned_away)
