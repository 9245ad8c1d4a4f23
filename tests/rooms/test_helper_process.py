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
