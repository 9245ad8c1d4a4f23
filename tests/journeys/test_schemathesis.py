"""Schemathesis against the running server: what the document promises is what is served, and nothing answers 500.

The whole run with all phases is `schemathesis run URL/api/v1/openapi.json -H "Authorization: Bearer KEY"`;
here a few examples an operation, so that it stays short.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from peers.dns_server import DnsServer
from running_server import RunningServer

EXAMPLES = 2


# The second engine sees the doors through the store only, and all edges of 44 operations take a minute.
@pytest.mark.parametrize(
    ("engine", "phases"),
    [
        ("sqlite", "fuzzing"),
        pytest.param("postgresql", "fuzzing", marks=pytest.mark.soak),
        pytest.param("sqlite", "coverage", marks=pytest.mark.soak),
    ],
)
def test_schemathesis_finds_nothing(
    engine: str, phases: str, request: pytest.FixtureRequest, tmp_path: Path, dns_server: DnsServer
) -> None:
    settings = {} if engine == "sqlite" else {"database_url": request.getfixturevalue("postgres_url")}
    # Webhook endpoints are made at random names: nobody outside is asked for them.
    with RunningServer(resolver=dns_server.address, **settings) as server:
        report = run_schemathesis(server.api.port, server.api.key, phases, tmp_path)

        assert report.returncode == 0, report.stdout[-6000:]
        assert "No issues found" in report.stdout
        assert server.stop() == 0
        assert '"level": "error"' not in server.log()


def run_schemathesis(port: int, key: str, phases: str, folder: Path) -> Any:
    command = str(Path(sys.executable).parent / "schemathesis")
    return subprocess.run(
        [
            command, "run", f"http://127.0.0.1:{port}/api/v1/openapi.json",
            "--header", f"Authorization: Bearer {key}", "--max-examples", str(EXAMPLES), "--workers", "1",
            "--seed", "1", "--continue-on-failure", "--no-color", "--phases", phases,
            # They tell of operations that found no row at their random ids: of our examples, not of the program.
            "--warnings", "off",
        ],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=240,
    )  # fmt: skip
