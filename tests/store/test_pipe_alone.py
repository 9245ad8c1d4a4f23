"""`postroom receive` on PostgreSQL where no server runs on this host: others work on what is in the database."""

import asyncio
import io
from pathlib import Path

import pytest
from peers.dns_server import DnsServer

from postroom.base.clock import ManualClock
from postroom.cli.pipe import SENDMAIL, Options, receive
from postroom.ledger.rows import WorkspaceRow
from postroom.store import inbound
from postroom.store.database import open_database
from postroom.store.inbound import InboundFilter


def test_the_mail_is_in_the_database_and_no_file_is_left(
    postgresql_url: str, tmp_path: Path, dns_server: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret.key").write_text("00" * 32)
    for name, value in {"DATA": str(tmp_path), "DATABASE_URL": postgresql_url, "RESOLVER": dns_server.address}.items():
        monkeypatch.setenv(f"POSTROOM_{name}", value)

    async def prepare() -> None:
        database = await open_database(postgresql_url, clock=ManualClock())
        await database.write(lambda tx: tx.add(WorkspaceRow(1, "one", 0)))
        await database.close()

    async def recipients() -> list[str]:
        database = await open_database(postgresql_url, clock=ManualClock())
        rows = await database.read(lambda conn: inbound.page(conn, 1, InboundFilter(), 100))
        await database.close()
        return [row.recipient for row in rows]

    asyncio.run(prepare())

    mails = {"postmaster": SENDMAIL.taken, "nobody@shop.test": SENDMAIL.no_such_address}
    codes = {one: receive(Options("a@b.test", (one,)), io.BytesIO(b"Subject: x\n\nx\n")) for one in mails}

    assert codes == mails
    assert asyncio.run(recipients()) == ["postmaster"]
    assert not (tmp_path / "arrived").exists()
