"""`postroom relabel`: who opened and clicked, once more, by today's rules."""

import datetime

import click

from postroom.cli.operate import operate, show_json
from postroom.cli.options import AS_JSON, of_workspace
from postroom.cli.progress import status


@click.command("relabel")
@of_workspace("Whose opens and clicks.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]),
    help="Only those since this day or minute in UTC, such as 2026-01-31; else all that are kept.",
)
@AS_JSON
def command(workspace: str, since: datetime.datetime | None, as_json: bool) -> None:
    """Judge by today's rules who opened and clicked, a person or a machine, and move the human counters with it.

    Mail flows meanwhile. What webhooks and events have told stays as it was.
    """
    since_ms = round(since.replace(tzinfo=datetime.UTC).timestamp() * 1000) if since else 0
    sums = {"hits": 0, "changed": 0, "firsts": 0}
    after: int | None = 0
    with status("Looking at opens and clicks") as line:
        while after is not None:
            done = operate("relabel", {"workspace": workspace, "since_ms": since_ms, "after": after})
            after = done["after"]
            for name in sums:
                sums[name] += done[name]
            line.update(f"{sums['hits']:,} opens and clicks")
    if as_json:
        show_json(sums)
        return
    click.echo(
        f"{sums['changed']} of {sums['hits']} opens and clicks have another label now; "
        f"for {sums['firsts']} the first by a person moved"
    )
