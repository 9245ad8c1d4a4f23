"""`python -m postroom`."""

import gc
import sys
from importlib import import_module

_PROGRAMS = {"receive": "postroom.cli.pipe", "helper": "postroom.app.helper_process"}
"""What does without click: an MTA starts `receive` for every mail; `helper` is started by the server alone."""


def main() -> None:
    """Run the command line."""
    program = "".join(sys.argv[1:2])
    if program == "receive":
        # It ends before anything is worth collecting, and each look at what was just loaded costs milliseconds.
        gc.disable()
    else:
        _load_log()
    import_module(_PROGRAMS.get(program, "postroom.cli.main")).main()


def _load_log() -> None:
    # structlog loads rich wherever that is installed, to colour tracebacks as our log never does: 5 MB and
    # 70 ms in each process. It is hidden from structlog alone: commands draw their bars with it.
    sys.modules["rich"] = None  # type: ignore[assignment]
    import_module("structlog")
    del sys.modules["rich"]


if __name__ == "__main__":
    main()
