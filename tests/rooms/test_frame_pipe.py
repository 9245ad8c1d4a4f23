"""Owner and helper hear what the other said, however it comes through the socketpair."""

import asyncio
import itertools
import time
from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from postroom.outbound.frame_pipe import LARGE_BYTES, FramePipe, frame


class Note(msgspec.Struct, frozen=True, tag=True):
    """A small frame."""

    text: str


class Load(msgspec.Struct, frozen=True, tag=True):
    """A frame that may be large."""

    number: int
    raw: bytes


READS = msgspec.msgpack.Decoder(Note | Load)
SIZES = st.sampled_from([0, 1, 4_000, LARGE_BYTES, LARGE_BYTES + 1, 3 * LARGE_BYTES])


class Wire(asyncio.Transport):
    """What leaves a pipe."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.aborted = False

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.written.append(data)

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        self.aborted = True


def listen(chunks: Sequence[bytes]) -> list[Note | Load]:
    heard: list[Note | Load] = []
    pipe: FramePipe[Note | Load] = FramePipe(READS, heard.append)
    for chunk in chunks:
        pipe.data_received(chunk)
    return heard


def hear(chunks: Sequence[bytes]) -> list[Note | Load]:
    async def run() -> list[Note | Load]:
        return listen(chunks)

    return asyncio.run(run())


@given(st.lists(st.one_of(st.builds(Note, st.text(max_size=50)), SIZES.map(lambda size: Load(size, b"x" * size))),
                max_size=6), st.lists(st.integers(0, 2 * LARGE_BYTES), max_size=12))  # fmt: skip
def test_frames_are_heard_whole_and_in_order_wherever_they_are_cut(said: list[Note | Load], cuts: list[int]) -> None:
    octets = b"".join(b"".join(frame(value)) for value in said)
    places = sorted({0, len(octets), *(cut % (len(octets) + 1) for cut in cuts)})
    assert hear([octets[a:b] for a, b in itertools.pairwise(places)]) == said


def test_frames_are_heard_octet_by_octet() -> None:
    said = [Note("a"), Load(1, b"y" * (LARGE_BYTES + 1)), Note("b")]
    octets = b"".join(b"".join(frame(value)) for value in said)
    ends = [octets[at : at + 1] for at in range(40)]
    assert hear([*ends, octets[40:-40], *[octets[at : at + 1] for at in range(len(octets) - 40, len(octets))]]) == said


def test_a_large_frame_costs_what_it_is_long_in_however_many_pieces() -> None:
    octets = b"".join(frame(Load(1, b"z" * 50_000_000)))
    began = time.process_time()
    (heard,) = hear([octets[at : at + 65_536] for at in range(0, len(octets), 65_536)])
    assert isinstance(heard, Load)
    assert len(heard.raw) == 50_000_000
    # With each piece put behind the ones before it, this takes many seconds.
    assert time.process_time() - began < 1.5


async def test_what_is_large_is_not_copied_on_its_way_out() -> None:
    wire = Wire()
    pipe: FramePipe[Note | Load] = FramePipe(READS, lambda _: None)
    pipe.connection_made(wire)
    raw = b"q" * (LARGE_BYTES + 1)
    for value in (Note("before"), Load(7, raw), Note("behind")):
        pipe.say(value)
    await asyncio.sleep(0)
    assert any(piece is raw for piece in wire.written)
    assert listen(wire.written) == [Note("before"), Load(7, raw), Note("behind")]


async def test_nonsense_ends_the_pipe() -> None:
    wire = Wire()
    pipe: FramePipe[Note | Load] = FramePipe(READS, lambda _: None)
    pipe.connection_made(wire)
    pipe.data_received(b"\x00\x00\x00\x01\xc1")
    assert isinstance(await pipe.closed(), msgspec.MsgspecError)
    assert wire.aborted
