"""Promises of the log."""

import json
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


_LIBRARY = """
import logging
from postroom.base.log import set_up_log
set_up_log("info", "FORM")
logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
logging.getLogger("uvicorn.error").info("Started server process")
try:
    raise ValueError("refused")
except ValueError:
    logging.getLogger("asyncio").exception("a task failed")
"""


def test_what_libraries_log_has_the_form_of_our_own_lines() -> None:
    program = _LIBRARY.replace("FORM", "json")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    first, second = [json.loads(line) for line in done.stderr.splitlines()]

    assert (first["event"], first["level"], first["logger"]) == (
        "Invalid HTTP request received.",
        "warning",
        "uvicorn.error",
    )
    assert second["exception"][0]["exc_value"] == "refused"


def test_the_readable_form_can_be_asked_for() -> None:
    program = _LIBRARY.replace("FORM", "console")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "Invalid HTTP request received." in done.stderr
    assert '{"' not in done.stderr
    assert "\x1b" not in done.stderr
