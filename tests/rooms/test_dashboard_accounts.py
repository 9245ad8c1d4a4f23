"""The pages of watched accounts: lists, one account, connections, forms."""

import json

import pytest
from account_rows import Made, add_account, add_connection
from dashboard_browser import World, dashboard
from selectolax.lexbor import LexborHTMLParser

from postroom.base.clock import ManualClock
from postroom.base.ids import show_id
from postroom.base.packing import pack
from postroom.events.accounts import Found, NewEvent, append_mails
from postroom.ledger.account_rows import AccountMailRow, AccountState, MailboxRow, Outcome, TracerRow
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.rows import NodeRow
from postroom.store import account_events, accounts, tracers, watching
from postroom.store.database import Tx, open_database, statement

ENVELOPE = {"subject": "=?utf-8?q?Caf=C3=A9_at_ten?=", "from": [{"name": "Bo", "mailbox": "bo", "host": "x.example"}]}


async def _account(pages: World, tag: str = "ann", provider: str = "PLAIN", **more: object) -> Made:
    services, now = pages.services, pages.clock.now_ms()
    workspace = await pages.workspace("one")
    known = {one.connection.provider: one.connection for one in await services.accounts.connections(workspace.id)}
    connection = known.get(provider) or await add_connection(services.database, services.ids, workspace.id, provider)
    return await add_account(services.database, services.ids, connection, tag, now, **more)  # type: ignore[arg-type]


async def _mails(pages: World, made: Made, count: int, first_uid: int = 1) -> None:
    services, now = pages.services, pages.clock.now_ms()
    boxes = await services.database.read(lambda conn: watching.mailboxes_of(conn, made.account.id))
    box = boxes[0]

    def one(uid: int) -> Found:
        detail = {"mailbox": "INBOX", "uid": uid, "envelope": ENVELOPE, "truncated": False}
        row = AccountMailRow(
            box.id, box.uid_validity, uid, made.account.id, box.workspace_id, Outcome.DELIVERED.value, None, 10,
            now - 5000, now - 3000, now - 900, now - 700, now - 600,
        )  # fmt: skip
        return Found(row, NewEvent(EventKind.MAIL_ARRIVED, now, detail, pack(b"x")))

    def write(tx: Tx) -> None:
        append_mails(tx, made.facts, [one(first_uid + n) for n in range(count)], services.ids, epoch=1)

    await services.database.write(write)


def _path(made: Made, rest: str = "") -> str:
    return f"/w/one/accounts/{show_id('acc', made.account.id)}{rest}"


def _text(body: str) -> str:
    main = LexborHTMLParser(body).css_first("main")
    assert main is not None
    return " ".join(main.text().split())


async def test_without_a_connection_the_page_says_how_to_make_one(pages: World) -> None:
    text = _text((await pages.get("/w/one/accounts")).text)

    assert "No connection yet" in text
    assert "imap_provider_code" in text


async def test_accounts_show_their_state_in_words_and_are_found_by_it(pages: World) -> None:
    await _account(pages, "ann")
    why = "its server said: try in an hour"
    await _account(pages, "bob", state=AccountState.AWAY, why=why, retry_ms=pages.clock.now_ms() + 3_600_000)
    await _account(pages, "cleo", state=AccountState.REFUSED, node=None)

    everything = _text((await pages.get("/w/one/accounts")).text)
    away = _text((await pages.get("/w/one/accounts", state="away")).text)

    assert "Its server tells of new mail at once." in everything
    assert "Its server said: try in an hour. Next try in 1 h." in away
    assert "bob@example.com" in away
    assert "ann@example.com" not in away
    assert "1 account cannot log in" in everything
    assert "ann@example.com" in _text((await pages.get("/w/one/accounts", q="ANN")).text)
    assert "No account is like that" in _text((await pages.get("/w/one/accounts", q="nobody")).text)


async def test_the_page_says_when_no_node_watches(pages: World) -> None:
    await _account(pages)
    assert "Nobody watches these accounts" in _text((await pages.get("/w/one/accounts")).text)

    node = NodeRow(3, "folder", "boot", pages.clock.now_ms(), "api,watch")
    await pages.services.database.write(lambda tx: tx.add(node))

    assert "Nobody watches these accounts" not in _text((await pages.get("/w/one/accounts")).text)


async def test_accounts_stand_on_pages_of_fifty(pages: World) -> None:
    for number in range(51):
        await _account(pages, f"user{number}")

    first = LexborHTMLParser((await pages.get("/w/one/accounts")).text)
    older = first.css_first("a[rel=next]")
    assert older is not None
    second = _text((await pages.client.get(older.attributes["href"] or "")).text)

    assert "user50@" in first.body.text()  # type: ignore[union-attr]
    assert "user0@" in second
    assert "user1@" not in second


