"""Performing an operation: in the running server by its local socket, else here."""

import asyncio
import json
import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from postroom.app.control import call_control, control_path
from postroom.base.log import set_up_log
from postroom.config import read_settings
from postroom.store.data_folder import FolderInUse

_STARTING_TRIES = 20
_STARTING_SECONDS = 0.25


def operate(operation: str, arguments: Mapping[str, Any]) -> Any:
    """Return the result of an operation. Raises PostroomError for what the operator can correct."""
    settings = read_settings()
    # To standard error: what a command prints may be JSON.
    set_up_log("warning")

    async def run() -> Any:
        try:
            return await call_control(control_path(settings.data), operation, arguments)
        except (FileNotFoundError, ConnectionRefusedError):
            # Only here is the rest of the program needed; importing it takes a second.
            alone = import_module("postroom.app.operations")
            return await alone.perform_alone(settings, operation, arguments)

    for _ in range(_STARTING_TRIES):
        try:
            return asyncio.run(run())
        except FolderInUse:
            # A server that is just starting or stopping has the folder and no socket.
            time.sleep(_STARTING_SECONDS)
    return asyncio.run(run())


def show_json(value: Any) -> None:
    """Print a result as one JSON document."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
