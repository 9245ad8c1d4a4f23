"""Masses of mail handed in to a running server, and its ledger compared with what a sink has."""

import re
from collections import Counter
from collections.abc import Callable

from peers.counting_sink import CountingSink
from peers.process import wait_until
from running_server import RunningServer

DOMAINS = 5


def hand_in(server: RunningServer, messages: int, recipients: int, stream: str, start: int = 0) -> None:
    """Hand in so many messages with so many recipients each; `start` numbers the first."""
    for number in range(start, start + messages):
        to = [f"r{number}x{one}@d{one % DOMAINS}.test" for one in range(recipients)]
        body = {"from": "a@example.com", "bcc": to, "subject": "Crash", "text": "Hello", "stream": stream}
        server.api.post("/messages", {**body, "to": to[:1], "bcc": to[1:]})


def check_ledger(server: RunningServer, sink: CountingSink, expected: int) -> Counter[str]:
    """Compare the ledger with what the sink has; return the recipients by state."""
    rows = server.rows(
        "SELECT m.message_id, r.address, r.state, r.doubt_retried FROM recipient r "
        "JOIN message m ON m.id = r.message_id"
    )
    arrived = sink.counts()
    states = Counter(state for _, _, state, _ in rows)
    assert len(rows) == expected
    assert sum(states.values()) == expected
    missed = [key[:2] for key in rows if key[2] == "delivered" and not arrived[key[0], key[1]]]
    assert missed == []
    twice = [row for row in rows if arrived[row[0], row[1]] > 1 and row[2] != "in_doubt" and not row[3]]
    assert twice == []
    assert not set(arrived) - {(row[0], row[1]) for row in rows}
    (counted,) = server.rows("SELECT sum(outbound), sum(sent) FROM counter WHERE dimension = 'total'")
    assert tuple(map(int, counted)) == (expected, states["delivered"])
    told = server.rows("SELECT count(*), count(DISTINCT recipient_id) FROM event WHERE kind = 'delivered'")
    assert told == [(states["delivered"], states["delivered"])]
    assert re.match(r"0 of \d+ counters differ", server.command("recount").splitlines()[-1])
    return states


def settled(server: RunningServer) -> bool:
    """Tell whether nothing waits and nothing is being tried."""
    return not server.rows("SELECT 1 FROM recipient WHERE state IN ('queued', 'sending', 'deferred') LIMIT 1")


def flowing(sink: CountingSink, mails: int = 20, *, ended: Callable[[], bool] = lambda: False) -> None:
    """Return once so many more mails have come, or everything has `ended`."""
    before = len(sink.arrivals)
    wait_until(lambda: len(sink.arrivals) >= before + mails or ended(), "mail is flowing", 60)
