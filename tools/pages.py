"""Renew the tables of the docs from the code, then check every link between the pages.

`make docs`. A link that leads nowhere (a file, or a heading in one) fails.
Addresses of other sites are not fetched.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.reference import ROOT, TABLES, with_table

_LINK = re.compile(r"(?<!\\)\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.M)
_CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.M | re.S)


def pages() -> list[Path]:
    """Return all pages of the project."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def renew_tables() -> None:
    """Write the tables that the code makes into their pages."""
    for name, (file, make) in TABLES.items():
        path = ROOT / file
        page = path.read_text()
        renewed = with_table(page, name, make())
        if renewed != page:
            path.write_text(renewed)
            print(f"renewed {file}")


def broken_links() -> Iterator[str]:
    """Tell each link that leads nowhere."""
    for page in pages():
        for target in _LINK.findall(_CODE.sub("", page.read_text())):
            if re.match(r"[a-z]+:", target):
                continue
            file, _, anchor = target.partition("#")
            there = (page.parent / file).resolve() if file else page
            if not there.exists():
                yield f"{page.relative_to(ROOT)}: {target} is not there"
            elif anchor and anchor not in _anchors(there):
                yield f"{page.relative_to(ROOT)}: {target} has no such heading"


def _anchors(page: Path) -> set[str]:
    headings = _HEADING.findall(re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def main() -> int:
    """Renew, check, tell; the exit code is 1 when a link is broken."""
    renew_tables()
    broken = list(broken_links())
    print("\n".join(broken) or f"{len(pages())} pages, all links lead somewhere")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
