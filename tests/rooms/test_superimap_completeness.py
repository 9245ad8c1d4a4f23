"""How a receiver knows that nothing is missing: numbered events, raw bytes, replay, audit, sweep."""

from collections.abc import AsyncIterator

import pytest
from superimap_room import USERS, Room, superimap_room

from postroom.base.clock import ManualClock
from postroom.base.packing import pack
from postroom.events.accounts import AccountFacts, Found, NewEvent, append_mails
from postroom.ledger.account_rows import AccountMailRow, AccountRow, MailboxRow, Outcome
from postroom.ledger.event_kinds import EventKind
from postroom.store import account_events
from postroom.store.database import Tx, open_database, statement

HERS = f"{USERS}/ann"
RAW = b"Subject: \xe9\r\n\r\nbare \r and \n and \x00\xff\r\n"


@pytest.fixture
async def room(sqlite_url: str) -> AsyncIterator[Room]:
    """A room with a user `ann` that has three events: connected, and two mails."""
    clock = ManualClock()
    database = await open_database(sqlite_url, clock=clock)
    async with superimap_room(database, clock) as room:
        await room.client.post("/api/v1/connections", json={"imap_provider_code": "FASTMAIL"})
        await room.client.post(USERS, json={"tag": "ann", "login_username": "ann@example.com", "login_password": "p"})
        await deliver(room, await room.account("ann"), 11, 14)
        yield room
    await database.close()


async def deliver(room: Room, account: AccountRow, *uids: int) -> None:
    facts = AccountFacts(account.id, account.workspace_id, account.tag, "FASTMAIL", account.email)
    now = room.clock.now_ms()

    def write(tx: Tx) -> None:
        tx.add(MailboxRow(5, account.id, account.workspace_id, "INBOX", 99, 10, uids[-1] + 1, 0, None, now, now, 0))
        found = []
        for uid in uids:
            row = AccountMailRow(
                5, 99, uid, account.id, account.workspace_id, Outcome.DELIVERED.value, None, len(RAW), None, None, now,
                now, now,
            )  # fmt: skip
            detail = {"mailbox": "INBOX", "uid_validity": 99, "uid": uid, "truncated": False}
            found.append(Found(row, NewEvent(EventKind.MAIL_ARRIVED, now, detail, pack(RAW))))
        append_mails(tx, facts, found, room.ids, epoch=0)

    await room.database.write(write)


async def test_events_have_numbers_without_a_gap_and_are_read_by_cursor(room: Room) -> None:
    page = (await room.client.get(f"{HERS}/events")).json()
    assert [(item["sequence_number"], item["kind"]) for item in page["items"]] == [
        (1, "account_connected"),
        (2, "mail_arrived"),
        (3, "mail_arrived"),
    ]
    assert (page["next"], page["last"]) == (None, 3)
    mail = page["items"][1]
    assert mail["event_id"].startswith("evt_")
    assert mail["detail"]["uid"] == 11
    assert mail["detail"]["tag"] == "ann"
    assert (mail["told_at"], mail["given_up_at"], mail["waiting"], mail["has_raw"]) == (None, None, False, True)
    assert page["items"][0]["has_raw"] is False
    first = (await room.client.get(f"{HERS}/events", params={"limit": 1})).json()
    assert ([one["sequence_number"] for one in first["items"]], first["next"]) == ([1], 1)
    rest = (await room.client.get(f"{HERS}/events", params={"after": first["next"]})).json()
    assert [one["sequence_number"] for one in rest["items"]] == [2, 3]
    assert (await room.client.get(f"{HERS}/events", params={"after": 3})).json()["items"] == []
    for wrong in ("after=x", "after=-1", "after=" + "9" * 30, "limit=0", "limit=501", "limit=%D9%A1"):
        assert (await room.client.get(f"{HERS}/events?{wrong}")).status_code == 400


async def test_the_raw_bytes_are_those_of_the_server_and_no_page(room: Room) -> None:
    answer = await room.client.get(f"{HERS}/events/2/raw")
    assert (answer.status_code, answer.content) == (200, RAW)
    assert answer.headers["content-type"] == "message/rfc822"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == 'attachment; filename="event-2.eml"'
    for number in ("1", "9", "0", "x", "9" * 40, "%00"):
        assert (await room.client.get(f"{HERS}/events/{number}/raw")).status_code == 404


async def test_what_was_given_up_is_seen_and_told_again(room: Room) -> None:
    account = await room.account("ann")
    await room.client.put("/api/v1/partner", json={"new_mail_webhook": "http://127.0.0.1:9/mail"})
    now = room.clock.now_ms()
    await room.database.write(lambda tx: account_events.set_told(tx, account.id, 2, now))
    await room.database.write(lambda tx: account_events.set_given_up(tx, account.id, 3, now))
    events = (await room.client.get(f"{HERS}/audit")).json()["events"]
    assert events == {"last": 3, "kept": 3, "told": 1, "given_up": 1, "given_up_numbers": [3]}
    answer = await room.client.post(f"{HERS}/events/3/replay")
    assert (answer.status_code, answer.json()["replayed"]) == (200, 1)
    (item,) = (await room.client.get(f"{HERS}/events", params={"after": 2})).json()["items"]
    assert (item["given_up_at"], item["waiting"]) == (None, True)
    assert item["event_id"] == answer.json()["event_id"]
    unheard = await room.client.post(f"{HERS}/events/1/replay")
    assert (unheard.status_code, "PUT /api/v1/partner" in unheard.text) == (400, True)
    assert (await room.client.post(f"{HERS}/events/4/replay")).text == "Event not found for '4'."


