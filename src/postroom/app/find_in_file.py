"""Counts how often texts stand in the files of the database: `python -m postroom.app.find_in_file FILE…`.

A process of its own: where a process closes a file that SQLite has open in it,
the system drops SQLite's locks on that file. The texts come as lines on
standard input, in small letters, so that no list of processes shows them.
"""

import sys
from pathlib import Path

_PIECE = 4 << 20


def count_in(path: Path, texts: list[bytes]) -> int:
    """Return how many times one of `texts` (small letters) stands in a file, in any letter case."""
    overlap = max(map(len, texts)) - 1
    count, rest = 0, b""
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            view = rest + piece.lower()
            # What ends in the overlap is counted with the piece in which it is whole.
            count += sum(view.count(text) for text in texts)
            rest = view[-overlap:] if overlap else b""
            count -= sum(rest.count(text) for text in texts)
    return count + sum(rest.count(text) for text in texts)


def main() -> None:
    """Print the sum over all files that are there."""
    texts = [line.lower() for line in sys.stdin.buffer.read().split(b"\n") if line]
    print(sum(count_in(path, texts) for path in map(Path, sys.argv[1:]) if path.exists()))


if __name__ == "__main__":
    main()
