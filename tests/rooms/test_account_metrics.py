"""Metrics of watched mailboxes: SuperIMAP's four, times by stage, who is unwatched."""

from typing import Any, cast

from account_rows import add_account, add_connection
from dashboard_browser import World

from postroom.accounts.found import Mail, Read
from postroom.accounts.supervisor import Supervisor
from postroom.accounts.tools import Counts
from postroom.app.account_metrics import account_families, look_at_accounts
from postroom.ledger.account_rows import AccountState


class Watching:
    """What a supervisor tells of itself."""

    def __init__(self) -> None:
        self.done = Counts(mails=7, refused=2)
        self.work_waiting = 3
        self.turned_away = 1

    def counts(self) -> dict[str, int]:
        return {"watching": 4}


def _read(internal_ms: int | None, noticed_ms: int, fetched_ms: int) -> Read:
    return Read(Mail(1, 10, internal_ms, b"", b"", noticed_ms, fetched_ms), "", {}, 1_000, None, b"")


async def test_the_metrics_tell_superimaps_four_by_their_names_in_the_help(pages: World) -> None:
    services, now = pages.services, pages.clock.now_ms()
    workspace = await pages.workspace("one")
    connection = await add_connection(services.database, services.ids, workspace.id)
    await add_account(services.database, services.ids, connection, "ann", now)
    await add_account(services.database, services.ids, connection, "bob", now, state=AccountState.CONNECTING, node=None)
    seen = await services.database.read(lambda conn: look_at_accounts(conn, now))
    watching = Watching()
    watching.done.stages.observe("GMAIL", _read(3_000, 3_500, 3_600), 3_620)
    watching.done.stages.observe("GMAIL", _read(None, 3_500, 3_600), 3_620)

    families = {one.name: one for one in account_families(seen, cast(Supervisor, cast(Any, watching)), None)}
    values = {
        (sample.name, *sample.labels.values()): sample.value for one in families.values() for sample in one.samples
    }

    for superimap, name in (
        ("imap_client.user_thread.count", "postroom_accounts_watched"),
        ("imap_client.total_emails_processed", "postroom_account_mails"),
        ("imap_client.work_queue.length", "postroom_account_work_queue"),
        ("work_queue.latency", "postroom_account_work_seconds"),
    ):
        assert superimap in families[name].documentation
    assert values["postroom_accounts", "connecting"] == 1
    assert values["postroom_accounts_unwatched",] == 1
    assert values["postroom_accounts_watched", "watching"] == 4
    assert values["postroom_account_mails_total",] == 7
    assert values["postroom_account_logins_refused_total",] == 2
    assert values["postroom_account_stage_seconds_count", "GMAIL", "notify"] == 1
    assert values["postroom_account_stage_seconds_sum", "GMAIL", "provider"] == 2.0
    assert values["postroom_account_stage_seconds_bucket", "GMAIL", "fetch", "0.1"] == 2
    assert values["postroom_account_work_seconds_count",] == 2
