"""A server that is gone without a word, as when a cable is cut: in a network of the test's own."""

import subprocess
import sys
from pathlib import Path

import pytest
from peers.require import ROOT, require_peer

_PROGRAM = """
import asyncio, subprocess, sys, time
sys.path.insert(0, sys.argv[1])
import uvloop
from imap_script import Peer, ScriptedServer, dialler
from postroom.ledger.account_rows import Security
from postroom.net.imap.client import ImapServer
from postroom.net.imap.errors import ImapLost

async def script(peer: Peer) -> None:
    peer.send("* PREAUTH [CAPABILITY IMAP4rev1 IDLE] ready")
    await peer.command("IDLE")
    peer.send("+ idling")
    await peer.end()

async def main() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    server = ScriptedServer(script)
    await server.__aenter__()
    client = await dialler().connect(ImapServer("127.0.0.1", server.port, Security.PLAIN))
    idle = asyncio.ensure_future(client.idle(1500))
    await asyncio.sleep(1)
    subprocess.run(["ip", "link", "set", "lo", "down"], check=True)
    begun = time.monotonic()
    try:
        await asyncio.wait_for(idle, 100)
    except ImapLost as error:
        print(f"{time.monotonic() - begun:.0f} {error}", flush=True)

uvloop.run(main())
"""


@pytest.mark.soak
def test_a_server_that_is_gone_without_a_word_is_noticed_within_90_seconds(tmp_path: Path) -> None:
    require_peer("ip")
    program = tmp_path / "gone.py"
    program.write_text(_PROGRAM)
    done = subprocess.run(
        ["unshare", "-rn", sys.executable, program, ROOT / "tests"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if "unshare failed" in done.stderr:
        pytest.skip(f"no network of its own: {done.stderr.strip()}")
    assert done.stdout, done.stderr
    assert int(done.stdout.split()[0]) <= 90
