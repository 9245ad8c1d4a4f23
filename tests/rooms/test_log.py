"""Promises of the log."""

import subprocess
import sys

_FAIL = """
import structlog
from postroom.base.log import set_up_log
set_up_log("info")
def accept(password):
    raise ValueError("refused")
try:
    accept("hunter2")
except ValueError:
    structlog.get_logger().exception("failed")
"""


def test_a_traceback_in_the_log_shows_no_local_variables() -> None:
    """They hold passwords and the bodies of mails."""
    done = subprocess.run([sys.executable, "-c", _FAIL], capture_output=True, text=True, check=True)

    assert "refused" in done.stderr
    assert "hunter2" not in done.stderr
