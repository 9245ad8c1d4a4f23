"""The tables of settings, events, reasons, endpoints and commands, made from the code itself.

They stand in docs/*.md between two marks. `python -m tools.pages` renews them,
and tests/journeys/test_docs.py fails when one is not what the code says.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import cast

import click
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from postroom.cli.main import postroom as root_command
from postroom.config import Settings
from postroom.doors.http.api import create_api
from postroom.doors.http.services import Services
from postroom.doors.superimap import api as superimap
from postroom.ledger.event_kinds import EventKind
from postroom.mail.reasons import Reason


def settings_table() -> str:
    """Every field of Settings with its default and sentence."""
    rows = [("setting", "default", "what it says")]
    for setting in fields(Settings):
        default = setting.metadata["default"]
        shown = f"`{default}`" if default else "(empty)"
        rows.append((f"`POSTROOM_{setting.name.upper()}`", shown, setting.metadata["sentence"]))
    return _table(rows)


def events_table() -> str:
    """Every EventKind with its meaning."""
    return _table([("event", "what happened"), *((f"`{kind}`", kind.meaning) for kind in EventKind)])


def reasons_table() -> str:
    """Every Reason with its meaning, whether it is hard, and its names elsewhere."""
    rows: list[tuple[str, ...]] = [("reason", "meaning", "address is dead", "status", "sisimai")]
    for reason in Reason:
        rows.append(
            (f"`{reason}`", reason.meaning, "**hard**" if reason.is_hard else "soft", reason.status, reason.sisimai)
        )
    return _table(rows)


def endpoints_table() -> str:
    """Every endpoint of the HTTP API with its summary."""
    rows = [("endpoint", "effect")]
    own = [(path, method, handler.fn) for path, method, handler in _endpoints()]
    for path, method, function in sorted([*own, *_superimap_endpoints()], key=lambda endpoint: endpoint[:2]):
        rows.append((f"`{method} {path}`", _effect(function)))
    return _table(rows)


def superimap_table() -> str:
    """Every endpoint of SuperIMAP's API with its summary, in the order in which one meets them."""
    rows = [("endpoint", "effect")]
    rows += [(f"`{method} {path}`", _effect(function)) for path, method, function in _superimap_endpoints()]
    return _table(rows)


def commands_table() -> str:
    """Every command with its first sentence and its options."""
    rows = [("command", "effect", "options")]
    for words, command in _commands(root_command, ("postroom",)):
        arguments = [_argument(given) for given in command.params if isinstance(given, click.Argument)]
        options = [f"`{max(given.opts, key=len)}`" for given in command.params if isinstance(given, click.Option)]
        rows.append((f"`{' '.join((*words, *arguments))}`", command.get_short_help_str(200), " ".join(options)))
    return _table(rows)


TABLES: dict[str, tuple[str, Callable[[], str]]] = {
    "settings": ("docs/settings.md", settings_table),
    "events": ("docs/events.md", events_table),
    "reasons": ("docs/reasons.md", reasons_table),
    "endpoints": ("docs/api.md", endpoints_table),
    "superimap": ("docs/mailboxes.md", superimap_table),
    "commands": ("docs/commands.md", commands_table),
}
"""Name of a table to its page and its maker."""


def with_table(page: str, name: str, table: str) -> str:
    """Return the page with the table between its marks. Raises ValueError where the marks are missing."""
    begin, end = f"<!-- {name}: from the code, `make docs` renews it -->\n", f"<!-- end of {name} -->"
    before, found, rest = page.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found or not found_end:
        raise ValueError(f"the page has no place for the table: {begin.strip()} … {end}")
    return f"{before}{begin}{table}{end}{after}"


def _endpoints() -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    # Routes know their paths without the services that answer on them.
    for route in create_api(cast(Services, None)).routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                for method in sorted(map(str, handler.http_methods - {"HEAD", "OPTIONS"})):
                    yield route.path_format, method, handler


def _superimap_endpoints() -> Iterator[tuple[str, str, Callable[..., object]]]:
    for endpoint in superimap.ENDPOINTS:
        yield (
            re.sub(r":([A-Z]+)", lambda name: f"{{{name[1].lower()}}}", endpoint.path),
            endpoint.method,
            endpoint.handler,
        )


def _effect(function: Callable[..., object]) -> str:
    return (inspect.getdoc(function) or "").partition("\n\n")[0].replace("\n", " ")


def _commands(group: click.Command, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(group, click.Group):
        yield words, group
        return
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None:
            yield from _commands(command, (*words, name))


def _argument(argument: click.Argument) -> str:
    name = (argument.name or "").upper().replace("_", "-")
    return f"[{name}…]" if argument.nargs == -1 else name


def _table(rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "".join(line + "\n" for line in lines)


ROOT = Path(__file__).resolve().parents[1]
"""The project's root."""
