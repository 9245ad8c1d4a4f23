"""Erasing a person from the tables, and from the unused parts of SQLite's file."""

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path

from postroom.access import audit
from postroom.access.audit import Actor
from postroom.app.inbound import make_take_in
from postroom.app.services import Services
from postroom.base.errors import PostroomError
from postroom.inbound.arrived import FOLDER, set_aside, waiting
from postroom.mail.mention import Mention
from postroom.store.database import Tx
from postroom.upkeep.erase import Erased, Erasing

_COMPACT_BYTES = 256 << 20
"""A file of this size is written anew in a few seconds; larger ones only when that is asked for."""
_PAGES = 256
_TRIES = 20
_PAUSE_SECONDS = 0.1


class Erasure:
    """What `postroom erase` and `POST /api/v1/erase` do."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._erasing = Erasing(services.database, services.ids, services.clock, services.token_keys, services.slow)

    def hidden(self, address: str) -> str:
        """Return the keyed hash by which suppressions of an erased address hold on."""
        return self._erasing.hidden(address)

    async def erase(
        self,
        address: str,
        workspace_ids: Iterable[int],
        by: Actor,
        *,
        everywhere: bool = False,
        as_author: bool = False,
        compact: bool = False,
    ) -> Erased:
        """Erase an address in these workspaces (`everywhere`: these are all), and note it in the audit log.

        `compact`: write SQLite's file anew where an unused part of it still holds the address, however large it is.
        Raises WrongInput and TryLater.
        """
        services, among = self._services, list(workspace_ids)
        # What arrived while no server ran is erased like all that is in the store.
        await make_take_in(services).take_all()
        erased = await self._erasing.erase(address, among, everywhere=everywhere, as_author=as_author)
        if everywhere and not erased.left and services.database.engine == "sqlite":
            await self._clean_file(Mention(address), erased, compact=compact)
        erased.left.extend(await self._in_files(Mention(address)))
        row_id, now = services.ids.next(), services.clock.now_ms()
        told = f"{erased.recipients} recipients, {erased.contents} contents, {len(erased.left)} left"
        hidden = self.hidden(address)

        def note(tx: Tx) -> None:
            at = among[0] if len(among) == 1 else None
            audit.note(tx, row_id, now, by, "person.erase", subject=hidden, detail=told, workspace_id=at)

        await services.database.write(note)
        return erased

    async def _clean_file(self, mention: Mention, erased: Erased, *, compact: bool) -> None:
        database, file = self._services.database, self._file()
        files = (file, file.with_name(file.name + "-wal"))
        await self._empty_wal()
        if not await self._count(mention, *files):
            return
        # Pages that nobody uses keep what was in them until something is written there, or they are cut off.
        while await database.write(_give_back):
            pass
        await self._empty_wal()
        if await self._count(mention, *files) and (compact or _size(file) <= _COMPACT_BYTES):
            # What is left stands between the rows of a page, where SQLite moved them to another one.
            await database.compact()
            await self._empty_wal()
        if count := await self._count(mention, *files):
            erased.left.append(
                f"the address stands {count} times in unused parts of {file}, or in longer addresses: with --compact "
                "the file is written anew (half a minute a gigabyte, and mail is told to come again meanwhile)"
            )

    async def _in_files(self, mention: Mention) -> list[str]:
        """Return which mails that could not be taken in name the address."""
        folder = self._services.settings.data / FOLDER
        return [
            f"{path} names the address and could not be taken in: delete it"
            for path in (*waiting(folder), *set_aside(folder))
            if await self._count(mention, path)
        ]

    async def _empty_wal(self) -> None:
        for _ in range(_TRIES):
            if await self._services.database.empty_wal():
                return
            # A read was under way.
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _count(self, mention: Mention, *files: Path) -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "postroom.app.find_in_file",
            *map(str, files),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        told, _ = await process.communicate("\n".join(form.lower() for form in mention.forms).encode())
        if process.returncode:
            raise PostroomError("a file could not be searched; the server's log tells more")
        return int(told)

    def _file(self) -> Path:
        return Path(self._services.settings.database.removeprefix("sqlite:///"))


def _give_back(tx: Tx) -> int:
    return tx.give_back(_PAGES, 0)


def _size(path: Path) -> int:
    return path.stat().st_size
