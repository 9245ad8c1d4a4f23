"""Looking into the queue and moving what waits, by command and by API."""

import datetime
import re
from collections.abc import Callable
from typing import Any

import pytest
from journeys_world import World
from peers.process import wait_until


def in_days(days: int) -> str:
    at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    return f"{at:%Y-%m-%dT%H:%M:%S}.000Z"


def deferred(world: World, name: str, *, stream: str = "transactional") -> str:
    """Send to a recipient whose server puts it off, and return the message's id."""
    world.sink.on("RCPT", "450 4.2.1 Greylisted, come back later", recipient=f"{name}@taker.test")
    message = {"from": "a@example.com", "to": [f"{name}@taker.test"], "subject": name, "text": "x", "stream": stream}
    message_id: str = world.server.api.post("/messages", message)["id"]
    world.server.wait_for_state(message_id, "deferred")
    return message_id


def accept_from_now_on(world: World, name: str) -> None:
    world.sink.on("RCPT", "250 2.1.5 Ok", recipient=f"{name}@taker.test")


def by_command(world: World, move: str, message_id: str) -> int:
    return int(world.server.command("queue", move, "--message", message_id).split()[0])


def by_api(world: World, move: str, message_id: str) -> int:
    moved: int = world.server.api.post(f"/queue/{move}", {"message": message_id})["moved"]
    return moved


Mover = Callable[[World, str, str], int]
both = pytest.mark.parametrize("move", [by_command, by_api])


def state_of(world: World, message_id: str) -> str:
    (state,) = world.server.states(message_id).values()
    return state


def test_the_queue_says_in_words_why_and_until_when(world: World) -> None:
    message_id = deferred(world, "words")

    printed = world.server.command("queue", "list", "--domain", "taker.test")
    (recipient,) = world.server.api.recipients(message_id)
    items: list[dict[str, Any]] = world.server.api.get("/queue/recipients?domain=taker.test")["items"]

    line = printed[printed.index("words@taker.test") :].splitlines()[1]
    assert "deferred by the peer: 450 4.2.1 Greylisted, come back later" in line
    # Five minutes and up to a tenth more.
    assert re.search(r"next try in [56] minutes", line)
    assert recipient["why"] in [one["why"] for one in items]
    assert recipient["tries"] == 1
    by_api(world, "cancel", message_id)


@both
def test_what_was_deferred_is_tried_at_once_when_somebody_asks(world: World, move: Mover) -> None:
    name = f"retry-{move.__name__}"
    message_id = deferred(world, name)
    accept_from_now_on(world, name)

    assert move(world, "retry", message_id) == 1

    (recipient,) = world.server.wait_for_state(message_id, "delivered").values()
    assert recipient["tries"] == 2
    assert len(world.sink.mails_to(f"{name}@taker.test")) == 1


@both
def test_what_is_held_waits_until_it_is_released(world: World, move: Mover) -> None:
    name = f"hold-{move.__name__}"
    message_id = deferred(world, name)
    accept_from_now_on(world, name)

    assert move(world, "hold", message_id) == 1
    # What is held does not move by a retry, only by a release.
    assert move(world, "retry", message_id) == 0
    assert state_of(world, message_id) == "held"
    assert move(world, "release", message_id) == 1

    # At once: it does not wait for the try that was planned before it was held.
    world.server.wait_for_state(message_id, "delivered")
    kinds = [event["kind"] for event in world.server.api.get(f"/messages/{message_id}/events")["items"]]
    assert kinds[:4] == ["accepted", "deferred", "held", "released"]


@both
def test_what_is_cancelled_is_never_sent(world: World, move: Mover) -> None:
    name = f"cancel-{move.__name__}"
    message_id = deferred(world, name)
    accept_from_now_on(world, name)

    assert move(world, "cancel", message_id) == 1

    assert state_of(world, message_id) == "cancelled"
    assert move(world, "retry", message_id) == 0
    assert world.sink.mails_to(f"{name}@taker.test") == []


def test_a_mail_for_later_can_be_taken_back(world: World) -> None:
    message = {"from": "a@example.com", "to": ["later@taker.test"], "text": "x", "send_at": in_days(20)}
    message_id = world.server.api.post("/messages", message)["id"]
    (recipient,) = world.server.api.recipients(message_id)
    assert recipient["state"] == "queued"
    assert "next try in" in recipient["next_try"]

    world.server.api.post(f"/messages/{message_id}/cancel", {})

    assert state_of(world, message_id) == "cancelled"


def test_a_mail_for_later_keeps_its_time_when_it_is_held_and_released(world: World) -> None:
    later = in_days(20)
    message = {"from": "a@example.com", "to": ["kept@taker.test"], "text": "x", "send_at": later}
    message_id = world.server.api.post("/messages", message)["id"]

    assert by_api(world, "hold", message_id) == 1
    assert by_api(world, "release", message_id) == 1

    (recipient,) = world.server.api.recipients(message_id)
    assert recipient["next_try_at"] == later
    by_api(world, "cancel", message_id)


def test_a_failed_recipient_can_be_tried_again_and_counts_as_sent(world: World) -> None:
    world.sink.on("RCPT", "550 5.7.1 Not by our policy of today", recipient="again@taker.test")
    message = {"from": "a@example.com", "to": ["again@taker.test"], "text": "x", "tags": ["again"]}
    message_id = world.server.api.post("/messages", message)["id"]
    world.server.wait_for_state(message_id, "failed")
    accept_from_now_on(world, "again")

    assert by_api(world, "retry", message_id) == 1

    world.server.wait_for_state(message_id, "delivered")
    items = world.server.api.get("/stats?interval=total&by=tag")["items"]
    (counted,) = [one for one in items if one["key"] == "again"]
    assert (counted["outbound"], counted["sent"], counted["failed"]) == (1, 1, 0)


def test_a_suppressed_address_is_not_dialled_although_its_mail_was_queued(world: World) -> None:
    message_id = deferred(world, "stop")
    accept_from_now_on(world, "stop")
    world.server.api.post("/suppressions", {"address": "Stop@TAKER.test", "reason": "asked by phone"})

    by_api(world, "retry", message_id)

    (recipient,) = world.server.wait_for_state(message_id, "suppressed").values()
    assert "asked by phone" in recipient["why"]
    assert world.sink.mails_to("stop@taker.test") == []


def test_a_suppressed_address_is_accepted_at_the_door_and_stands_in_the_ledger(world: World) -> None:
    world.server.api.post("/suppressions", {"address": "door@taker.test", "scope": "bulk"})
    both_streams = {"from": "a@example.com", "to": ["door@taker.test"], "text": "x"}

    bulk = world.server.api.post("/messages", {**both_streams, "stream": "bulk"})
    transactional = world.server.api.post("/messages", both_streams)

    assert bulk["recipients"][0]["state"] == "suppressed"
    world.server.wait_for_state(transactional["id"], "delivered")


def test_all_counters_equal_a_recount_after_every_move(world: World) -> None:
    message_id = deferred(world, "recount")
    by_api(world, "cancel", message_id)

    def equal() -> bool:
        return world.server.command("recount").startswith("0 of ")

    wait_until(equal, "the counters equal the ledger")
