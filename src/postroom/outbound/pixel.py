"""The open pixel: an image of one point at the end of the HTML that a copy shows."""

from collections.abc import Sequence

from postroom.mail.parse import Part


def tag_around(tracking_url: str) -> tuple[str, str]:
    """Return the HTML before and behind the token of the pixel."""
    return f'<img src="{tracking_url}/o/', '.png" width="1" height="1" alt="" border="0">'


def best_html(parts: Sequence[Part], candidates: Sequence[int]) -> int:
    """Return which of the HTML parts `candidates` (numbers in `parts`, in their order) gets the pixel; -1 for none.

    The first, but of the alternatives of one text the last, which is the best
    (RFC 2046 5.1.4). One pixel a copy: two would count each opening twice.
    """
    if not candidates:
        return -1
    best = candidates[0]
    for number in candidates[1:]:
        if parts[_common(parts, best, number)].media_type == b"multipart/alternative":
            best = number
    return best


def _common(parts: Sequence[Part], one: int, other: int) -> int:
    """Return the innermost multipart around both parts."""
    around = set()
    while one >= 0:
        one = parts[one].parent
        around.add(one)
    while other not in around:
        other = parts[other].parent
    return other
