"""`postroom key rotate` where no server runs: which keys there are, and who else must have them."""

import dataclasses
import os
from pathlib import Path

import pytest

from postroom.app.master_keys import master_keys, read_keys, write_keys
from postroom.app.operations import perform_alone
from postroom.app.services import open_services
from postroom.base.clock import SystemClock
from postroom.base.errors import PostroomError, SettingsError
from postroom.config import Settings, read_settings
from postroom.ledger.rows import NodeRow
from postroom.store.database import open_database

OLD, NEW = "0" * 63 + "1", "0" * 63 + "2"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings({"POSTROOM_DATA": str(tmp_path), "POSTROOM_HTTP": "", "POSTROOM_PUBLIC_URL": "http://p.test"})


async def test_a_new_key_is_in_front_of_the_file_and_the_old_one_leaves_when_nothing_needs_it(
    settings: Settings,
) -> None:
    made = await perform_alone(settings, "key.rotate", {})
    file = settings.data / "secret.key"
    new, old = file.read_text().split()
    again = await perform_alone(settings, "key.rotate", {})
    write_keys(file, [bytes.fromhex(old), bytes.fromhex(new)])
    with pytest.raises(PostroomError, match="need an older key"):
        # As if everything had been sealed with the second one.
        await perform_alone(settings, "key.finish", {})
    write_keys(file, [bytes.fromhex(new), bytes.fromhex(old)])
    finished = await perform_alone(settings, "key.finish", {})

    assert (made["made"], made["resealed"] >= 2) == (True, True)
    assert (again["made"], again["resealed"]) == (False, 0)
    assert finished["taken_out"] == 1
    assert (file.read_text().split(), file.stat().st_mode & 0o777) == ([new], 0o600)
    assert [path.name for path in settings.data.iterdir() if "secret" in path.name] == ["secret.key"]


async def test_with_a_variable_the_operator_brings_the_key(settings: Settings) -> None:
    with_old = dataclasses.replace(settings, secret=OLD)
    with pytest.raises(PostroomError, match="NEW,OLD"):
        await perform_alone(with_old, "key.rotate", {})
    both = dataclasses.replace(settings, secret=f"{NEW},{OLD}")
    assert (await perform_alone(both, "key.rotate", {}))["resealed"] >= 2
    assert (await perform_alone(both, "key.finish", {}))["file"] is None
    assert not (settings.data / "secret.key").exists()
    with pytest.raises(PostroomError, match="not the key of this database"):
        await perform_alone(with_old, "key.finish", {})


async def test_no_key_is_made_that_another_running_node_does_not_have(settings: Settings) -> None:
    await perform_alone(settings, "key.rotate", {})
    finished = await perform_alone(settings, "key.finish", {})
    clock = SystemClock()
    database = await open_database(settings.database, clock=clock)
    await database.write(lambda tx: tx.add(NodeRow(700, "another", "boot", clock.now_ms() + 60_000, "deliver")))
    await database.close()

    before = (settings.data / "secret.key").read_text()
    with pytest.raises(PostroomError, match="nodes 700 are running too"):
        await perform_alone(settings, "key.rotate", {})

    assert finished["taken_out"] == 1
    assert (settings.data / "secret.key").read_text() == before


async def test_a_token_key_is_made_beside_those_of_before(settings: Settings) -> None:
    made = [await perform_alone(settings, "key.add_token_key", {}) for _ in range(2)]
    await perform_alone(settings, "key.rotate", {})

    async with open_services(settings, SystemClock()) as services:
        ring = services.token_keys()

    assert [one["id"] for one in made] == [1, 2]
    assert made[0]["signs_from"].endswith("Z")
    assert ([number for number, _ in ring.items()], ring.signs_with) == ([0, 1, 2], 0)


@pytest.mark.parametrize("text", ["", ",", OLD[:-1], f"{OLD},x", "Ω" * 64])
def test_what_is_no_key_stops_the_start(text: str) -> None:
    with pytest.raises(SettingsError, match="64 hexadecimal digits"):
        read_keys(text, "POSTROOM_SECRET")


def test_the_file_is_replaced_at_once_or_not_at_all(settings: Settings) -> None:
    (key,) = master_keys(settings)
    file = settings.data / "secret.key"
    (settings.data / "secret.key.new").write_text("left behind by a crash")
    inode = file.stat().st_ino

    write_keys(file, [b"n" * 32, key])

    assert file.stat().st_ino != inode
    assert read_keys(file.read_text(), "it") == (b"n" * 32, key)
    assert file.stat().st_uid == os.geteuid()
