"""What upkeep takes of watched accounts: old contents, old ledgers, deleted accounts, and people who are erased."""

import json
from typing import Any

import pytest

from postroom.base.clock import ManualClock
from postroom.base.ids import IdSource
from postroom.base.packing import pack, unpack
from postroom.base.threads import Threads
from postroom.base.tokens import TokenKeys
from postroom.events.accounts import AccountFacts, Found, NewEvent, append_mails
from postroom.ledger.account_rows import (
    AccountMailRow,
    AccountOwnerRow,
    AccountRow,
    AccountStatusRow,
    ConnectDanceRow,
    MailboxRow,
    Outcome,
    TracerRow,
)
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.rows import WorkspaceRow
from postroom.ledger.webhook_rows import WebhookEndpointRow
from postroom.mail.imap_envelope import envelope_of
from postroom.store import account_events, accounts, purge_accounts, watching, webhooks
from postroom.store import webhook_outbox as outbox
from postroom.store.database import Database, Tx, statement
from postroom.upkeep.accounts import AccountSweeps
from postroom.upkeep.erase import Erasing
from postroom.upkeep.retention import Retention

ADA = "Ada.Lovelace@Example.net"
TABLES = ("account_mail", "account_event", "account_content", "event", "mailbox", "account_owner", "account_status")


