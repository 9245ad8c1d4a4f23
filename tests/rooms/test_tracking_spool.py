"""The hit spool: what was answered is there, also after the process died."""

import asyncio
import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.base.clock import ManualClock
from postroom.tracking.hit import Hit, HitKind
from postroom.tracking.spool import Spool


def hit(number: int, *, agent: str = "agent", target: str = "") -> Hit:
    return Hit(number, HitKind.OPEN, 7, 0, 1_000 + number, 0, "GET", "127.0.0.1", agent, {}, target)


def open_spool(folder: Path, **settings: int) -> Spool:
    return Spool(folder / "spool", ManualClock(), **settings)


def read_all(spool: Spool, limit: int = 3) -> list[int]:
    ids: list[int] = []
    while (batch := spool.read(limit)) is not None:
        ids += [read.id for read in batch.hits]
        spool.take(batch)
    return ids


async def test_the_hits_of_one_turn_of_the_loop_are_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = open_spool(tmp_path)
    writes: list[int] = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: writes.append(len(data)) or write(descriptor, data))

    await asyncio.gather(*(spool.put(hit(number)) for number in range(50)))

    assert len(writes) == 1
    assert read_all(spool) == list(range(50))


async def test_an_answer_waits_until_its_hit_is_written(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)

    future = spool.put(hit(1))

    assert not future.done()
    assert not list((tmp_path / "spool").iterdir())
    await future
    assert (tmp_path / "spool" / "000000000001.hits").stat().st_size > 0


async def test_what_a_dead_process_left_is_read_at_the_next_start(tmp_path: Path) -> None:
    dead = open_spool(tmp_path)
    await asyncio.gather(*(dead.put(hit(number)) for number in range(10)))

    spool = open_spool(tmp_path)
    await spool.put(hit(10))

    assert spool.written.is_set()
    assert read_all(spool) == list(range(11))


async def test_a_segment_goes_when_its_last_hit_is_taken_and_not_before(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, segment_bytes=200)
    for number in range(20):
        await spool.put(hit(number))
    segments = sorted((tmp_path / "spool").iterdir())
    assert len(segments) > 3

    batch = spool.read(1)
    assert batch is not None
    spool.take(batch)
    assert segments[0].exists()

    assert read_all(spool) == list(range(1, 20))
    assert not list((tmp_path / "spool").iterdir())
    assert not spool.written.is_set()


async def test_a_batch_that_is_not_taken_is_read_again(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    await spool.put(hit(1))

    first, second = spool.read(10), spool.read(10)
    assert first is not None
    assert second is not None
    assert first.hits == second.hits
    assert (first.perhaps_stored, second.perhaps_stored) == (False, True)


async def test_writing_goes_on_while_a_batch_is_stored(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    await spool.put(hit(1))
    batch = spool.read(10)
    assert batch is not None

    await spool.put(hit(2))
    spool.take(batch)
    await spool.put(hit(3))

    assert read_all(spool) == [2, 3]


async def test_a_line_torn_by_a_power_cut_hides_no_other_hit(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    await spool.put(hit(1))
    spool.close()
    segment = tmp_path / "spool" / "000000000001.hits"
    segment.write_bytes(segment.read_bytes() + b"\x00\x00\n[12,")

    again = open_spool(tmp_path)
    await again.put(hit(2))

    assert read_all(again) == [1, 2]
    assert again.unreadable == 2


async def test_on_a_full_disk_the_answer_leaves_and_the_hit_is_counted_as_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = open_spool(tmp_path)
    await spool.put(hit(1))
    write = os.write
    left = 130

    def full(descriptor: int, data: bytes) -> int:
        nonlocal left
        if left <= 0:
            raise OSError(errno.ENOSPC, "no space left on device")
        sent = write(descriptor, bytes(data)[:left])
        left -= sent
        return sent

    monkeypatch.setattr(os, "write", full)
    await asyncio.gather(*(spool.put(hit(number)) for number in range(2, 7)))
    monkeypatch.setattr(os, "write", write)
    await spool.put(hit(7))

    found = read_all(spool)
    assert found[0] == 1
    assert found[-1] == 7
    assert len(found) + spool.lost == 7
    assert spool.lost > 0
    assert spool.unreadable == 1


async def test_a_folder_that_is_gone_loses_hits_but_no_answer(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    (tmp_path / "spool").rmdir()

    await spool.put(hit(1))

    assert spool.lost == 1


async def test_one_cancelled_request_leaves_the_others_their_answers(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    first, second = spool.put(hit(1)), spool.put(hit(2))

    first.cancel()
    await second

    assert read_all(spool) == [1, 2]


@given(st.binary(max_size=2_000))
def test_any_bytes_in_a_segment_are_read_without_a_crash(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    folder = tmp_path_factory.mktemp("any") / "spool"
    folder.mkdir()
    (folder / "000000000001.hits").write_bytes(raw)
    (folder / "notes.hits").write_bytes(b"not ours")
    spool = Spool(folder, ManualClock())

    read_all(spool, limit=5)

    assert not (folder / "000000000001.hits").exists() or not raw


@given(st.text(), st.text())
async def test_a_hit_comes_back_as_it_was_put(
    tmp_path_factory: pytest.TempPathFactory, agent: str, target: str
) -> None:
    spool = Spool(tmp_path_factory.mktemp("any"), ManualClock())
    agent = agent.encode("utf-8", "replace").decode()
    target = target.encode("utf-8", "replace").decode()
    put = hit(1, agent=agent, target=target)

    await spool.put(put)
    batch = spool.read(10)
    spool.close()

    assert batch is not None
    assert batch.hits == (put,)
