"""What all runners of a process use."""

from collections.abc import Callable
from dataclasses import dataclass

from postroom.base.clock import Clock
from postroom.base.ids import IdSource
from postroom.base.secrets import Sealer
from postroom.base.threads import Threads
from postroom.net.http_client import HttpClient
from postroom.net.slots import Slots
from postroom.store.database import Database


@dataclass(frozen=True, slots=True)
class Tools:
    """What all runners of a process use."""

    database: Database
    clock: Clock
    ids: IdSource
    sealer: Sealer
    client: HttpClient
    slots: Slots
    chance: Callable[[], float]
    """0.0 to 1.0."""
    large: Slots
    """For requests whose bodies are some megabytes."""
    slow: Threads
    """Make such bodies."""

    @property
    def request_ms(self) -> int:
        """How long a request may take, with what is written after it."""
        return round(self.client.limits.whole_seconds * 1000) + 5_000
