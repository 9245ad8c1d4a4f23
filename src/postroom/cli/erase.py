"""`postroom erase`: a person's address leaves the database."""

import sys

import click

from postroom.cli.operate import operate, show_json
from postroom.cli.options import AS_JSON

_WORDS = (
    ("recipients", "recipients without their address"),
    ("cancelled", "of them still waited and were cancelled"),
    ("contents", "contents deleted"),
    ("copies", "copies of the sandbox deleted"),
    ("hits", "hits deleted"),
    ("events", "events without their words"),
    ("suppressions", "suppressions hold on by a keyed hash"),
    ("texts", "other texts cut"),
    ("accounts", "watched accounts deleted"),
)


@click.command("erase")
@click.argument("address")
@click.option("--workspace", default="", help="Only in this workspace; without it in all.")
@click.option("--as-author", is_flag=True, help="Erase the mail that the address is the author of, too.")
@click.option("--compact", is_flag=True, help="Write a large SQLite file anew where unused parts hold the address.")
@AS_JSON
def command(address: str, workspace: str, as_author: bool, compact: bool, as_json: bool) -> None:
    """Erase ADDRESS: mail to it that waits is cancelled, contents, hits and copies go, counters stay.

    Exit code 2 says that something still names it, and what to do.
    """
    given = {"address": address, "workspace": workspace, "as_author": as_author, "compact": compact}
    result = operate("erase", given)
    if as_json:
        show_json(result)
    else:
        for name, words in _WORDS:
            click.echo(f"{result[name]:>8,} {words}")
        for one in result["left"]:
            click.echo(f"LEFT: {one}")
    if result["left"]:
        sys.exit(2)
