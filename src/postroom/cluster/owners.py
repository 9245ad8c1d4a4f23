"""Who of the live nodes owns a thing: rendezvous hashing.

Each node draws a score for each key; the highest owns it. A node that joins or
leaves moves only what it wins or held, and nobody has to agree on a table.
"""

import hashlib
from collections.abc import Iterable


def owner_of(key: str, nodes: Iterable[int]) -> int | None:
    """Return the number of the node that owns `key`, the same for every order of `nodes`; None without nodes."""
    return max(nodes, key=lambda node: (_score(key, node), node), default=None)


def _score(key: str, node: int) -> bytes:
    return hashlib.blake2b(key.encode(), digest_size=8, key=node.to_bytes(2, "big")).digest()
