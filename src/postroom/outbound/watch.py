"""What the worker of this node does, to be looked at by people: sites with their slots and pauses.

Reading changes nothing; what an operator may do from here is to end a pause.
"""

from collections.abc import Callable, Iterable

from postroom.outbound.hops import LaneHops
from postroom.outbound.sites import Sites, SiteView


class Watch:
    """A look at the sites of one node."""

    def __init__(
        self,
        sites: Sites,
        hops: Callable[[], LaneHops | None],
        nodes: Callable[[], list[int]],
        wake: Callable[[], None],
    ) -> None:
        """`hops` answers None and `nodes` leaves this node out where it does not deliver.

        `nodes` answers the numbers of the live nodes that deliver, `wake` has the worker look at once.
        """
        self._sites = sites
        self._hops = hops
        self._nodes = nodes
        self._wake = wake

    @property
    def delivers(self) -> bool:
        """This node has a worker."""
        return self._hops() is not None

    def nodes(self) -> list[int]:
        """Return the numbers of the live nodes that deliver, this one perhaps among them."""
        return self._nodes()

    def busy(self) -> list[SiteView]:
        """Return this node's sites with something in flight or a pause, by name."""
        return self._sites.view()

    def look_at(self, site: str) -> SiteView:
        """Return one site of this node."""
        return self._sites.look_at(site)

    def site_of(self, workspace_id: int, domain: str) -> str | None:
        """Return the site that a workspace's mail to a domain goes to; None where this node has not looked it up."""
        hops = self._hops()
        return None if hops is None else hops.site_of(workspace_id, domain)

    def resume(self, sites: Iterable[str]) -> None:
        """End the pauses of sites on this node, because somebody asked for a try at once."""
        for site in sites:
            self._sites.resume(site)
        self._wake()
