"""`python -m bench [NAME] [--quick] [options]`: all benchmarks, or the one that is named."""

import importlib.util
import subprocess
import sys

from bench import ROOT, relay

_ALL = ("relay", "stages", "campaign", "store", "hits", "pages", "classify", "watch")


def main() -> int:
    """Run what the arguments name; return the exit code."""
    words = sys.argv[1:]
    name = words.pop(0) if words and not words[0].startswith("-") else ""
    if name and name not in _ALL:
        print(f"there is no benchmark {name}; there are {', '.join(_ALL)}", file=sys.stderr)
        return 2
    if name == "relay":
        return 0 if relay.main(words) else 1
    failed = []
    for one in [name] if name else _ALL:
        if importlib.util.find_spec(f"bench.{one}") is None:
            continue
        print(f"\n== {one}", flush=True)
        options = words if name or one != "hits" else (["--seconds", "4"] if "--quick" in words else [])
        if subprocess.run([sys.executable, "-m", f"bench.{one}", *options], cwd=ROOT, check=False).returncode:
            failed.append(one)
    if failed:
        print(f"\nnot as aimed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
