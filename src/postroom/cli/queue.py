"""`postroom queue`: what waits, why, and until when."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from postroom.cli.operate import operate, show_json
from postroom.cli.options import AS_JSON, of_workspace

_F = TypeVar("_F", bound=Callable[..., Any])

_STATES = ["queued", "held", "deferred", "in_doubt", "failed"]


@click.group("queue")
def command() -> None:
    """Look into the queue; hold, release, cancel, retry."""


def _selection(function: _F) -> _F:
    for option in (
        click.argument("recipients", nargs=-1),
        click.option("--message", default="", help="All recipients of a message (msg_…)."),
        click.option("--domain", default="", help="All recipients at a domain."),
        click.option("--restored", is_flag=True, help="Those that came back from a backup and were not moved since."),
        click.option("--stream", type=click.Choice(["transactional", "bulk"]), help="Only mail of this stream."),
        click.option("--state", type=click.Choice(_STATES), help="Only recipients in this state."),
        click.option("--older-than", default="", help="Only mail accepted before that, such as 90m, 2h or 3d."),
        click.option("--all", "everything", is_flag=True, help="All recipients of the workspace."),
        of_workspace(),
        AS_JSON,
    ):
        function = option(function)
    return function


@command.command("list")
@of_workspace()
@click.option("--state", default="", help="Only recipients in this state.")
@click.option("--domain", default="", help="Only recipients at a domain.")
@click.option("--restored", is_flag=True, help="Only what came back from a backup and was not moved since.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@AS_JSON
def list_(workspace: str, state: str, domain: str, restored: bool, limit: int, as_json: bool) -> None:
    """List waiting recipients with the reason and the time of the next try in words."""
    asked = {"workspace": workspace, "state": state, "domain": domain, "restored": restored, "limit": limit}
    result = operate("queue.list", asked)
    if as_json:
        show_json(result)
        return
    for one in result["items"]:
        click.echo(f"{one['id']}  {one['state']:<9} {one['address']}\n    {one['why']}")
    if not result["items"]:
        click.echo("nothing waits")


def _mover(name: str, done: str, more: str = "") -> None:
    @command.command(name, help=f"{name.capitalize()} recipients: by id (rcp_…), message, domain, or all.{more}")
    @_selection
    def move(
        recipients: tuple[str, ...],
        message: str,
        domain: str,
        restored: bool,
        stream: str | None,
        state: str | None,
        older_than: str,
        everything: bool,
        workspace: str,
        as_json: bool,
    ) -> None:
        result = operate(
            f"queue.{name}",
            {
                "workspace": workspace,
                "recipients": list(recipients),
                "message": message,
                "domain": domain,
                "restored": restored,
                "stream": stream or "",
                "state": state or "",
                "older_than": older_than,
                "all": everything,
            },
        )
        if as_json:
            show_json(result)
        else:
            click.echo(f"{result['moved']} {done}")


_mover("hold", "held")
_mover("release", "released")
_mover("cancel", "cancelled")
_mover("retry", "will be tried at once", " Failed ones and those in doubt by id, message or --state only.")