async def test_the_audit_accounts_for_every_uid(room: Room) -> None:
    audit = (await room.client.get(f"{HERS}/audit")).json()
    assert (audit["user_tag"], audit["imap_provider_code"]) == ("ann", "FASTMAIL")
    assert (audit["state"], audit["why"]) == ("connecting", None)
    (mailbox,) = audit["mailboxes"]
    assert mailbox["outcomes"] == {"delivered": {"mails": 2, "first_uid": 11, "last_uid": 14}}
    assert mailbox["absent"] == [[10, 10], [12, 13]]
    assert (mailbox["uid_validity"], mailbox["first_uid"], mailbox["uid_next"]) == (99, 10, 15)
    assert mailbox["audited_at"] == "2026-01-01T00:00:00.000Z"


async def test_a_mailbox_has_its_name_on_the_wire_and_for_people(room: Room) -> None:
    await room.database.write(lambda tx: tx.run(statement("UPDATE mailbox SET name = 'Entw&APw-rfe'")))
    named = {"mailbox": "Entw&APw-rfe", "mailbox_name": "Entwürfe"}
    (audited,) = (await room.client.get(f"{HERS}/audit")).json()["mailboxes"]
    (swept,) = (await room.client.post(f"{HERS}/sweep")).json()["mailboxes"]
    assert named.items() <= audited.items()
    assert named.items() <= swept.items()


async def test_a_sweep_is_begun_once_the_mailbox_was_opened(room: Room) -> None:
    swept = await room.client.post(f"{HERS}/sweep")
    inbox = {"mailbox": "INBOX", "mailbox_name": "INBOX", "before_uid": 10}
    assert (swept.status_code, swept.json()) == (200, {"mailboxes": [inbox]})
    (row,) = await room.database.read(lambda conn: conn.all(statement("SELECT sweep_next FROM mailbox")))
    assert row == (1,)
    await room.client.post(USERS, json={"tag": "new"})
    early = await room.client.post(f"{USERS}/new/sweep")
    assert (early.status_code, "connect it" in early.text) == (400, True)
    await room.client.delete(HERS)
    assert "archived" in (await room.client.post(f"{HERS}/sweep")).text


async def test_a_partner_sets_its_webhooks_and_where_people_come_back_to(room: Room) -> None:
    empty = (await room.client.get("/api/v1/partner")).json()
    assert empty == {
        "name": "one", "success_url": None, "failure_url": None, "redirects": [], "retries": 6,
        "new_mail_webhook": None, "user_connected_webhook": None, "user_disconnected_webhook": None,
        "user_auth_failed_webhook": None, "mailbox_reset_webhook": None,
    }  # fmt: skip
    said = {
        "success_url": "https://app.example.com/connected",
        "redirects": ["https://app.example.com", "https://Beta.example.com:443/"],
        "retries": 0,
        "new_mail_webhook": "https://app.example.com/mail",
        "user_connected_webhook": "https://app.example.com/connected",
    }
    set_ = (await room.client.put("/api/v1/partner", json=said)).json()
    assert set_["redirects"] == ["https://app.example.com", "https://beta.example.com"]
    assert set(set_.pop("secrets")) == {"new_mail_webhook", "user_connected_webhook"}
    assert (await room.client.get("/api/v1/partner")).json() == set_
    changed = await room.client.put(
        "/api/v1/partner",
        data={
            "new_mail_webhook": "https://b.example/",
            "user_connected_webhook": "",
            "redirects[]": ["http://a.example"],
        },
    )
    shown = changed.json()
    assert "secrets" not in shown
    assert (shown["new_mail_webhook"], shown["user_connected_webhook"]) == ("https://b.example/", None)
    assert (shown["redirects"], shown["retries"], shown["success_url"]) == (
        ["http://a.example"],
        0,
        said["success_url"],
    )
    forms = await room.database.read(lambda conn: conn.all(statement("SELECT form, kinds FROM webhook_endpoint")))
    assert forms == [("superimap", '["mail_arrived"]')]
    assert (await room.other.get("/api/v1/partner")).json()["new_mail_webhook"] is None


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"new_mail_webhook": "ftp://example.com/"}, "new_mail_webhook"),
        ({"new_mail_webhook": "http://169.254.169.254/"}, "new_mail_webhook"),
        ({"user_connected_webhook": "http://10.0.0.1/"}, "user_connected_webhook"),
        ({"user_connected_webhook": 7}, "user_connected_webhook"),
        ({"success_url": "javascript:alert(1)"}, "success_url"),
        ({"failure_url": "https://user@example.com/"}, "failure_url"),
        ({"redirects": ["https://example.com/path"]}, "redirects"),
        ({"redirects": ["https://example.com\\@evil.example"]}, "redirects"),
        ({"redirects": ["*"]}, "redirects"),
        ({"retries": 21}, "retries"),
        ({"retries": "often"}, "retries"),
    ],
)
async def test_what_a_partner_may_not_set_is_named_and_nothing_is_kept(
    room: Room, body: dict[str, object], name: str
) -> None:
    answer = await room.client.put("/api/v1/partner", json={"retries": 3, **body})
    assert (answer.status_code, name in answer.text) == (400, True), answer.text
    shown = (await room.client.get("/api/v1/partner")).json()
    assert (shown["retries"], shown["new_mail_webhook"], shown["redirects"]) == (6, None, [])
