"""What a supervisor hands to the server: sockets, a place to report to, a watchdog."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from postroom.app.sockets import InheritedSockets
from postroom.app.supervisor import Supervisor
from postroom.base.errors import SettingsError
from postroom.config import Supervision, read_settings, read_supervision


def test_nothing_is_read_where_nobody_supervises() -> None:
    assert read_supervision(7, {"PATH": "/bin"}) == Supervision()


def test_sockets_are_found_by_their_names() -> None:
    environment = {"LISTEN_PID": "7", "LISTEN_FDS": "3", "LISTEN_FDNAMES": "http:submission:http"}

    assert read_supervision(7, environment).sockets == {"http": (3, 5), "submission": (4,)}


def test_sockets_meant_for_another_process_are_left_alone() -> None:
    environment = {"LISTEN_PID": "8", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "http"}

    assert read_supervision(7, environment).sockets == {}


@pytest.mark.parametrize("names", ["", "imap", "postroom.socket"])
def test_a_socket_without_a_known_name_stops_the_start(names: str) -> None:
    with pytest.raises(SettingsError, match="http, public_http, submission, submissions, inbound"):
        read_supervision(7, {"LISTEN_PID": "7", "LISTEN_FDS": "1", "LISTEN_FDNAMES": names})


def test_what_is_no_listening_socket_stops_the_start(tmp_path: Path) -> None:
    file = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    udp = socket.socket(type=socket.SOCK_DGRAM)
    idle = socket.socket()
    for descriptor in (file, udp.detach(), idle.detach()):
        with pytest.raises(SettingsError, match=f"descriptor {descriptor} \\(http\\)"):
            InheritedSockets({"http": (descriptor,)})
    os.close(file)


def test_an_inherited_address_stands_in_for_that_of_the_setting() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]

    inherited = InheritedSockets({"http": (listening.detach(),)})
    settings = inherited.addresses_in(read_settings({}))

    assert (str(settings.http), str(settings.submission)) == (f"127.0.0.1:{port}", "127.0.0.1:2525")
    (one,) = inherited.of("http")
    assert not one.get_inheritable()
    one.close()


async def test_the_supervisor_hears_of_the_start_of_life_and_of_the_stop(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(path)
        notified.settimeout(5)
        supervisor = Supervisor(read_supervision(7, {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "20000"}))

        supervisor.ready()
        alive = asyncio.create_task(supervisor.stay_awake())
        await asyncio.sleep(0)
        alive.cancel()
        supervisor.stopping()

        assert [notified.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_without_a_supervisor_nothing_is_said(tmp_path: Path) -> None:
    Supervisor(Supervision()).ready()
    Supervisor(Supervision(notify_socket=str(tmp_path / "nobody"))).ready()
