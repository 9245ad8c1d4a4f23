"""Calling an operation of the running server without an event loop: for a command that has to end at once.

The wire is that of `app.control`.
"""

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from postroom.base.errors import PostroomError

CONTROL_SOCKET = "control.sock"
"""Its name in the data folder."""
_SECONDS = 120.0
_PIECE_BYTES = 1 << 16


def call_now(path: Path, operation: str, arguments: Mapping[str, Any]) -> Any:
    """Have the running server perform an operation and return its result.

    Raises ConnectionRefusedError or FileNotFoundError where no server runs, another OSError where it
    does not answer, and PostroomError as the operation did.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_SECONDS)
        connection.connect(str(path))
        connection.sendall(json.dumps({"operation": operation, "arguments": dict(arguments)}).encode() + b"\n")
        answer = bytearray()
        while not answer.endswith(b"\n"):
            piece = connection.recv(_PIECE_BYTES)
            if not piece:
                raise ConnectionResetError("the server ended before it answered")
            answer += piece
    told = json.loads(answer)
    if "error" in told:
        raise PostroomError(told["error"])
    return told.get("result")
