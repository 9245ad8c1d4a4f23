"""Erasing a person from watched accounts: their own account, and mails in others' that name them.

A webhook that waits is told what is left of the event: its number has no hole.
"""

import zlib
from functools import partial
from typing import Any

import msgspec

from postroom.base.packing import unpack
from postroom.base.threads import Threads
from postroom.mail.address import address_key
from postroom.mail.mention import Mention
from postroom.store import accounts, erase, erase_accounts, purge_accounts
from postroom.store.database import Database
from postroom.store.erase_accounts import FoundContent, NamedAccount

_PAGE = 400
_CONTENTS = 20
_OF_THE_MAIL = ("envelope", "message_id")
_LISTS = ("from", "sender", "reply_to", "to", "cc", "bcc")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class AccountErasing:
    """Erases one person from one workspace's watched accounts."""

    def __init__(self, database: Database, slow: Threads, at: int, mention: Mention) -> None:
        self._database = database
        self._slow = slow
        self._at = at
        self._mention = mention
        self.accounts = 0
        """Accounts that were deleted with all that was found in them."""
        self.contents = 0
        """Contents that went."""
        self.events = 0
        """Events whose envelopes went."""

    async def erase(self) -> None:
        """Erase. Raises TryLater."""
        after = 0
        while page := await self._database.read(
            partial(erase_accounts.accounts_after, workspace_id=self._at, after=after, limit=_PAGE)
        ):
            for account in page:
                if self._is_theirs(account):
                    await self._drop_account(account.id)
            after = page[-1].id
        await self._drop_contents()
        await self._cut_events()

    def _is_theirs(self, account: NamedAccount) -> bool:
        named = any(map(self._mention.in_text, account[1:]))
        return named or self._mention.key in (address_key(account.email), address_key(account.username))

    async def _drop_account(self, account_id: int) -> None:
        database = self._database
        mailboxes = await database.read(partial(erase_accounts.mailboxes_of, account_id=account_id))
        await database.write(partial(accounts.delete_account, workspace_id=self._at, account_id=account_id))
        while await database.write(partial(purge_accounts.drop_events_of, account_id=account_id, limit=_PAGE)):
            pass
        for mailbox_id in mailboxes:
            while await database.write(partial(purge_accounts.drop_mails_of, mailbox_id=mailbox_id, limit=_PAGE)):
                pass
        self.accounts += 1

    async def _drop_contents(self) -> None:
        after = (0, 0)
        while page := await self._database.read(
            partial(erase_accounts.contents_after, workspace_id=self._at, after=after, limit=_CONTENTS)
        ):
            for one in await self._slow.run(partial(_naming, page, self._mention)):
                await self._database.write(
                    partial(erase_accounts.drop_content, account_id=one.account_id, number=one.number)
                )
                self.contents += 1
            after = (page[-1].account_id, page[-1].number)

    async def _cut_events(self) -> None:
        local_part = self._mention.key.rpartition("@")[0]
        sweep = erase.Sweep(erase_accounts.EVENTS, (local_part,))
        after: int | None = 0
        while after is not None:
            after, rows = await self._database.read(partial(sweep.next, workspace_id=self._at, after=after))
            details = [(row.id, cut) for row in rows if (cut := self._cut(row.texts[0])) is not None]
            for start in range(0, len(details), _PAGE):
                await self._database.write(partial(erase.set_details, details=details[start : start + _PAGE]))
            self.events += len(details)

    def _cut(self, text: str) -> str | None:
        """Return the detail of a mail's event without its envelope, where that names the person; else None."""
        if '"envelope"' not in text:
            return None
        detail = _decode(text)
        envelope = detail.get("envelope")
        if not isinstance(envelope, dict) or not self._is_named(envelope):
            return None
        kept = {name: value for name, value in detail.items() if name not in _OF_THE_MAIL}
        return _encode({**kept, "erased": True}).decode()

    def _is_named(self, envelope: dict[str, Any]) -> bool:
        for name in _LISTS:
            for one in envelope.get(name) or ():
                if address_key(f"{one.get('mailbox')}@{one.get('host')}") == self._mention.key:
                    return True
        return self._mention.in_text(_encode(envelope).decode())


def _naming(page: list[FoundContent], mention: Mention) -> list[FoundContent]:
    return [one for one in page if mention.in_mail(_unpacked(one.body))]


def _unpacked(body: bytes) -> bytes:
    try:
        return unpack(body)
    except zlib.error:
        return body
