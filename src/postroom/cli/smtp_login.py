"""`postroom smtp-login`: logins of the submission door."""

import click

from postroom.cli.operate import operate, show_json
from postroom.cli.options import AS_JSON, of_workspace


@click.group("smtp-login")
def command() -> None:
    """Make, list and delete SMTP logins."""


@command.command("create")
@click.argument("username")
@of_workspace("Whose login it is.")
@click.option("--stream", type=click.Choice(["transactional", "bulk"]), help="Fix the stream of all its mail.")
@AS_JSON
def create(username: str, workspace: str, stream: str | None, as_json: bool) -> None:
    """Make the login USERNAME; its password is shown this once."""
    result = operate("smtp-login.create", {"workspace": workspace, "username": username, "stream": stream or ""})
    if as_json:
        show_json(result)
    else:
        click.echo(f"{result['username']}  {result['password']}")


@command.command("list")
@of_workspace("Whose logins.")
@AS_JSON
def list_(workspace: str, as_json: bool) -> None:
    """List the logins of a workspace."""
    result = operate("smtp-login.list", {"workspace": workspace})
    if as_json:
        show_json(result)
        return
    for one in result:
        click.echo(f"{one['id']}  {one['username']}  {one['stream'] or '(any stream)'}  made {one['created']}")


@command.command("delete")
@click.argument("login_id")
@of_workspace("Whose login it is.")
def delete(login_id: str, workspace: str) -> None:
    """Delete a login by its id (log_…); it stops working within 15 seconds."""
    operate("smtp-login.delete", {"workspace": workspace, "id": login_id})
    click.echo(f"{login_id} is deleted")