async def test_an_account_that_was_disconnected_is_not_taken_for_one_that_nobody_connected(pages: World) -> None:
    made = await _account(pages, mailbox=True, state=AccountState.UNCONNECTED)
    new = _text((await pages.get(_path(made))).text)
    await _mails(pages, made, 1)

    used = _text((await pages.get(_path(made))).text)

    assert "Nobody has connected it yet." in new
    assert "It was disconnected." in used
    assert "Nobody has connected it yet." not in used


async def test_an_account_of_another_workspace_is_not_there(pages: World) -> None:
    made = await _account(pages)

    assert (await pages.get(_path(made).replace("/one/", "/two/"))).status_code == 404
    assert (await pages.get("/w/one/accounts/acc_nothing")).status_code == 404


async def test_an_account_tells_its_events_newest_first_with_their_numbers(pages: World) -> None:
    made = await _account(pages, mailbox=True)
    await _mails(pages, made, 60)

    page = LexborHTMLParser((await pages.get(_path(made))).text)
    numbers = [cell.text() for cell in page.css("#events td[data-label=Number]")]
    older = page.css_first("#events a[rel=next]")
    assert older is not None
    rest = LexborHTMLParser((await pages.client.get((older.attributes["href"] or "").partition("#")[0])).text)

    assert numbers == [str(number) for number in range(60, 35, -1)]
    assert [cell.text() for cell in rest.css("#events td[data-label=Number]")] == [str(n) for n in range(35, 10, -1)]
    assert "Bo: Café at ten" in page.css_first("#events").text()  # type: ignore[union-attr]
    assert "60 delivered" in page.css_first("#mailboxes").text()  # type: ignore[union-attr]


async def test_an_account_that_this_node_watches_says_when_its_server_last_spoke(sqlite_url: str) -> None:
    clock = ManualClock()
    database = await open_database(sqlite_url, clock=clock)
    async with dashboard(database, clock, silent_seconds=lambda account_id: 84.2) as pages:
        made = await _account(pages)
        assert "1 min 24 s ago" in _text((await pages.get(_path(made))).text)
        assert "Its server last spoke 1 min 24 s ago." in _text((await pages.get("/w/one/accounts")).text)
    await database.close()


async def test_the_end_of_an_access_token_is_shown_in_the_list_and_on_the_accounts_page(pages: World) -> None:
    made = await _account(pages, token_expires_ms=pages.clock.now_ms() + 1_800_000)

    assert "Token ends in 30 min" in _text((await pages.get("/w/one/accounts")).text)
    assert "Access token endsin 30 min" in _text((await pages.get(_path(made))).text)


async def test_a_mailbox_is_shown_as_people_read_it_beside_its_name_on_the_wire(pages: World) -> None:
    made = await _account(pages, mailbox=True)
    await pages.services.database.write(lambda tx: tx.run(statement("UPDATE mailbox SET name = 'Entw&APw-rfe'")))

    page = _text((await pages.get(_path(made))).text)

    assert "Entwürfe" in page
    assert "on the wire Entw&APw-rfe" in page


async def test_events_of_accounts_lead_to_their_account(pages: World) -> None:
    made = await _account(pages, mailbox=True)
    await _mails(pages, made, 1)

    page = LexborHTMLParser((await pages.get("/w/one/activity", q="event:any")).text)
    link = page.css_first("main table a")

    assert link is not None
    assert link.attributes["href"] == _path(made)
    assert "Bo: Café at ten" in page.css_first("main").text()  # type: ignore[union-attr]


async def test_given_up_events_are_told_again_one_or_all(pages: World) -> None:
    made = await _account(pages, mailbox=True)
    await _mails(pages, made, 3)
    services, account_id = pages.services, made.account.id
    workspace = await pages.workspace("one")
    hooks = services.partner_hooks.prepare(workspace.id, {"new_mail_webhook": "http://127.0.0.1:9/mail"})
    await services.database.write(hooks.write)
    for number in (1, 2):
        await services.database.write(lambda tx: account_events.set_given_up(tx, account_id, number, 5))  # noqa: B023

    page = _text((await pages.get(_path(made))).text)
    await pages.post(_path(made, "/again"), number="3")
    answer = await pages.post(_path(made, "/again"), all="1")
    waiting = await services.database.read(
        lambda conn: conn.all(statement("SELECT count(*) FROM webhook_outbox WHERE recipient_id = ?"), (account_id,))
    )

    assert "2 given up" in page
    assert answer.status_code == 303
    assert waiting == [(3,)]
    assert "to be told" in _text((await pages.get(_path(made))).text)


