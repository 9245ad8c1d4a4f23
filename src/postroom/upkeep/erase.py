"""Erasing a person: the address leaves every table, and what counts stays counted.

First everything is looked for, then waiting mail to the person is cancelled, then
contents, copies, hits, details and texts go, and last the recipients' own
rows, by which a run that was cut off finds them again. A keyed hash takes the
address's place where something must still be found by it: a suppression goes
on to stop mail to somebody who was erased.
"""

import asyncio
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from postroom.base.clock import Clock
from postroom.base.errors import WrongInput
from postroom.base.ids import IdSource, show_id
from postroom.base.packing import pack, unpack
from postroom.base.threads import Threads
from postroom.base.tokens import TokenKeys
from postroom.events.erased import trimmed
from postroom.events.moves import Move, move_selected
from postroom.ledger.states import SETTLED
from postroom.mail.mention import Mention
from postroom.outbound.links import pack_targets, unpack_targets
from postroom.store import content, erase, recipients
from postroom.store.database import Conn, Database, Tx
from postroom.store.recipients import RecipientFilter
from postroom.upkeep.erase_accounts import AccountErasing
from postroom.upkeep.erase_inbound import InboundErasing

_PAGE = 200
_CONTENTS = 20
_ROWS = 400
_SENDING_SECONDS = 40.0
"""A try that runs when erasing begins has ended or been put off by then."""
_LOOK_SECONDS = 1.0

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_SETTLED = {state.value for state in SETTLED}


@dataclass(slots=True)
class Erased:
    """What was erased, and what could not be."""

    recipients: int = 0
    cancelled: int = 0
    """Recipients that still waited."""
    contents: int = 0
    events: int = 0
    hits: int = 0
    copies: int = 0
    suppressions: int = 0
    """Suppressions that hold on by the address's keyed hash."""
    texts: int = 0
    """Other rows out of whose text the address was cut."""
    accounts: int = 0
    """Watched accounts that were deleted with all that was found in them."""
    left: list[str] = field(default_factory=list)
    """What still names the address, why, and what to do; empty when it is nowhere any more."""


@dataclass(slots=True)
class _Found:
    """Contents of one workspace that go, and the messages that use them."""

    own_messages: set[int] = field(default_factory=set)
    naming: dict[bytes, bytes] = field(default_factory=dict)
    """Contents that name the address, with the link table that stays."""
    users: dict[bytes, list[int]] = field(default_factory=lambda: defaultdict(list))
    last_id: int = 0
    """The newest message that was looked at."""


