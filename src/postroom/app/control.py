"""The local socket by which operators' commands reach the running server.

A request is one line of JSON, {"operation": …, "arguments": {…}}; the answer
is one line, {"result": …} or {"error": …, "field": …}. The socket lies in the
data folder with mode 0600: who may open it may do everything.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from postroom.app.control_call import CONTROL_SOCKET, address_of
from postroom.base.errors import PostroomError, TryLater, WrongInput

_log = structlog.get_logger(__name__)

_MOST_BYTES = 64 << 20

Operation = Callable[[Mapping[str, Any]], Awaitable[Any]]


def control_path(data: Path) -> Path:
    """Return where the socket of a data folder lies."""
    return data / CONTROL_SOCKET


async def serve_control(path: Path, operations: Mapping[str, Operation]) -> asyncio.Server:
    """Listen at `path`; one left behind by a process that was killed is replaced."""
    path.unlink(missing_ok=True)  # noqa: ASYNC240 - once, at the start

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            if line:
                writer.write(json.dumps(await _perform(line, operations)).encode() + b"\n")
                await writer.drain()
        except (ValueError, ConnectionError) as error:
            _log.warning("a command was not understood", reason=str(error))
        finally:
            writer.close()

    before = os.umask(0o177)
    try:
        with address_of(path) as address:
            return await asyncio.start_unix_server(answer, address, limit=_MOST_BYTES)
    finally:
        os.umask(before)


async def call_control(path: Path, operation: str, arguments: Mapping[str, Any]) -> Any:
    """Have the running server perform an operation and return its result.

    Raises ConnectionError or FileNotFoundError where no server runs, WrongInput
    and PostroomError as the operation did.
    """
    with address_of(path) as address:
        reader, writer = await asyncio.open_unix_connection(address, limit=_MOST_BYTES)
    try:
        writer.write(json.dumps({"operation": operation, "arguments": dict(arguments)}).encode() + b"\n")
        await writer.drain()
        answer = json.loads(await reader.readline() or b"{}")
    finally:
        writer.close()
    if "error" in answer:
        if answer.get("field"):
            raise WrongInput(answer["field"], answer["error"])
        raise PostroomError(answer["error"])
    return answer.get("result")


async def _perform(line: bytes, operations: Mapping[str, Operation]) -> dict[str, Any]:
    request = json.loads(line)
    name = request["operation"]
    if name not in operations:
        return {"error": f"the running server knows no operation {name!r}; is it of another version?"}
    try:
        return {"result": await operations[name](request["arguments"])}
    except WrongInput as error:
        return {"error": str(error), "field": error.field}
    except TryLater as error:
        return {"error": f"not now: {error}"}
    except PostroomError as error:
        return {"error": str(error)}
    except Exception as error:
        # The edge of a request: the server goes on, the operator is told where to look.
        _log.exception("operation failed", operation=name)
        return {"error": f"{type(error).__name__} in {name}; the server's log tells more"}
