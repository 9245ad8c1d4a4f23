"""Listening sockets that the supervisor holds and hands to this process (systemd's socket activation).

The sockets outlive the process: over a restart, connections wait in their
backlog instead of being refused, and ports below 1024 need no rights of ours.
"""

import socket
from collections.abc import Mapping
from dataclasses import replace

from postroom.base.errors import SettingsError
from postroom.config import Listener, Settings


class InheritedSockets:
    """The sockets by the door that they are for."""

    def __init__(self, descriptors: Mapping[str, tuple[int, ...]]) -> None:
        """`descriptors` by the name of their door. Raises SettingsError for what is no listening TCP socket."""
        self._sockets = {name: [_listening(name, one) for one in of_name] for name, of_name in descriptors.items()}

    def of(self, name: str) -> list[socket.socket]:
        """Return the sockets of a door; none where it opens its own."""
        return self._sockets.get(name, [])

    def addresses_in(self, settings: Settings) -> Settings:
        """Return the settings with the addresses of these sockets in place of those that nobody listens on."""
        return replace(
            settings,
            http=self._address("http") or settings.http,
            public_http=self._address("public_http") or settings.public_http,
            submission=self._address("submission") or settings.submission,
            submissions=self._address("submissions") or settings.submissions,
            inbound=self._address("inbound") or settings.inbound,
        )

    def _address(self, name: str) -> Listener | None:
        sockets = self.of(name)
        return Listener(*sockets[0].getsockname()[:2]) if sockets else None


def _listening(name: str, descriptor: int) -> socket.socket:
    try:
        found = socket.socket(fileno=descriptor)
    except OSError as error:
        raise SettingsError(f"LISTEN_FDS: descriptor {descriptor} ({name}) is no socket: {error.strerror}") from error
    is_tcp = found.family in (socket.AF_INET, socket.AF_INET6) and found.type == socket.SOCK_STREAM
    if not is_tcp or not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        found.close()
        raise SettingsError(f"LISTEN_FDS: descriptor {descriptor} ({name}) is no listening TCP socket")
    # Helpers must not hold the ports after this process.
    found.set_inheritable(False)
    found.setblocking(False)
    return found
