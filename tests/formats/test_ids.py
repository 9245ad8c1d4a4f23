"""Promises of ids: they grow, never meet, and have one public form."""

import base64

from hypothesis import given
from hypothesis import strategies as st

from postroom.base.clock import ManualClock
from postroom.base.ids import IdSource, base32, first_id_at, made_at_ms, parse_id, show_id

IDS = st.integers(0, (1 << 63) - 1)


def test_ids_grow_also_when_more_than_4096_are_made_in_a_millisecond() -> None:
    source = IdSource(7, ManualClock())

    made = [source.next() for _ in range(10_000)]

    assert made == sorted(set(made))


def test_ids_go_on_when_the_clock_jumps_back() -> None:
    clock = ManualClock()
    source = IdSource(7, clock)
    before = source.next()

    clock.advance(ms=-60_000)

    assert source.next() > before


def test_two_nodes_never_make_the_same_id() -> None:
    clock = ManualClock()
    one, other = IdSource(1, clock), IdSource(2, clock)

    assert {one.next() for _ in range(5_000)}.isdisjoint(other.next() for _ in range(5_000))


def test_a_source_goes_on_behind_the_last_id_it_is_told() -> None:
    clock = ManualClock()
    last = max(IdSource(3, clock).next() for _ in range(5))

    assert IdSource(3, clock, last_id=last).next() > last


def test_an_id_carries_its_time() -> None:
    clock = ManualClock()

    made = IdSource(1023, clock).next()

    assert made_at_ms(made) == clock.now_ms()
    assert first_id_at(clock.now_ms()) <= made < first_id_at(clock.now_ms() + 1)


@given(IDS)
def test_the_public_form_reads_back(row_id: int) -> None:
    assert parse_id("msg", show_id("msg", row_id)) == row_id
    assert parse_id("rcp", show_id("msg", row_id)) is None


@given(st.text())
def test_any_text_is_an_id_or_none_and_no_id_has_two_spellings(text: str) -> None:
    row_id = parse_id("msg", text)

    assert row_id is None or show_id("msg", row_id) == text


@given(st.binary(min_size=20, max_size=20))
def test_base32_is_that_of_the_standard(raw: bytes) -> None:
    assert base32(int.from_bytes(raw, "big"), 32) == base64.b32encode(raw).decode().lower()
