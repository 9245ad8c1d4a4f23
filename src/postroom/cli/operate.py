"""Performing an operation: in the running server by its local socket, else here."""

import asyncio
import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from postroom.app.control import call_control, control_path
from postroom.config import read_settings


def operate(operation: str, arguments: Mapping[str, Any]) -> Any:
    """Return the result of an operation. Raises PostroomError for what the operator can correct."""
    settings = read_settings()

    async def run() -> Any:
        try:
            return await call_control(control_path(settings.data), operation, arguments)
        except (FileNotFoundError, ConnectionRefusedError):
            # Only here is the rest of the program needed; importing it takes a second.
            alone = import_module("postroom.app.operations")
            return await alone.perform_alone(settings, operation, arguments)

    return asyncio.run(run())


def show_json(value: Any) -> None:
    """Print a result as one JSON document."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
