"""Watched accounts: nothing is missed, nothing is told twice, and how it goes is said in words."""

import json
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from imap_double import Box
from watch_world import Node, WatchWorld, watch_world

from postroom.accounts.credentials import AuthRevoked, TokenServerAway
from postroom.base.packing import unpack
from postroom.ledger.account_rows import TracerRow
from postroom.net.imap.answers import News
from postroom.net.imap.errors import AuthRefused, ImapLost, Throttled, Unreachable
from postroom.store import accounts
from postroom.store.accounts import WAKE
from postroom.store.database import StoreLost, Tx, statement


@pytest.fixture
async def world(sqlite_url: str) -> AsyncIterator[WatchWorld]:
    async with watch_world(sqlite_url) as opened:
        yield opened


def mail(number: int) -> bytes:
    return f"From: a@b.test\r\nSubject: {number}\r\nMessage-ID: <{number}@b.test>\r\n\r\nhello {number}\r\n".encode()


async def test_new_mail_is_told_and_old_mail_is_not(world: WatchWorld) -> None:
    world.server.append(mail(1))
    account = await world.account()
    await world.node()
    await world.until_state(account, "watching")

    world.server.append(mail(2))
    world.server.append(mail(3))
    await world.until_told(2)

    assert await world.told() == [(account, 1), (account, 2)]
    assert await world.outcomes() == [(2, "delivered"), (3, "delivered")]


async def watching(world: WatchWorld, **facts: str) -> int:
    """Return an account that is watched."""
    account = await world.account(**facts)  # type: ignore[arg-type]
    await world.node()
    await world.until_state(account, "watching")
    return account


async def test_mail_that_comes_while_a_search_is_answered_is_told_at_once(world: WatchWorld) -> None:
    await watching(world)
    left = [mail(number) for number in range(50)]

    def race() -> None:
        if left:
            world.server.append(left.pop())

    world.server.searched = race
    world.server.append(mail(99))
    await world.until_told(51)

    assert [uid for uid, _ in await world.outcomes()] == list(range(1, 52))


async def test_gaps_between_uids_hide_nothing(world: WatchWorld) -> None:
    await watching(world)

    for step in range(1, 6):
        world.server.append(mail(step), uid=step * 5_000)
    await world.until_told(5)

    assert [uid for uid, _ in await world.outcomes()] == [5_000, 10_000, 15_000, 20_000, 25_000]


async def test_a_burst_is_told_in_order_with_bounded_batches(world: WatchWorld) -> None:
    account = await watching(world)

    world.server.tells = False
    for number in range(500):
        world.server.append(mail(number))
    world.server.tells = True
    world.server.append(mail(500))
    await world.until_told(501)

    assert await world.told() == [(account, number) for number in range(1, 502)]
    assert await world.outcomes() == [(uid, "delivered") for uid in range(1, 502)]
    bodies = [command for command in world.server.commands if "BODY" in command]
    assert len(bodies) <= 27


async def test_what_came_during_an_outage_is_told_however_old_it_is(world: WatchWorld) -> None:
    account = await watching(world)
    world.server.away = Unreachable("nobody listens")
    world.server.hang_up()
    await world.until_state(account, "away", step=1)
    why = (await world.status(account)).why
    assert "goodbye" in why or why == "nobody listens"

    world.server.append(mail(1), internal_ms=920_000_000_000)
    world.server.append(mail(2), internal_ms=4_070_908_800_000)
    world.server.away = None
    await world.until_told(2, step=1)

    assert [outcome for _, outcome in await world.outcomes()] == ["delivered", "delivered"]


async def test_a_server_that_drops_good_connections_is_dialled_again_at_once_and_a_bad_one_is_not(
    world: WatchWorld,
) -> None:
    await watching(world)
    await world.pass_time(400, step=20)

    world.server.hang_up()
    await world.until(lambda: len(world.server.dialled) == 2, step=0.2)
    assert world.server.dialled[1] - world.server.dialled[0] < 402
    # From now on it takes each login and drops it: the pauses grow all the same.
    for _ in range(12):
        count = len(world.server.logins)
        world.server.hang_up()
        await world.until(lambda count=count: len(world.server.logins) > count, step=1)  # type: ignore[misc]

    pauses = [b - a for a, b in zip(world.server.dialled[1:], world.server.dialled[2:], strict=False)]
    assert pauses[-1] >= 10 > pauses[0]


