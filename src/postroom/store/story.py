"""What the story of a message needs beside the rows of its tables: bounded sums, hits, and the head of its content."""

import zlib
from typing import NamedTuple

from postroom.ledger.rows import HitRow
from postroom.store.database import Conn, statement

MOST_COUNTED = 5_000
"""Recipients of one message that are counted; more are told as "more than"."""
HEADER_BYTES = 64 * 1024
"""Of a header that is shown."""

_HIT = ", ".join(HitRow._fields)

_STATES = statement(
    "SELECT q.state, COUNT(*) FROM (SELECT state FROM recipient WHERE message_id = ? AND workspace_id = ? LIMIT ?) q "
    "GROUP BY q.state"
)
# Added to nothing, so that the index of workspaces cannot drive: it gives the order, and every hit there is.
_HITS = statement(f"SELECT {_HIT} FROM hit WHERE recipient_id = ? AND workspace_id + 0 = ? ORDER BY id DESC LIMIT ?")
_BODY = statement("SELECT size_bytes, upload_id, body FROM content WHERE workspace_id = ? AND key = ?")
_FIRST_CHUNK = statement("SELECT data FROM content_chunk WHERE upload_id = ? AND number = 0")

_HAS_COPY = statement("SELECT 1 FROM sandbox_copy WHERE recipient_id = ? AND workspace_id = ?")


class Head(NamedTuple):
    """The beginning of a content."""

    data: bytes
    is_whole: bool
    """All of it, not only its beginning."""


def states_of(conn: Conn, workspace_id: int, message_id: int) -> dict[str, int]:
    """Return how many of the first MOST_COUNTED + 1 recipients of a message are in which state."""
    return dict(conn.all(_STATES, (message_id, workspace_id, MOST_COUNTED + 1)))


def hits_of(conn: Conn, workspace_id: int, recipient_id: int, limit: int) -> list[HitRow]:
    """Return the last `limit` hits of a recipient, newest first."""
    return [HitRow._make(row) for row in conn.all(_HITS, (recipient_id, workspace_id, limit))]


def content_head(conn: Conn, workspace_id: int, key: bytes, most_bytes: int) -> Head | None:
    """Return up to `most_bytes` of a content, of a large one its first piece; None where retention took it."""
    row = conn.one(_BODY, (workspace_id, key))
    if row is None:
        return None
    size_bytes, upload_id, body = row
    if body is not None:
        data = zlib.decompressobj().decompress(body, most_bytes)
    elif upload_id is not None and (chunk := conn.one(_FIRST_CHUNK, (upload_id,))) is not None:
        data = bytes(chunk[0])[:most_bytes]
    else:
        return None
    return Head(data, len(data) == size_bytes)


def has_copy(conn: Conn, workspace_id: int, recipient_id: int) -> bool:
    """Tell whether the sandbox keeps a recipient's copy."""
    return conn.one(_HAS_COPY, (recipient_id, workspace_id)) is not None
