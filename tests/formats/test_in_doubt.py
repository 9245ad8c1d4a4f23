"""The table of DESIGN section 4, *In doubt*: what a crash made of a claimed recipient."""

import pytest
from queue_rows import LATER, OK, claimed

from postroom.ledger.outcomes import OutcomeKind
from postroom.outbound.journal import Flights
from postroom.outbound.recover import outcome_after_crash

KEY = (1, 1)


@pytest.mark.parametrize(
    ("flights", "kind"),
    [
        (Flights(), OutcomeKind.RETURNED),
        (Flights(dotted={KEY}), OutcomeKind.IN_DOUBT),
        (Flights(replied={KEY: OK}), OutcomeKind.DELIVERED),
        (Flights(replied={KEY: LATER}), OutcomeKind.DEFERRED),
        (Flights(boot_id_differs=True), OutcomeKind.IN_DOUBT),
        (Flights(boot_id_differs=True, replied={KEY: OK}), OutcomeKind.DELIVERED),
        (None, OutcomeKind.IN_DOUBT),
        (Flights(dotted={(1, 2), (2, 1)}), OutcomeKind.RETURNED),
    ],
    ids=["not begun", "dot", "reply", "4yz", "reboot", "reboot, other journal", "no journal", "another claim"],
)
def test_a_crash_leaves(flights: Flights | None, kind: OutcomeKind) -> None:
    assert outcome_after_crash(claimed(1, epoch=1), flights).kind is kind
