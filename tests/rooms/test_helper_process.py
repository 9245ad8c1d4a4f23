"""Promises of the helper process."""

import subprocess
import sys

_LOOK = """
import sys
import postroom.app.helper_process
print([name for name in sys.modules if name.startswith(("postroom.store", "sqlalchemy", "sqlite3", "psycopg"))])
"""


def test_a_helper_process_cannot_open_the_database() -> None:
    """It does not even have the code: attempts take values and return values."""
    done = subprocess.run([sys.executable, "-c", _LOOK], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_no_process_of_ours_loads_what_colours_tracebacks() -> None:
    look = "import sys, runpy; sys.argv = ['postroom', 'serve', '--help']\n"
    look += "try: runpy.run_module('postroom', run_name='__main__')\n"
    look += "finally: print([name for name in sys.modules if name.startswith(('rich.', 'pygments'))])"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)

    assert "Usage" in done.stdout
    assert done.stdout.strip().endswith("[]")
