"""`postroom workspace`: tenants."""

import click

from postroom.cli.operate import operate, show_json
from postroom.cli.options import AS_JSON


@click.group("workspace")
def command() -> None:
    """Make and list workspaces."""


@command.command("create")
@click.argument("name")
@click.option("--transport", default="", help="A way out of its own, as POSTROOM_TRANSPORT writes it.")
@AS_JSON
def create(name: str, transport: str, as_json: bool) -> None:
    """Make the workspace NAME."""
    result = operate("workspace.create", {"name": name, "transport": transport})
    if as_json:
        show_json(result)
    else:
        click.echo(f"workspace {result['name']} is {result['id']}")


@command.command("list")
@AS_JSON
def list_(as_json: bool) -> None:
    """List all workspaces."""
    result = operate("workspace.list", {})
    if as_json:
        show_json(result)
        return
    for one in result:
        click.echo(f"{one['id']}  {one['name']}  {one['transport'] or '(transport of the installation)'}")


@command.command("keep")
@click.argument("name")
@click.option("--bodies", default="", help="Contents, after the last recipient settled (30d).")
@click.option("--hits", default="", help="Hits with network address and agent (30d).")
@click.option("--ledger", default="", help="Messages, recipients and events, after the last event (400d).")
@click.option("--sandbox", default="", help="Copies that the sandbox kept (30d).")
@AS_JSON
def keep(name: str, bodies: str, hits: str, ledger: str, sandbox: str, as_json: bool) -> None:
    """Set how long the workspace NAME keeps what, as 30d or 36h; without options show it."""
    given = {"workspace": name, "bodies": bodies, "hits": hits, "ledger": ledger, "sandbox": sandbox}
    result = operate("workspace.keep", given)
    if as_json:
        show_json(result)
        return
    for what in ("bodies", "hits", "ledger", "sandbox"):
        click.echo(f"{what:<8} {result[what]}")
