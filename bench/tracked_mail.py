"""Rows of mails that are already delivered, so that benches and tests have something to open and click."""

import zlib
from collections.abc import Sequence

import msgspec

from postroom.base.tokens import TokenKeys
from postroom.ledger.rows import ContentRow, MessageRow, RecipientRow, WorkspaceRow
from postroom.ledger.states import RecipientState, Stream
from postroom.outbound.submission import DEFAULT_TRACK, Track
from postroom.store.database import Database

KEYS = TokenKeys({1: b"k" * 32})
WORKSPACE_ID = 10
HOST = "track.example.test"
LINKS = (
    "https://shop.example.test/a?x=1&y=%2F",
    "https://shop.example.test/a?x=1&y=%2F",
    "http://news.example.test/#part",
    "https://shop.example.test/b",
)


async def add_workspace(database: Database, workspace_id: int = WORKSPACE_ID, *, keep_addresses: int = 1) -> None:
    """Store a workspace."""
    row = WorkspaceRow(workspace_id, f"workspace {workspace_id}", 0, keep_addresses=keep_addresses)
    await database.write(lambda tx: tx.add(row))


async def add_mail(
    database: Database,
    recipient_ids: Sequence[int],
    *,
    message_id: int = 100,
    workspace_id: int = WORKSPACE_ID,
    links: Sequence[str] = LINKS,
    track: Track = DEFAULT_TRACK,
    delivered_ms: int | None = 0,
    unsubscribe: str = "",
    address: str = "reader{}@example.test",
) -> None:
    """Store a bulk message with these recipients, delivered at `delivered_ms` (None: still queued).

    `address` gets the recipient id in place of `{}`.
    """
    key = message_id.to_bytes(16, "big")
    table = zlib.compress(msgspec.msgpack.encode(list(links)))
    content = ContentRow(workspace_id, key, 10, None, zlib.compress(b"x"), b"", table, 0)
    message = MessageRow(
        message_id,
        workspace_id,
        key,
        "shared",
        Stream.BULK.value,
        "http",
        "news@sender.test",
        "news@sender.test",
        "sender.test",
        None,
        "News",
        f"<{message_id}@sender.test>",
        '["spring"]',
        "{}",
        track.value,
        1,
        "rp.example.test",
        f"https://{HOST}",
        0,
        "",
        "",
        10,
        None,
        0,
        unsubscribe,
    )
    await database.write(lambda tx: (tx.add(content), tx.add(message)))
    rows = [
        RecipientRow(
            recipient_id,
            workspace_id,
            message_id,
            1,
            address.format(recipient_id),
            address.format(recipient_id),
            "example.test",
            RecipientState.QUEUED.value if delivered_ms is None else RecipientState.DELIVERED.value,
            0,
            "other",
            0,
            "",
            "",
            settled_ms=delivered_ms,
            sent_hour=None if delivered_ms is None else 0,
        )
        for recipient_id in recipient_ids
    ]
    for start in range(0, len(rows), 500):
        part = rows[start : start + 500]
        await database.write(lambda tx, part=part: [tx.add(row) for row in part])
