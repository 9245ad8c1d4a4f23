"""`postroom receive` as click explains it; `cli.pipe` does it, and is started without click."""

import sys

import click

from postroom.cli.pipe import Options, receive


@click.command("receive")
@click.option("--from", "reverse_path", default=None, help="The reverse-path; SENDER where absent.")
@click.option(
    "--to", "recipients", multiple=True, help="The envelope recipient; ORIGINAL_RECIPIENT or RECIPIENT where absent."
)
@click.option("--qmail", is_flag=True, help="End with qmail's codes: 0, 111 later, 100 refused.")
@click.option(
    "--stop",
    is_flag=True,
    help="With --qmail: 99 in place of 0, so that the further lines of the file are passed over.",
)
def command(reverse_path: str | None, recipients: tuple[str, ...], qmail: bool, stop: bool) -> None:
    """Take in one mail from standard input, as Postfix and qmail hand it to a command.

    The envelope comes from the options or the environment, never from the header. Ends with 0 once the mail
    is stored, 75 where the MTA should try again later, 67 for an address that is none, 77 where it is refused.
    """
    sys.exit(receive(Options(reverse_path, recipients, qmail, stop), sys.stdin.buffer))
