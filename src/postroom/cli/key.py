"""`postroom key`: API keys, and the master key."""

from typing import Any

import click

from postroom.cli.operate import operate, show_json
from postroom.cli.options import AS_JSON, of_workspace


@click.group("key")
def command() -> None:
    """Make, list and delete API keys; change the master key."""


@command.command("create")
@of_workspace("Whose key it is.")
@click.option("--name", default="api", show_default=True, help="For people, to tell keys apart.")
@click.option("--superimap", is_flag=True, help="A SuperIMAP key: opens its API, and signs its webhooks from now on.")
@AS_JSON
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
@of_workspace("Whose keys.")
@AS_JSON
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
@of_workspace("Whose key it is.")
def delete(key_id: str, workspace: str) -> None:
    """Delete a key by its id (key_… or pky_…); it stops working within 15 seconds."""
    operation = "partner-key.delete" if key_id.startswith("pky_") else "key.delete"
    operate(operation, {"workspace": workspace, "id": key_id})
    click.echo(f"{key_id} is deleted")


@command.command("rotate")
@click.option("--finish", is_flag=True, help="Take the older master keys out of the file, where nothing needs them.")
@click.option(
    "--tokens", is_flag=True, help="Make a key for links and addresses in new mail; older mail keeps its own."
)
@AS_JSON
def rotate(finish: bool, tokens: bool, as_json: bool) -> None:
    """Make a new master key and seal all secrets with it, while mail flows; stopped half-way, run it again."""
    if tokens:
        _add_token_key(finish, as_json)
        return
    result = operate("key.finish" if finish else "key.rotate", {})
    if as_json:
        show_json(result)
    elif finish and result["file"] is None:
        click.echo("nothing needs an older key: take all but the first out of POSTROOM_SECRET, on every node")
    elif finish:
        click.echo(f"{result['file']} holds the newest key alone; backups of before need the older one")
    else:
        _show_rotated(result)


def _add_token_key(finish: bool, as_json: bool) -> None:
    if finish:
        raise click.UsageError("--finish is for the master key: token keys stay, because mail that is out names them")
    result = operate("key.add_token_key", {})
    if as_json:
        show_json(result)
    else:
        click.echo(
            f"token key {result['id']} is made; every node knows it by {result['signs_from']}: new mail has it then"
        )


def _show_rotated(result: dict[str, Any]) -> None:
    if result["made"]:
        click.echo(f"a new master key is in {result['file']}, in front of the one before: back this file up now")
    click.echo(f"{result['resealed']} secrets were sealed anew")
    for row in result["unreadable"]:
        click.echo(f"cannot be opened with any key, and was left: {row}", err=True)
    click.echo("when every node runs with it, `postroom key rotate --finish` takes the older key out")
