"""Several nodes on one PostgreSQL: they share the work, and one that is lost with its disk doubles nothing."""

import re
import shutil
import signal
import smtplib
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from many_nodes import Node
from mass_mail import check_ledger, flowing, hand_in, settled
from peers.counting_sink import CountingSink
from peers.postgres import Databases
from peers.process import wait_until
from returned_mail import report

QUARTER_MS = 15 * 60_000


@pytest.fixture
def url(postgres: Databases) -> Iterator[str]:
    url = postgres.fresh_database()
    yield url
    postgres.drop_database(url)


def sending(node: Node) -> dict[int, int]:
    return dict(node.rows("SELECT node, count(*) FROM recipient WHERE state = 'sending' GROUP BY node"))


def test_a_node_that_is_lost_with_its_folder_leaves_its_recipients_in_doubt_and_doubles_nothing(url: str) -> None:
    sink = CountingSink(delay_seconds=0.1)
    with sink, ExitStack() as stack:
        settings = {"transport": f"smtp://{sink.address}", "site_connections": "10"}
        first = stack.enter_context(Node(url, initialised=True, vouched=["example.com"], **settings))
        second = stack.enter_context(Node(url, **settings))
        hand_in(first, 1, 500, "bulk")
        wait_until(lambda: len(sending(first)) == 2, "both nodes are sending", 60)
        flowing(sink)
        second.stop(signal.SIGKILL)
        shutil.rmtree(second.folder / "data")
        (lost,) = [number for number, seen in first.rows("SELECT number, seen_ms FROM node") if number != 0]
        wait_until(lambda: set(sending(first)) <= {lost}, "the first node has sent the rest", 90)
        left = first.rows("SELECT id FROM recipient WHERE state = 'sending' AND node = ?", lost)
        assert 0 < len(left) <= 20
        # 15 minutes later, as the database's clock has it. A live node sees to it; a third one looks at its start.
        first.act("UPDATE node SET seen_ms = seen_ms - ? WHERE number = ?", QUARTER_MS, lost)
        first.act("UPDATE recipient SET lease_ms = lease_ms - ? WHERE state = 'sending'", QUARTER_MS)
        stack.enter_context(Node(url, **settings))
        wait_until(lambda: settled(first), "what the lost node was sending is in doubt", 60)
        states = check_ledger(first, sink, 500)
        assert max(sink.counts().values()) == 1
        assert states == {"delivered": 500 - len(left), "in_doubt": len(left)}
        assert first.rows("SELECT DISTINCT state FROM recipient WHERE id IN (SELECT recipient_id FROM event"
                          " WHERE kind = 'in_doubt')") == [("in_doubt",)]  # fmt: skip


def work_together(url: str, nodes: int, messages: int, seconds: float) -> None:
    with CountingSink() as sink, ExitStack() as stack:
        settings = {"transport": f"smtp://{sink.address}", "site_connections": "40"}
        # The mail is there before anybody delivers.
        door = stack.enter_context(
            Node(url, initialised=True, vouched=["example.com"], roles="submission,api,upkeep", **settings)
        )
        hand_in(door, messages, 500, "bulk")
        door.command("queue", "hold", "--all")
        workers = [stack.enter_context(Node(url, roles="submission,api,deliver", **settings)) for _ in range(nodes)]
        began = time.monotonic()
        door.command("queue", "release", "--all")
        wait_until(lambda: settled(door), "all are settled", seconds)
        took = time.monotonic() - began
        assert check_ledger(door, sink, 500 * messages) == {"delivered": 500 * messages}
        assert max(sink.counts().values()) == 1
        shares = Counter(
            number for (number,) in door.rows("SELECT (id >> 12) & 1023 FROM event WHERE kind = 'delivered'")
        )
        assert len(shares) == nodes, shares
        print(f"{500 * messages} by {len(workers)} nodes in {took:.1f} s: {shares}")


@pytest.mark.soak
def test_two_nodes_share_a_queue_without_a_double(url: str) -> None:
    work_together(url, 2, 4, 90)


@pytest.mark.soak
def test_eight_nodes_share_a_queue_of_50_000_without_a_double(url: str) -> None:
    work_together(url, 8, 100, 900)


def bounce(node: Node, reverse_path: str, address: str) -> None:
    with smtplib.SMTP("127.0.0.1", node.inbound_port, timeout=30) as client:
        client.sendmail("", [reverse_path], report(address))


@pytest.mark.soak
def test_each_bounce_is_understood_once_by_two_nodes_of_which_one_dies(url: str) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(Node(url, initialised=True, vouched=["example.com"]))
        second = stack.enter_context(Node(url))
        hand_in(first, 1, 300, "bulk")
        wait_until(lambda: settled(first), "all copies are in the sandbox", 60)
        copies = first.rows(
            "SELECT s.reverse_path, r.address FROM sandbox_copy s JOIN recipient r ON r.id = s.recipient_id"
        )
        assert len(copies) == 300
        for number, copy in enumerate(copies[:200]):
            bounce((first, second)[number % 2], *copy)
        second.stop(signal.SIGKILL)
        for copy in copies[200:]:
            bounce(first, *copy)
        # What the dead one had claimed is due again when its lease ends.
        first.act("UPDATE inbound SET due_ms = due_ms - ? WHERE state = 'waiting'", QUARTER_MS)
        waiting = "SELECT count(*) FROM inbound WHERE state <> 'done'"
        wait_until(lambda: first.rows(waiting)[0][0] == 0, "every bounce is understood", 60)
        told = first.rows("SELECT recipient_id, count(*) FROM event WHERE kind = 'bounced' GROUP BY recipient_id")
        assert len(told) == 300
        assert {count for _, count in told} == {1}
        assert first.rows("SELECT DISTINCT state FROM recipient") == [("failed",)]
        assert re.match(r"0 of \d+ counters differ", first.command("recount").splitlines()[-1])
