"""Where the dashboard stands: beside the API, not at a workspace's host, at the address that `init` prints."""

from typing import Any

import pytest

from postroom.app.dashboard import beside
from postroom.app.greeting import greet
from postroom.app.names import dashboard_url
from postroom.config import read_settings
from postroom.tracking.hosts import Hosts

HOSTS = Hosts(["mail.example.com"], {"go.shop.example": 7})


async def answered_by(path: str, host: bytes) -> str:
    """Return which application is asked."""
    asked: list[str] = []

    def application(name: str) -> Any:
        async def answer(scope: Any, receive: Any, send: Any) -> None:
            asked.append(name)

        return answer

    app = beside(application("api"), application("superimap"), application("dashboard"), HOSTS)
    await app({"type": "http", "path": path, "headers": [(b"host", host)]}, None, None)  # type: ignore[arg-type]
    return asked[0]


@pytest.mark.parametrize("path", ["/api/v1/messages", "/api", "/health/live", "/metrics"])
async def test_the_api_keeps_its_paths(path: str) -> None:
    assert await answered_by(path, b"mail.example.com") == "api"


@pytest.mark.parametrize("path", ["/api/v1/connections", "/api/v1/connections/GMAIL/users/a b", "/api/v1/partner"])
async def test_superimap_has_its_own_paths(path: str) -> None:
    assert await answered_by(path, b"mail.example.com") == "superimap"


@pytest.mark.parametrize("path", ["/", "/w/default/", "/apis", "/healthy", "/login", "/static/x/y.css"])
async def test_every_other_path_is_the_dashboards(path: str) -> None:
    assert await answered_by(path, b"mail.example.com:8025") == "dashboard"


async def test_a_tracking_host_of_a_domain_has_no_dashboard() -> None:
    assert await answered_by("/login", b"GO.shop.example") == "api"
    assert await answered_by("/login", b"192.0.2.1:8025") == "dashboard"


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({"POSTROOM_HTTP": "127.0.0.1:8025"}, "http://127.0.0.1:8025"),
        ({"POSTROOM_HTTP": "0.0.0.0:8025"}, "http://127.0.0.1:8025"),
        ({"POSTROOM_HTTP": "[::1]:8025"}, "http://[::1]:8025"),
        ({"POSTROOM_PUBLIC_URL": "http://mail.example.com"}, "http://127.0.0.1:8025"),
        # Cookies go over https only then, so another address would log nobody in.
        ({"POSTROOM_PUBLIC_URL": "https://mail.example.com"}, "https://mail.example.com"),
        ({"POSTROOM_HTTP": ""}, None),
    ],
)
def test_the_first_link_names_an_address_that_works(settings: dict[str, str], address: str | None) -> None:
    assert dashboard_url(read_settings(settings)) == address


def test_what_is_printed_at_the_start_can_be_dialled_where_the_doors_listen_on_all_addresses(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As in a container: its listeners are on 0.0.0.0, and 127.0.0.1 is where they are published."""
    made = {"dashboard": "http://127.0.0.1:8025", "api_key": "k", "smtp": {"username": "u", "password": "p"}}
    everywhere = {"POSTROOM_HTTP": "0.0.0.0:8025", "POSTROOM_SUBMISSION": "[::]:2525"}
    greet(made, read_settings(everywhere), 8025, 2525)
    greet(made, read_settings({"POSTROOM_HTTP": "[::1]:8025"}), 8025, 2525)

    printed = capsys.readouterr().out
    assert "0.0.0.0" not in printed
    assert "curl http://127.0.0.1:8025/api/v1/messages" in printed
    assert "swaks --server 127.0.0.1:2525" in printed
    assert "curl http://[::1]:8025/api/v1/messages" in printed
