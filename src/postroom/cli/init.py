"""`postroom init`: makes what a new installation needs."""

import click

from postroom.cli.operate import operate, show_json
from postroom.cli.options import AS_JSON


@click.command("init")
@AS_JSON
def command(as_json: bool) -> None:
    """Make the workspace `default`, an API key and an SMTP login where they are missing.

    Secrets are printed only when they were just made.
    """
    result = operate("init", {})
    if as_json:
        show_json(result)
        return
    smtp = result["smtp"]
    click.echo(f"workspace  {result['workspace']}")
    click.echo(f"dashboard  {result['dashboard']}")
    click.echo(f"API key    {result['api_key'] or '(made before; `postroom key create` makes another)'}")
    click.echo(
        f"SMTP       {smtp['host']}:{smtp['port']}"
        f"  user {smtp['username']}  password {smtp['password'] or '(made before)'}"
    )
