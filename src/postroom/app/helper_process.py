"""The helper process: makes attempts (render, sign, SMTP out) for its owner and never opens the database.

It runs as `python -m postroom helper DESCRIPTOR OWNER LEVEL FORM`. Everything comes over
the socketpair of that descriptor; when that closes, the owner is gone and the helper
ends. OWNER is the owner's process id: work that it left in the socketpair is not begun.
LEVEL and FORM are those of the log.
"""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import cast

import structlog
import uvloop

from postroom.app.memory import give_large_pieces_back
from postroom.app.transports import make_transports, sign_here
from postroom.base.clock import SystemClock
from postroom.base.collector import calm_collector
from postroom.base.log import set_up_log
from postroom.base.log_forms import Form
from postroom.base.tokens import TokenKeys
from postroom.outbound import helper_frames as frames
from postroom.outbound.attempt import Attempted, Tools, Work
from postroom.outbound.compilation import columns_of, compilation_of
from postroom.outbound.compile import Compiled, from_plan
from postroom.outbound.frame_pipe import FramePipe
from postroom.outbound.journal import Journal
from postroom.outbound.local import LocalAttempts
from postroom.outbound.sign import SigningKey, load_key

_log = structlog.get_logger(__name__)

_WORDS = 6
"""Of the command line."""


class Helper:
    """What a helper holds between frames."""

    def __init__(self, hello: frames.Hello, pipe: FramePipe[frames.Downward], owner: int) -> None:
        clock = SystemClock()
        self._pipe = pipe
        self._ring: TokenKeys = TokenKeys(dict(hello.token_keys))
        self._contents: dict[int, Compiled] = {}
        self._running: dict[int, Compiled] = {}
        self._keys: dict[int, tuple[SigningKey, ...]] = {}
        self._pool, transports = make_transports(hello.hostname, hello.connections, clock)
        self._journal = Journal(Path(hello.journal_folder), hello.journal_name, hello.boot_id)
        tools = Tools(
            hostname=hello.hostname,
            token_keys=lambda: self._ring,
            compiled=self._compiled,
            signing_keys=self._signing_keys,
            sign=sign_here,
            transports=transports,
        )
        # The next owner may have read the journals before this process made its own.
        self._attempts = LocalAttempts(tools, self._journal, clock, may_send=lambda: os.getppid() == owner)

    def take(self, frame: frames.Downward) -> None:
        """Do what one frame asks for; Drain is for `drain`."""
        match frame:
            case frames.DoWork(content=number, work=work):
                self._running[work.claimed.id] = self._contents[number]
                self._attempts.start(work, lambda attempted: self._ended(work, attempted))
            case frames.Compile():
                self._pipe.say(self._compile(frame))
            case frames.GiveContent(number=number, raw=raw, plan=plan):
                self._contents[number] = from_plan(raw, plan)
            case frames.ForgetContent(number=number):
                self._contents.pop(number, None)
            case frames.GiveTokenKeys(keys=ring):
                self._ring = TokenKeys(dict(ring))
            case frames.GiveKeys(domain_id=domain_id, keys=keys):
                self._keys[domain_id] = tuple(load_key(*key) for key in keys)
            case frames.Settled(keys=keys):
                self._attempts.settled(keys)
            case frames.Renewed(keys=keys, lease_ms=lease_ms):
                self._attempts.renewed(keys, lease_ms)
            case _:
                pass

    async def drain(self, seconds: float) -> None:
        """Let running tries end within `seconds` and cut the rest; the owner hears of each."""
        await self._attempts.drain(seconds)
        await self._pool.close()

    def close(self) -> None:
        """Close the journal: what is not settled stays in it."""
        self._journal.close()

    def _ended(self, work: Work, attempted: Attempted) -> None:
        self._running.pop(work.claimed.id, None)
        self._pipe.say(frames.Ended(work.claimed.id, attempted))

    def _compile(self, asked: frames.Compile) -> frames.Upward:
        try:
            compilation, compiled = compilation_of(asked.raw, asked.options)
            columns = columns_of(compilation)
        except Exception as error:
            _log.exception("a content cannot be compiled")
            return frames.NotCompiled(asked.number, type(error).__name__)
        self._contents[asked.number] = compiled
        packed = compilation.packed
        raw = None if packed.raw == asked.raw else packed.raw
        return frames.Compiled(asked.number, compilation.key, raw, packed.plan, compilation.findings, columns)

    async def _compiled(self, work: Work) -> Compiled:
        return self._running[work.claimed.id]

    async def _signing_keys(self, domain_id: int) -> tuple[SigningKey, ...]:
        return self._keys.get(domain_id, ())


class HelperLife:
    """A helper from its Hello on."""

    def __init__(self, owner: int) -> None:
        self._owner = owner
        self._helper: Helper | None = None
        self._draining: list[asyncio.Task[None]] = []
        self._pipe: FramePipe[frames.Downward] = FramePipe(frames.READS_DOWNWARD, self._take)

    async def live(self, descriptor: int) -> None:
        """Work for the owner at the other end of the socketpair until it closes."""
        sock = socket.socket(fileno=descriptor)
        await asyncio.get_running_loop().create_connection(lambda: self._pipe, sock=sock)
        error = await self._pipe.closed()
        if error is not None:
            _log.error("the owner of this helper process cannot be understood", exc_info=error)
        # The owner is gone: what is on its way is cut, and the journal tells the next owner.
        for task in self._draining:
            task.cancel()
        if self._helper is not None:
            await self._helper.drain(0)
            self._helper.close()

    def _take(self, frame: frames.Downward) -> None:
        if self._helper is None:
            if not isinstance(frame, frames.Hello):
                raise RuntimeError("the owner's first frame is no Hello")
            self._helper = Helper(frame, self._pipe, self._owner)
            calm_collector()
        elif isinstance(frame, frames.Drain):
            # Settled frames still come while tries end; a second Drain hurries.
            self._draining.append(asyncio.get_running_loop().create_task(self._helper.drain(frame.seconds)))
        else:
            self._helper.take(frame)


async def _run(descriptor: int, owner: int) -> None:
    await HelperLife(owner).live(descriptor)


def main() -> None:
    """Run a helper; Ctrl-C at a terminal reaches the owner, which then says Drain."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if len(sys.argv) != _WORDS:
        sys.exit("postroom: helpers are started by the server")
    descriptor, owner, level, form = sys.argv[2:]
    give_large_pieces_back()
    set_up_log(level, cast(Form, form))
    os.set_inheritable(int(descriptor), False)
    uvloop.run(_run(int(descriptor), int(owner)))
