"""Coverage-guided fuzz of both sides of the IMAP wire: `python tests/fuzz_imap.py CORPUS SEEDS…`.

A program of its own, since the fuzzer ends the process that it runs in.
Started by tests/formats/test_fuzz.py; options are libFuzzer's.
"""

import sys

import atheris

with atheris.instrument_imports(include=["postroom.net.imap"]):
    from postroom.net.imap.commands import read_command
    from postroom.net.imap.reader import ResponseReader
    from postroom.net.imap.responses import Listed, Response
    from postroom.net.imap.wire import COMMAND_LIMITS, Framer, Limits, LiteralAsked

SMALL = Limits(line_bytes=1_000, endless_bytes=5_000, literal_bytes=2_000, literals=5, response_bytes=4_000)


def _responses(pieces: list[bytes]) -> list[Response]:
    reader = ResponseReader(SMALL)
    found = []
    for piece in pieces:
        reader.feed(piece)
        while (response := reader.take()) is not None:
            found.append(response)
            if isinstance(response, Listed):
                response.shown  # noqa: B018
    return found


def read_both_ways(data: bytes) -> None:
    """Read octets as a client and as a server; how they are cut must make no difference."""
    whole = _responses([data])
    width = 1 + (data[0] if data else 0) % 7
    if _responses([data[begin : begin + width] for begin in range(0, len(data), width)]) != whole:
        raise AssertionError("pieces say something else than the whole")
    framer = Framer(COMMAND_LIMITS, serves=True)
    framer.feed(data)
    while (item := framer.take()) is not None:
        if not isinstance(item, LiteralAsked):
            read_command(item)


atheris.Setup(sys.argv, read_both_ways)
atheris.Fuzz()
