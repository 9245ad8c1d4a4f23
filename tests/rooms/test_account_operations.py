"""Operators' commands about partners, SuperIMAP keys and accounts."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from postroom.accounts.changes import AccountChange, ConnectionChange
from postroom.app.account_operations import AccountOperations
from postroom.app.services import Services, open_services
from postroom.base.clock import ManualClock
from postroom.base.errors import WrongInput
from postroom.base.ids import show_id
from postroom.config import read_settings
from postroom.ledger.account_rows import MailboxRow

Perform = Callable[..., Awaitable[Any]]


@pytest.fixture
async def services(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Services]:
    settings = read_settings({"POSTROOM_DATA": str(tmp_path / "data"), "POSTROOM_DATABASE_URL": sqlite_url})
    settings.data.mkdir()
    async with open_services(settings, ManualClock()) as opened:
        await opened.workspaces.create("default")
        yield opened


@pytest.fixture
def perform(services: Services) -> Perform:
    operations = AccountOperations(services).by_name()

    async def run(operation: str, **arguments: Any) -> Any:
        return await operations[operation]({"workspace": "default", **arguments})

    return run


async def test_a_partner_is_set_and_shown_and_its_secrets_once(perform: Perform) -> None:
    said = {"new_mail_webhook": "https://a.example/", "retries": 0, "redirects": ["https://b.example"]}
    made = await perform("partner.set", set=said)
    assert made.pop("secrets").keys() == {"new_mail_webhook"}
    assert await perform("partner.show") == made
    assert (made["new_mail_webhook"], made["retries"], made["success_url"]) == ("https://a.example/", 0, None)
    with pytest.raises(WrongInput, match="new_mail_webhook"):
        await perform("partner.set", set={"new_mail_webhook": "http://127.0.0.1/"})


async def test_superimap_keys_are_made_listed_and_deleted(perform: Perform) -> None:
    first, second = await perform("partner-key.create"), await perform("partner-key.create")
    listed = await perform("partner-key.list")
    assert [(one["id"], one["signs"]) for one in listed] == [(second["id"], True), (first["id"], False)]
    assert first["api_key"] not in str(listed)
    await perform("partner-key.delete", id=second["id"])
    assert [one["signs"] for one in await perform("partner-key.list")] == [True]
    for wrong in (second["id"], "key_x", ""):
        with pytest.raises(WrongInput):
            await perform("partner-key.delete", id=wrong)


async def test_an_account_is_listed_shown_swept_archived_and_restored(services: Services, perform: Perform) -> None:
    workspace = await services.workspaces.named("default")
    provider = services.accounts.providers.get("FASTMAIL")
    assert provider is not None
    connection = await services.accounts.create_connection(workspace.id, provider, ConnectionChange())
    change = AccountChange(tag="ann", username="ann@example.com", password="hunter2")
    account = await services.accounts.create(connection, change)
    shown_id = show_id("acc", account.id)
    asked = {"state": "", "provider": "", "text": ""}
    (line,) = await perform("account.list", **asked)
    assert (line["id"], line["tag"], line["state"], line["last_number"]) == (shown_id, "ann", "connecting", 1)
    assert await perform("account.list", **{**asked, "state": "archived"}) == []
    with pytest.raises(WrongInput, match="watching"):
        await perform("account.list", **{**asked, "state": "asleep"})
    with pytest.raises(WrongInput, match="opened yet"):
        await perform("account.sweep", id=shown_id)
    mailbox = MailboxRow(5, account.id, workspace.id, "INBOX", 9, 7, 7, 0, None, 1, 1, 0)
    await services.database.write(lambda tx: tx.add(mailbox))
    assert (await perform("account.sweep", id=shown_id))["mailboxes"] == [
        {"mailbox": "INBOX", "mailbox_name": "INBOX", "before_uid": 7}
    ]
    shown = await perform("account.show", id=shown_id)
    assert (shown["mailboxes"][0]["sweep_next"], shown["watched_mailboxes"]) == (1, ["INBOX"])
    assert "hunter2" not in str(shown)
    await perform("account.archive", id=shown_id)
    assert (await perform("account.list", **{**asked, "state": "archived"}))[0]["id"] == shown_id
    await perform("account.restore", id=shown_id)
    assert (await perform("account.show", id=shown_id))["archived"] is False
    for wrong in ("acc_x", show_id("acc", 1), "ann"):
        with pytest.raises(WrongInput, match="account list"):
            await perform("account.show", id=wrong)
