"""What is shipped to run Postroom as a service: units, image, proxy."""

import http.client
import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from peers.nginx import Nginx
from peers.process import wait_until
from peers.require import require_peer
from running_server import Answer, RunningServer

from postroom.config import INHERITED_NAMES

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "contrib" / "systemd"
DOCKERFILE = (ROOT / "Dockerfile").read_text()


# systemd


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    require_peer("systemd-analyze")
    units = [
        Path(shutil.copy(path, tmp_path)) for path in sorted(UNITS.glob("postroom*.s*")) if "users" not in path.name
    ]
    service = tmp_path / "postroom.service"
    # A link: the project may lie in a path with a space, which the unit would have to quote.
    (tmp_path / "python").symlink_to(sys.executable)
    service.write_text(service.read_text().replace("/opt/postroom/.venv/bin/python", str(tmp_path / "python")))

    done = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False, timeout=60
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_each_socket_unit_names_a_door_of_the_service() -> None:
    found = {}
    for path in UNITS.glob("*.socket"):
        (name,) = re.findall(r"^FileDescriptorName=(.*)$", path.read_text(), re.M)
        found[path.stem] = name
        assert "\nService=postroom.service\n" in path.read_text()

    assert found == {f"postroom-{name.replace('_', '-')}": name for name in INHERITED_NAMES}


# The image


def test_the_image_is_made_of_what_is_there_and_of_locked_packages() -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.M)
    allowed = (ROOT / ".dockerignore").read_text().splitlines()

    for name in " ".join(copied).split():
        assert (ROOT / name).exists(), name
        assert f"!{name}" in allowed, f"{name} is kept out by .dockerignore"
    assert "--require-hashes" in DOCKERFILE
    # An image name without a host.
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.M)) == {"python:3.11-slim-bookworm"}
    assert re.search(r"^USER (?!root|0)\S+$", DOCKERFILE, re.M)


def test_the_image_knows_a_healthy_server_from_none(sandbox: RunningServer) -> None:
    (command,) = re.findall(r"^HEALTHCHECK .*\\\n\s+CMD \\?\s*(\[.*\])$|^HEALTHCHECK [^\[]*(\[.*\])$", DOCKERFILE, re.M)
    words = json.loads("".join(command))

    def healthy(port: int) -> bool:
        asked = [sys.executable, *(word.replace("8025", str(port)) for word in words[1:])]
        return subprocess.run(asked, capture_output=True, check=False, timeout=30).returncode == 0

    assert healthy(sandbox.http_port)
    assert not healthy(1)


# nginx, and the words to systemd, with one server


class Proxied:
    """A server behind the shipped configuration of nginx, started as by systemd."""

    def __init__(self, server: RunningServer, nginx: Nginx, notified: socket.socket) -> None:
        self.server, self.nginx, self.notified = server, nginx, notified

    def fetch(self, host: str, method: str, path: str, *, source: str = "127.0.0.1", body: bytes = b"",
              fields: dict[str, str] | None = None) -> Answer:  # fmt: skip
        """Perform a request by TLS as a client at `source`."""
        context = ssl.create_default_context()
        self.nginx.authority.configure_trust(context)
        with closing(socket.create_connection(("127.0.0.1", self.nginx.port), source_address=(source, 0))) as plain:
            connection = http.client.HTTPConnection(host, self.nginx.port)
            connection.sock = context.wrap_socket(plain, server_hostname=host)
            with closing(connection):
                connection.request(method, path, body, {"Host": host, **(fields or {})})
                answer = connection.getresponse()
                return Answer(
                    answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
                )


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    require_peer("nginx")
    path = str(tmp_path_factory.mktemp("systemd") / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified, pytest.MonkeyPatch.context() as patch:
        notified.bind(path)
        notified.settimeout(30)
        patch.setenv("NOTIFY_SOCKET", path)
        server = RunningServer(public_url="https://mail.postroom.test", trusted_proxies="127.0.0.1/32")
        names = {"mail.example.com": "mail.postroom.test", "go.example.com": "go.shop.test"}
        with server, Nginx(server.http_port, names) as nginx:
            yield Proxied(server, nginx, notified)


def click(proxied: Proxied, address: str) -> str:
    """Send a mail through the proxy, and return the path of its link."""
    body = {"from": "a@shop.test", "to": [address], "subject": "x", "html": '<a href="https://shop.test/x">x</a>'}
    fields = {"Authorization": f"Bearer {proxied.server.api.key}", "Content-Type": "application/json"}
    answer = proxied.fetch(
        "mail.postroom.test", "POST", "/api/v1/messages", body=json.dumps(body).encode(), fields=fields
    )
    assert answer.status == 202, answer
    proxied.server.wait_for_state(answer.json["id"], "delivered")
    (copy,) = proxied.server.kept(address)
    found = re.search(rb"https://mail\.postroom\.test(/c/[\w-]+)", copy.replace(b"=\r\n", b""))
    assert found, copy
    return found[1].decode()


def addresses_of(proxied: Proxied, address: str, count: int) -> list[str]:
    """Return where the clicks of a recipient came from, once there are so many."""
    asked = (
        "SELECT h.address FROM hit h JOIN recipient r ON r.id = h.recipient_id "
        "WHERE r.address = ? AND h.kind = 'click' ORDER BY h.id"
    )
    wait_until(lambda: len(proxied.server.rows(asked, address)) >= count, f"{count} clicks are recorded")
    return [one for (one,) in proxied.server.rows(asked, address)]


def test_behind_nginx_a_click_comes_from_its_client_whatever_the_client_claims(proxied: Proxied) -> None:
    path = click(proxied, "ann@shop.test")

    through = proxied.fetch("mail.postroom.test", "GET", path, source="127.0.0.7")
    claimed = proxied.fetch(
        "mail.postroom.test", "GET", path, source="127.0.0.8", fields={"X-Forwarded-For": "203.0.113.9"}
    )

    for answer in (through, claimed):
        assert (answer.status, answer.fields["location"]) == (307, "https://shop.test/x")
    assert addresses_of(proxied, "ann@shop.test", 2) == ["127.0.0.7", "127.0.0.8"]


def test_past_nginx_nobody_is_believed(proxied: Proxied) -> None:
    path = click(proxied, "bob@shop.test")

    with closing(
        http.client.HTTPConnection("127.0.0.1", proxied.server.http_port, source_address=("127.0.0.9", 0))
    ) as past:
        past.request("GET", path, headers={"Host": "mail.postroom.test", "X-Forwarded-For": "203.0.113.9"})
        assert past.getresponse().status == 307

    assert addresses_of(proxied, "bob@shop.test", 1) == ["127.0.0.9"]


def test_nginx_shows_nobody_the_metrics_and_hosts_of_links_nothing_else(proxied: Proxied) -> None:
    assert proxied.fetch("mail.postroom.test", "GET", "/metrics").status == 404
    assert proxied.fetch("mail.postroom.test", "GET", "/health/ready").status == 200
    assert proxied.fetch("go.shop.test", "GET", "/health/ready").status == 404
    assert proxied.fetch("go.shop.test", "GET", "/o/nonsense.png").status == 200


def test_systemd_hears_when_it_is_ready_and_when_it_stops(proxied: Proxied) -> None:
    proxied.server.restart()

    assert [proxied.notified.recv(100) for _ in range(3)] == [b"READY=1", b"STOPPING=1", b"READY=1"]
