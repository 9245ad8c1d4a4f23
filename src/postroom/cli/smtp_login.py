"""`postroom smtp-login`: logins of the submission door."""

import click

from postroom.cli.operate import operate, show_json


@click.group("smtp-login")
def command() -> None:
    """Make, list and delete SMTP logins."""


@command.command("create")
@click.argument("username")
@click.option("--workspace", default="default", show_default=True, help="Whose login it is.")
@click.option("--stream", type=click.Choice(["transactional", "bulk"]), help="Fix the stream of all its mail.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def create(username: str, workspace: str, stream: str | None, as_json: bool) -> None:
    """Make the login USERNAME; its password is shown this once."""
    result = operate("smtp-login.create", {"workspace": workspace, "username": username, "stream": stream or ""})
    if as_json:
        show_json(result)
    else:
        click.echo(f"{result['username']}  {result['password']}")


@command.command("list")
@click.option("--workspace", default="default", show_default=True, help="Whose logins.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
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
@click.option("--workspace", default="default", show_default=True, help="Whose login it is.")
def delete(login_id: str, workspace: str) -> None:
    """Delete a login by its id (log_…); it stops working within 15 seconds."""
    operate("smtp-login.delete", {"workspace": workspace, "id": login_id})
    click.echo(f"{login_id} is deleted")
