"""`postroom recount`: the counters once more, from the ledger."""

import click

from postroom.cli.operate import operate, show_json
from postroom.cli.options import AS_JSON, of_workspace


@click.command("recount")
@of_workspace("Whose counters.")
@click.option("--hours", type=click.IntRange(1, 24 * 400), default=24 * 400, show_default=True, help="How far back.")
@click.option("--repair", is_flag=True, help="Write the counted numbers where they differ.")
@AS_JSON
def command(workspace: str, hours: int, repair: bool, as_json: bool) -> None:
    """Count all counters again from recipients and events, and name those that differ."""
    result = operate("recount", {"workspace": workspace, "hours": hours, "repair": repair})
    if as_json:
        show_json(result)
        return
    for one in result["differences"]:
        click.echo(
            f"{one['hour']}  {one['dimension']} {one['key']}: {one['counter']} is {one['counted']}, was {one['stored']}"
        )
    done = " and were corrected" if repair and result["differences"] else ""
    click.echo(f"{len(result['differences'])} of {result['rows']} counters differ{done}")
    if result["unsettled"]:
        click.echo(f"{result['unsettled']} changed while they were counted: count again later")
