"""Rows of mail that came in, for tests of what shows them."""

from typing import Any

from postroom.base.clock import ManualClock
from postroom.base.ids import IdSource
from postroom.base.packing import pack
from postroom.ledger.inbound_rows import Destination, InboundContentRow, InboundRow, InboundState
from postroom.mail.address import address_key
from postroom.store import inbound
from postroom.store.database import Database

LETTER = (
    b"From: Ada <ada@example.net>\r\nTo: hello@example.com\r\nSubject: Re: Tea\r\n"
    b"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n\r\nYes, please: https://example.org/tea\r\n\r\n"
    b"On Sat, Nov 21, 2026 at 9:00 AM The shop <hello@example.com> wrote:\r\n> Do you want tea?\r\n"
)


class Inbound:
    """Puts mail into the store as the worker leaves it."""

    def __init__(self, database: Database, clock: ManualClock, node: int = 7) -> None:
        self.database, self.clock = database, clock
        self.ids = IdSource(node, clock)

    async def put(self, workspace_id: int, raw: bytes | None = LETTER, **fields: Any) -> InboundRow:
        """Store a mail; `raw` None: its content is gone."""
        content = InboundContentRow(
            self.ids.next(), workspace_id, len(raw or b""), None, None if raw is None else pack(raw), 0
        )
        recipient = fields.get("recipient", "hello@example.com")
        given = {
            "received_ms": self.clock.now_ms(),
            "source": "smtp",
            "peer": "192.0.2.7",
            "helo": "mx.example.net",
            "tls": "TLSv1.3 TLS_AES_256_GCM_SHA384",
            "reverse_path": "ada@example.net",
            "recipient": recipient,
            "recipient_key": address_key(recipient),
            "destination": Destination.ROUTE.value,
            "own_recipient_id": None,
            "author": "ada@example.net",
            "author_name": "Ada",
            "subject": "Re: Tea",
            "message_id": "<1@example.net>",
            "size_bytes": len(raw or b""),
            "verdicts": "",
            "state": InboundState.DONE.value,
            **fields,
        }
        given.setdefault("author_key", address_key(given["author"]))
        row = InboundRow(id=self.ids.next(), workspace_id=workspace_id, content_id=content.id, **given)
        await self.database.write(lambda tx: inbound.put(tx, content, [row]))
        return row
