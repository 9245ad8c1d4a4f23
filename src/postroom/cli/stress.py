"""`postroom stress`: do watched mailboxes keep their promises when everything else does not?"""

import asyncio
import sys

import click

from postroom.app.stress.chaos import SUPERIMAP_PERCENT
from postroom.app.stress.run import Plan, Report, run
from postroom.app.stress.verdict import Verdict
from postroom.base.clock import SystemClock
from postroom.cli.operate import show_json
from postroom.cli.options import AS_JSON
from postroom.cli.progress import Progress

_SHOWN = 10
_TERMINATED = 143
"""As a shell tells of a process that SIGTERM has ended."""
_FAULTS = {
    "missing": "mails that nobody told of",
    "unknown": "mails that nobody had put there",
    "doubled": "mails told by two events",
    "gaps": "accounts with gaps in their numbers",
    "changed_repeats": "repeated webhooks that were not the same",
    "out_of_order": "accounts whose numbers came to an address in another order",
    "refused": "webhooks that must not be believed",
    "died": "nodes that ended by themselves",
    "unfinished": "things that were still waited for",
}


@click.command("stress")
@click.option("--accounts", default=100, show_default=True, type=click.IntRange(1, 20_000), help="Mailboxes.")
@click.option("--mails-per-minute", default=300, show_default=True, type=click.IntRange(1, 60_000), help="In all.")
@click.option(
    "--minutes", default=1.0, show_default=True, type=click.FloatRange(0.01, 1440), help="So long mail comes."
)
@click.option(
    "--nodes", default=1, show_default=True, type=click.IntRange(1, 16), help="More than one need --database."
)
@click.option(
    "--chaos",
    default=SUPERIMAP_PERCENT,
    show_default=True,
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Commands that the server answers badly.",
)
@click.option("--superimap", is_flag=True, help="Only SuperIMAP's own mix of bad answers, without what is worse.")
@click.option("--kill", is_flag=True, help="Kill one node after a third of the time (SIGKILL).")
@click.option("--add", is_flag=True, help="Add a node after two thirds of the time.")
@click.option("--database", default="", metavar="URL", help="An empty PostgreSQL database; without: SQLite, one node.")
@click.option("--seed", default=1, show_default=True, help="Of all that is left to chance.")
@click.option(
    "--wait", default=600.0, show_default=True, metavar="SECONDS", help="How long to wait for the last webhook."
)
@AS_JSON
def command(
    accounts: int, mails_per_minute: int, minutes: float, nodes: int, chaos: float, superimap: bool, kill: bool,
    add: bool, database: str, seed: int, wait: float, as_json: bool,
) -> None:  # fmt: skip
    """Run nodes against a misbehaving IMAP server, and compare what came with what was told.

    Everything is on this machine and in a temporary folder; an installation that runs here is not touched.
    Exit code 1 where a mail is missing or doubled, a number is left out or a webhook cannot be believed.
    """
    plan = Plan(
        accounts=accounts, mails_per_minute=mails_per_minute, minutes=minutes, nodes=nodes, chaos_percent=chaos,
        only_superimap=superimap, kill=kill, add=add, database=database, seed=seed, wait_seconds=wait,
    )  # fmt: skip
    try:
        with Progress(of_bytes=False) as progress:
            report = asyncio.run(run(plan, SystemClock(), progress.told))
    except asyncio.CancelledError:
        # SIGTERM: what was started has ended by now.
        sys.exit(_TERMINATED)
    if as_json:
        show_json(report.as_json())
    else:
        _show(report)
    if not report.verdict.holds:
        sys.exit(1)


def _show(report: Report) -> None:
    verdict = report.verdict
    bad = sum(report.behaviours.values())
    click.echo(f"{verdict.generated:,} mails came, {verdict.told:,} were told", nl=False)
    click.echo(f"; {verdict.apart:,} went with an epoch before anybody could see them" if verdict.apart else "")
    click.echo(f"{report.commands:,} commands on {report.connections:,} connections, {bad:,} answered badly:")
    for name, count in report.behaviours.items():
        click.echo(f"  {count:>7,}  {name}")
    click.echo("Webhooks: " + ", ".join(f"{count:,} {path}" for path, count in report.events.items()))
    click.echo(f"  {verdict.repeats:,} came again, the same as before")
    click.echo(
        f"  from mailbox to webhook: half within {report.p50_ms:,} ms, 99 % within {report.p99_ms:,} ms, "
        f"all within {report.longest_ms:,} ms"
    )
    for node in report.nodes:
        memory = f"{node.memory_before_kb // 1024} → {node.memory_after_kb // 1024} MiB"
        files = f"{node.descriptors_before} → {node.descriptors_after} files"
        click.echo(f"{node.name}: {node.fate}, {memory}, {files}, {node.errors} errors in its log")
    click.echo(f"All watched after {report.watched_seconds} s, all told {report.quiet_seconds} s after the last mail")
    _show_verdict(verdict)
    if report.logs:
        click.echo(f"Logs and data: {report.logs}")


def _show_verdict(verdict: Verdict) -> None:
    for name, words in _FAULTS.items():
        found: list[str] = getattr(verdict, name)
        if not found:
            continue
        click.secho(f"{len(found):,} {words}:", fg="red")
        for one in found[:_SHOWN]:
            click.echo(f"  {one}")
    if verdict.holds:
        click.secho("holds: every mail was told once, under numbers without a gap", fg="green")
    else:
        click.secho("does not hold", fg="red")
