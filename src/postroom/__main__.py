"""`python -m postroom`."""

import sys
from importlib import import_module


def main() -> None:
    """Run the command line."""
    # An MTA starts `receive` for every mail: it does without what the other commands need.
    import_module("postroom.cli.pipe" if sys.argv[1:2] == ["receive"] else "postroom.cli.main").main()


if __name__ == "__main__":
    main()
