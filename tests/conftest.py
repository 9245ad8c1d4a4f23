"""Fixtures for all tests, and the discipline of the suite.

- A skip says why; under POSTROOM_REQUIRE_PEERS=1 it is a failure.
- Tests dial loopback only (tests/loopback.py).
- The slowest tests are printed, and a run longer than `--most-seconds` is told; it fails nothing: machines differ.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import loopback
import migrated
import pytest
from peers.dns_server import DnsServer
from peers.postgres import Databases, PostgresServer, own_server, remove_shared, shared_server
from peers.require import ROOT, require_peer
from peers.smtp_sink import SmtpSink

REQUIRE_PEERS = os.environ.get("POSTROOM_REQUIRE_PEERS") == "1"
CORPORA = ROOT.parent / "shared" / "corpora"
SLOW_SECONDS = 10.0
"""A slower test is a journey or belongs to `soak`."""

# The machine is shared, so a slow example proves nothing.
hypothesis.settings.register_profile("house", deadline=None, max_examples=60)
hypothesis.settings.register_profile("soak", deadline=None, max_examples=100_000)
hypothesis.settings.load_profile("house")


# Fixtures


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a migrated SQLite file of this test's own."""
    return migrated.sqlite_url(tmp_path)


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of real mails beside the project: newsletters, templates, bounces."""
    if not CORPORA.is_dir():
        pytest.skip("the corpora are not beside the project (../shared/corpora)")
    return CORPORA


@pytest.fixture(scope="session")
def run_folder(request: pytest.FixtureRequest) -> Path:
    """One temporary folder for the whole run, the same for all xdist workers."""
    return _run_folder(request.config)


@pytest.fixture(scope="session")
def postgres(run_folder: Path) -> Databases:
    """PostgreSQL for the whole run: POSTROOM_TEST_PG (a superuser's URL) or a cluster of our own.

    `fresh_database()` returns the URL of an empty database. Nobody stops this server.
    """
    given = os.environ.get("POSTROOM_TEST_PG")
    if given:
        return Databases(given, run_folder)
    require_peer("postgresql")
    return shared_server(run_folder).databases()


@pytest.fixture
def postgres_url(postgres: Databases) -> Iterator[str]:
    """The URL of an empty PostgreSQL database for one test."""
    url = postgres.fresh_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A cluster of its own for a test that stops, starts or crashes the database."""
    require_peer("postgresql")
    with own_server() as server:
        yield server


@pytest.fixture
def dns_server() -> Iterator[DnsServer]:
    """An empty authoritative DNS server; `put` fills it."""
    with DnsServer() as server:
        yield server


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    """A recording SMTP server that takes everything."""
    with SmtpSink() as server:
        yield server


# Loopback only


@pytest.fixture(scope="session", autouse=True)
def _loopback_only() -> Iterator[None]:
    end = loopback.guard()
    yield
    end()


@pytest.fixture(autouse=True)
def _nothing_dialled_outside() -> Iterator[None]:
    """Fail a test that dialled outside, also when the code under test swallowed the refusal."""
    loopback.dialled_outside.clear()
    yield
    assert not loopback.dialled_outside, f"dialled outside loopback: {loopback.dialled_outside}"


# The run


_RUN_FOLDER = pytest.StashKey[Path]()
_STARTED = pytest.StashKey[float]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--most-seconds", type=float, default=0, help="say when a run took longer (0: no limit)")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_STARTED] = time.monotonic()


def pytest_unconfigure(config: pytest.Config) -> None:
    folder = config.stash.get(_RUN_FOLDER, None)
    if folder is not None and not hasattr(config, "workerinput"):
        remove_shared(folder)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker the run's folder."""
    node.workerinput["run_folder"] = str(_run_folder(node.config))


def _run_folder(config: pytest.Config) -> Path:
    if config.stash.get(_RUN_FOLDER, None) is None:
        told: dict[str, str] = getattr(config, "workerinput", {})
        made = told.get("run_folder") or tempfile.mkdtemp(prefix="postroom-run-")
        config.stash[_RUN_FOLDER] = Path(made)
    return config.stash[_RUN_FOLDER]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    return _no_skip(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    report = yield
    return _no_skip(report)


def _no_skip(report: Any) -> Any:
    """Turn a skip into a failure where peers are required."""
    if REQUIRE_PEERS and report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"POSTROOM_REQUIRE_PEERS=1 and this test would skip: {reason}"
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    passed: list[pytest.TestReport] = terminalreporter.getreports("passed")
    slow = {report.nodeid: report.duration for report in passed if report.when == "call"}
    for name, seconds in sorted(slow.items()):
        if seconds > SLOW_SECONDS and "journeys" not in name and config.option.markexpr != "soak":
            terminalreporter.write_line(f"above {SLOW_SECONDS:.0f} s and no journey: {name} ({seconds:.1f} s)")
    if _too_long(config):
        terminalreporter.write_line(f"The run took longer than {config.option.most_seconds:.0f} s: cut it.", red=True)


def _too_long(config: pytest.Config) -> bool:
    most: float = config.option.most_seconds
    if not most or hasattr(config, "workerinput"):
        return False
    return time.monotonic() - config.stash[_STARTED] > most
