"""Promises of the local socket by which commands reach the running server."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from postroom.app.control import call_control, control_path, serve_control
from postroom.app.control_call import call_now


async def _echo(arguments: Mapping[str, Any]) -> Any:
    return arguments["word"]


async def test_a_data_folder_may_have_a_longer_path_than_a_socket(tmp_path: Path) -> None:
    data = tmp_path / ("a" * 120) / "data"
    data.mkdir(parents=True)
    path = control_path(data)
    with pytest.raises(FileNotFoundError):
        await call_control(path, "echo", {})
    server = await serve_control(path, {"echo": _echo})
    async with server:
        assert path.is_socket()
        assert path.stat().st_mode & 0o777 == 0o600
        assert await call_control(path, "echo", {"word": "asked"}) == "asked"
        assert await asyncio.to_thread(call_now, path, "echo", {"word": "at once"}) == "at once"

    with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
        await call_control(path, "echo", {"word": "gone"})
