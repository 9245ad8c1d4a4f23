"""Erasing a person from mail that came in: what they wrote, what is about their copies, and what names them."""

from collections.abc import AsyncIterator, Collection
from functools import partial

from postroom.base.ids import show_id
from postroom.base.packing import unpack
from postroom.base.threads import Threads
from postroom.ledger.inbound_rows import InboundContentRow, InboundState
from postroom.mail.address import address_key
from postroom.mail.mention import Mention
from postroom.store import content, erase, erase_inbound
from postroom.store.database import Database
from postroom.store.erase_inbound import StoredMail

_PAGE = 400
_CONTENTS = 20


class InboundErasing:
    """Erases one person from one workspace's mail that came in."""

    def __init__(self, database: Database, slow: Threads, at: int, mention: Mention) -> None:
        self._database = database
        self._slow = slow
        self._at = at
        self._mention = mention
        self.contents = 0
        """Contents that went."""
        self.mails = 0
        """Mails that name nobody any more."""
        self.left: list[str] = []
        """What still names the address, why, and what to do."""

    async def erase(self) -> None:
        """Erase, before the person's recipients go, by which mail about them is found. Raises TryLater."""
        own_recipients = await self._own_recipients()
        theirs: list[int] = []
        contents: set[int] = set()
        async for mail in self._mails():
            if self._is_theirs(mail, own_recipients):
                contents.add(mail.content_id)
                if mail.state == InboundState.WAITING.value:
                    shown = show_id("inb", mail.id)
                    self.left.append(f"{shown} came in and is not worked on yet: erase again in a minute")
                else:
                    theirs.append(mail.id)
        await self._drop_contents(contents)
        for start in range(0, len(theirs), _PAGE):
            blank = partial(erase_inbound.erase_mails, ids=theirs[start : start + _PAGE])
            self.mails += await self._database.write(blank)
        for cut in (erase_inbound.hide_recipient, erase_inbound.forget_failures):
            await self._database.write(partial(cut, workspace_id=self._at, address_key=self._mention.key))

    async def _own_recipients(self) -> set[int]:
        own, after = set[int](), 0
        while page := await self._database.read(
            partial(
                erase.own_recipients, workspace_id=self._at, address_key=self._mention.key, after=after, limit=_PAGE
            )
        ):
            own |= {one.id for one in page}
            after = page[-1].id
        return own

    def _is_theirs(self, mail: StoredMail, own_recipients: Collection[int]) -> bool:
        if mail.own_recipient_id in own_recipients or mail.answers_recipient_id in own_recipients:
            return True
        keys = (mail.recipient_key, address_key(mail.author), address_key(mail.reverse_path))
        return self._mention.key in keys

    async def _mails(self) -> AsyncIterator[StoredMail]:
        after = 0
        while page := await self._database.read(
            partial(erase_inbound.mails_after, workspace_id=self._at, after=after, limit=_PAGE)
        ):
            for mail in page:
                yield mail
            after = page[-1].id

    async def _drop_contents(self, theirs: Collection[int]) -> None:
        after = 0
        while page := await self._database.read(
            partial(erase_inbound.contents_after, workspace_id=self._at, after=after, limit=_CONTENTS)
        ):
            for row in page:
                if row.id in theirs or await self._names(row):
                    await self._drop(row)
            after = page[-1].id

    async def _names(self, row: InboundContentRow) -> bool:
        if row.upload_id is not None:
            raw = await content.load_upload(self._database, row.upload_id)
        else:
            raw = unpack(row.body) if row.body is not None else b""
        return await self._slow.run(partial(self._mention.in_mail, raw))

    async def _drop(self, row: InboundContentRow) -> None:
        drop = partial(erase_inbound.drop_content, workspace_id=self._at, content_id=row.id)
        if not await self._database.write(drop):
            self.left.append("a mail that came in and names the address is not worked on yet: erase again in a minute")
            return
        self.contents += 1
        if row.upload_id is not None:
            await content.drop_upload(self._database, row.upload_id)
