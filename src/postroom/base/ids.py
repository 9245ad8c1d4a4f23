"""Row ids: 63-bit integers that grow with time, shown as kind and base32.

41 bits of milliseconds since 2025-01-01, 10 bits of node number, 12 bits of
count. An id therefore tells when its row was made, and two nodes never make
the same one.
"""

import base64
import threading

from postroom.base.instant import Clock

ID_EPOCH_MS = 1_735_689_600_000
MAX_NODE = 1023
_COUNT_BITS = 12
_NODE_BITS = 10
_MAX_ID = (1 << 63) - 1
_MOST_AHEAD_MS = 60_000
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _LETTERS for second in _LETTERS]


class IdSource:
    """Makes ids for one node. Safe to call from several threads.

    The generator never goes back: when the clock jumps back, or 4,096 ids of
    one millisecond are used up, it goes on from its last millisecond.
    """

    def __init__(self, node: int, clock: Clock, *, last_id: int = 0) -> None:
        """`last_id` is the greatest id that this node is known to have made."""
        if not 0 <= node <= MAX_NODE:
            raise ValueError(f"node number {node} is outside 0..{MAX_NODE}")
        self.node = node
        self._clock = clock
        self._lock = threading.Lock()
        self._last_ms = last_id >> (_NODE_BITS + _COUNT_BITS)
        self._count = (1 << _COUNT_BITS) - 1 if last_id else -1

    def next(self, *, after: int = 0) -> int:
        """Return a new id, greater than all before it.

        Also greater than `after`, the id of another node: its clock may be ahead of this one. What lies more than
        a minute ahead is not followed, lest one wrong clock take the others along.
        """
        now = self._clock.now_ms() - ID_EPOCH_MS
        ahead = (after >> (_NODE_BITS + _COUNT_BITS)) + 1
        if now < ahead <= now + _MOST_AHEAD_MS:
            now = ahead
        with self._lock:
            if now > self._last_ms:
                self._last_ms, self._count = now, 0
            else:
                self._count += 1
                if self._count >= 1 << _COUNT_BITS:
                    self._last_ms, self._count = self._last_ms + 1, 0
            return (self._last_ms << (_NODE_BITS + _COUNT_BITS)) | (self.node << _COUNT_BITS) | self._count


def base32(number: int, letters: int) -> str:
    """Return a number as so many lower-case letters of base32 (RFC 4648 6), the highest five bits first.

    Ten bits at a time from a table: the standard library's, in Python, takes five times as long.
    """
    odd = letters & 1
    pairs = [_PAIRS[number >> shift & 1023] for shift in range(5 * letters - 10, -1, -10)]
    return "".join(pairs) + _LETTERS[number & 31] if odd else "".join(pairs)


def made_at_ms(row_id: int) -> int:
    """Return the time in epoch milliseconds that an id carries."""
    return (row_id >> (_NODE_BITS + _COUNT_BITS)) + ID_EPOCH_MS


def first_id_at(epoch_ms: int) -> int:
    """Return the smallest id that a row made at or after `epoch_ms` can have."""
    return max(0, epoch_ms - ID_EPOCH_MS) << (_NODE_BITS + _COUNT_BITS)


def show_id(kind: str, row_id: int) -> str:
    """Return the public form, such as `msg_0a3…`: kind and 13 base32 letters."""
    return f"{kind}_{base32(row_id << 1, 13)}"


def parse_id(kind: str, text: str) -> int | None:
    """Return the row id of a public id, or None where `text` is none of this kind."""
    prefix, _, body = text.partition("_")
    if prefix != kind or len(body) != 13 or not body.isascii():
        return None
    try:
        row_id = int.from_bytes(base64.b32decode(body.upper() + "==="), "big")
    except ValueError:
        return None
    # 13 letters carry 65 bits: refuse spellings that are not the one we print.
    return row_id if row_id <= _MAX_ID and show_id(kind, row_id) == text else None
