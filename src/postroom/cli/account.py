"""`postroom account`: the mailboxes that are watched."""

from typing import Any

import click

from postroom.cli.operate import operate, show_json
from postroom.cli.options import AS_JSON, of_workspace

_WORKSPACE = of_workspace("Whose accounts.")


@click.group("account")
def command() -> None:
    """List watched mailboxes, look at one, sweep, archive and restore it."""


@command.command("list")
@click.option("--state", default="", help="Only those in this state, such as refused.")
@click.option("--provider", default="", help="Only those of this provider, such as GMAIL_OAUTH2.")
@click.option("--text", default="", help="Only those with this in address or tag.")
@_WORKSPACE
@AS_JSON
def list_(state: str, provider: str, text: str, workspace: str, as_json: bool) -> None:
    """List up to 1,000 accounts, those made last first."""
    arguments = {"workspace": workspace, "state": state, "provider": provider, "text": text}
    result = operate("account.list", arguments)
    if as_json:
        show_json(result)
        return
    for one in result:
        words = [one["id"], one["provider"], one["tag"], one["email"], one["state"], one["why"]]
        click.echo("  ".join(word for word in words if word))


@command.command("show")
@click.argument("id")
@_WORKSPACE
def show(id: str, workspace: str) -> None:
    """Show the account ID (acc_…) as JSON: how it is watched, and what became of its mail."""
    show_json(operate("account.show", {"workspace": workspace, "id": id}))


@command.command("sweep")
@click.argument("id")
@_WORKSPACE
def sweep(id: str, workspace: str) -> None:
    """Tell of the mail that was in the account ID before it was watched."""
    result: dict[str, Any] = operate("account.sweep", {"workspace": workspace, "id": id})
    for one in result["mailboxes"]:
        click.echo(f"{one['mailbox_name']}: what lies below UID {one['before_uid']} is told")
    if not result["mailboxes"]:
        click.echo("everything was watched from the first mail on")


@command.command("archive")
@click.argument("id")
@_WORKSPACE
def archive(id: str, workspace: str) -> None:
    """Watch the account ID no more; it keeps everything."""
    operate("account.archive", {"workspace": workspace, "id": id})
    click.echo(f"{id} is archived")


@command.command("restore")
@click.argument("id")
@_WORKSPACE
def restore(id: str, workspace: str) -> None:
    """Watch the archived account ID again, from where it was."""
    operate("account.restore", {"workspace": workspace, "id": id})
    click.echo(f"{id} is watched again")
