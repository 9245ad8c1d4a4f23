"""`postroom backup`: the database of a running installation, written to a folder."""

from pathlib import Path

import click

from postroom.app.backup import back_up
from postroom.cli.operate import show_json
from postroom.cli.options import AS_JSON
from postroom.cli.progress import Progress
from postroom.config import read_settings


@click.command("backup")
@click.argument("target", type=click.Path(path_type=Path), default=Path("."))
@click.option(
    "--with-key", is_flag=True, help="Put the master key in too: who has the backup can then read all secrets."
)
@AS_JSON
def command(target: Path, with_key: bool, as_json: bool) -> None:
    """Write a backup while mail flows: TARGET is a new name, or a folder in which it gets the name of its time."""
    with Progress() as progress:
        made = back_up(read_settings(), target, with_key=with_key, told=progress.told)
    if as_json:
        show_json(made)
        return
    counts = made["counts"]
    click.echo(f"{made['path']}\n  {made['size_bytes']:,} bytes, made {made['made_at']}, schema {made['schema']}")
    click.echo(f"  {counts['message']:,} messages, {counts['recipient']:,} recipients, {counts['event']:,} events")
    if made["arrived"]:
        click.echo(
            f"  without {made['arrived']:,} mails that arrived while no server ran and wait in the folder `arrived`:\n"
            "  start the server first, or copy that folder too"
        )
    if not made["has_key"]:
        click.echo(
            "  without the master key: keep secret.key (or POSTROOM_SECRET) at another place,\n"
            "  a backup without it cannot open DKIM keys and passwords"
        )