async def test_what_nothing_hears_is_not_told_again(pages: World) -> None:
    made = await _account(pages, mailbox=True)
    await _mails(pages, made, 1)

    await pages.post(_path(made, "/again"), number="1")

    assert "Nothing is told again" in _text((await pages.get(_path(made))).text)


@pytest.mark.parametrize(
    ("what", "fields", "then"),
    [
        ("/tracer", {"on": "1"}, "Tracers are sent to it from now on"),
        ("/reconnect", {}, "connected anew"),
        ("/archive", {}, "archived"),
        ("/disconnect", {}, "credentials are forgotten"),
    ],
)
async def test_what_is_done_to_an_account_is_said_and_noted(
    pages: World, what: str, fields: dict[str, str], then: str
) -> None:
    made = await _account(pages)

    answer = await pages.post(_path(made, what), **fields)
    text = _text((await pages.client.get(answer.headers["location"])).text)
    log = _text((await pages.get("/settings/audit")).text)

    assert then in text
    assert "account" in log
    assert "ann" in log


async def test_an_archived_account_is_restored(pages: World) -> None:
    made = await _account(pages)
    await pages.post(_path(made, "/archive"))
    assert "Restore" in _text((await pages.get(_path(made))).text)

    await pages.post(_path(made, "/restore"))

    row = await pages.services.database.read(lambda conn: accounts.any_account(conn, made.account.id))
    assert row is not None
    assert row.is_archived == 0


async def test_a_sweep_is_begun_where_there_is_mail_from_before(pages: World) -> None:
    made = await _account(pages)
    ids, now = pages.services.ids, pages.clock.now_ms()
    box = MailboxRow(
        ids.next(), made.account.id, made.account.workspace_id, "Entw&APw-rfe", 7, 900, 950, 0, None, now, 0, 3
    )
    await pages.services.database.write(lambda tx: tx.add(box))
    assert "Entwürfe" in _text((await pages.get(_path(made))).text)

    await pages.post(_path(made, "/sweep"))

    assert "sweeping UID 1 of 900" in _text((await pages.get(_path(made))).text)


async def test_a_server_is_shown_as_it_showed_itself_and_what_it_only_claims_apart(pages: World) -> None:
    told = {"banner": "ready.", "id": {"name": "X"}, "capabilities": ["IDLE", "NOTIFY"], "claims_only": ["NOTIFY"]}
    made = await _account(pages, server=json.dumps(told))
    odd = await _account(pages, "odd", server='["what"')

    page = LexborHTMLParser((await pages.get(_path(made))).text)

    assert [one.text() for one in page.css(".abilities li")] == ["IDLE"]
    assert "it can NOTIFY" in _text(page.html or "")
    assert (await pages.get(_path(odd))).status_code == 200


async def test_a_connection_and_an_account_are_made_by_forms(pages: World) -> None:
    made = await pages.post(
        "/w/one/accounts/connections", imap_provider_code="PLAIN", imap_host="mail.example.com", imap_port="993"
    )
    assert made.status_code == 303
    answer = await pages.post("/w/one/accounts", connection="PLAIN", tag="user-1")
    assert answer.status_code == 303
    page = _text((await pages.client.get(answer.headers["location"])).text)
    assert "http://postroom.test/users/connect/" in page
    assert "mail.example.com:993 (tls)" in page

    again = await pages.post("/w/one/accounts", connection="PLAIN", tag="User-1")
    assert again.status_code == 422
    assert "already been taken" in _text(again.text)


async def test_an_account_with_a_password_is_connected_at_once_and_keeps_it(pages: World) -> None:
    await pages.post("/w/one/accounts/connections", imap_provider_code="PLAIN", imap_host="mail.example.com")
    answer = await pages.post(
        "/w/one/accounts", connection="PLAIN", tag="ann", email="ann@example.com", login_password="hush hush"
    )
    here = answer.headers["location"]
    form = await pages.get(here + "/edit")
    assert "hush" not in form.text
    changed = await pages.post(
        here + "/edit",
        tag="ann",
        email="ann@example.com",
        login_password="",
        mailboxes="INBOX\nEntwürfe",
        is_tracer="1",
    )
    assert changed.status_code == 303

    (line,) = await pages.services.accounts.of_connection(
        (await pages.services.accounts.connections((await pages.workspace("one")).id))[0].connection
    )
    assert line.connected_ms is not None
    assert json.loads(line.mailboxes) == ["INBOX", "Entwürfe"]
    assert line.is_tracer == 1


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"imap_host": "192.168.1.1"}, "imap_host", "POSTROOM_ALLOW_PRIVATE"),
        ({"imap_port": "many"}, "imap_port", "from 1 to 65535"),
        ({"token_url": "ftp://x"}, "token_url", "http"),
    ],
)
async def test_what_is_wrong_with_a_connection_stands_beside_its_field(
    pages: World, fields: dict[str, str], field: str, said: str
) -> None:
    answer = await pages.post("/w/one/accounts/connections", imap_provider_code="OAUTH2", **fields)

    assert answer.status_code == 422
    error = LexborHTMLParser(answer.text).css_first(f"#e-{field}")
    assert error is not None, _text(answer.text)[:600]
    assert said in error.text()