class Erasing:
    """Erases people, one at a time."""

    def __init__(
        self, database: Database, ids: IdSource, clock: Clock, token_keys: Callable[[], TokenKeys], slow: Threads
    ) -> None:
        """`slow` is where contents are searched."""
        self._database = database
        self._ids = ids
        self._clock = clock
        self._token_keys = token_keys
        self._slow = slow
        self._one = asyncio.Lock()

    def hidden(self, address: str) -> str:
        """Return the keyed hash that takes an address's place."""
        return self._token_keys().hide(Mention(address).key)

    async def erase(self, address: str, workspace_ids: Iterable[int], *, everywhere: bool, as_author: bool) -> Erased:
        """Erase an address in these workspaces; `everywhere` says that these are all.

        Safe to repeat, and to go on with after it was cut off. Raises TryLater, and
        WrongInput where the address is an author's and `as_author` does not say that its mail goes too.
        """
        async with self._one:
            mention, erased = Mention(address), Erased()
            for at in workspace_ids:
                found = await self._look(at, mention, as_author=as_author)
                await self._cancel(at, mention, erased)
                await self._drop_contents(at, found, erased)
                await self._drop_inbound(at, mention, erased)
                await self._drop_own(at, mention, erased)
                hide = partial(
                    erase.hide_suppressions,
                    workspace_id=at,
                    address_key=mention.key,
                    hidden_key=self._token_keys().hide(mention.key),
                )
                erased.suppressions += await self._database.write(hide)
                await self._cut_messages(at, mention, erased)
                if not everywhere:
                    await self._cut_texts(at, mention, erased)
                    await self._report(at, mention, erased)
            if everywhere:
                await self._cut_texts(None, mention, erased)
                await self._report(None, mention, erased)
            await self._cut_answers(mention, set(workspace_ids), erased)
            return erased

    # Looking

    async def _look(self, at: int, mention: Mention, *, as_author: bool) -> _Found:
        found = _Found()
        after = 0
        while page := await self._database.read(
            partial(erase.own_recipients, workspace_id=at, address_key=mention.key, after=after, limit=_PAGE)
        ):
            found.own_messages |= {one.message_id for one in page}
            after = page[-1].id
        if not as_author:
            await self._refuse_author(at, mention)
        await self._search_contents(at, mention, found)
        await self._find_users(at, mention, found)
        return found

    async def _refuse_author(self, at: int, mention: Mention) -> None:
        author = erase.MESSAGES.columns.index("author_address")
        sweep = erase.Sweep(erase.MESSAGES, mention.forms)
        after: int | None = 0
        while after is not None:
            after, rows = await self._database.read(partial(sweep.next, workspace_id=at, after=after))
            if any(mention.in_text(row.texts[author]) for row in rows):
                raise WrongInput(
                    "address",
                    "this address is the author of mail: with --as-author (as_author) all contents of its mail go too",
                )

    async def _search_contents(self, at: int, mention: Mention, found: _Found) -> None:
        after = b""
        while page := await self._database.read(
            partial(erase.contents_after, workspace_id=at, after=after, limit=_CONTENTS)
        ):
            for key, links in await self._slow.run(partial(_naming, page, mention)):
                found.naming[key] = links
            for one in page:
                if one.upload_id is not None and one.key not in found.naming:
                    raw = await content.load_upload(self._database, one.upload_id)
                    if await self._slow.run(partial(mention.in_mail, raw)):
                        found.naming[one.key] = _kept_links(one.links, mention)
            after = page[-1].key

    async def _find_users(self, at: int, mention: Mention, found: _Found) -> None:
        own_keys: dict[int, bytes] = {}
        after = 0
        while page := await self._database.read(
            partial(erase.users_after, workspace_id=at, after=after, limit=erase.SLICE)
        ):
            for message_id, key in page:
                if message_id in found.own_messages:
                    own_keys[message_id] = key
                if key in found.naming or message_id in found.own_messages:
                    found.users[key].append(message_id)
            found.last_id = after = page[-1][0]
        # A message to nobody else goes whole, whatever it says.
        shared: set[int] = set()
        own = sorted(own_keys)
        for start in range(0, len(own), _PAGE):
            ids = own[start : start + _PAGE]
            shared |= await self._database.read(partial(erase.shared_among, message_ids=ids, address_key=mention.key))
        for message_id, key in own_keys.items():
            if message_id not in shared and set(found.users[key]) <= found.own_messages:
                found.naming[key] = pack(pack_targets(()))

    # Erasing

    async def _cancel(self, at: int, mention: Mention, erased: Erased) -> None:
        asked = RecipientFilter(address_key=mention.key)
        waited = 0.0
        while True:
            moved = await move_selected(self._database, self._ids, self._clock, at, Move.CANCEL, asked, "erasure")
            erased.cancelled += moved.recipients
            if moved.more:
                continue
            sending = RecipientFilter(address_key=mention.key, states=("sending",))
            if waited >= _SENDING_SECONDS or not await self._database.read(partial(_any_of, at, sending)):
                return
            await self._clock.sleep(_LOOK_SECONDS)
            waited += _LOOK_SECONDS

    async def _drop_contents(self, at: int, found: _Found, erased: Erased) -> None:
        for key, links in found.naming.items():
            users = found.users.get(key, [])
            drop = partial(
                erase.drop_content, workspace_id=at, key=key, users=users[:_PAGE], after=found.last_id, links=links
            )
            waiting = 0
            for start in range(0, len(users), _PAGE):
                part = users[start : start + _PAGE]
                waiting += sum((await self._database.read(partial(erase.waiting_of, message_ids=part))).values())
            if waiting or not await self._database.write(drop):
                shown = ", ".join(show_id("msg", one) for one in users[:3])
                erased.left.append(
                    f"the content of {shown} names the address, and {waiting or 'some'} of its recipients still wait: "
                    "release or cancel them, then erase again"
                )
                continue
            erased.contents += 1
            for message_id in users:
                erased.copies += await self._repeat(partial(erase.drop_copies_of, message_id=message_id, limit=_ROWS))

    async def _drop_inbound(self, at: int, mention: Mention, erased: Erased) -> None:
        inbound = InboundErasing(self._database, self._slow, at, mention)
        await inbound.erase()
        watched = AccountErasing(self._database, self._slow, at, mention)
        await watched.erase()
        erased.accounts += watched.accounts
        erased.contents += inbound.contents + watched.contents
        erased.events += watched.events
        erased.texts += inbound.mails
        erased.left += inbound.left

    async def _drop_own(self, at: int, mention: Mention, erased: Erased) -> None:
        hidden = self._token_keys().hide(mention.key)
        after = 0
        while page := await self._database.read(
            partial(erase.own_recipients, workspace_id=at, address_key=mention.key, after=after, limit=_PAGE)
        ):
            for one in page:
                if one.state not in _SETTLED:
                    erased.left.append(
                        f"{show_id('rcp', one.id)} is being sent at this moment: erase again in a minute"
                    )
                    continue
                erased.hits += await self._repeat(partial(erase.drop_hits_of, recipient_id=one.id, limit=_ROWS))
                erased.copies += await self._repeat(
                    partial(erase.drop_copies_of, message_id=one.message_id, limit=_ROWS)
                )
                erased.events += await self._trim_events(one.id)
            ids = [one.id for one in page if one.state in _SETTLED]
            erased.recipients += await self._database.write(
                partial(erase.erase_recipients, recipient_ids=ids, hidden_key=hidden)
            )
            after = page[-1].id

    async def _trim_events(self, recipient_id: int) -> int:
        total = after = 0
        while page := await self._database.read(
            partial(erase.events_of, recipient_id=recipient_id, after=after, limit=_ROWS)
        ):
            details = [(event_id, _trimmed(detail)) for event_id, detail in page]
            await self._database.write(partial(erase.set_details, details=details))
            total, after = total + len(page), page[-1][0]
        return total

    async def _cut_messages(self, at: int, mention: Mention, erased: Erased) -> None:
        sweep = erase.Sweep(erase.MESSAGES, mention.forms)
        tags = erase.MESSAGES.columns.index("tags")
        after: int | None = 0
        while after is not None:
            after, rows = await self._database.read(partial(sweep.next, workspace_id=at, after=after))
            named = [row for row in rows if any(map(mention.in_text, row.texts))]
            for start in range(0, len(named), _PAGE):
                part = named[start : start + _PAGE]
                waiting = await self._database.read(partial(erase.waiting_of, message_ids=[row.id for row in part]))
                for row in part:
                    if row.id in waiting:
                        erased.left.append(
                            f"{show_id('msg', row.id)} names the address and {waiting[row.id]} of its recipients still "
                            "wait: release or cancel them, then erase again"
                        )
                done = [row for row in part if row.id not in waiting]
                await self._database.write(partial(_cut_rows, sweep=sweep, rows=done, mention=mention, tags=tags))
                erased.texts += len(done)

    async def _cut_texts(self, at: int | None, mention: Mention, erased: Erased) -> None:
        for swept in erase.SWEPT:
            if at is not None and not swept.workspace:
                continue
            sweep = erase.Sweep(swept, mention.forms)
            after: int | None = 0
            while after is not None:
                after, rows = await self._database.read(partial(sweep.next, workspace_id=at, after=after))
                named = [row for row in rows if any(map(mention.in_text, row.texts))]
                for start in range(0, len(named), _PAGE):
                    part = named[start : start + _PAGE]
                    await self._database.write(partial(_cut_rows, sweep=sweep, rows=part, mention=mention, tags=None))
                    erased.texts += len(part)

    async def _report(self, at: int | None, mention: Mention, erased: Erased) -> None:
        for swept in erase.REPORTED:
            sweep = erase.Sweep(swept, mention.forms)
            after: int | None = 0 if at is None or swept.workspace else None
            while after is not None:
                after, rows = await self._database.read(partial(sweep.next, workspace_id=at, after=after))
                for row in rows:
                    if any(map(mention.in_text, row.texts)):
                        what = swept.table.replace("_", " ")
                        erased.left.append(
                            f"a {what} is named so: {', '.join(filter(None, row.texts))}; rename or delete it"
                        )

    async def _cut_answers(self, mention: Mention, workspace_ids: set[int], erased: Erased) -> None:
        at, after = -1, ""
        while page := await self._database.read(partial(erase.answers_after, workspace_id=at, key=after, limit=_PAGE)):
            for workspace_id, key, answer in page:
                text = answer.decode(errors="surrogateescape")
                if workspace_id in workspace_ids and (mention.in_text(key) or mention.in_text(text)):
                    new = mention.cut(text).encode(errors="surrogateescape")
                    await self._database.write(
                        partial(
                            erase.set_answer, workspace_id=workspace_id, key=key, new_key=mention.cut(key), answer=new
                        )
                    )
                    erased.texts += 1
            at, after = page[-1][0], page[-1][1]

    async def _repeat(self, drop: Callable[[Tx], int]) -> int:
        total = 0
        while True:
            total += (count := await self._database.write(drop))
            if count < _ROWS:
                return total


