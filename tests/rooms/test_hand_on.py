"""Handing on what routes took: requests, tries, forwards; over a real store and real HTTP, with a moved clock."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from peers.http_receiver import HttpReceiver, Received, answer, hang
from standardwebhooks.webhooks import Webhook
from webhook_world import LOOPBACK, SEALER, WORKSPACE, CountingBackend, Literals, until

from postroom.base.clock import HOUR_MS, ManualClock
from postroom.base.ids import IdSource, show_id
from postroom.base.packing import pack
from postroom.base.threads import Threads
from postroom.inbound.forward import Forwarder
from postroom.inbound.hand_on import MOST_TRIES, HandOn
from postroom.inbound.onward import forward_to, hand_on
from postroom.inbound.routes import Asked, Routes
from postroom.ledger.inbound_rows import InboundContentRow, InboundRow
from postroom.ledger.route_rows import RouteAction, RouteAttemptRow, RouteOutboxRow, RouteRow
from postroom.ledger.rows import WorkspaceRow
from postroom.mail.authentication import Verdicts
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.http_client import HttpClient, HttpLimits
from postroom.outbound.submission import Accepted, Refused, Submission
from postroom.store import route_outbox, routes
from postroom.store.database import Database, StoreLost, Tx, open_database

RAW = (
    b"From: Ada <ada@author.example>\r\nTo: support@example.com\r\nSubject: Re: =?utf-8?q?caf=C3=A9?=\r\n"
    b"Message-ID: <1@author.example>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    b"Yes, please.\r\n\r\nOn Monday, 2 November 2026, Shop <support@example.com> wrote:\r\n> Do you want it?\r\n"
)


class Owners:
    def owners(self) -> Mapping[str, int]:
        return {"example.com": WORKSPACE}


class Accept:
    """Takes what is forwarded, or says `refuses`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.refuses: SmtpReply | None = None
        self.taken: list[Submission] = []

    async def accept(
        self, submission: Submission, *, in_transaction: Callable[[Tx, Accepted], None] | None = None
    ) -> Accepted:
        if self.refuses is not None:
            raise Refused(self.refuses)
        accepted = Accepted(77, ())
        self.taken.append(submission)
        if in_transaction is not None:
            await self._database.write(lambda tx: in_transaction(tx, accepted))
        return accepted


@dataclass
class World:
    """One store, one receiver, one worker."""

    database: Database
    clock: ManualClock
    ids: IdSource
    receiver: HttpReceiver
    backend: CountingBackend
    room: Routes
    accept: Accept
    worker: HandOn

    async def route(self, action: RouteAction, target: str) -> tuple[RouteRow, str]:
        return await self.room.create(WORKSPACE, Asked("*@example.com", action, target))

    async def hook(self, path: str) -> tuple[RouteRow, str]:
        return await self.route(RouteAction.WEBHOOK, self.receiver.url(path))

    async def mail(self, *takers: RouteRow, raw: bytes = RAW, to: str = "", **fields: object) -> InboundRow:
        """Store a mail that each of the routes took; `to`: also an address that it goes to without one."""
        content = InboundContentRow(self.ids.next(), WORKSPACE, len(raw), None, pack(raw), 0)
        row = InboundRow(
            self.ids.next(), WORKSPACE, content.id, self.clock.now_ms(), "smtp", "192.0.2.1", "h", "",
            "ada@author.example", "support@example.com", "support@example.com", "route", None, "ada@author.example",
            "Ada", "Re: café", "<1@author.example>", len(raw), "",
        )._replace(kind="reply", state="done", **fields)  # fmt: skip  # type: ignore[arg-type]

        def write(tx: Tx) -> None:
            tx.add(content)
            tx.add(row)
            for taker in takers:
                hand_on(tx, row, taker, self.clock.now_ms())
            if to:
                forward_to(tx, row, to, self.clock.now_ms())

        await self.database.write(write)
        return row

    async def log(self, row: InboundRow) -> list[RouteAttemptRow]:
        return await self.database.read(lambda conn: routes.attempts_of_inbound(conn, WORKSPACE, row.id, 100))

    async def waiting(self, row: InboundRow) -> list[RouteOutboxRow]:
        return await self.database.read(lambda conn: route_outbox.waiting_of(conn, row.id))

    async def logged(self, row: InboundRow, count: int) -> list[RouteAttemptRow]:
        """Wait for so many tries of a mail, moving the clock to each when it is due."""
        for _ in range(2_000):
            waiting = await self.waiting(row)
            await asyncio.sleep(0.002)
            is_idle = not self.worker.under_way
            found = await self.log(row)
            if len(found) >= count:
                return found
            # What waits was read before the log: a try that ended meanwhile has not moved the clock to the next.
            due_ms = waiting[0].due_ms - self.clock.now_ms() if waiting and is_idle else 0
            self.clock.advance(ms=max(1_000, due_ms))
        raise AssertionError(f"{len(found)} tries, not {count}")


