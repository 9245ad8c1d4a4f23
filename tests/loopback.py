"""Tests dial loopback addresses only (rule 17 of the house).

The guard stands in front of Python's socket calls in the test process. Calls
made in another network namespace may go where they like: nothing leaves it.
Programs started by tests are not guarded here; they get loopback addresses.
"""

import functools
import ipaddress
import os
import socket
from collections.abc import Callable
from typing import Any

dialled_outside: list[str] = []
"""Addresses outside loopback that were dialled and refused since the list was cleared."""


class DialledOutside(AssertionError):
    """A test wanted to leave the machine."""


def is_loopback(family: int, address: object) -> bool:
    """Tell whether dialling `address` stays on this machine."""
    if family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(address, tuple):
        return True
    host = str(address[0]).partition("%")[0]
    if host in ("", "localhost", "<broadcast>"):
        return host != "<broadcast>"
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False  # a host name would be looked up outside
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return ip.is_loopback or ip.is_unspecified


def guard() -> Callable[[], None]:
    """Refuse to dial outside from now on; the function that is returned ends this."""
    home = _network_namespace()
    originals = {name: getattr(socket.socket, name) for name in ("connect", "connect_ex", "sendto", "sendmsg")}

    def wrapped(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(self: socket.socket, *arguments: Any, **named: Any) -> Any:
            place = {"sendmsg": 3}.get(name, len(arguments) - 1)
            address = arguments[place] if 0 <= place < len(arguments) else None
            if not is_loopback(self.family, address) and _network_namespace() == home:
                dialled_outside.append(f"{name} {address}")
                raise DialledOutside(f"a test dials {address}, which is not loopback")
            return original(self, *arguments, **named)

        return call

    for name, original in originals.items():
        setattr(socket.socket, name, wrapped(name, original))

    def end() -> None:
        for name, original in originals.items():
            setattr(socket.socket, name, original)

    return end


def _network_namespace() -> str:
    return os.readlink("/proc/thread-self/ns/net") if os.path.exists("/proc/thread-self/ns/net") else ""
