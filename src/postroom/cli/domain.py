"""`postroom domain`: the domains that workspaces send from."""

from collections.abc import Sequence
from typing import Any

import click

from postroom.cli.operate import operate, show_json
from postroom.cli.options import AS_JSON, of_workspace


@click.group("domain")
def command() -> None:
    """Make, check, list and delete sending domains."""


@command.command("create")
@click.argument("name")
@of_workspace("Whose domain it is.")
@click.option("--vouched", is_flag=True, help="Vouch for the domain: no DNS proof is asked for.")
@AS_JSON
def create(name: str, workspace: str, vouched: bool, as_json: bool) -> None:
    """Make the domain NAME with its keys, and print the DNS records to publish."""
    result = operate("domain.create", {"workspace": workspace, "name": name, "vouched": vouched})
    if as_json:
        show_json(result)
        return
    click.echo(f"{result['name']} is {'vouched for' if result['vouched'] else 'made'}. Publish these records:\n")
    _show_records(result["records"])
    click.echo(f"\nThen: postroom domain check {result['name']}")


@command.command("unvouch")
@click.argument("name")
@of_workspace("Whose domain it is.")
def unvouch(name: str, workspace: str) -> None:
    """Vouch for the domain NAME no longer: its mail may leave once its proof is seen."""
    result = operate("domain.unvouch", {"workspace": workspace, "name": name})
    may_send = "Its proof was seen, so its mail may leave." if result["may_send"] else "Its mail may not leave."
    click.echo(f"{name} is not vouched for. {may_send}")


@command.command("check")
@click.argument("name")
@of_workspace("Whose domain it is.")
@AS_JSON
def check(name: str, workspace: str, as_json: bool) -> None:
    """Look whether the records of NAME are published."""
    result = operate("domain.check", {"workspace": workspace, "name": name})
    if as_json:
        show_json(result)
        return
    for record in result["records"]:
        mark = "seen   " if record["seen"] else "missing"
        click.echo(f"{mark}  {record['purpose']:<16} {record['name']}  {record['problem']}")
    missing = [record for record in result["records"] if not record["seen"]]
    if missing:
        click.echo("\nTo be published:\n")
        _show_records(missing)
        click.echo()
    click.echo("mail from this domain may leave" if result["may_send"] else "mail from this domain may not leave yet")


@command.command("list")
@of_workspace("Whose domains.")
@AS_JSON
def list_(workspace: str, as_json: bool) -> None:
    """List the domains of a workspace."""
    result = operate("domain.list", {"workspace": workspace})
    if as_json:
        show_json(result)
        return
    for one in result:
        click.echo(f"{one['name']}  {'may send' if one['may_send'] else 'not proved'}")


@command.command("delete")
@click.argument("name")
@of_workspace("Whose domain it is.")
def delete(name: str, workspace: str) -> None:
    """Delete the domain NAME with its keys."""
    operate("domain.delete", {"workspace": workspace, "name": name})
    click.echo(f"{name} is deleted")


def _show_records(records: Sequence[dict[str, Any]]) -> None:
    for record in records:
        click.echo(f"{record['name']}.  {record['type']}  {record['value']}")
