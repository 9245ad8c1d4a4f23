"""What a connection that waits for mail costs, with TLS and all objects of ours (docs/decisions/0036)."""

import asyncio
import ssl
import sys
from pathlib import Path

import pytest
import trustme
from peers.require import ROOT

CONNECTIONS = 300
MOST_KB = 70
SIZE = 1_000_000

_PROGRAM = """
import asyncio, gc, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import uvloop
from imap_script import dialler
from postroom.app.memory import give_large_pieces_back
from postroom.net.imap.client import ImapServer

def resident_kb() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4

async def main(authorities: str, port: int, number: int) -> None:
    ours, place = dialler(authorities=Path(authorities)), ImapServer("localhost", port)
    first = await ours.connect(place)
    await first.uid_fetch("1", ["BODY.PEEK[]"])
    before = resident_kb()
    clients = [await ours.connect(place) for _ in range(number)]
    idles = [asyncio.ensure_future(client.idle(1000)) for client in clients]
    await asyncio.sleep(1)
    print((resident_kb() - before) / number, flush=True)
    for client in clients:
        client.wake()
    await asyncio.gather(*idles)
    for client in clients:
        assert len((await client.uid_fetch("1", ["BODY.PEEK[]"]))[0].body) == 1_000_000
    idles = [asyncio.ensure_future(client.idle(1000)) for client in clients]
    await asyncio.sleep(1)
    print((resident_kb() - before) / number, flush=True)
    for idle in idles:
        idle.cancel()

give_large_pieces_back()
uvloop.run(main(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
"""


@pytest.mark.soak
async def test_a_waiting_connection_is_small_and_stays_small_after_large_mails(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, ssl=context, backlog=500)
    port = server.sockets[0].getsockname()[1]
    program = tmp_path / "many.py"
    program.write_text(_PROGRAM)
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        program,
        ROOT / "tests",
        tmp_path / "authority.pem",
        str(port),
        str(CONNECTIONS),
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await asyncio.wait_for(child.communicate(), 120)
    server.close()
    figures = [float(line) for line in told.split()]
    assert len(figures) == 2
    assert max(figures) <= MOST_KB, figures


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    idle = b""
    writer.write(b"* PREAUTH [CAPABILITY IMAP4rev1 IDLE] ready\r\n")
    while line := (await reader.readline()).rstrip():
        tag, _, rest = line.partition(b" ")
        if rest.startswith(b"IDLE"):
            idle = tag
            writer.write(b"+ idling\r\n")
        elif line == b"DONE":
            writer.write(idle + b" OK done\r\n")
        elif rest.startswith(b"UID FETCH"):
            writer.write(b"* 1 FETCH (UID 1 BODY[] {%d}\r\n%s)\r\n%s OK done\r\n" % (SIZE, b"x" * SIZE, tag))
            await writer.drain()
        else:
            writer.write(tag + b" OK done\r\n")
    writer.close()