async def test_new_uids_are_told_as_one_reset_and_no_mail_is_told_again(world: WatchWorld) -> None:
    account = await watching(world)
    world.server.append(mail(1))
    await world.until_told(1)

    world.server.boxes["INBOX"] = Box(uid_validity=8)
    for number in range(3):
        world.server.append(mail(number))
    world.server.hang_up()
    await world.until_told(1, "mailbox_reset", step=1)
    await world.until(lambda: len(world.server.sessions) == 1)
    world.server.append(mail(9))
    await world.until_told(2, step=0.1)

    assert await world.told() == [(account, 1), (account, 3)]
    assert await world.told("mailbox_reset") == [(account, 2)]
    found = await world.rows("SELECT uid_validity, uid FROM account_mail ORDER BY uid_validity, uid")
    assert [(row[0], row[1]) for row in found] == [(7, 1), (8, 4)]


async def test_mail_that_a_server_does_not_tell_of_is_found_by_comparing(world: WatchWorld) -> None:
    await watching(world)
    world.server.tells = False

    world.server.append(mail(1))
    await world.until_told(1, step=5)
    assert 590 < world.clock.monotonic() - world.server.dialled[0] < 920
    assert (await world.rows("SELECT trust FROM mailbox")) == [(0,)]
    # Distrusted, it is asked again after a minute; trusted after 10 to 15 minutes.
    world.server.tells = True
    await world.pass_time(900, step=5)
    assert (await world.rows("SELECT trust FROM mailbox")) == [(3,)]


async def test_a_comparison_that_shows_nothing_new_opens_the_mailbox_and_asks_no_more_for_an_hour(
    world: WatchWorld,
) -> None:
    world.server.append(mail(0))
    await watching(world)
    seen = len(world.server.commands)
    await world.pass_time(3_500, step=30)
    asked = world.server.commands[seen:]
    opened = asked.count("EXAMINE INBOX")

    assert 4 <= opened <= 6, opened
    assert [one for one in asked if one.startswith("SEARCH")] == []

    await world.pass_time(1_000, step=30)
    assert "SEARCH UID 2:*" in world.server.commands
    world.server.tells = False
    world.server.expunge(1)
    world.server.append(mail(1))
    await world.until_told(1, step=5)


async def test_idle_is_begun_anew_before_29_minutes(world: WatchWorld) -> None:
    await watching(world)
    started = len([command for command in world.server.commands if command == "IDLE"])
    await world.pass_time(1_740, step=10)

    renewed = len([command for command in world.server.commands if command == "IDLE"]) - started
    assert renewed >= 1
    assert len(world.server.dialled) == 1


async def test_a_provider_whose_idle_ends_early_has_it_begun_anew_earlier(world: WatchWorld) -> None:
    account = await world.account(provider="YAHOO")
    await world.node()
    await world.until_state(account, "watching")
    before = world.server.commands.count("IDLE")
    await world.pass_time(600, step=5)

    assert 3 <= world.server.commands.count("IDLE") - before <= 6


@pytest.mark.parametrize("lies", [True, False], ids=["IDLE is refused", "there is no IDLE"])
async def test_a_server_without_idle_is_asked_each_minute(world: WatchWorld, lies: bool) -> None:
    if lies:
        world.server.refuses_idle = True
    else:
        world.server.capabilities = frozenset({"IMAP4REV1"})
    account = await world.account()
    await world.node()
    await world.until_state(account, "polling")

    world.server.append(mail(1))
    await world.until_told(1, step=5)

    assert world.clock.monotonic() - world.server.dialled[0] <= 70


