"""An idempotency key: the work is done once, whoever asks again gets the first answer.

The same key with the same body gets the first answer for 24 hours, byte by
byte; with another body it is refused; while the first request runs, others
wait for it a little and are then told to come again. What was refused leaves
its key free. The answer is stored in the transaction of the work, so a crash
between commit and answer replays too. Both doors use this, and one table: a
key belongs to its workspace, whichever door it came by.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from postroom.base.clock import Clock
from postroom.base.errors import TryLater, WrongInput
from postroom.ledger.rows import IdempotencyRow
from postroom.store import idempotency
from postroom.store.database import Database, Tx

WAIT_SECONDS = 5.0
"""How long a second request waits for the first before StillRunning."""
_POLL_SECONDS = 0.1


class KeyReused(WrongInput):
    """The key was used with another body. Doors answer 422 and 550."""

    def __init__(self) -> None:
        super().__init__(
            "Idempotency-Key", "was used with another body in the last 24 hours: take a new key", code="other_body"
        )


class StillRunning(TryLater):
    """The first request with the key has not ended. Doors answer 409 and 451."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered."""

    status: int
    """In the words of the door's own protocol: 202, 250."""
    body: bytes
    replayed: bool = False
    final: bool = True
    """False: not stored; the same key does the work again."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A key that is ours until the work ends."""

    row: IdempotencyRow

    def finish(self, tx: Tx, status: int, body: bytes) -> None:
        """Store the answer. Raises TryLater, and so undoes the work, where another process took the key over."""
        if not idempotency.finish(tx, self.row, status, body):
            raise TryLater("the idempotency key was taken over by another process")


class Once:
    """The keys that are being worked on in this process, and those that the store knows."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._running: dict[tuple[int, str], tuple[bytes, asyncio.Future[Answer | None]]] = {}

    async def run(
        self, workspace_id: int, key: str, body_hash: bytes, work: Callable[[Claim], Awaitable[Answer]]
    ) -> Answer:
        """Return the answer of `work`, or the one that a request with this key got before.

        `work` stores its answer by `Claim.finish` in its own transaction. Raises KeyReused,
        StillRunning, TryLater, or what `work` raised; then the key is free again.
        """
        deadline = self._clock.monotonic() + WAIT_SECONDS
        while True:
            running = self._running.get((workspace_id, key))
            if running is None:
                found = await self._claim_and_run(workspace_id, key, body_hash, work)
            else:
                found = await self._wait_for(*running, body_hash)
            if found is not None:
                return found
            if self._clock.monotonic() >= deadline:
                raise _still_running()

    async def _claim_and_run(
        self, workspace_id: int, key: str, body_hash: bytes, work: Callable[[Claim], Awaitable[Answer]]
    ) -> Answer | None:
        ended: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._running[workspace_id, key] = (body_hash, ended)
        answer: Answer | None = None
        try:
            claim = Claim(idempotency.new_claim(workspace_id, key, body_hash, self._clock.now_ms()))
            standing = await self._database.write(lambda tx: idempotency.claim(tx, claim.row))
            if standing is not None:
                answer = await self._standing(standing, body_hash)
                return answer
            answer = await self._work(claim, work)
            return answer
        finally:
            del self._running[workspace_id, key]
            # Who waits gets the answer, or (None) tries for himself: what failed here may go well there.
            ended.set_result(answer)

    async def _work(self, claim: Claim, work: Callable[[Claim], Awaitable[Answer]]) -> Answer:
        try:
            answer = await work(claim)
            if not answer.final:
                await self._free(claim)
            return answer
        except BaseException:
            # Nothing was committed with the answer; `free` leaves alone what was finished after all.
            await self._free(claim)
            raise

    async def _free(self, claim: Claim) -> None:
        try:
            await self._database.write(lambda tx: idempotency.free(tx, claim.row))
        except TryLater:
            # The claim goes stale by itself (store.idempotency.STALE_MS).
            return

    async def _wait_for(
        self, first_hash: bytes, ended: asyncio.Future[Answer | None], body_hash: bytes
    ) -> Answer | None:
        if first_hash != body_hash:
            raise KeyReused
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                answer = await asyncio.shield(ended)
        except TimeoutError:
            raise _still_running() from None
        return answer and Answer(answer.status, answer.body, replayed=True)

    async def _standing(self, row: IdempotencyRow, body_hash: bytes) -> Answer | None:
        if row.body_hash != body_hash:
            raise KeyReused
        if row.status:
            return Answer(row.status, row.answer, replayed=True)
        # Another process works on it, or died while it did.
        await self._clock.sleep(_POLL_SECONDS)
        return None


def _still_running() -> StillRunning:
    return StillRunning("the first request with this idempotency key is still running")
