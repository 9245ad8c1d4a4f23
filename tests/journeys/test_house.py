"""The house's own commands keep their promises."""

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with a built environment, both played by scripts, in a folder with a space."""
    folder = tmp_path / "a folder"
    (folder / "tools").mkdir(parents=True)
    (folder / "requirements").mkdir()
    (folder / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(ROOT / "postroom", folder)
    lock = folder / "requirements" / "runtime.txt"
    lock.write_text("a lock\n")
    python = _script(folder / ".venv" / "bin" / "python", 'for word; do printf "<%s>" "$word"; done')
    _script(folder / "tools" / "environment.sh", 'echo "installs $1" >&2')
    (folder / ".venv" / ".runtime").write_text(f"{sha256(lock.read_bytes()).hexdigest()} {python}\n")
    return folder


def _script(path: Path, line: str) -> Path:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
    return path


def _run(command: Path, *words: str) -> tuple[str, str]:
    done = subprocess.run([command, *words], capture_output=True, text=True, timeout=60, check=True, cwd="/")
    return done.stdout, done.stderr


def test_a_built_environment_starts_without_installing(clone: Path) -> None:
    assert _run(clone / "postroom", "send", "two words") == ("<-m><postroom><send><two words>", "")


def test_the_command_works_through_a_link(clone: Path, tmp_path: Path) -> None:
    link = tmp_path / "postroom"
    link.symlink_to(clone / "postroom")

    assert _run(link, "init") == ("<-m><postroom><init>", "")


def test_a_changed_lock_is_installed_first(clone: Path) -> None:
    (clone / "requirements" / "runtime.txt").write_text("another lock\n")

    assert _run(clone / "postroom", "init") == ("<-m><postroom><init>", "installs runtime\n")


def test_an_environment_of_another_interpreter_is_installed_first(clone: Path) -> None:
    stamp = clone / ".venv" / ".runtime"
    stamp.write_text(stamp.read_text().split(" ", maxsplit=1)[0] + " /usr/bin/python3.99\n")

    assert _run(clone / "postroom", "init")[1] == "installs runtime\n"


def test_asking_for_the_version_imports_no_server() -> None:
    """The command starts in under 0.3 s only as long as nothing heavy is imported for nothing."""
    code = (
        "import sys\nfrom postroom.cli.main import postroom\n"
        "postroom(['--version'], standalone_mode=False)\n"
        "print(sorted({'litestar', 'sqlalchemy', 'uvicorn', 'cryptography', 'rich', 'asyncio'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", ["backup", "relabel"])
def test_a_command_that_shows_a_bar_starts(command: str) -> None:
    """Other commands never load what draws it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}

    done = subprocess.run(
        [sys.executable, "-m", "postroom", command, "--help"], capture_output=True, text=True, env=environment
    )

    assert done.stdout.startswith(f"Usage: postroom {command}"), done.stderr


def test_scripts_are_valid_shell() -> None:
    scripts = [ROOT / "postroom", ROOT / ".ci" / "run", *(ROOT / "tools").glob("*.sh")]

    for script in scripts:
        subprocess.run(["sh", "-n", script], check=True)
        assert os.access(script, os.X_OK), script


def test_temporary_files_of_the_tests_are_gone_when_they_end_whatever_their_end() -> None:
    look = 'echo "${TMPDIR:-}"; test -z "${TMPDIR:-}" || test -d "$TMPDIR"; exit 3'
    environment = {name: value for name, value in os.environ.items() if name != "TMPDIR"}

    done = subprocess.run(
        [ROOT / "tools" / "in_memory.sh", "sh", "-c", look],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )

    assert done.returncode == 3
    assert done.stdout == "\n" or not Path(done.stdout.strip()).exists()
