"""Changing the master key: `postroom key rotate`, while mail flows, and `--finish` when the old key may go; token keys.

The new key is in the file, in front of the old one, before anything is sealed
with it; the old one stays until nothing needs it any more. So it may be stopped
at any moment: the next `rotate` goes on where values of the old key are left.
"""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

from postroom.app.control import Operation
from postroom.app.master_keys import key_file, master_keys, write_keys
from postroom.app.services import Services
from postroom.base.errors import PostroomError
from postroom.base.secrets import KEY_BYTES
from postroom.doors.http.words import show_time
from postroom.store.nodes import live_nodes
from postroom.store.sealed import SEALED, SealedColumn, older_in_page, reseal_page
from postroom.store.secrets import TOKEN_KEY_RESTS_MS, add_token_key

_MOST_SHOWN = 20


class KeyRotation:
    """The operations of the master key."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._turn = asyncio.Lock()

    def by_name(self) -> dict[str, Operation]:
        """Return the operations by the names that commands use."""
        return {"key.rotate": self.rotate, "key.finish": self.finish, "key.add_token_key": self.add_token_key}

    async def rotate(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Make a new key, unless a rotation is under way, and seal everything with it."""
        async with self._turn:
            made = await self._take_ring()
            resealed = 0
            unreadable: list[str] = []
            for column in SEALED:
                changed, failed = await self._reseal(column)
                resealed += changed
                unreadable += failed
            return {
                "made": made,
                "resealed": resealed,
                "unreadable": unreadable[:_MOST_SHOWN],
                "file": None if self._services.settings.secret else str(key_file(self._services.settings)),
            }

    async def finish(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Take the older keys out of the file, where nothing needs them. Raises PostroomError where something does."""
        settings = self._services.settings
        async with self._turn:
            older = 0
            for column in SEALED:
                older += await self._count_older(column)
            if older:
                raise PostroomError(
                    f"{older} secrets need an older key: run `postroom key rotate` again, then --finish"
                )
            if settings.secret:
                return {"taken_out": 0, "file": None}
            newest, *rest = master_keys(settings)
            if rest:
                # This process keeps them in memory: what it has read before is sealed with them.
                self._write(newest)
            return {"taken_out": len(rest), "file": str(key_file(settings))}

    async def add_token_key(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Make a key for the tokens of new messages; those of before stay, so that what is out goes on to work."""
        services, key = self._services, secrets.token_bytes(KEY_BYTES)
        now_ms = services.clock.now_ms()
        number = await services.database.write(lambda tx: add_token_key(tx, services.sealer, key, now_ms))
        await services.refresh_token_keys()
        return {"id": number, "signs_from": show_time(now_ms + TOKEN_KEY_RESTS_MS)}

    async def _take_ring(self) -> bool:
        """Have a ring of several keys; tell whether its newest was made now."""
        services = self._services
        keys = master_keys(services.settings)
        if services.settings.secret:
            if len(keys) == 1:
                raise PostroomError(
                    "POSTROOM_SECRET holds one key: set it to NEW,OLD on every node (docs/operating.md, Another master "
                    "key), restart, and run this again"
                )
        elif len(keys) == 1:
            await self._refuse_beside_others()
            keys = (secrets.token_bytes(KEY_BYTES), *keys)
            self._write(*keys)
            services.sealer.take(*keys)
            return True
        services.sealer.take(*keys)
        return False

    async def _refuse_beside_others(self) -> None:
        services = self._services
        now_ms = services.clock.now_ms()
        alive = await services.database.read(lambda conn: live_nodes(conn, now_ms))
        others = [node.number for node in alive if node.number != services.ids.node]
        if others:
            raise PostroomError(
                f"nodes {', '.join(map(str, others))} are running too and could not open what is sealed with a key of "
                "this one: give all of them the new key first (docs/operating.md, Another master key)"
            )

    def _write(self, *keys: bytes) -> None:
        path = key_file(self._services.settings)
        try:
            write_keys(path, keys)
        except OSError as error:
            raise PostroomError(f"{path} cannot be replaced: {error.strerror}; nothing was changed") from error

    async def _reseal(self, column: SealedColumn) -> tuple[int, list[str]]:
        changed, after = 0, column.first
        unreadable: list[str] = []
        while after is not None:
            at = after
            done = await self._services.database.write(
                lambda tx, at=at: reseal_page(tx, self._services.sealer, column, at)  # type: ignore[misc]
            )
            changed, after = changed + done.changed, done.last
            unreadable += done.unreadable
        return changed, unreadable

    async def _count_older(self, column: SealedColumn) -> int:
        count, after = 0, column.first
        while after is not None:
            at = after
            after, older = await self._services.database.read(
                lambda conn, at=at: older_in_page(conn, self._services.sealer, column, at)  # type: ignore[misc]
            )
            count += older
        return count
