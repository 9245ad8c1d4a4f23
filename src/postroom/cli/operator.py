"""`postroom operator`: the people who log in to the dashboard."""

import sys
from typing import Any

import click

from postroom.base.errors import WrongInput
from postroom.base.secrets import new_secret
from postroom.cli.operate import operate, show_json
from postroom.cli.options import AS_JSON

_STDIN = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@click.group("operator")
def command() -> None:
    """Make, list, unlock and delete operators of the dashboard, and set their passwords."""


@command.command("create")
@click.argument("name")
@_STDIN
@AS_JSON
def create(name: str, password_stdin: bool, as_json: bool) -> None:
    """Make the operator NAME (a name or e-mail address).

    The password is asked for; where nobody can be asked, one is made and shown this once.
    """
    password, made = _password(password_stdin, as_json)
    result = operate("operator.create", {"name": name, "password": password})
    _show(result, made, as_json, f"operator {result['name']} is {result['id']}")


@command.command("list")
@AS_JSON
def list_(as_json: bool) -> None:
    """List all operators."""
    result = operate("operator.list", {})
    if as_json:
        show_json(result)
        return
    for one in result:
        second = "password and code" if one["totp"] else "password"
        locked = f"  locked until {one['locked_until']}" if one["locked_until"] else ""
        click.echo(f"{one['id']}  {one['name']}  {second}  made {one['created']}{locked}")


@command.command("password")
@click.argument("name")
@_STDIN
@click.option("--without-code", is_flag=True, help="Also take away a lost authenticator.")
@AS_JSON
def password(name: str, password_stdin: bool, without_code: bool, as_json: bool) -> None:
    """Set a new password of the operator NAME; all sessions end, and a lock is taken away."""
    new, made = _password(password_stdin, as_json)
    result = operate("operator.password", {"name": name, "password": new, "without_code": without_code})
    _show(result, made, as_json, f"{result['name']} has a new password")


@command.command("unlock")
@click.argument("name")
@AS_JSON
def unlock(name: str, as_json: bool) -> None:
    """Let the operator NAME log in again after three wrong tries."""
    result = operate("operator.unlock", {"name": name})
    _show(result, "", as_json, f"{result['name']} may log in")


@command.command("delete")
@click.argument("name")
@AS_JSON
def delete(name: str, as_json: bool) -> None:
    """Delete the operator NAME; all sessions end. The last operator stays."""
    result = operate("operator.delete", {"name": name})
    _show(result, "", as_json, f"{name} is deleted")


def _password(from_stdin: bool, as_json: bool) -> tuple[str, str]:
    """Return the password, and the same where it was made here and has to be shown."""
    if from_stdin:
        # What `echo` adds is no part of it.
        read = sys.stdin.read().rstrip("\r\n")
        if not read:
            raise WrongInput("password", "standard input is empty; the password is expected there")
        return read, ""
    if as_json or not sys.stdin.isatty():
        made = new_secret()
        return made, made
    asked: str = click.prompt("Password", hide_input=True, confirmation_prompt="Again")
    return asked, ""


def _show(result: dict[str, Any], made: str, as_json: bool, words: str) -> None:
    if as_json:
        show_json({**result, "password": made} if made else result)
        return
    click.echo(words)
    if made:
        click.echo(f"password: {made}")