@pytest.fixture
async def world(sqlite_url: str) -> AsyncIterator[World]:
    clock = ManualClock()
    database = await open_database(sqlite_url, clock=clock)

    def write(tx: Tx) -> None:
        tx.add(WorkspaceRow(WORKSPACE, "one", 0))

    async def workspace_of(workspace_id: int) -> WorkspaceRow | None:
        return WorkspaceRow(workspace_id, "one", 0)

    async def seal(workspace_id: int, domain: str, content: bytes, verdicts: Verdicts) -> bytes:
        return f"ARC-Seal: {domain}\r\n".encode() + content

    await database.write(write)
    ids, backend, slow = IdSource(1, clock), CountingBackend(), Threads("slow", 1)
    limits = HttpLimits(connect_seconds=2, whole_seconds=5)
    client = HttpClient(Literals(), allow_private=LOOPBACK, limits=limits, backend=backend)
    accept = Accept(database)
    forwarder = Forwarder(
        database=database, ids=ids, clock=clock, accept=accept, workspace_of=workspace_of, seal=seal, slow=slow
    )
    worker = HandOn(
        database=database,
        clock=clock,
        ids=ids,
        sealer=SEALER,
        client=client,
        forwarder=forwarder,
        slow=slow,
        chance=lambda: 0.5,
    )
    room = Routes(database, ids, clock, SEALER, Owners(), LOOPBACK)
    with HttpReceiver() as receiver:
        task = asyncio.create_task(worker.run())
        yield World(database, clock, ids, receiver, backend, room, accept, worker)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await worker.stop(0)
        await client.close()
    await database.close()
    slow.close()


def is_signed(request: Received, secret: str) -> bool:
    at = datetime.fromtimestamp(int(request.header["webhook-timestamp"]), UTC)
    signed = Webhook(secret).sign(request.header["webhook-id"], at, request.body.decode())
    return signed == request.header["webhook-signature"]


# Webhooks


async def test_a_webhook_is_told_the_mail_parsed_and_whole_and_signed(world: World) -> None:
    hook, secret = await world.hook("/hook")
    row = await world.mail(hook, route_id=hook.id, detail='{"rule":"in-reply-to","evidence":"In-Reply-To: <x>"}')

    [tried] = await world.logged(row, 1)

    [request] = world.receiver.received("/hook")
    assert is_signed(request, secret)
    told = request.json
    assert told["id"] == request.header["webhook-id"] == show_id("inb", row.id)
    assert (told["type"], told["data"]["kind"], told["data"]["route"]) == ("inbound", "reply", show_id("rte", hook.id))
    assert told["data"]["classification"]["rule"] == "in-reply-to"
    mail = told["data"]["mail"]
    assert mail["from"] == [{"address": "ada@author.example", "name": "Ada"}]
    assert (mail["subject"], mail["written"]) == ("Re: café", "Yes, please.")
    assert "> Do you want it?" in mail["quoted"]
    assert base64.b64decode(told["data"]["raw"]["base64"]) == RAW
    assert (tried.succeeded, tried.status, tried.why) == (1, 204, "")
    assert await world.waiting(row) == []


