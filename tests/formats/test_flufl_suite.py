"""The bounces of flufl.bounce's own tests, with the addresses that those ask for (fetched by `make peers`)."""

import ast

import pytest
from peers.require import SUITES, require_peer

from postroom.mail.classify import classify
from postroom.mail.verdict import MailKind

LEAST = 0.98


@pytest.fixture
def suite() -> dict[str, tuple[bytes, set[str], bool]]:
    """Name of a sample → its bytes, the addresses that failed or are late, and whether all are only late."""
    require_peer("suites")
    folder = next(SUITES.glob("flufl_bounce-*/tests"))
    table = next(
        node.value
        for node in ast.parse((folder / "test_detectors.py").read_text()).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DETECTORS"
    )
    found: dict[str, tuple[bytes, set[str], bool]] = {}
    for _, name, addresses, is_late in ast.literal_eval(table):
        raw, before, was_late = found.get(name, ((folder / "data" / name).read_bytes(), set(), True))
        found[name] = (raw, before | {address.decode().lower() for address in addresses}, was_late and is_late)
    return found


def test_the_recipients_are_those_that_the_suite_names(suite: dict[str, tuple[bytes, set[str], bool]]) -> None:
    misses = []
    for name, (raw, wanted, _) in suite.items():
        found = {one.address.lower() for one in classify(raw).recipients}
        if found != wanted:
            misses.append(f"{name}: {sorted(wanted)}, not {sorted(found)}")
    assert len(suite) > 110
    assert 1 - len(misses) / len(suite) >= LEAST, "\n".join(misses)


def test_warnings_are_delays_and_never_hard(suite: dict[str, tuple[bytes, set[str], bool]]) -> None:
    late = {name: classify(raw) for name, (raw, wanted, is_late) in suite.items() if is_late and wanted}
    assert [name for name, verdict in late.items() if verdict.kind is not MailKind.DELAY] == []
    assert not any(one.is_hard for verdict in late.values() for one in verdict.recipients)
