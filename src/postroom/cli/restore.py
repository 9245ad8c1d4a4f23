"""`postroom restore`: a backup comes back, and sends nothing by itself."""

from pathlib import Path

import click

from postroom.app.restore import restore
from postroom.cli.operate import show_json
from postroom.cli.options import AS_JSON
from postroom.cli.progress import Progress
from postroom.config import read_settings


@click.command("restore")
@click.argument("source", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--replace", is_flag=True, help="Move what there is aside instead of refusing.")
@AS_JSON
def command(source: Path, replace: bool, as_json: bool) -> None:
    """Make the backup SOURCE this installation's database; what waited in it is held until it is released."""
    with Progress() as progress:
        done = restore(read_settings(), source.absolute(), replace=replace, told=progress.told)
    if as_json:
        show_json(done)
        return
    click.echo(f"the backup of {done['made_at']} is restored")
    if done["moved_aside"]:
        click.echo(f"what was there is in {done['moved_aside']}")
    if not done["has_key"]:
        click.echo("put secret.key of the installation into the data folder before the start (or set POSTROOM_SECRET)")
    click.echo(
        f"{done['held']} recipients that waited are held, {done['in_doubt']} that were being sent are in doubt;\n"
        f"{done['paused_endpoints']} webhook endpoints are paused. Nothing of it goes by itself:\n\n"
        "  postroom queue list --restored\n"
        "  postroom queue release --restored [--stream transactional] [--older-than 2h]\n"
        "  postroom queue cancel --restored"
    )