async def test_a_server_that_stops_answering_is_noticed_and_nothing_is_lost(world: WatchWorld) -> None:
    account = await watching(world)
    await world.pass_time(2_000, step=20)

    world.server.silent = True
    world.server.append(mail(1))
    await world.until_state(account, "away", step=10)
    world.server.silent = False
    recovered = world.clock.monotonic()
    await world.until_told(1, step=0.5)

    assert world.clock.monotonic() - recovered <= 10


async def test_flags_stay_as_they_are(world: WatchWorld) -> None:
    await watching(world)
    world.server.append(mail(1))
    await world.until_told(1)

    verbs = {command.split()[0] for command in world.server.commands}
    assert verbs <= {"LOGIN", "EXAMINE", "SEARCH", "FETCH", "IDLE"}
    assert all("BODY[" not in command for command in world.server.commands)


async def test_a_mail_that_is_gone_before_it_is_fetched_has_an_outcome_and_no_number(world: WatchWorld) -> None:
    account = await watching(world)

    def snatch() -> None:
        world.server.searched = None
        del world.server.boxes["INBOX"].mails[1]

    world.server.searched = snatch
    world.server.append(mail(1))
    await world.until(lambda: world.outcomes(), step=0.2)
    world.server.append(mail(2))
    await world.until_told(1)

    assert await world.outcomes() == [(1, "vanished"), (2, "delivered")]
    assert await world.told() == [(account, 1)]


async def test_a_mail_that_fetch_shows_late_is_told(world: WatchWorld) -> None:
    await watching(world)
    world.server.unseen[1] = 2

    world.server.append(mail(1))
    await world.until_told(1, step=0.2)

    assert await world.outcomes() == [(1, "delivered")]


async def test_a_mail_whose_bytes_are_never_given_is_told_without_them(world: WatchWorld) -> None:
    await watching(world)
    world.server.ends_under.add(1)

    world.server.append(mail(1))
    await world.until_told(1, step=2)

    assert await world.outcomes() == [(1, "truncated")]
    world.server.append(mail(2))
    await world.until_told(2, step=0.5)


async def test_a_large_mail_is_told_with_its_header_only(world: WatchWorld) -> None:
    world.most_bytes = 5_000
    account = await watching(world)

    world.server.append(mail(1) + b"x" * 5_000)
    await world.until_told(1)

    assert await world.outcomes() == [(1, "truncated")]
    (detail,) = await world.rows("SELECT detail FROM event WHERE kind = 'mail_arrived'")
    told = json.loads(detail[0])
    assert (told["truncated"], told["size_bytes"], told["message_id"]) == (True, len(mail(1)) + 5_000, "<1@b.test>")
    assert told["number"] == 1
    assert await world.rows("SELECT number FROM account_content WHERE account_id = ?", account) == []


async def test_a_server_that_lies_about_sizes_does_not_get_large_mail_through(world: WatchWorld) -> None:
    world.most_bytes = 5_000
    await watching(world)
    world.server.lies[1] = 10

    world.server.append(mail(1) + b"x" * 6_000)
    await world.until_told(1)

    assert await world.outcomes() == [(1, "truncated")]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0\0",
        b"\r",
        b"Subject: a\nno\rends",
        b"Subject: \xff\xfe\r\n\r\n\xe4\x00\xf6",
        b"\r\n\r\n",
        "Subject: grüße\r\n\r\nß".encode("latin-1"),
        b"X" * 100_000,
    ],
    ids=["nothing", "NUL", "bare CR", "bare ends", "8 bit", "no header", "Latin-1", "one line"],
)
async def test_bytes_are_kept_as_they_are(world: WatchWorld, raw: bytes) -> None:
    await watching(world)

    world.server.append(raw)
    await world.until_told(1)

    ((body,),) = await world.rows("SELECT body FROM account_content")
    assert unpack(bytes(body)) == raw


async def test_the_same_message_id_twice_is_two_mails(world: WatchWorld) -> None:
    await watching(world)

    world.server.append(mail(1))
    world.server.append(mail(1))
    await world.until_told(2)


