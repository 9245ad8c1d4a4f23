"""Which host answers whose tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.tracking.hosts import INSTALLATION, Hosts

HOSTS = Hosts(["post.example.test:8025", "[::1]:8025"], {"go.one.test": 1, "go.two.test": 2})


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (b"post.example.test", INSTALLATION),
        (b"POST.example.test.:443", INSTALLATION),
        (b"[::1]", INSTALLATION),
        (b"[::1]:9", INSTALLATION),
        (b"go.one.test", 1),
        (b"Go.Two.Test:80", 2),
        (b"go.three.test", None),
        (b"", None),
        (b"[", None),
        (b"post.example.test.evil.test", None),
    ],
)
def test_a_host_belongs_to_the_installation_to_a_workspace_or_to_nobody(host: bytes, expected: int | None) -> None:
    assert HOSTS.workspace_of(host) == expected


def test_a_workspace_cannot_take_the_installations_own_host() -> None:
    hosts = Hosts(["go.one.test"], {"go.one.test": 1})
    assert hosts.workspace_of(b"go.one.test") == INSTALLATION


def test_a_host_that_is_taken_away_is_answered_no_more() -> None:
    hosts = Hosts(["post.example.test"], {"go.one.test": 1})
    hosts.replace({"go.two.test": 2})
    assert hosts.workspace_of(b"go.one.test") is None
    assert hosts.workspace_of(b"go.two.test") == 2


@given(st.binary(max_size=100))
def test_any_bytes_are_a_host_or_none(host: bytes) -> None:
    Hosts(["post.example.test"]).workspace_of(host)
