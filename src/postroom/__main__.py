"""`python -m postroom`."""

import gc
import sys
from importlib import import_module


def main() -> None:
    """Run the command line."""
    # An MTA starts `receive` for every mail: it does without what the other commands need.
    is_receive = sys.argv[1:2] == ["receive"]
    if is_receive:
        # It ends before anything is worth collecting, and each look at what was just loaded costs milliseconds.
        gc.disable()
    import_module("postroom.cli.pipe" if is_receive else "postroom.cli.main").main()


if __name__ == "__main__":
    main()
