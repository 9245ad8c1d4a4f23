"""An hour of fuzz that looks for new paths through the code finds no mail and no server that breaks or stops us."""

import os
import subprocess
import sys
from pathlib import Path

import imap_transcripts
import pytest
from peers.require import FUZZER, ROOT, require_peer

SECONDS = 3_600
LONGEST_SECONDS = 10
"""For one mail of at most `LONGEST_MAIL` octets, with every branch counted."""
LONGEST_MAIL = 65_536


@pytest.mark.soak
def test_an_hour_of_fuzz_breaks_nothing(tmp_path: Path, corpora: Path) -> None:
    seeds = [corpora / "bounces" / "maildir" / "bsd", corpora / "bounces" / "maildir" / "err"]
    _fuzz("fuzz_mail.py", tmp_path, seeds)


@pytest.mark.soak
def test_an_hour_of_what_imap_peers_could_say_breaks_nothing(tmp_path: Path) -> None:
    seeds = tmp_path / "seeds"
    seeds.mkdir()
    for name, conversation in imap_transcripts.ALL.items():
        for number, line in enumerate(conversation.split(b"\r\n*")):
            (seeds / f"{name}-{number}").write_bytes(b"*" + line.removeprefix(b"*") + b"\r\n")
    _fuzz("fuzz_imap.py", tmp_path, [seeds])


def _fuzz(program: str, folder: Path, seeds: list[Path]) -> None:
    require_peer("fuzzer")
    (folder / "found").mkdir()
    limits = [f"-max_total_time={SECONDS}", f"-timeout={LONGEST_SECONDS}", f"-max_len={LONGEST_MAIL}"]
    finished = subprocess.run(
        [sys.executable, ROOT / "tests" / program, *limits, "-rss_limit_mb=2048", folder / "found", *seeds],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{FUZZER}:{ROOT / 'src'}"},
        capture_output=True,
        text=True,
        timeout=SECONDS + 600,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout[-2_000:] + finished.stderr[-4_000:]
