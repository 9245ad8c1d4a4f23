"""Words to the supervisor: ready, stopping, still alive (systemd's sd_notify protocol).

Each is one datagram to the socket that NOTIFY_SOCKET names. Nobody answers, and a word that
cannot be said changes nothing for us.
"""

import asyncio
import contextlib
import socket

from postroom.config import Supervision


class Supervisor:
    """Who started this process, or nobody."""

    def __init__(self, supervision: Supervision) -> None:
        path = supervision.notify_socket
        # A name that begins with @ is in the abstract namespace (unix(7)).
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self._watchdog_seconds = supervision.watchdog_seconds

    def ready(self) -> None:
        """Say that all doors are open."""
        self._say("READY=1")

    def stopping(self) -> None:
        """Say that the stop has begun."""
        self._say("STOPPING=1")

    async def stay_awake(self) -> None:
        """Say from the event loop that it still turns, until cancelled; ends nothing where nobody asks."""
        if self._watchdog_seconds is None:
            await asyncio.Event().wait()
            return
        while True:
            self._say("WATCHDOG=1")
            # sd_watchdog_enabled(3): twice as often as asked for.
            await asyncio.sleep(self._watchdog_seconds / 2)

    def _say(self, word: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
            one.setblocking(False)
            one.sendto(word.encode(), self._address)
