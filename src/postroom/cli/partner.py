"""`postroom partner`: what a workspace sets for the mailboxes that it has watched."""

from typing import Any

import click

from postroom.cli.operate import operate, show_json
from postroom.cli.options import AS_JSON, of_workspace

_WORKSPACE = of_workspace("Whose settings.")


@click.group("partner")
def command() -> None:
    """Show and set webhooks of watched mailboxes, and where people come back to."""


@command.command("show")
@_WORKSPACE
@AS_JSON
def show(workspace: str, as_json: bool) -> None:
    """Show what a workspace set."""
    _print(operate("partner.show", {"workspace": workspace}), as_json=as_json)


@command.command("set")
@click.option("--new-mail-webhook", default=None, help="URL that is told each new mail; an empty text: none.")
@click.option("--user-connected-webhook", default=None, help="URL that is told when a mailbox is connected.")
@click.option("--user-disconnected-webhook", default=None, help="URL that is told when one is disconnected.")
@click.option("--user-auth-failed-webhook", default=None, help="URL that is told when a login is refused.")
@click.option("--mailbox-reset-webhook", default=None, help="URL that is told when a mailbox has new UIDs.")
@click.option("--success-url", default=None, help="Where people come back to.")
@click.option("--failure-url", default=None, help="Where people come back to when it failed.")
@click.option("--redirect", "redirects", multiple=True, help="Origin that links may send people back to; repeat it.")
@click.option("--retries", type=int, default=None, help="Most tries of a webhook; 0: for three days.")
@_WORKSPACE
@AS_JSON
def set_(workspace: str, as_json: bool, redirects: tuple[str, ...], **said: Any) -> None:
    """Set what is named; the rest stays."""
    named = {name: value for name, value in said.items() if value is not None}
    if redirects:
        named["redirects"] = [one for one in redirects if one]
    if not named:
        raise click.UsageError("name something to set, such as --new-mail-webhook")
    _print(operate("partner.set", {"workspace": workspace, "set": named}), as_json=as_json)


def _print(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(result)
        return
    secrets = result.pop("secrets", {})
    for name, value in result.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        click.echo(f"{name:<26} {'-' if shown in (None, '') else shown}")
    for name, secret in secrets.items():
        click.echo(f"{name} is also signed with {secret}, which is not shown again.")
