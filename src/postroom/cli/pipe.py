"""What stands behind `postroom receive`, light: an MTA starts it for every mail and waits for its end.

It loads neither click nor an event loop; the running server does the work. Where none runs, the mail is
decided and kept for it (`app.arriving`). Whatever goes wrong means: later. The envelope comes
from options or from the environment, never from the header, which anybody can write.
"""

import sys
from binascii import b2a_base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from postroom.app.control_call import CONTROL_SOCKET, call_now
from postroom.base.errors import PostroomError
from postroom.config import null_or, read_delivery, read_settings
from postroom.net.smtp.data import Blocks, LineEnds

_BLOCK_BYTES = 256 * 1024
_NO_SUCH_ADDRESS = "5.1.1"

Call = Callable[[str, Mapping[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class ExitCodes:
    """How an MTA is told what became of a mail."""

    taken: int
    later: int
    no_such_address: int
    refused: int


SENDMAIL = ExitCodes(taken=0, later=75, no_such_address=67, refused=77)
"""sysexits.h: EX_OK, EX_TEMPFAIL, EX_NOUSER, EX_NOPERM."""
QMAIL = ExitCodes(taken=0, later=111, no_such_address=100, refused=100)
"""qmail-command(8)."""
QMAIL_STOP = ExitCodes(taken=99, later=111, no_such_address=100, refused=100)
"""99: done, and the further lines of the .qmail file are passed over."""


@dataclass(slots=True)
class Options:
    """The command line."""

    reverse_path: str | None = None
    recipients: tuple[str, ...] = ()
    qmail: bool = False
    stop: bool = False

    @property
    def codes(self) -> ExitCodes:
        """The exit codes that are asked for."""
        return (QMAIL_STOP if self.stop else QMAIL) if self.qmail else SENDMAIL


class WrongOptions(Exception):
    """The command line cannot be understood."""


def main() -> None:
    """Run `postroom receive …`, or explain it."""
    words = sys.argv[2:]
    if "--help" in words or "-h" in words:
        import_module("postroom.cli.main").main()
        return
    try:
        options = read_options(words)
    except WrongOptions as error:
        # Not the usual code of a wrong command line: the MTA would give the mail back.
        _tell(str(error))
        sys.exit(QMAIL.later if "--qmail" in words else SENDMAIL.later)
    sys.exit(receive(options, sys.stdin.buffer))


def read_options(words: Sequence[str]) -> Options:
    """Return what the command line says. Raises WrongOptions."""
    options, rest = Options(), list(words)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name in ("--qmail", "--stop") and not equals:
            options.qmail, options.stop = options.qmail or name == "--qmail", options.stop or name == "--stop"
        elif name in ("--from", "--to") and (equals or rest):
            value = value if equals else rest.pop(0)
            if name == "--from":
                options.reverse_path = value
            else:
                options.recipients += (value,)
        else:
            raise WrongOptions(f"{name!r} cannot be understood; postroom receive --help")
    return options


def receive(options: Options, content: BinaryIO) -> int:
    """Hand over one mail and return the exit code; what the MTA may show its user goes to standard output."""
    codes = options.codes
    try:
        code, enhanced, text = _receive(options, content)
    except _TooLarge:
        code, enhanced, text = 552, "5.3.4", "message too large"
    except PostroomError as error:
        _tell(" ".join(str(error).split()))
        return codes.later
    except Exception as error:
        # The edge: a mail that we cannot take now must stay with the MTA, whatever the reason.
        _tell(f"{type(error).__name__}: {error}")
        return codes.later
    if code < 300:
        return codes.taken
    # pipe(8) of Postfix takes an enhanced status code at the beginning as that of the delivery.
    sys.stdout.write(f"{enhanced} {text}\n")
    if code < 500:
        return codes.later
    return codes.no_such_address if enhanced == _NO_SUCH_ADDRESS else codes.refused


def _receive(options: Options, content: BinaryIO) -> tuple[int, str, str]:
    settings, told = read_settings(), read_delivery(qmail=options.qmail)
    reverse_path = null_or(options.reverse_path) if options.reverse_path is not None else told.reverse_path
    recipients = [[one] for one in options.recipients] or ([list(told.recipients)] if told.recipients else [])
    if reverse_path is None or not recipients:
        raise PostroomError("who sends and who receives is not known: give --from and --to, or SENDER and RECIPIENT")
    envelope = {"from": reverse_path, "to": recipients}
    blocks = _within(read_blocks(content), settings.message_size_mb << 20)
    first, second = next(blocks), next(blocks, None)
    try:
        return _hand_over(_calling(settings.data / CONTROL_SOCKET), envelope, first, second, blocks)
    except _NoServer:
        arriving = import_module("postroom.app.arriving")
        arriving.check_folder(settings)
        reply = arriving.take(settings, reverse_path, recipients, first, second, blocks)
        if reply is not None:
            return reply.code, reply.enhanced, reply.text
        # On PostgreSQL, where no server of this host ran lately. Loading all of the program takes a second.
        alone = import_module("postroom.app.pipe_operations")
        with alone.calling_alone(settings) as call:
            return _hand_over(call, envelope, first, second, blocks)


class _TooLarge(Exception):
    """The mail is larger than the doors take; what was handed over of it is swept."""


def _within(blocks: Iterator[bytes], most_bytes: int) -> Iterator[bytes]:
    total = 0
    for block in blocks:
        total += len(block)
        if total > most_bytes:
            raise _TooLarge
        yield block


class _NoServer(Exception):
    """Nobody listens, and nothing was handed over."""


def _calling(path: Path) -> Call:
    reached = False

    def call(operation: str, arguments: Mapping[str, Any]) -> Any:
        nonlocal reached
        try:
            answer = call_now(path, operation, arguments)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise PostroomError("the server has ended") if reached else _NoServer from error
        reached = True
        return answer

    return call


def _hand_over(
    call: Call, envelope: Mapping[str, Any], first: bytes, second: bytes | None, blocks: Iterator[bytes]
) -> tuple[int, str, str]:
    arguments = {**envelope, "data": _text(first)}
    if second is not None:
        # Nothing is taken from `blocks` before somebody has answered.
        upload = call("receive.begin", {})["upload"]
        rest_bytes = 0
        for number, block in enumerate(chain((second,), blocks), 1):
            call("receive.add", {"upload": upload, "number": number, "data": _text(block)})
            rest_bytes += len(block)
        arguments |= {"upload": upload, "rest_bytes": rest_bytes}
    answer = call("receive", arguments)
    return answer["code"], answer["enhanced"], answer["text"]


def read_blocks(content: BinaryIO) -> Iterator[bytes]:
    """Yield a mail with CRLF line ends and without a leading mbox line, in blocks of 256 kB; at least one."""
    line_ends, blocks = LineEnds(), Blocks(_BLOCK_BYTES)
    piece = content.read(_BLOCK_BYTES)
    if piece.startswith((b"From ", b">From ")):
        # Postfix's local(8) writes it; no header field looks like this.
        piece = piece.partition(b"\n")[2]
    while piece:
        blocks.add(line_ends.feed(piece))
        while blocks.overflows:
            yield blocks.take()
        piece = content.read(_BLOCK_BYTES)
    blocks.add(line_ends.end())
    yield blocks.rest()


def _text(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode("ascii")


def _tell(text: str) -> None:
    sys.stderr.write(f"postroom: {text}\n")
