"""A PostgreSQL that is stopped and started while mails are opened."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from peers.postgres import PostgresServer

from bench.tracked_mail import HOST, KEYS, add_mail, add_workspace
from postroom.base.clock import SystemClock
from postroom.base.errors import TryLater
from postroom.base.ids import IdSource
from postroom.base.tokens import TokenKind
from postroom.doors.http.public import PublicDoor
from postroom.store.database import Database, open_database, statement
from postroom.tracking.hosts import Hosts
from postroom.tracking.ingest import Ingest
from postroom.tracking.links import Links
from postroom.tracking.spool import Spool

_COUNT = statement("SELECT (SELECT COUNT(*) FROM hit), (SELECT COUNT(*) FROM event)")


async def test_no_hit_is_lost_over_a_database_restart(own_postgres: PostgresServer, tmp_path: Path) -> None:
    clock = SystemClock()
    database = await open_database(own_postgres.url, clock=clock)
    await add_workspace(database)
    await add_mail(database, range(1, 301))
    ids, spool = IdSource(0, clock), Spool(tmp_path / "spool", clock)
    door = PublicDoor(
        keys=KEYS,
        hosts=Hosts([HOST]),
        spool=spool,
        links=Links(database, clock),
        database=database,
        ids=ids,
        clock=clock,
    )
    carrying = asyncio.create_task(Ingest(spool, database, ids, clock).run())

    await opened(door, range(1, 101))
    own_postgres.stop("immediate")
    await opened(door, range(101, 201))
    own_postgres.start()
    await opened(door, range(201, 301))

    async with asyncio.timeout(60):
        while await counts(database) != (300, 300):  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.1)
    carrying.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await carrying
    assert spool.read(1) is None
    assert spool.lost == 0
    spool.close()
    await database.close()


async def opened(door: PublicDoor, recipient_ids: range) -> None:
    """Open the mails of these recipients and check that each gets its pixel."""
    for recipient_id in recipient_ids:
        sent: list[Any] = []

        async def send(message: Any, sent: list[Any] = sent) -> None:
            sent.append(message)

        path = f"/o/{KEYS.url_text(TokenKind.OPEN, 1, recipient_id)}.png"
        scope: Any = {"type": "http", "method": "GET", "path": path, "client": None}
        await door({**scope, "headers": [(b"host", HOST.encode())]}, None, send)  # type: ignore[arg-type]
        assert sent[0]["status"] == 200


async def counts(database: Database) -> tuple[int, int]:
    try:
        row = await database.read(lambda conn: conn.one(_COUNT))
    except TryLater:
        return (-1, -1)
    return (row[0], row[1]) if row else (0, 0)
