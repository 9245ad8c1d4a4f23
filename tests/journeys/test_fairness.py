"""A bulk send of any size delays neither transactional mail nor another workspace."""

import json
import threading
import time
from collections.abc import Callable

import pytest
from mass_mail import hand_in
from peers.counting_sink import CountingSink
from peers.process import wait_until
from running_server import Api, RunningServer


def other_workspace(server: RunningServer) -> Api:
    """Make a second workspace with a domain and a key."""
    server.command("workspace", "create", "other")
    server.command("domain", "create", "other.example", "--vouched", "--workspace", "other")
    made = json.loads(server.command("key", "create", "--workspace", "other", "--json"))
    return Api(server.http_port, made["api_key"])


def transactional_delays(server: RunningServer, sink: CountingSink, mails: int, every_seconds: float) -> list[float]:
    """Hand in transactional mail to the site of the bulk mail; return the seconds from 202 to the sink, sorted."""
    accepted: dict[str, float] = {}
    for number in range(mails):
        address = f"t{number}@d{number % 5}.test"
        body = {"from": "a@example.com", "to": [address], "subject": "Now", "text": "Now", "stream": "transactional"}
        server.api.post("/messages", body)
        accepted[address] = time.time()
        time.sleep(every_seconds)
    wait_until(lambda: arrived(sink, accepted.__contains__) == mails, "all transactional mail has come", 120)
    return sorted(one.at - accepted[one.recipient] for one in sink.arrivals if one.recipient in accepted)


def arrived(sink: CountingSink, ours: Callable[[str], bool]) -> int:
    return sum(ours(one.recipient) for one in list(sink.arrivals))


def stay_fair(bulk: int, transactional: int, delay_seconds: float, *, to_the_end: bool) -> None:
    sink = CountingSink(delay_seconds=delay_seconds)
    with sink, RunningServer(vouched=["example.com"], transport=f"smtp://{sink.address}") as server:
        other = other_workspace(server)
        feeding = threading.Thread(target=hand_in, args=(server, bulk // 500, 500, "bulk"))
        feeding.start()
        wait_until(lambda: len(sink.arrivals) > 100, "bulk mail is flowing", 60)
        to = [f"o{number}@d{number % 5}.test" for number in range(100)]
        began = time.time()
        other.post("/messages", {"from": "o@other.example", "to": to[:1], "bcc": to[1:], "subject": "Us too",
                                 "text": "Us too", "stream": "bulk"})  # fmt: skip
        delays = transactional_delays(server, sink, transactional, 0.1)
        ours = [one.at - began for one in sink.arrivals if one.recipient.startswith("o")]
        left = server.rows("SELECT count(*) FROM recipient WHERE state = 'queued'")[0][0]
        p99 = delays[int(len(delays) * 0.99)]
        print(f"{transactional} transactional: median {delays[len(delays) // 2]:.2f} s, p99 {p99:.2f} s")
        print(f"worst {delays[-1]:.2f} s; the other workspace's 100 in {max(ours):.1f} s; bulk left {left}")
        assert left > 0, "the bulk send was over before it could be in the way"
        assert len(ours) == 100
        assert max(ours) < 60
        assert p99 < 5
        feeding.join()
        if to_the_end:
            wait_until(lambda: len(sink.arrivals) >= bulk + transactional + 100, "all mail has come", bulk / 50)
        assert max(sink.counts().values()) == 1


def test_transactional_mail_and_other_workspaces_do_not_wait_behind_bulk() -> None:
    stay_fair(4_000, 25, 0.1, to_the_end=False)


@pytest.mark.soak
def test_a_bulk_send_of_100_000_delays_nobody() -> None:
    stay_fair(100_000, 600, 0.04, to_the_end=True)