async def test_a_refused_login_is_told_once_and_tried_seldom(world: WatchWorld) -> None:
    world.server.refuses = AuthRefused("wrong password")
    account = await world.account()
    await world.node()
    await world.until_state(account, "refused", step=1)
    await world.pass_time(3_500, step=20)

    assert await world.told("account_auth_failed") == [(account, 1)]
    assert len(world.server.logins) <= 12
    assert "wrong password" in (await world.status(account)).why

    world.server.refuses = None
    await world.change(account, password=b"other")
    await world.until_state(account, "watching", step=0.1)
    assert (await world.status(account)).auth_failed_ms is None


class Unconfirmed:
    """A store that commits what is written, and from time to time says that it does not know."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self.loses = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def write(self, function: Any, *, size_bytes: int = 0) -> Any:
        done = await self._database.write(function, size_bytes=size_bytes)
        if self.loses:
            raise StoreLost("the connection broke during COMMIT")
        return done


async def test_a_refusal_whose_commit_nobody_confirmed_is_told_once(world: WatchWorld) -> None:
    store = world.database = cast(Any, Unconfirmed(world.database))
    account = await world.account()
    await world.node()
    await world.until_state(account, "watching")
    world.server.refuses = AuthRefused("wrong password")
    world.server.hang_up()
    await world.until(lambda: len(world.server.logins) == 2, step=0.5)
    store.loses = True
    await world.until(lambda: len(world.server.logins) == 4, step=5)
    store.loses = False
    await world.until(lambda: len(world.server.logins) == 6, step=5)

    assert await world.told("account_auth_failed") == [(account, 1)]

    world.server.refuses = None
    await world.until_state(account, "watching", step=5)
    world.server.refuses = AuthRefused("wrong again")
    world.server.hang_up()
    await world.until_state(account, "refused", step=1)
    assert await world.told("account_auth_failed") == [(account, 1), (account, 2)]


async def test_one_refusal_of_credentials_that_were_good_is_asked_about_again(world: WatchWorld) -> None:
    account = await watching(world)
    await world.pass_time(301, step=20)
    world.server.refuses = AuthRefused("not now")
    world.server.hang_up()
    await world.until(lambda: len(world.server.logins) == 2, step=0.5)
    world.server.refuses = None
    await world.until(lambda: len(world.server.logins) == 3, step=0.5)
    await world.until_state(account, "watching")

    assert await world.told("account_auth_failed") == []


async def test_a_token_server_that_is_away_is_no_failed_login(world: WatchWorld) -> None:
    account = await world.account()
    node = await world.node()
    node.credentials.error = TokenServerAway("503")
    await world.until_state(account, "away", step=1)
    await world.pass_time(1_800, step=30)
    assert await world.told("account_auth_failed") == []

    node.credentials.error = AuthRevoked("invalid_grant")
    await world.until_state(account, "refused", step=5)
    await world.pass_time(3_600, step=30)
    assert await world.told("account_auth_failed") == [(account, 1)]


async def test_a_server_that_asks_to_wait_is_left_alone_for_so_long(world: WatchWorld) -> None:
    await watching(world)
    other = await world.account(2)
    await world.until_state(other, "watching")
    world.server.refuses = Throttled("slow down", wait_ms=92_415)
    asked = world.clock.monotonic()
    world.server.sessions[0].hang_up(ImapLost("cut"))
    await world.until(lambda: len(world.server.logins) == 3, step=0.1)
    world.server.refuses = None
    await world.until(lambda: len(world.server.logins) == 4, step=1)

    assert 92 <= world.server.logins[3] - world.server.logins[2] <= 102
    assert len(world.server.sessions) == 2
    assert world.server.logins[2] - asked <= 10


async def test_a_sweep_tells_old_mail_too_while_new_mail_goes_before_it(world: WatchWorld) -> None:
    for number in range(1, 46):
        world.server.append(mail(number))
    world.server.expunge(7)
    account = await watching(world)
    world.server.append(mail(100))
    await world.until_told(1)

    def ask(tx: Tx) -> None:
        tx.run(statement("UPDATE mailbox SET sweep_next = 1"))
        tx.wake(WAKE, account)

    await world.database.write(ask)
    await world.until_told(45)

    assert await world.told() == [(account, number) for number in range(1, 46)]
    assert [uid for uid, _ in await world.outcomes()] == [uid for uid in range(1, 47) if uid != 7]
    await world.until(lambda: world.rows("SELECT 1 FROM mailbox WHERE sweep_next IS NULL"))


async def test_events_name_a_mailbox_as_its_server_does_and_as_people_do(world: WatchWorld) -> None:
    world.server.boxes["Entw&APw-rfe"] = Box(uid_validity=70)
    await watching(world, mailboxes='["Entwürfe"]')
    world.server.append(mail(1), "Entw&APw-rfe")
    await world.until_told(1, step=2)
    world.server.boxes["Entw&APw-rfe"] = Box(uid_validity=71)
    world.server.hang_up()
    await world.until_told(1, "mailbox_reset", step=2)

    details = [json.loads(row[0]) for row in await world.rows("SELECT detail FROM event ORDER BY id")]
    assert [(one["mailbox"], one["mailbox_name"]) for one in details] == [("Entw&APw-rfe", "Entwürfe")] * 2


async def test_other_mailboxes_are_watched_in_turn(world: WatchWorld) -> None:
    world.server.boxes["Lists/a"] = Box(uid_validity=70)
    account = await watching(world, mailboxes='["Lists/a", "INBOX", "gone"]')
    await world.until(lambda: world.rows("SELECT 1 FROM mailbox WHERE name = 'Lists/a'"))

    world.server.append(mail(1), "Lists/a")
    world.server.append(mail(2))
    await world.until_told(2, step=2)

    assert await world.told() == [(account, 1), (account, 2)]
    names = "SELECT m.name, a.uid FROM account_mail a JOIN mailbox m ON m.id = a.mailbox_id ORDER BY m.name"
    assert [(row[0], row[1]) for row in await world.rows(names)] == [("INBOX", 1), ("Lists/a", 1)]


async def test_an_audit_finds_mail_that_was_shown_late(world: WatchWorld) -> None:
    account = await watching(world)
    world.server.append(mail(2), uid=2)
    await world.until_told(1)
    # It has a lower UID than what was seen before it: no search from the cursor on shows it.
    world.server.append(mail(1), uid=1)
    await world.pass_time(5)
    assert len(await world.told()) == 1

    await world.until_told(2, step=600)

    assert await world.outcomes() == [(1, "delivered"), (2, "delivered")]
    assert await world.told() == [(account, 1), (account, 2)]
    assert world.clock.monotonic() - world.server.dialled[0] <= 26 * 3600


async def test_a_tracer_is_taken_and_not_told(world: WatchWorld) -> None:
    account = await watching(world)
    code = "0123456789abcdef0123"
    row = TracerRow(9, account, 1, code, world.clock.now_ms(), "")
    await world.database.write(lambda tx: tx.add(row))

    world.server.append(f"Subject: TRACER: {code}\r\n\r\nhello\r\n".encode())
    world.server.append(f"Subject: TRACER: {code[::-1]}\r\n\r\nnot ours\r\n".encode())
    await world.until_told(1)

    assert await world.outcomes() == [(1, "tracer"), (2, "delivered")]
    assert (await world.rows("SELECT arrived_ms IS NOT NULL FROM tracer"))[0][0]


async def test_an_account_that_is_archived_or_deleted_is_let_go_at_once(world: WatchWorld) -> None:
    account, other = await watching(world), await world.account(2)
    await world.until_state(other, "watching")

    await world.database.write(lambda tx: accounts.archive_account(tx, 1, account, world.clock.now_ms()) and None)
    await world.until(lambda: len(world.server.sessions) == 1)
    await world.database.write(lambda tx: accounts.delete_account(tx, 1, other) and None)
    await world.until(lambda: not world.server.sessions)


async def test_a_node_takes_no_more_accounts_than_it_has_room_for(world: WatchWorld) -> None:
    found = [await world.account(number) for number in range(1, 4)]
    node = await world.node(most_accounts=2)
    await world.until(lambda: len(world.server.sessions) == 2)
    await world.until(lambda: node.supervisor.turned_away == 1)

    async def met() -> bool:
        states = [await world.status(account) for account in found]
        full = [one for one in states if "POSTROOM_WATCH_ACCOUNTS" in one.why]
        return len(full) == 1 and sorted(one.state for one in states) == ["away", "watching", "watching"]

    await world.until(met)


async def test_a_node_without_a_heartbeat_for_25_seconds_stops_watching(world: WatchWorld) -> None:
    await watching(world)
    node = world.nodes[0]
    node.nodes.lets_go = True

    async def no_beat() -> None:
        raise StoreLost("the database is away")

    beat, node.nodes.beat = node.nodes.beat, no_beat  # type: ignore[method-assign]
    await world.pass_time(24)
    assert len(world.server.sessions) == 1
    await world.pass_time(12)
    assert not world.server.sessions

    node.nodes.beat = beat  # type: ignore[method-assign]
    world.server.append(mail(1))
    await world.until_told(1, step=0.5)


async def test_a_restart_takes_its_accounts_at_once(world: WatchWorld) -> None:
    account = await watching(world)
    await world.nodes[0].kill()
    world.server.append(mail(1))

    node = Node(world, world.database, "one", 500, "api,watch")
    world.nodes = [node]
    await node.start()
    await world.until_told(1)

    assert await world.told() == [(account, 1)]
    assert await world.rows("SELECT epoch FROM account_owner") == [(2,)]


async def test_a_burst_in_one_account_does_not_delay_another(world: WatchWorld) -> None:
    world.server.boxes["B"] = Box(uid_validity=70)
    busy = await watching(world)
    other = await world.account(2, mailboxes='["B"]')
    await world.until_state(other, "watching")

    for number in range(1_000):
        world.server.append(mail(number))
    await world.until_told(1)
    world.server.append(mail(1), "B")

    async def met() -> bool:
        return (other, 1) in await world.told()

    await world.until(met)
    assert len([one for one in await world.told() if one[0] == busy]) < 500


async def test_an_epoch_that_comes_back_stops_nothing(world: WatchWorld) -> None:
    await watching(world)
    world.server.append(mail(1))
    world.server.append(mail(2))
    await world.until_told(2)

    # The mailbox is made anew twice, and the second time with the UIDVALIDITY that it had.
    for number, validity in enumerate((8, 7), 1):
        world.server.boxes["INBOX"] = Box(uid_validity=validity)
        world.server.hang_up()
        await world.until_told(number, "mailbox_reset", step=1)
        await world.until(lambda: len(world.server.sessions) == 1)
    for number in range(3):
        world.server.append(mail(number))
    await world.until_told(3, step=0.1)

    found = await world.rows("SELECT uid FROM account_mail WHERE uid_validity = 7 ORDER BY uid")
    assert [row[0] for row in found] == [1, 2, 3]


async def test_a_server_that_does_not_survive_an_audit_is_watched_all_the_same(world: WatchWorld) -> None:
    await watching(world)
    world.server.append(mail(1))
    await world.until_told(1)
    world.server.ends_at = "SEARCH UID 1:1"

    await world.pass_time(27 * 3600, step=600)
    tries = world.server.commands.count("SEARCH UID 1:1")
    world.server.append(mail(2))
    await world.until_told(2)

    assert tries == 3


async def test_a_server_that_says_something_at_each_command_is_not_asked_without_pause(world: WatchWorld) -> None:
    await watching(world)

    def chatter() -> None:
        world.server.sessions[0].hear(News(unreadable=1))

    world.server.searched = chatter
    world.server.append(mail(1))
    await world.until_told(1)
    before = len(world.server.commands)
    await world.pass_time(20)

    assert len(world.server.commands) - before <= 40
    world.server.append(mail(2))
    await world.until_told(2, step=0.5)
