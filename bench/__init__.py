"""The benchmarks of `make bench`. Peers are started by what the tests use for them (tests/peers)."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

if str(ROOT / "tests") not in sys.path:
    sys.path.append(str(ROOT / "tests"))
