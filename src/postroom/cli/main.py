"""The `postroom` command: finds the module of a subcommand and lets it run.

Importing all of Postroom takes a second, asking for help must not: so a
command's module is imported only when that command is called or explained.
"""

import sys
from importlib import import_module

import click

from postroom import __version__
from postroom.base.errors import PostroomError

COMMANDS = {
    "serve": ("postroom.cli.serve", "Run the server."),
    "init": ("postroom.cli.init", "Make what is missing: workspace, API key, SMTP login."),
    "send": ("postroom.cli.send", "Send one mail."),
    "receive": ("postroom.cli.receive", "Take in one mail from standard input, from an MTA."),
    "check": ("postroom.cli.check", "Is this installation as it should be?"),
    "queue": ("postroom.cli.queue", "Look into the queue; hold, release, cancel, retry."),
    "domain": ("postroom.cli.domain", "Make, check and list sending domains."),
    "route": ("postroom.cli.route", "Make, list and test routes of mail that comes in."),
    "partner": ("postroom.cli.partner", "Show and set webhooks of watched mailboxes."),
    "account": ("postroom.cli.account", "List watched mailboxes; sweep, archive and restore them."),
    "workspace": ("postroom.cli.workspace", "Make and list workspaces."),
    "key": ("postroom.cli.key", "Make and list API keys; change the master key."),
    "smtp-login": ("postroom.cli.smtp_login", "Make and list SMTP logins."),
    "operator": ("postroom.cli.operator", "Make, list and unlock those who log in to the dashboard."),
    "backup": ("postroom.cli.backup", "Write a backup while mail flows."),
    "restore": ("postroom.cli.restore", "Bring a backup back; nothing is sent by itself."),
    "erase": ("postroom.cli.erase", "Erase a person's address and what names it."),
    "recount": ("postroom.cli.recount", "Count the counters again from the ledger."),
    "relabel": ("postroom.cli.relabel", "Label opens and clicks again by today's rules."),
    "explain": ("postroom.cli.explain", "Say what a mail that came back is, and why."),
    "stress": ("postroom.cli.stress", "Watch mailboxes of a misbehaving server, and judge what was told."),
    "demo": ("postroom.cli.demo", "Fill a workspace with made-up mail, to see the pages full."),
}
"""Name to module (which holds `command`) and the line of `postroom --help`."""


class CommandsOnDemand(click.Group):
    """A group whose commands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command = import_module(COMMANDS[name][0]).command
        assert isinstance(command, click.Command)  # noqa: S101 - tells the type checker
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=CommandsOnDemand, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="postroom")
def postroom() -> None:
    """Postroom: the email backend that applications run for themselves.

    Settings come from POSTROOM_* variables and postroom.toml in the data folder.
    """


def main() -> None:
    """Run the command line; an expected error is one line on standard error and exit code 1."""
    try:
        postroom(prog_name="postroom", standalone_mode=True)
    except PostroomError as error:
        # What others said, such as PostgreSQL, may have line ends.
        click.echo(f"postroom: {' '.join(str(error).split())}", err=True)
        sys.exit(1)
