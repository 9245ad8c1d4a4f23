"""How one endpoint fares, as the node that tells it knows: what an answer changes here, and that it is written."""

from collections.abc import Callable
from typing import TypeVar

import structlog

from postroom.base.errors import TryLater
from postroom.ledger.webhook_rows import EndpointState, WebhookProgressRow
from postroom.net.webhook_request import Reply
from postroom.store.database import Tx
from postroom.webhooks import retry
from postroom.webhooks.outcome import Verdict
from postroom.webhooks.tools import Tools

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")

SLOW_MS = 1_000
"""An endpoint whose last answer took longer, or failed, shares its requests with its like."""
_LATER_SECONDS = 1.0


class Standing:
    """How an endpoint fares. `told` and `refused` settle a request."""

    def __init__(
        self, tools: Tools, endpoint_id: int, epoch: int, *, wake: Callable[[], None], end: Callable[[], None]
    ) -> None:
        """`wake` is called when there is room for a request, `end` when this node shall tell the endpoint no more."""
        self.endpoint_id = endpoint_id
        self.epoch = epoch
        self.settling = 0
        """Requests whose receiver has taken them, and that wait for a commit."""
        self.is_slow = False
        self._tools = tools
        self._wake = wake
        self._end = end
        self._failures = 0
        self._quiet_until_ms = 0
        self._is_proved = False
        self._is_back = False

    def seen(self, progress: WebhookProgressRow) -> None:
        """Know what the store knows."""
        self._failures, self._quiet_until_ms = progress.failures, progress.quiet_until_ms
        self._is_proved = progress.last_success_ms is not None

    @property
    def is_quiet(self) -> bool:
        """Nothing is told now."""
        return self._tools.clock.now_ms() < self._quiet_until_ms

    @property
    def is_trusted(self) -> bool:
        """It has taken something, and does not fail."""
        return self._is_proved and self._failures < retry.FAILING

    async def told(self, reply: Reply, settle: Callable[[Tx, bool], bool]) -> None:
        """The receiver took a request: write that; it is asked the next one meanwhile.

        `settle` is given whether the receiver had been away and is back, and returns as `outcome.settle_told`.
        """
        self._answered(reply)
        is_back = self._is_back or self._failures >= retry.FAILING
        self.settling += 1
        self._wake()
        try:
            more = await self.write(lambda tx: settle(tx, is_back))
        finally:
            self.settling -= 1
        self._failures, self._is_back, self._is_proved = 0, more, True

    async def refused(self, reply: Reply, settle: Callable[[Tx, float], Verdict | None]) -> Verdict | None:
        """The receiver did not take a request: write that. None: this node tells the endpoint no more.

        `settle` is given a chance, 0.0 to 1.0, and returns as `outcome.settle_failed`.
        """
        self._answered(reply)
        chance = self._tools.chance()
        verdict = await self.write(lambda tx: settle(tx, chance))
        if verdict is None or verdict.state is not EndpointState.ACTIVE:
            self._end()
            return None
        self._failures, self._quiet_until_ms = verdict.failures, verdict.quiet_until_ms
        return verdict

    async def write(self, function: Callable[[Tx], _T]) -> _T:
        """Write what came of a request; what was told is told, so this waits for a store that is away."""
        while True:
            try:
                return await self._tools.database.write(function)
            except TryLater as error:
                _log.warning("cannot write what came of a webhook", endpoint=self.endpoint_id, reason=str(error))
                await self._tools.clock.sleep(_LATER_SECONDS)

    def _answered(self, reply: Reply) -> None:
        self.is_slow = not reply.is_success or reply.duration_ms > SLOW_MS
