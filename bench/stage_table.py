"""The table of stages beside the budget."""

BUDGET_MS = {
    "door": 0.35,
    "compile": 0.15,
    "accept": 0.15,
    "claim + settle": 0.1,
    "render + canonicalise": 0.15,
    "client": 0.35,
    "RSA": 0.9,
    "rest": 0.5,
}
"""DESIGN section 8, at 4 kB."""

_TABLE = (
    ("door", ("door",), "owner"),
    ("compile", ("compile, miss",), "owner"),
    (
        "accept",
        ("content key and body packed", "prepare, compile and packing taken off", "accept, written in groups"),
        "owner",
    ),
    ("claim + settle", ("claim + settle",), "owner"),
    ("frames to and from the helper", ("frames, owner", "frames, helper", "plan read (helper)"), "both"),
    ("render + canonicalise", ("render, first copy of a content", "envelope"), "helper"),
    ("client", ("client",), "helper"),
    ("signature field around RSA", ("signature field around RSA",), "helper"),
    ("RSA", ("RSA",), "helper"),
)


def table(found: dict[str, float], size: int) -> str:
    """Return the table as Markdown."""
    lines = ["| stage | CPU ms a mail | budget at 4 kB | in |", "|---|---|---|---|"]
    total = 0.0
    for name, keys, where in _TABLE:
        value = sum(found[key] for key in keys)
        total += value
        budget = f"{BUDGET_MS[name]:.2f}" if name in BUDGET_MS and size == 4096 else ""
        lines.append(f"| {name} | {value:.3f} | {budget} | {where} |")
        if len(keys) > 1:
            lines += [f"| - {key} | {found[key]:.3f} | | |" for key in keys]
    lines.append(f"| **sum** | **{total:.3f}** | | |")
    lines.append(
        f"| a further copy of a content that is compiled (hit): render | {found['render, further copies']:.3f} | | |"
    )
    return "\n".join(lines)