async def test_a_receiver_that_is_away_is_tried_ten_times_over_ten_hours_and_told_the_same(world: World) -> None:
    hook, _ = await world.hook("/hook")
    world.receiver.behave("/hook", answer(500, b"no"))
    began = world.clock.now_ms()
    row = await world.mail(hook)

    tried = await world.logged(row, MOST_TRIES)

    assert await world.waiting(row) == []
    assert 9.9 * HOUR_MS <= tried[-1].at_ms - began <= 10.2 * HOUR_MS
    assert tried[0].why == "HTTP 500; tried again in 1 minute"
    assert tried[-1].why == "HTTP 500; given up after 10 tries"
    assert tried[0].response_body == "no"
    requests = world.receiver.received("/hook")
    assert len({request.header["webhook-id"] for request in requests}) == 1
    assert len({request.body for request in requests}) == 1


async def test_a_failed_try_whose_commit_nobody_confirmed_counts_and_is_not_repeated_early(world: World) -> None:
    hook, _ = await world.hook("/hook")
    world.receiver.behave("/hook", answer(500, b"no"))
    row = await world.mail(hook)
    await world.logged(row, 1)
    write = world.database.write

    async def unconfirmed(function: Any, **more: Any) -> Any:
        done = await write(function, **more)
        if len(await world.log(row)) == 2:
            world.worker._database = world.database
            raise StoreLost("the connection broke during COMMIT")
        return done

    world.worker._database = cast(Any, SimpleNamespace(read=world.database.read, write=unconfirmed))
    await world.logged(row, 2)
    await until(lambda: not world.worker.under_way)

    [waiting] = await world.waiting(row)
    assert (waiting.tries, waiting.due_ms - world.clock.now_ms() > 4 * 60_000) == (2, True)


async def test_a_receiver_that_forbids_it_is_not_asked_again(world: World) -> None:
    hook, _ = await world.hook("/hook")
    world.receiver.behave("/hook", answer(403))
    row = await world.mail(hook)

    [tried] = await world.logged(row, 1)

    assert tried.why == "HTTP 403; not tried again"
    assert await world.waiting(row) == []


async def test_a_receiver_that_asks_for_time_gets_it(world: World) -> None:
    hook, _ = await world.hook("/hook")
    world.receiver.behave("/hook", answer(503, retry_after="1800"))
    row = await world.mail(hook)
    await world.logged(row, 1)
    world.receiver.behave("/hook", answer(200))

    first, second = await world.logged(row, 2)

    assert second.at_ms - first.at_ms >= 1_800_000
    assert (first.status, second.status) == (503, 200)


async def test_a_mail_that_is_tried_later_holds_up_none_behind_it(world: World) -> None:
    hook, _ = await world.hook("/hook")
    world.receiver.behave("/hook", answer(500))
    late = await world.mail(hook)
    await world.logged(late, 1)
    world.receiver.behave("/hook", answer(200))

    soon = await world.mail(hook)
    await until(lambda: len(world.receiver.received("/hook")) == 2)

    ids = [request.json["id"] for request in world.receiver.received("/hook")]
    assert ids == [show_id("inb", late.id), show_id("inb", soon.id)]


async def test_a_receiver_that_hangs_delays_no_other(world: World) -> None:
    hooks = [(await world.hook(f"/slow{number}"))[0] for number in range(20)]
    for number in range(20):
        world.receiver.behave(f"/slow{number}", hang())
    for hook in hooks:
        for _ in range(4):
            await world.mail(hook)
    await until(lambda: world.worker.under_way >= 40)
    quick, _ = await world.hook("/quick")

    await world.mail(quick)

    await until(lambda: len(world.receiver.received("/quick")) == 1)


async def test_what_is_cut_by_a_stop_is_due_at_once_and_counts_as_no_try(world: World) -> None:
    hook, _ = await world.hook("/hook")
    world.receiver.behave("/hook", hang())
    row = await world.mail(hook)
    await until(lambda: len(world.receiver.received("/hook")) == 1)

    await world.worker.stop(0)

    [waiting] = await world.waiting(row)
    assert (waiting.tries, waiting.due_ms) == (0, world.clock.now_ms())


