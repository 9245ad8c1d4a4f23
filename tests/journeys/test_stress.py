"""Watched mailboxes while everything goes wrong: what came is what was told, each once, under numbers without a gap."""

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from peers.postgres import Databases

from postroom.app.stress.run import NodeFigures, Plan, Report, run
from postroom.app.stress.verdict import Verdict
from postroom.base.clock import SystemClock
from postroom.cli.main import postroom


def told(report: Report) -> str:
    return json.dumps(report.as_json(), indent=1)


@pytest.fixture
def url(postgres: Databases) -> Iterator[str]:
    url = postgres.fresh_database()
    yield url
    postgres.drop_database(url)


async def test_thirty_mailboxes_of_a_misbehaving_server_lose_no_mail() -> None:
    plan = Plan(accounts=30, mails_per_minute=1_200, minutes=0.05, patient=False, refuse_percent=0, wait_seconds=100)
    report = await run(plan, SystemClock(), lambda *_: None)
    assert report.verdict.holds, told(report)
    assert report.verdict.generated > 30
    assert report.verdict.told + report.verdict.apart == report.verdict.generated
    assert sum(report.behaviours.values()) > 0


def test_a_plan_that_cannot_be_done_is_refused_before_anything_starts() -> None:
    result = CliRunner().invoke(postroom, ["stress", "--nodes", "2"])
    assert result.exit_code == 1
    assert "need --database" in str(result.exception)


@pytest.mark.parametrize(("missing", "code"), [([], 0), (["u: <1@x>"], 1)], ids=["holds", "does not hold"])
def test_the_command_ends_with_its_verdict(missing: list[str], code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ran(plan: Plan, *_: object) -> Report:
        assert (plan.accounts, plan.chaos_percent) == (7, 20.0)
        nodes = [NodeFigures("node1", fate="was killed")]
        return Report(Verdict(generated=2, told=2 - len(missing), missing=missing), nodes=nodes)

    monkeypatch.setattr("postroom.cli.stress.run", ran)
    words = ["stress", "--accounts", "7", "--chaos", "20"]
    shown = CliRunner().invoke(postroom, words)
    assert shown.exit_code == code
    assert "node1: was killed" in shown.output
    assert all(f"mails that nobody told of:\n  {one}" in shown.output for one in missing)
    as_json = json.loads(CliRunner().invoke(postroom, [*words, "--json"]).stdout)
    assert (as_json["holds"], as_json["verdict"]["missing"]) == (not missing, missing)


@pytest.mark.soak
@pytest.mark.parametrize("percent", [2.2, 20.0])
async def test_a_thousand_mailboxes_and_three_nodes_one_killed_and_one_added_lose_no_mail(
    url: str, percent: float
) -> None:
    plan = Plan(
        accounts=1_000, mails_per_minute=500, minutes=5, nodes=3, chaos_percent=percent, kill=True, add=True,
        database=url, wait_seconds=900,
    )  # fmt: skip
    report = await run(plan, SystemClock(), lambda *_: None)
    print(told(report))
    assert report.verdict.holds, told(report)


@pytest.mark.soak
async def test_a_killed_node_on_sqlite_goes_on_where_it_was_and_repeats_are_the_same() -> None:
    plan = Plan(accounts=200, mails_per_minute=600, minutes=2, chaos_percent=5, kill=True, refuse_percent=10)
    report = await run(plan, SystemClock(), lambda *_: None)
    assert report.verdict.holds, told(report)
    assert report.verdict.repeats > 50
