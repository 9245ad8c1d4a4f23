"""Which host names answer which workspace's tokens.

Tokens are checked without the database, so this is a map in memory, made again
whenever domains change: the installation's own hosts answer for everybody,
`go.DOMAIN` only for the workspace that the domain belongs to.
"""

from collections.abc import Iterable, Mapping

INSTALLATION = 0
"""Stands in place of a workspace id for the installation's own hosts."""


class Hosts:
    """The host names that tracking addresses are answered on."""

    def __init__(self, own: Iterable[str], by_workspace: Mapping[str, int] | None = None) -> None:
        """`own` are the hosts of POSTROOM_PUBLIC_URL and the like, `by_workspace` maps `go.DOMAIN` to its workspace.

        Names are A-labels or address literals; a port, if any, is left out.
        """
        self._own = frozenset(_name(host.encode()) for host in own)
        self._workspaces: dict[bytes, int] = {}
        self.replace(by_workspace or {})

    def replace(self, by_workspace: Mapping[str, int]) -> None:
        """Take the workspaces' hosts as they are now."""
        found = {_name(host.encode()): workspace_id for host, workspace_id in by_workspace.items()}
        found.update(dict.fromkeys(self._own, INSTALLATION))
        self._workspaces = found

    def workspace_of(self, host: bytes) -> int | None:
        """Return whose host a Host field names: a workspace id, INSTALLATION, or None for a host that is not ours."""
        found = self._workspaces.get(host)
        return found if found is not None else self._workspaces.get(_name(host))


def _name(host: bytes) -> bytes:
    """Return the host of `host:port` in lower case, without a final dot."""
    if host.startswith(b"["):
        return host.partition(b"]")[0].lower() + b"]"
    return host.partition(b":")[0].lower().rstrip(b".")
