"""`postroom demo`: pages that can be seen full."""

import click

from postroom.app.demo.plan import PLAN
from postroom.cli.operate import operate, show_json
from postroom.cli.options import AS_JSON


@click.command("demo")
@AS_JSON
def command(as_json: bool) -> None:
    """Make the workspace `demo` and fill it with two weeks of made-up mail, to see every page full."""
    if not as_json:
        click.echo(f"{PLAN}\n")
    result = operate("demo", {})
    if as_json:
        show_json(result)
        return
    click.echo(
        f"{result['messages']} messages to {result['recipients']} recipients, {result['opens']} opens, "
        f"{result['clicks']} clicks; {result['accounts']} accounts. "
        f"Look at the workspace `{result['workspace']}` in the dashboard."
    )
