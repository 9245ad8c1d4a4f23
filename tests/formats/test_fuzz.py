"""An hour of fuzz that looks for new paths through the code finds no mail that breaks the classifier or stops it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from peers.require import FUZZER, ROOT, require_peer

SECONDS = 3_600
LONGEST_SECONDS = 10
"""For one mail of at most `LONGEST_MAIL` octets, with every branch counted."""
LONGEST_MAIL = 65_536


@pytest.mark.soak
def test_an_hour_of_fuzz_breaks_nothing(tmp_path: Path, corpora: Path) -> None:
    require_peer("fuzzer")
    (tmp_path / "found").mkdir()
    limits = [f"-max_total_time={SECONDS}", f"-timeout={LONGEST_SECONDS}", f"-max_len={LONGEST_MAIL}"]
    seeds = [corpora / "bounces" / "maildir" / "bsd", corpora / "bounces" / "maildir" / "err"]
    finished = subprocess.run(
        [sys.executable, ROOT / "tests" / "fuzz_mail.py", *limits, "-rss_limit_mb=2048", tmp_path / "found", *seeds],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{FUZZER}:{ROOT / 'src'}"},
        capture_output=True,
        text=True,
        timeout=SECONDS + 600,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout[-2_000:] + finished.stderr[-4_000:]
