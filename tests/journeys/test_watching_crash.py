"""kill -9 while mail arrives: none is missed, none has two numbers, and what is told again is told as the same."""

import json
import random
import signal
import time
from collections import defaultdict

import pytest
from peers.dovecot import Dovecot
from peers.http_receiver import HttpReceiver
from peers.process import wait_until
from peers.require import require_peer
from watching_server import Deliveries, WatchingServer

USERS = [f"user{number}" for number in range(5)]


def survive(kills: int, seed: int) -> None:
    require_peer("dovecot")
    chance = random.Random(seed)
    with (
        Dovecot(dict.fromkeys(USERS, "secret")) as dovecot,
        HttpReceiver() as receiver,
        WatchingServer(dovecot, USERS, receiver) as server,
    ):
        wait_until(lambda: server.watched == len(USERS), "all are watched", 30)
        with Deliveries(dovecot, USERS, 20) as deliveries:
            for _ in range(kills):
                time.sleep(chance.uniform(0.1, 1.5))
                server.stop(signal.SIGKILL)
                server.start()
            time.sleep(0.5)
        sent = dict(deliveries.sent)
        wait_until(lambda: len({one["event_id"] for one in server.told()}) >= len(sent), "all are told", 60)
        check_ledger(server, sent)
        check_told(server, sent)


def check_ledger(server: WatchingServer, sent: dict[str, str]) -> None:
    """Every mail that was sent has one event, and the numbers of an account have no gap."""
    rows = server.rows(
        "SELECT a.tag, e.number, e.kind, v.detail FROM account_event e JOIN account a ON a.id = e.account_id "
        "JOIN event v ON v.id = e.event_id ORDER BY a.tag, e.number"
    )
    numbers: dict[str, list[int]] = defaultdict(list)
    found = []
    for tag, number, kind, detail in rows:
        numbers[tag].append(number)
        told = json.loads(detail)
        if kind == "mail_arrived":
            found.append((told["message_id"], tag))
    assert sorted(found) == sorted(sent.items())
    assert all(given == list(range(1, len(given) + 1)) for given in numbers.values())
    assert server.rows("SELECT DISTINCT outcome FROM account_mail") == [("delivered",)]


def check_told(server: WatchingServer, sent: dict[str, str]) -> None:
    """What the receiver was told is what was sent; an event that was told again was the same."""
    by_event = defaultdict(set)
    for body in server.told():
        by_event[body["event_id"]].add((body["user_tag"], body["sequence_number"], body["sha1"]))
    assert len(by_event) == len(sent)
    assert all(len(bodies) == 1 for bodies in by_event.values())


def test_mail_that_arrives_around_a_kill_is_told_and_numbered_once() -> None:
    survive(1, seed=3)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_mail_that_arrives_around_many_kills_is_told_and_numbered_once(seed: int) -> None:
    survive(10, seed)
