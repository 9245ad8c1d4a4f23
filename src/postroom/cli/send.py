"""`postroom send`: one mail, to try things out."""

from typing import BinaryIO

import click

from postroom.cli.operate import operate, show_json
from postroom.cli.options import AS_JSON, of_workspace


@click.command("send")
@click.option("--from", "author", required=True, help="The author's address.")
@click.option("--to", "recipients", required=True, multiple=True, help="A recipient; may be given again.")
@click.option("--subject", default="A mail from Postroom", show_default=True)
@click.option("--text", default="It works.", show_default=True)
@click.option("--html", default=None, help="An HTML part beside the text.")
@click.option("--raw", type=click.File("rb"), default=None, help="A whole mail from a file (- is standard input).")
@click.option("--stream", type=click.Choice(["transactional", "bulk"]), default="transactional", show_default=True)
@of_workspace("Who sends.")
@AS_JSON
def command(
    author: str,
    recipients: tuple[str, ...],
    subject: str,
    text: str,
    html: str | None,
    raw: BinaryIO | None,
    stream: str,
    workspace: str,
    as_json: bool,
) -> None:
    """Send one mail through the queue."""
    result = operate(
        "send",
        {
            "workspace": workspace,
            "from": author,
            "to": list(recipients),
            "subject": subject,
            "text": text,
            "html": html,
            "raw": raw.read().decode("latin-1") if raw is not None else None,
            "stream": stream,
        },
    )
    if as_json:
        show_json(result)
        return
    click.echo(f"accepted as {result['id']}")
    for one in result["recipients"]:
        click.echo(f"  {one['id']}  {one['address']}  {one['state']}")
