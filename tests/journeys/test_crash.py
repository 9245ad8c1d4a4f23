"""kill -9 at any moment: nobody is missed, nobody is mailed twice who was not in doubt, and the sums balance."""

import random
import signal
import time
from collections import Counter

import pytest
from many_nodes import helpers_of, kill
from mass_mail import check_ledger, flowing, hand_in, settled
from peers.counting_sink import CountingSink
from peers.process import wait_until
from running_server import RunningServer


def survive(kills: int, seed: int) -> None:
    chance = random.Random(seed)
    # Never three helpers in a row: who is in flight at all of them waits for five minutes.
    victims = ["owner" if turn % 3 == 0 else "helper" for turn in range(kills)]
    sink = CountingSink(delay_seconds=0.05)
    with sink, RunningServer(vouched=["example.com"], transport=f"smtp://{sink.address}", helpers="2") as server:
        hand_in(server, 8, 500, "bulk")
        for turn, victim in enumerate(victims):
            if turn in (1, 4):
                hand_in(server, 1, 500, "transactional", start=8 + turn)
            # On a machine that starts servers slowly all may be sent before the last kill.
            flowing(sink, ended=lambda: settled(server))
            time.sleep(chance.uniform(0, 0.3))
            if victim == "helper":
                kill(chance.choice(helpers_of(server)))
            else:
                server.stop(signal.SIGKILL)
                server.start()
        wait_until(lambda: settled(server), "all are settled", 120)
        states = check_ledger(server, sink, 5000)
        # What was in flight at a kill: two recipients a connection at the most, and only those beyond their dot.
        assert states["in_doubt"] <= 20 * len(victims)
        assert states["delivered"] + states["in_doubt"] == 5000
        print(states, Counter(sink.counts().values()), server.rows("SELECT sum(doubt_retried) FROM recipient"))


def test_5000_recipients_survive_ten_kills_at_random_moments() -> None:
    survive(10, seed=5)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_5000_recipients_survive_many_kills(seed: int) -> None:
    survive(20, seed)
