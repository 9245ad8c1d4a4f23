"""Schemathesis against the running API: what the document promises is what is served, and nothing answers 500.

The whole run with all phases is `schemathesis run URL/api/v1/openapi.json -H "Authorization: Bearer KEY"`;
here a few examples an operation, so that it stays short.
"""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from http_api import KEY, running_api

from postroom.base.clock import SystemClock
from postroom.doors.http.server import serve_http
from postroom.store.database import open_database

EXAMPLES = 2


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
async def test_schemathesis_finds_nothing(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/postroom.db" if engine == "sqlite" else request.getfixturevalue("postgres_url")
    clock = SystemClock()
    database = await open_database(url, clock=clock)
    async with running_api(database, clock) as api:
        listener = await serve_http(api.app, "127.0.0.1", 0)
        report = await asyncio.to_thread(run_schemathesis, listener.port, tmp_path)
        await listener.stop()
    await database.close()
    assert report.returncode == 0, report.stdout[-6000:]
    assert "No issues found" in report.stdout


def run_schemathesis(port: int, folder: Path) -> Any:
    command = str(Path(sys.executable).parent / "schemathesis")
    return subprocess.run(
        [
            command, "run", f"http://127.0.0.1:{port}/api/v1/openapi.json",
            "--header", f"Authorization: Bearer {KEY}", "--max-examples", str(EXAMPLES), "--workers", "1",
            "--seed", "1", "--continue-on-failure", "--no-color", "--phases", "coverage,fuzzing",
        ],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=240,
    )  # fmt: skip