async def test_a_fault_of_ours_is_a_failed_try(world: World) -> None:
    forward, _ = await world.route(RouteAction.FORWARD, "boss@elsewhere.example")
    row = await world.mail(forward, verdicts="no JSON")

    [tried] = await world.logged(row, 1)

    assert tried.why == "an internal error; it is in the log; tried again in 1 minute"


async def test_an_address_inside_is_not_dialled(world: World) -> None:
    hook, _ = await world.hook("/hook")

    def write(tx: Tx) -> None:
        routes.update_route(tx, hook._replace(target="http://10.0.0.1/"))

    await world.database.write(write)
    row = await world.mail(hook)

    [tried] = await world.logged(row, 1)

    assert tried.status is None
    assert "may not be dialled" in tried.why
    assert world.backend.dialled == []


async def test_a_large_mail_is_told_without_its_bytes(world: World) -> None:
    hook, secret = await world.hook("/hook")
    await world.mail(hook, raw=RAW + b"x" * 76 + b"\r\n" * (1 << 20))

    await until(lambda: len(world.receiver.received("/hook")) == 1)

    [request] = world.receiver.received("/hook")
    assert is_signed(request, secret)
    assert request.json["data"]["raw"]["base64"] is None
    assert request.json["data"]["mail"]["written"].startswith("Yes, please.")


# Forwards


async def test_a_forward_leaves_by_the_way_of_all_mail_once_and_the_log_names_its_message(world: World) -> None:
    forward, _ = await world.route(RouteAction.FORWARD, "boss@elsewhere.example")
    row = await world.mail(forward, route_id=forward.id)

    [tried] = await world.logged(row, 1)

    [submission] = world.accept.taken
    assert submission.content == b"ARC-Seal: example.com\r\nDelivered-To: support@example.com\r\n" + RAW
    assert [one.address for one in submission.envelope.recipients] == ["boss@elsewhere.example"]
    assert (tried.succeeded, tried.message_id, tried.target) == (1, 77, "boss@elsewhere.example")
    assert await world.waiting(row) == []


async def test_a_forward_that_cannot_be_taken_in_now_is_tried_again_and_one_that_never_can_is_not(
    world: World,
) -> None:
    forward, _ = await world.route(RouteAction.FORWARD, "boss@elsewhere.example")
    world.accept.refuses = SmtpReply(452, "4.3.2", "later")
    row = await world.mail(forward)
    await world.logged(row, 1)

    world.accept.refuses = SmtpReply(554, "5.6.3", "never")
    tried = await world.logged(row, 2)

    assert [(one.status, one.why) for one in tried] == [
        (452, "later; tried again in 1 minute"),
        (554, "never; not tried again"),
    ]
    assert await world.waiting(row) == []


async def test_a_mail_that_came_before_is_not_forwarded_in_a_circle(world: World) -> None:
    forward, _ = await world.route(RouteAction.FORWARD, "boss@elsewhere.example")
    row = await world.mail(forward, raw=b"Delivered-To: support@example.com\r\n" + RAW)

    [tried] = await world.logged(row, 1)

    assert "go in a circle" in tried.why
    assert world.accept.taken == []


async def test_a_reply_goes_to_its_author_without_a_route(world: World) -> None:
    row = await world.mail(to="author@example.com")

    await world.logged(row, 1)

    assert [one.envelope.recipients[0].address for one in world.accept.taken] == ["author@example.com"]


# What is gone


async def test_what_is_gone_is_handed_to_nobody(world: World) -> None:
    hook, _ = await world.hook("/hook")
    gone_content = await world.mail(hook, content_id=99)
    [tried] = await world.logged(gone_content, 1)

    await world.database.write(lambda tx: route_outbox.schedule(tx, RouteOutboxRow(5, hook.id, WORKSPACE, "", 0)))
    await until(lambda: not world.worker.under_way)

    assert tried.why == "its content is gone; not tried again"
    assert world.receiver.received("/hook") == []


async def test_mail_of_a_route_that_stores_or_refuses_goes_nowhere(world: World) -> None:
    store, _ = await world.route(RouteAction.STORE, "")
    refuse, _ = await world.route(RouteAction.REFUSE, "")

    row = await world.mail(store, refuse)

    assert await world.waiting(row) == []