async def test_an_oauth_secret_that_is_left_empty_stays_and_is_never_shown(pages: World) -> None:
    await pages.post(
        "/w/one/accounts/connections",
        imap_provider_code="GMAIL_OAUTH2",
        oauth2_client_id="id",
        oauth2_client_secret="tops",
    )
    workspace = await pages.workspace("one")
    (view,) = await pages.services.accounts.connections(workspace.id)
    path = f"/w/one/accounts/connections/{show_id('con', view.connection.id)}"
    assert "tops" not in (await pages.get(path)).text

    assert (await pages.post(path, oauth2_client_id="id2", oauth2_client_secret="")).status_code == 303

    (after,) = await pages.services.accounts.connections(workspace.id)
    assert after.connection.client_id == "id2"
    assert after.connection.client_secret == view.connection.client_secret
    await pages.post(path + "/delete")
    assert await pages.services.accounts.connections(workspace.id) == []


async def test_tracers_show_their_stages_and_those_that_are_lost(pages: World) -> None:
    made = await _account(pages, is_tracer=True)
    assert "No tracer was sent yet" in _text((await pages.get("/w/one/tracers")).text)
    database, ids, now = pages.services.database, pages.services.ids, pages.clock.now_ms()
    rows = [
        TracerRow(ids.next(), made.account.id, made.account.workspace_id, code, now, why)
        for code, why in (("a" * 20, ""), ("b" * 20, ""), ("c" * 20, "535 no"))
    ]
    times = tracers.Times(now + 2000, now + 2200, now + 2300, now + 2350)
    for row in rows:
        await database.write(lambda tx: tracers.add_tracer(tx, row))  # noqa: B023
    await database.write(lambda tx: tracers.arrived(tx, made.account.id, "a" * 20, times))
    await database.write(lambda tx: tracers.lose(tx, now - 1, now + 1, now, 10))

    page = _text((await pages.get("/w/one/tracers")).text)
    of_account = _text((await pages.get(_path(made))).text)

    assert "1 of the last 3 tracers is lost" in page
    assert "Provider 2.0 s" in page
    assert "2.4 s" in page
    assert "not sent 535 no." in page
    assert "lost" in of_account


async def test_latency_stands_by_provider_and_stage(pages: World) -> None:
    made = await _account(pages, mailbox=True)
    await _mails(pages, made, 3)

    page = LexborHTMLParser((await pages.get("/w/one/accounts")).text).css_first("#latency")

    assert page is not None
    text = " ".join(page.text().split())
    assert "3 mails" in text
    assert "half within 2.1 s" in text


async def test_the_nodes_page_tells_who_watches_how_many_and_who_waits(pages: World) -> None:
    await _account(pages, "ann", node=3)
    await _account(pages, "bob", node=9)
    await _account(pages, "cleo", node=None, state=AccountState.CONNECTING)
    now = pages.clock.now_ms()
    for node in (NodeRow(3, "f3", "b", now, "watch,deliver"), NodeRow(9, "f9", "b", 0, "watch")):
        await pages.services.database.write(lambda tx: tx.add(node))  # noqa: B023

    page = LexborHTMLParser((await pages.get("/nodes")).text)
    rows = [" ".join(row.text().split()) for row in page.css("tbody tr")]

    assert rows[0].startswith("3 running")
    assert any(row.startswith("9 gone") and "to be taken by others" in row for row in rows)
    assert "1 account waits for a node" in _text(page.html or "")


async def test_who_is_not_logged_in_sees_none_of_it(pages: World) -> None:
    made = await _account(pages)
    async with pages.stranger() as client:
        for path in ("/w/one/accounts", _path(made), "/w/one/tracers", "/w/one/partner", "/nodes"):
            assert (await client.get(path)).status_code == 303
