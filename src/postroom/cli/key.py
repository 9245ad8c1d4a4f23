"""`postroom key`: API keys."""

import click

from postroom.cli.operate import operate, show_json


@click.group("key")
def command() -> None:
    """Make, list and delete API keys."""


@command.command("create")
@click.option("--workspace", default="default", show_default=True, help="Whose key it is.")
@click.option("--name", default="api", show_default=True, help="For people, to tell keys apart.")
@click.option("--superimap", is_flag=True, help="A SuperIMAP key: opens its API, and signs its webhooks from now on.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def create(workspace: str, name: str, superimap: bool, as_json: bool) -> None:
    """Make an API key; it is shown this once."""
    if superimap:
        result = operate("partner-key.create", {"workspace": workspace})
    else:
        result = operate("key.create", {"workspace": workspace, "name": name})
    if as_json:
        show_json(result)
    else:
        click.echo(result["api_key"])


@command.command("list")
@click.option("--workspace", default="default", show_default=True, help="Whose keys.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(workspace: str, as_json: bool) -> None:
    """List the keys of a workspace by their first letters."""
    result = operate("key.list", {"workspace": workspace})
    partner_keys = operate("partner-key.list", {"workspace": workspace})
    if as_json:
        show_json([*result, *partner_keys])
        return
    for one in result:
        click.echo(f"{one['id']}  {one['hint']}…  {one['name']}  made {one['created']}")
    for one in partner_keys:
        signs = ", signs webhooks" if one["signs"] else ""
        click.echo(f"{one['id']}  {one['hint']}…  superimap{signs}  made {one['created']}")


@command.command("delete")
@click.argument("key_id")
@click.option("--workspace", default="default", show_default=True, help="Whose key it is.")
def delete(key_id: str, workspace: str) -> None:
    """Delete a key by its id (key_… or pky_…); it stops working within 15 seconds."""
    operation = "partner-key.delete" if key_id.startswith("pky_") else "key.delete"
    operate(operation, {"workspace": workspace, "id": key_id})
    click.echo(f"{key_id} is deleted")
