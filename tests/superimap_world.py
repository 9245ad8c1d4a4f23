"""Accounts whose events are told in SuperIMAP's form, beside `webhook_world`."""

import hashlib
from collections.abc import Mapping, Sequence

from webhook_world import SEALER, WORKSPACE, World

from postroom.base.packing import pack
from postroom.events.accounts import AccountFacts, Found, NewEvent, append_events, append_mails
from postroom.ledger.account_rows import (
    AccountMailRow,
    AccountOwnerRow,
    AccountRow,
    AccountStatusRow,
    Outcome,
    PartnerKeyRow,
    PartnerRow,
)
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.webhook_rows import EndpointForm
from postroom.mail.imap_envelope import envelope_of
from postroom.store import account_events, accounts, webhooks
from postroom.store.account_events import AccountEvent
from postroom.store.database import Tx
from postroom.webhooks.partner_hooks import PartnerHooks
from postroom.webhooks.superimap import FIELDS

KEY = "0a1b2c3d4e5f60718293"
EPOCH = 1


def facts(account_id: int) -> AccountFacts:
    """Return what events tell of an account that `make_accounts` made."""
    return AccountFacts(account_id, WORKSPACE, f"user-{account_id}", "GMAIL_OAUTH2", f"u{account_id}@example.com")


async def make_accounts(
    world: World, *account_ids: int, retries: int | None = None, tracers: Sequence[int] = ()
) -> None:
    """Make accounts of the workspace, with a SuperIMAP key; `retries` None: as nobody set it."""

    def write(tx: Tx) -> None:
        sealed = SEALER.seal(KEY.encode(), "partner_key/90/sealed")
        tx.add(PartnerKeyRow(90, WORKSPACE, "0a1b", hashlib.sha256(KEY.encode()).digest(), sealed, 0))
        if retries is not None:
            tx.add(PartnerRow(WORKSPACE, "", "", "[]", retries, 0))
        for account_id in account_ids:
            told = facts(account_id)
            is_tracer = int(account_id in tracers)
            tx.add(
                AccountRow(
                    account_id,
                    WORKSPACE,
                    50,
                    told.tag,
                    told.tag,
                    told.email,
                    "",
                    None,
                    None,
                    "",
                    "",
                    is_tracer,
                    0,
                    1,
                    1,
                    1,
                )
            )
            tx.add(AccountOwnerRow(account_id, WORKSPACE, node=1, epoch=EPOCH))
            tx.add(AccountStatusRow(account_id, WORKSPACE))

    await world.database.write(write)


async def hook(world: World, kind: EventKind = EventKind.MAIL_ARRIVED, path: str = "/") -> int:
    """Set the webhook of a kind to a path of the receiver; return its endpoint."""
    room = PartnerHooks(world.database, world.ids, world.clock, SEALER, world.room._allow_private)
    change = room.prepare(WORKSPACE, {FIELDS[kind]: world.receiver.url(path)})
    await world.database.write(change.write)
    rows = await world.database.read(lambda conn: webhooks.endpoints_of(conn, WORKSPACE))
    return next(row.id for row in rows if row.form == EndpointForm.SUPERIMAP and kind.value in row.kinds)


async def arrive(world: World, account_id: int, *mails: bytes, truncated: bool = False) -> list[int]:
    """Find mails in an account in one transaction; return their numbers."""
    now = world.clock.now_ms()

    def found(uid: int, raw: bytes) -> Found:
        outcome = Outcome.TRUNCATED if truncated else Outcome.DELIVERED
        where, times = (account_id, 7, uid, account_id, WORKSPACE), (now, now, now, now)
        row = AccountMailRow(*where, outcome.value, None, len(raw), None, *times)
        detail = {
            "mailbox": "INBOX",
            "mailbox_name": "INBOX",
            "uid_validity": 7,
            "uid": uid,
            "size_bytes": len(raw),
            "truncated": truncated,
            "message_id": "",
            "envelope": envelope_of(raw),
        }
        return Found(row, NewEvent(EventKind.MAIL_ARRIVED, now, detail, None if truncated else pack(raw)))

    first = await world.database.read(lambda conn: account_events.last_number(conn, WORKSPACE, account_id)) + 1
    rows = [found(uid, raw) for uid, raw in enumerate(mails, first)]
    return await world.database.write(lambda tx: append_mails(tx, facts(account_id), rows, world.ids, epoch=EPOCH))


async def change(
    world: World, account_id: int, kind: EventKind, detail: Mapping[str, object] | None = None
) -> list[int]:
    """Record an event of an account that is no mail; return its number."""
    event = NewEvent(kind, world.clock.now_ms(), detail or {})
    return await world.database.write(lambda tx: append_events(tx, facts(account_id), [event], world.ids, epoch=None))


async def events_of(world: World, account_id: int) -> list[AccountEvent]:
    """Return the events of an account with what became of telling them."""
    return await world.database.read(lambda conn: account_events.events_after(conn, WORKSPACE, account_id, 0, 1000))


async def is_archived(world: World, account_id: int) -> bool:
    """Tell whether an account is archived."""
    row = await world.database.read(lambda conn: accounts.any_account(conn, account_id))
    assert row is not None
    return bool(row.is_archived)
