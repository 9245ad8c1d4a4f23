"""The page of metrics: what cannot be counted is left out, and the rest stands."""

from pathlib import Path

from postroom.app.doors import Doors
from postroom.app.outbound import Outbound
from postroom.app.services import open_services
from postroom.app.sockets import InheritedSockets
from postroom.base.clock import SystemClock
from postroom.config import read_settings
from postroom.inbound.arrived import FOLDER


async def test_files_that_cannot_be_counted_cost_one_metric_and_not_the_page(tmp_path: Path) -> None:
    async with open_services(read_settings({"POSTROOM_DATA": str(tmp_path)}), SystemClock()) as services:
        (tmp_path / FOLDER).write_text("no folder")
        metrics = Doors(services, Outbound(services), InheritedSockets({})).metrics

        page = (await metrics.render()).decode()

    assert "postroom_build_info{" in page
    assert "postroom_inbound_files{" not in page
