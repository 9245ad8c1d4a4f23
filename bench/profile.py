"""Tables from what the sampler wrote: which functions use the CPU time of owner and helper."""

import collections
import json
from pathlib import Path
from typing import Any


def report(folder: Path, mails: int, top: int = 40) -> str:
    """Return the tables of all processes; times are CPU microseconds a mail, without those of the start."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("samples-*.json"))]
    return "\n\n".join(_process(said, mails, top) for said in found)


def _process(said: dict[str, Any], mails: int, top: int) -> str:
    kind = "helper" if "helper" in said["argv"] else "owner"
    own: collections.Counter[str] = collections.Counter()
    total: collections.Counter[str] = collections.Counter()
    threads: collections.Counter[str] = collections.Counter()
    start = 0.0
    for thread, stack, used in said["stacks"]:
        if any("importlib" in name for name in stack):
            start += used
            continue
        threads[thread] += used
        own[f"{thread[:12]:12} {stack[0]}"] += used
        for name in set(stack):
            total[name] += used
    each = 1e6 / mails
    lines = [
        f"{kind} (pid {said['pid']}): {said['cpu_seconds']:.2f} s CPU, {start:.2f} s of it imports; "
        f"{sum(threads.values()) * each:,.0f} us a mail: "
        + ", ".join(f"{name} {used * each:,.0f}" for name, used in threads.most_common(6)),
        "  with what it calls, us a mail",
    ]
    lines += [f"  {used * each:8.1f}  {name}" for name, used in total.most_common(3 * top) if used * each >= 8]
    lines.append("  own time, us a mail")
    lines += [f"  {used * each:8.1f}  {name}" for name, used in own.most_common(top)]
    return "\n".join(lines)
