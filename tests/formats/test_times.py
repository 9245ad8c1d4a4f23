"""Times on pages, in words."""

import pytest

from postroom.doors.dashboard.times import lasting

_NOW = 1_800_000_000_000


@pytest.mark.parametrize(
    ("ago_seconds", "told"),
    [
        (-5, "for a moment"),
        (3, "for a moment"),
        (200, "for 3 min"),
        (90_000, "for 25 h"),
        (50 * 86400, "since 2026-11-26"),
    ],
)
def test_how_long_something_has_been_so_is_told_in_words(ago_seconds: int, told: str) -> None:
    assert f">{told}</time>" in lasting(_NOW - 1000 * ago_seconds, _NOW)