class House:
    """A store with watched accounts: the mailbox of account N has number 10 N."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database = database
        self.clock = clock
        self.ids = IdSource(1, clock)

    async def account(self, account_id: int, email: str = "", tag: str = "") -> None:
        """Make an account that has been watched since UID 1."""
        tag = tag or f"user-{account_id}"
        row = AccountRow(account_id, 1, 50, tag, tag, email, "", None, None, "", "", 0, 0, 1, 1, 1)

        def write(tx: Tx) -> None:
            tx.add(row)
            tx.add(AccountOwnerRow(account_id, 1, epoch=1))
            tx.add(AccountStatusRow(account_id, 1, why=f"no answer for {email}"))
            tx.add(MailboxRow(10 * account_id, account_id, 1, "INBOX", 7, 1, 1, 0, None, 0, 0, 0))

        await self.database.write(write)

    async def find(self, account_id: int, *mails: bytes, first_uid: int = 1) -> None:
        """Find mails in an account now."""
        now = self.clock.now_ms()
        facts = AccountFacts(account_id, 1, f"user-{account_id}", "PLAIN", f"u{account_id}@example.com")
        found = []
        for uid, raw in enumerate(mails, first_uid):
            row = AccountMailRow(
                10 * account_id,
                7,
                uid,
                account_id,
                1,
                Outcome.DELIVERED.value,
                None,
                len(raw),
                None,
                now,
                now,
                now,
                now,
            )
            detail = {"uid": uid, "size_bytes": len(raw), "message_id": "<1@x>", "envelope": envelope_of(raw)}
            found.append(Found(row, NewEvent(EventKind.MAIL_ARRIVED, now, detail, pack(raw))))
        await self.database.write(lambda tx: append_mails(tx, facts, found, self.ids, epoch=1))

    async def hears(self) -> None:
        """Have an endpoint wait for what is found from now on."""
        row = WebhookEndpointRow(
            60, 1, "https://h/", "", '["mail_arrived"]', "", 1, "active", "", 0, b"", None, None, 0, "superimap"
        )
        await self.database.write(lambda tx: webhooks.create(tx, row))

    async def ask(self, text: str) -> list[tuple[Any, ...]]:
        """Return what a query gives."""
        return await self.database.read(lambda conn: conn.all(statement(text)))

    async def counts(self) -> dict[str, int]:
        """Return how many rows the tables have."""
        return {table: (await self.ask(f"SELECT count(*) FROM {table}"))[0][0] for table in TABLES}


@pytest.fixture
async def house(database: Database, clock: ManualClock) -> House:
    await database.write(lambda tx: tx.add(WorkspaceRow(1, "one", 0)))
    return House(database, clock)


async def test_contents_go_after_thirty_days_but_not_those_that_a_webhook_waits_for(house: House) -> None:
    retention = Retention(house.database, house.clock)
    await house.account(4)
    await house.find(4, b"told\r\n")
    await house.hears()
    await house.find(4, b"waits\r\n", first_uid=2)
    house.clock.advance(days=29)
    await house.find(4, b"new\r\n", first_uid=3)
    assert await retention.account_contents() == 0
    house.clock.advance(days=2)

    assert await retention.account_contents() == 1
    bodies = [unpack(bytes(row[0])) for row in await house.ask("SELECT body FROM account_content ORDER BY number")]
    assert bodies == [b"waits\r\n", b"new\r\n"]

    event_id = (await house.ask("SELECT event_id FROM account_event WHERE number = 2"))[0][0]
    await house.database.write(lambda tx: outbox.succeeded(tx, 60, [event_id], 1))
    assert await retention.account_contents() == 1
    assert await retention.account_ledger() == 0
    assert (await house.counts())["account_event"] == 3


async def test_a_ledger_ends_after_400_days_and_an_audit_looks_for_nothing_before_it(house: House) -> None:
    retention = Retention(house.database, house.clock)
    await house.account(4)
    await house.find(4, *[b"old\r\n"] * 900)
    house.clock.advance(days=399)
    await house.find(4, b"new\r\n", first_uid=901)
    house.clock.advance(days=2)
    await retention.account_contents()

    assert await retention.account_ledger() == 1800
    await retention.ledger()

    counts = await house.counts()
    assert (counts["account_mail"], counts["account_event"], counts["event"]) == (1, 1, 1)
    row = (await house.database.read(lambda conn: watching.mailboxes_of(conn, 4)))[0]
    assert (row.first_uid, row.uid_next) == (901, 1)
    assert await house.database.read(lambda conn: purge_accounts.first_uid_now(conn, row)) == 901
    page = await house.database.read(lambda conn: account_events.events_after(conn, 1, 4, 0, 10))
    assert [one.number for one in page] == [901]


async def test_what_was_found_in_a_deleted_account_goes_and_nothing_of_others(house: House) -> None:
    for account_id in (4, 5):
        await house.account(account_id)
        await house.find(account_id, *[b"mail\r\n"] * 1100)
    await house.database.write(lambda tx: accounts.delete_account(tx, 1, 4))
    sweeps = AccountSweeps(house.database, house.clock)

    assert await sweeps.gone() == 2200
    assert await sweeps.gone() == 0

    assert await house.counts() == {
        **dict.fromkeys(("account_mail", "account_event", "account_content", "event"), 1100),
        **dict.fromkeys(("mailbox", "account_owner", "account_status"), 1),
    }
    assert (await house.ask("SELECT DISTINCT account_id FROM account_mail")) == [(5,)]


async def test_old_tracers_and_dances_go(house: House) -> None:
    now = house.clock.now_ms()

    def write(tx: Tx) -> None:
        tx.add(TracerRow(house.ids.next(), 4, 1, "a" * 20, now, ""))
        tx.add(ConnectDanceRow(b"s" * 32, 4, 1, b"v", "", "", now + 1_800_000))

    await house.database.write(write)
    sweeps = AccountSweeps(house.database, house.clock)
    assert (await sweeps.tracers(), await sweeps.dances()) == (0, 0)
    house.clock.advance(days=31)
    assert (await sweeps.tracers(), await sweeps.dances()) == (1, 1)


def mail(sender: str, to: str, body: bytes = b"Hello\r\n") -> bytes:
    return f"From: X <{sender}>\r\nTo: {to}\r\nSubject: s\r\n\r\n".encode() + body


async def erase(house: House) -> Any:
    slow = Threads("slow", 1)
    try:
        keys = TokenKeys({0: b"k" * 32})
        erasing = Erasing(house.database, house.ids, house.clock, lambda: keys, slow)
        return await erasing.erase(ADA, [1], everywhere=True, as_author=False)
    finally:
        slow.close()


async def test_an_erased_person_is_in_no_watched_mail_any_more(house: House) -> None:
    await house.hears()
    await house.account(4, email="bob@example.net")
    await house.account(5, email=ADA.lower())
    await house.account(6, email="carol@example.net", tag=ADA)
    await house.find(
        4,
        mail(ADA, "bob@example.net"),
        mail("bob@example.net", f"carol@example.net, Ada <{ADA.upper()}>"),
        mail("carol@example.net", "bob@example.net", f"I met {ADA} yesterday".encode()),
        mail("carol@example.net", "bob@example.net"),
    )
    await house.find(5, mail("bob@example.net", ADA))
    await house.find(6, mail("bob@example.net", "carol@example.net"))

    done = await erase(house)

    assert (done.accounts, done.contents, done.events, done.left) == (2, 3, 2, [])
    left = json.dumps(await house.ask("SELECT detail FROM event")) + repr(
        [await house.ask(f"SELECT * FROM {table}") for table in ("account", "account_status", "account_event")]
    )
    assert "lovelace" not in left.lower()
    assert [unpack(bytes(row[0])) for row in await house.ask("SELECT body FROM account_content")] == [
        mail("carol@example.net", "bob@example.net")
    ]
    # The numbers stay without a gap, and a webhook is told what is left.
    assert await house.ask("SELECT account_id, number FROM account_event ORDER BY 1, 2") == [
        (4, n) for n in range(1, 5)
    ]
    details = [json.loads(row[0]) for row in await house.ask("SELECT detail FROM event ORDER BY id")]
    assert [one.get("erased", False) for one in details] == [True, True, False, False]
    assert details[0]["number"] == 1
    assert (await erase(house)).accounts == 0
