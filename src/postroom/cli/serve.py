"""`postroom serve`: runs the server."""

import os

import click

from postroom.app.serve import run_server
from postroom.config import read_settings, read_supervision


@click.command("serve")
def command() -> None:
    """Run the server until SIGTERM or Ctrl-C; a second one hurries the stop."""
    run_server(read_settings(), read_supervision(os.getpid()))
