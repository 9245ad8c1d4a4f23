"""`postroom check`: is this installation as it should be?"""

import asyncio
import sys

import click

from postroom.app.check.run import check_installation
from postroom.base.log import set_up_log
from postroom.cli.operate import show_json
from postroom.cli.options import AS_JSON
from postroom.config import read_settings

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}
_WELL_KNOWN = "gmail.com"
"""A domain whose mail hosts take connections from everywhere."""


@click.command("check")
@AS_JSON
@click.option(
    "--outside",
    is_flag=False,
    flag_value=_WELL_KNOWN,
    default="",
    metavar="[DOMAIN]",
    help=f"Dial port 25 of a mail host of DOMAIN ({_WELL_KNOWN} where none is given).",
)
def command(as_json: bool, outside: str) -> None:
    """Look at settings, disk, key, database, clock, TLS, ports, DNS, domains and queue, and say what to do.

    Works with and without a running server. Exit code 1 where something fails.
    """
    # Its lines go to standard error, so that what is printed stays JSON.
    set_up_log("error")
    findings = asyncio.run(check_installation(read_settings(), outside))
    if as_json:
        show_json(findings)
    else:
        for one in findings:
            mark = click.style(f"{one['verdict']:<4}", fg=_COLOURS[one["verdict"]])
            click.echo(f"{mark}  {one['area']:<8}  {one['found']}")
            if one["remedy"]:
                click.echo(f"{'':<16}→ {one['remedy']}")
        counts = [sum(one["verdict"] == verdict for one in findings) for verdict in ("ok", "warn", "fail")]
        click.echo(f"\n{counts[0]} ok, {counts[1]} to look at, {counts[2]} failed")
    if any(one["verdict"] == "fail" for one in findings):
        sys.exit(1)
