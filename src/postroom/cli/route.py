"""`postroom route`: which mail that comes in goes where."""

from typing import Any

import click

from postroom.cli.operate import operate, show_json
from postroom.cli.options import AS_JSON, of_workspace

_WORKSPACE = of_workspace("Whose routes.")


@click.group("route")
def command() -> None:
    """Make, list, test and delete routes of mail that comes in."""


@command.command("create")
@click.argument("recipient")
@click.option("--webhook", default="", help="URL that is told the mail, signed.")
@click.option("--forward", default="", help="Address that it is sent on to.")
@click.option("--store", is_flag=True, help="Only keep it.")
@click.option("--refuse", is_flag=True, help="Refuse it.")
@click.option("--sender", default="*", show_default=True, help="Only mail of this author; a pattern too.")
@click.option("--kind", "kinds", multiple=True, help="Only mail of this kind, such as reply; may be repeated.")
@click.option("--description", default="", help="What it is for.")
@_WORKSPACE
@AS_JSON
def create(
    recipient: str,
    webhook: str,
    forward: str,
    store: bool,
    refuse: bool,
    sender: str,
    kinds: tuple[str, ...],
    description: str,
    workspace: str,
    as_json: bool,
) -> None:
    """Make a route for RECIPIENT: an address, prefix-*@example.com, *@example.com or *."""
    ways = {"webhook": webhook, "forward": forward, "store": store, "refuse": refuse}
    chosen = [action for action, way in ways.items() if way]
    if len(chosen) != 1:
        raise click.UsageError("say one of --webhook, --forward, --store and --refuse")
    result = operate(
        "route.create",
        {
            "workspace": workspace,
            "recipient": recipient,
            "action": chosen[0],
            "target": webhook or forward,
            "sender": sender,
            "kinds": list(kinds),
            "description": description,
        },
    )
    if as_json:
        show_json(result)
        return
    click.echo(_line(result))
    if result["secret"]:
        click.echo(f"Requests are signed with {result['secret']}, which is not shown again.")


@command.command("list")
@_WORKSPACE
@AS_JSON
def list_(workspace: str, as_json: bool) -> None:
    """List the routes of a workspace in the order in which they are asked."""
    result = operate("route.list", {"workspace": workspace})
    if as_json:
        show_json(result)
        return
    for one in result:
        click.echo(_line(one))


@command.command("test")
@click.argument("recipient")
@click.option("--sender", default="", help="The author's address.")
@click.option("--kind", default="", help="What the mail is, such as reply.")
@_WORKSPACE
@AS_JSON
def test(recipient: str, sender: str, kind: str, workspace: str, as_json: bool) -> None:
    """Say which route takes mail to RECIPIENT, and why the others do not."""
    arguments = {"workspace": workspace, "recipient": recipient, "sender": sender, "kind": kind}
    result = operate("route.test", arguments)
    if as_json:
        show_json(result)
        return
    if result["why"]:
        click.echo(result["why"])
        return
    taker = result["route"]
    click.echo(f"It is taken by {_line(taker)}" if taker else "No route takes it.")
    for one in result["routes"]:
        if one["why"]:
            click.echo(f"not by {_line(one)}: {one['why']}")


@command.command("delete")
@click.argument("id")
@_WORKSPACE
def delete(id: str, workspace: str) -> None:
    """Delete the route ID with what it was still to hand on."""
    operate("route.delete", {"workspace": workspace, "id": id})
    click.echo(f"{id} is deleted")


def _line(route: dict[str, Any]) -> str:
    words = [route["id"], route["recipient"], route["action"], route["target"]]
    if route["sender"] != "*":
        words.append(f"from {route['sender']}")
    if route["kinds"]:
        words.append(f"of kind {', '.join(route['kinds'])}")
    if not route["enabled"]:
        words.append("(off)")
    return "  ".join(word for word in words if word)
