"""Options that many commands take."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
"""The parameter is `as_json`."""


def of_workspace(meaning: str | None = None) -> Callable[[_Command], _Command]:
    """Take `--workspace`; the first workspace where it is not said."""
    return click.option("--workspace", default="default", show_default=True, help=meaning)
