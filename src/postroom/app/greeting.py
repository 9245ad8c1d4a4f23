"""What `postroom serve` prints once it listens: where to look and two lines to try."""

from collections.abc import Mapping
from typing import Any

import click

from postroom.app.names import reached_at
from postroom.config import Settings


def greet(made: Mapping[str, Any], settings: Settings, http_port: int, submission_port: int) -> None:
    """Print addresses; secrets and the lines that use them only when they were just made."""
    http = settings.http
    api = f"http://{reached_at(http.host if http else '127.0.0.1')}:{http_port}/api/v1"
    if http is not None:
        click.echo(f"\nPostroom is ready. API: {api}")
        # Port 0 is known only now.
        dashboard = str(made["dashboard"]).replace(f":{http.port}", f":{http_port}", 1)
        if "/first/" in dashboard:
            click.echo(f"Dashboard: {dashboard}\n  This link makes the first operator; it opens once, within 24 hours.")
        else:
            click.echo(f"Dashboard: {dashboard}")
    transport = settings.transport.partition("://")[0]
    if transport == "sandbox":
        click.echo("Transport: sandbox (nothing leaves this machine; GET /api/v1/recipients/rcp_…/copy shows a copy)")
    else:
        click.echo(f"Transport: {transport}")
    key, smtp = made["api_key"], made["smtp"]
    if not key or not smtp["password"]:
        click.echo(
            "Keys were made before; `./postroom key create` and `./postroom smtp-login create NAME` make new ones.\n"
        )
        return
    click.echo(f"API key:    {key}\nSMTP login: {smtp['username']} / {smtp['password']}\n\nTry it by HTTP:\n")
    click.echo(
        f"""  curl {api}/messages \\
    -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\
    -d '{{"from": "you@example.com", "to": ["ada@example.net"], "subject": "Hello",
         "html": "<p>Look at <a href=\\"https://example.org/\\">this</a>.</p>"}}'"""
    )
    host = reached_at(settings.submission.host if settings.submission else "127.0.0.1")
    click.echo("\nor by SMTP:\n")
    click.echo(
        f"""  swaks --server {host}:{submission_port} --auth PLAIN \\
    --auth-user {smtp["username"]} --auth-password {smtp["password"]} \\
    --from you@example.com --to ada@example.net --header 'Subject: Hello'\n"""
    )
