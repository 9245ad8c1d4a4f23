"""What accounts and connections may be, and what rests of their secrets."""

import json
from collections.abc import AsyncIterator

import pytest

from postroom.accounts.changes import SECRET_TEXT, AccountChange, AccountRules, ConnectionChange
from postroom.accounts.providers import Providers
from postroom.accounts.registry import Accounts, TagTaken
from postroom.base.clock import ManualClock
from postroom.base.errors import WrongInput
from postroom.base.ids import IdSource
from postroom.base.secrets import Sealer
from postroom.ledger.account_rows import ConnectionRow
from postroom.ledger.rows import WorkspaceRow
from postroom.store import events
from postroom.store.database import Database, open_database

SEALER = Sealer(bytes(32))


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    opened = await open_database(sqlite_url, clock=ManualClock())
    yield opened
    await opened.close()


@pytest.fixture
async def registry(database: Database) -> Accounts:
    await database.write(lambda tx: tx.add(WorkspaceRow(1, "shop", 1)))
    clock = ManualClock()
    return Accounts(database, IdSource(1, clock), clock, SEALER, Providers())


@pytest.fixture
async def connection(registry: Accounts) -> ConnectionRow:
    provider = registry.providers.get("FASTMAIL")
    assert provider is not None
    return await registry.create_connection(1, provider, ConnectionChange())


async def told(database: Database) -> list[tuple[str, object]]:
    rows = await database.read(lambda conn: events.feed(conn, 1, 0, 100))
    return [(row.kind, json.loads(row.detail)["email"]) for row in rows]


async def test_secrets_rest_sealed_and_bound_to_their_row(
    registry: Accounts, connection: ConnectionRow, database: Database
) -> None:
    account = await registry.create(connection, AccountChange(tag="ann", username="a", password="hunter2"))
    assert account.password is not None
    assert b"hunter2" not in account.password
    assert SEALER.open(account.password, f"account/{account.id}/password") == b"hunter2"
    gmail = registry.providers.get("GMAIL_OAUTH2")
    assert gmail is not None
    row = await registry.create_connection(1, gmail, ConnectionChange("client", "s3cret"))
    assert row.client_secret is not None
    assert SEALER.open(row.client_secret, f"connection/{row.id}/client_secret") == b"s3cret"
    again = await registry.update_connection(row, ConnectionChange("client2", SECRET_TEXT))
    assert (again.client_id, again.client_secret) == ("client2", row.client_secret)


async def test_tags_are_unique_whatever_their_case(registry: Accounts, connection: ConnectionRow) -> None:
    first = await registry.create(connection, AccountChange(tag="Straße"))
    with pytest.raises(TagTaken):
        await registry.create(connection, AccountChange(tag="STRASSE"))
    other = await registry.create(connection, AccountChange(tag="other"))
    with pytest.raises(TagTaken):
        await registry.update(other, connection, AccountChange(tag="strasse"))
    assert await registry.tagged(connection, "sTRASSE") == first
    kept = await registry.update(first, connection, AccountChange(tag="STRASSE"))
    assert kept.tag == "STRASSE"


async def test_a_disconnected_account_forgets_its_credentials_and_its_address_is_told_once_more(
    registry: Accounts, connection: ConnectionRow, database: Database
) -> None:
    account = await registry.create(connection, AccountChange(tag="ann", username="ann@example.com", password="p"))
    gone = await registry.disconnect(account, connection)
    assert (gone.password, gone.email, gone.username, gone.connected_ms) == (None, "", "", None)
    assert await told(database) == [
        ("account_connected", "ann@example.com"),
        ("account_disconnected", "ann@example.com"),
    ]


async def test_a_provider_without_a_server_needs_one_named_unless_a_person_connects(registry: Accounts) -> None:
    plain = registry.providers.get("plain")
    assert plain is not None
    connection = await registry.create_connection(1, plain, ConnectionChange())
    await registry.create(connection, AccountChange(tag="dance"))
    with pytest.raises(WrongInput, match="imap_host is missing"):
        await registry.create(connection, AccountChange(tag="ann", username="ann", password="p"))
    named = AccountChange(tag="ann", username="ann", password="p", server={"imap_host": "imap.example.com"})
    assert (await registry.create(connection, named)).connected_ms is not None


@pytest.mark.parametrize(
    ("server", "field"),
    [
        ({"imap_host": "127.0.0.1"}, "imap_host"),
        ({"smtp_host": "[::1]"}, "smtp_host"),
        ({"imap_host": "10.1.2.3"}, "imap_host"),
        ({"imap_host": "user@imap.example.com"}, "imap_host"),
        ({"imap_port": 70_000}, "imap_port"),
        ({"imap_security": "plain"}, "imap_security"),
        ({"imap_security": "none"}, "imap_security"),
        ({"token_url": "http://169.254.169.254/token"}, "oauth2_token_url"),
    ],
)
def test_a_server_that_may_not_be_dialled_is_refused_when_it_is_written(server: dict[str, object], field: str) -> None:
    rules = AccountRules(SEALER, ())
    with pytest.raises(WrongInput) as refused:
        rules.connection(ConnectionRow(1, 1, "PLAIN", "", None, "", 1), ConnectionChange(server=server))
    assert refused.value.field == field
    assert field.removeprefix("oauth2_") in str(refused.value)
