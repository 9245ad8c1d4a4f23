"""Calling an operation of the running server without an event loop: for a command that has to end at once.

The wire is that of `app.control`.
"""

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from postroom.base.errors import PostroomError

CONTROL_SOCKET = "control.sock"
"""Its name in the data folder."""
_SECONDS = 120.0
_PIECE_BYTES = 1 << 16
_LONGEST_BYTES = 107
"""sun_path of unix(7), without its final NUL."""


@contextmanager
def address_of(path: Path) -> Iterator[str]:
    """Give an address of the socket at `path`, which may be longer than an address. Raises FileNotFoundError."""
    if len(os.fsencode(path)) <= _LONGEST_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def call_now(path: Path, operation: str, arguments: Mapping[str, Any]) -> Any:
    """Have the running server perform an operation and return its result.

    Raises ConnectionRefusedError or FileNotFoundError where no server runs, another OSError where it
    does not answer, and PostroomError as the operation did.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_SECONDS)
        with address_of(path) as address:
            connection.connect(address)
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
