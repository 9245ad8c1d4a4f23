"""Public things stand in the docs (rule 14 of the house)."""

import re
import tomllib
from pathlib import Path

import pytest

from tools import pages, reference

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "postroom"


@pytest.mark.parametrize("name", sorted(reference.TABLES))
def test_every_setting_event_endpoint_and_command_is_in_the_docs(name: str) -> None:
    file, make = reference.TABLES[name]
    table = make()

    page = (ROOT / file).read_text()

    assert len(table.splitlines()) > 4, f"nothing was found for the table of {name}"
    assert reference.with_table(page, name, table) == page, f"{file} is not what the code says: run `make docs`"


def test_every_row_of_a_table_has_words() -> None:
    for _, make in reference.TABLES.values():
        for row in make().splitlines()[2:]:
            assert row.split(" | ")[1].strip(" |"), f"no sentence: {row}"


def test_every_link_between_the_pages_leads_somewhere() -> None:
    assert list(pages.broken_links()) == []


def test_every_rfc_that_the_code_names_is_in_the_table() -> None:
    named = {int(number) for path in SOURCE.rglob("*.py") for number in re.findall(r"RFC (\d+)", path.read_text())}

    listed = {int(number) for number in re.findall(r"^\| \[(\d+)\]", (ROOT / "docs" / "rfcs.md").read_text(), re.M)}

    assert named <= listed, f"without a row in docs/rfcs.md: {sorted(named - listed)}"


def test_every_file_that_the_rfc_table_names_is_there() -> None:
    files = re.findall(r"`([a-z_/0-9]+\.py)`", (ROOT / "docs" / "rfcs.md").read_text())

    assert [file for file in files if not (SOURCE / file).exists()] == []


def test_every_dependency_is_a_decision() -> None:
    wanted = {
        line.partition("[")[0].strip()
        for name in ("runtime", "dev")
        for line in (ROOT / "requirements" / f"{name}.in").read_text().splitlines()
        if line and not line.startswith(("#", "-"))
    }

    page = (ROOT / "docs" / "decisions" / "dependencies.md").read_text()
    told = {word for row in page.splitlines() if row.startswith("| ") for word in re.split(r"[|,\[\] ]+", row)}

    assert wanted <= told, f"no line for {sorted(wanted - told)}"


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text()

    assert [page.name for page in folder.glob("*.md") if page.name != "README.md" and page.name not in index] == []


def test_the_package_asks_for_what_is_locked() -> None:
    lines = (ROOT / "requirements" / "runtime.in").read_text().splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["dependencies"] == [line for line in lines if line and not line.startswith("#")]


def test_lock_files_name_no_place() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        assert not re.search(r"://|--index-url|--find-links|^-e|file:", path.read_text(), re.M), path.name


def test_the_version_is_the_same_everywhere() -> None:
    from_code = re.search(r'__version__ = "(.+)"', (SOURCE / "__init__.py").read_text())

    assert from_code is not None
    assert from_code[1] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