def _any_of(at: int, asked: RecipientFilter, conn: Conn) -> bool:
    return bool(recipients.ids_of(conn, at, asked, 1))


def _naming(page: list[erase.StoredContent], mention: Mention) -> list[tuple[bytes, bytes]]:
    """Return the contents that name the address, or whose links do, with the links that stay."""
    found = []
    for one in page:
        kept = _kept_links(one.links, mention)
        if kept != one.links or (one.body is not None and mention.in_mail(_unpacked(one.body))):
            found.append((one.key, kept))
    return found


def _unpacked(body: bytes) -> bytes:
    try:
        return unpack(body)
    except zlib.error:
        # Damaged, so nobody can read it; what is in clear in it is found all the same.
        return body


def _kept_links(links: bytes, mention: Mention) -> bytes:
    """Return a link table without the targets that name the address; the others keep their positions."""
    if not links:
        return links
    targets = unpack_targets(unpack(links))
    kept = tuple("" if mention.in_mail(target.encode()) else target for target in targets)
    return links if kept == targets else pack(pack_targets(kept))


def _trimmed(detail: str) -> str:
    return _encode(trimmed(_decode(detail))).decode()


def _without(text: str, mention: Mention) -> str:
    """Return a text without the address; what somebody wrote in a mail that came in goes with it."""
    return _trimmed(text) if text.startswith('{"inbound_id"') else mention.cut(text)


def _cut_rows(tx: Tx, sweep: erase.Sweep, rows: list[erase.Named], mention: Mention, tags: int | None) -> None:
    for row in rows:
        texts = [_without(text, mention) for text in row.texts]
        sweep.rewrite(tx, row.id, texts)
        if tags is not None and texts[tags] != row.texts[tags]:
            old, new = (msgspec.json.decode(text, type=list[str]) for text in (row.texts[tags], texts[tags]))
            erase.set_tags(tx, row.workspace_id, row.id, old, new)
