"""Gets mails out of a mailbox: sizes first, then bytes, whatever servers make of that.

Quirks that are met here: a mail that SEARCH shows and FETCH does not (gone, or
not yet on the replica that answers), FETCH that says OK without data, answers
about other mails, a size that is not that of the bytes, and a mail that ends
the connection each time it is asked for.
"""

from collections.abc import Sequence
from typing import NamedTuple

from postroom.accounts.found import Gone, Mail
from postroom.accounts.tools import Session, Tools
from postroom.mail.imap_envelope import MAX_HEADER
from postroom.net.imap.sequence_sets import of_numbers

_AGAIN_SECONDS = (0.2, 0.5, 2.0)
"""A mail that FETCH does not show is asked for again after these."""
_ABSENT = 2
"""A mail that SEARCH does not show any more either, so often, is gone."""

_ALONE, _HEADER_ONLY, _UNSEEN = 4, 8, 12
"""After so many connections that ended under a mail it is fetched by itself, then without its body, then not at all."""

_SIZES = ("UID", "RFC822.SIZE", "INTERNALDATE")
_BODY = ("UID", "BODY.PEEK[]")
_HEADER = ("UID", f"BODY.PEEK[HEADER]<0.{MAX_HEADER}>")


class Said(NamedTuple):
    """What a server says of a mail before its bytes are asked for."""

    size: int
    internal_ms: int | None


Sizes = dict[int, Said]


class Fetching:
    """Fetches from one mailbox."""

    __slots__ = ("_mailbox", "_tools", "_troubles")

    def __init__(self, tools: Tools, mailbox: str, troubles: dict[tuple[str, int], int]) -> None:
        """`troubles` counts the connections that ended under a mail, by mailbox and UID; it outlives the session."""
        self._tools = tools
        self._mailbox = mailbox
        self._troubles = troubles

    async def sizes(self, session: Session, uids: Sequence[int]) -> Sizes:
        """Return what the server says of these mails; of some maybe nothing."""
        found = await session.uid_fetch(str(of_numbers(uids)), _SIZES)
        return {one.uid: Said(one.size, one.internal_ms) for one in found if one.size is not None}

    def to_fetch(self, uids: Sequence[int], sizes: Sizes) -> list[tuple[int, int]]:
        """Return (UID, about how many bytes will be fetched) for each."""
        return [(uid, sizes[uid].size if uid in sizes and self._is_whole(uid, sizes) else 0) for uid in uids]

    async def batch(self, session: Session, uids: Sequence[int], sizes: Sizes, noticed_ms: int) -> list[Mail | Gone]:
        """Return these mails in their order."""
        got: dict[int, bytes] = {}
        whole = [uid for uid in uids if uid in sizes and self._is_whole(uid, sizes)]
        for together in self._together(whole):
            got |= await self._fetch(session, together, _BODY)
        large = [uid for uid in uids if uid in sizes and self._has_header(uid) and uid not in whole]
        headers = await self._fetch(session, large, _HEADER)
        missing = [uid for uid in uids if uid not in sizes or (uid in whole and uid not in got)]
        if missing:
            got |= await self._again(session, missing, sizes)
        fetched_ms = self._tools.clock.now_ms()
        return [
            self._mail(uid, sizes[uid], got.get(uid), headers.get(uid, b""), noticed_ms, fetched_ms)
            if uid in sizes
            else Gone(uid, noticed_ms)
            for uid in uids
        ]

    def settled(self, uids: Sequence[int]) -> None:
        """Forget what went wrong with mails that have their outcome."""
        if self._troubles:
            for uid in uids:
                self._troubles.pop((self._mailbox, uid), None)

    def _mail(self, uid: int, said: Said, body: bytes | None, header: bytes, noticed_ms: int, fetched_ms: int) -> Mail:
        if body is None and said.size == 0:
            body = b""
        if body is not None and len(body) > self._tools.most_bytes:
            # The server said less than it has.
            return Mail(uid, len(body), said.internal_ms, None, body[:MAX_HEADER], noticed_ms, fetched_ms)
        size = said.size if body is None else len(body)
        return Mail(uid, size, said.internal_ms, body, header, noticed_ms, fetched_ms)

    async def _again(self, session: Session, missing: list[int], sizes: Sizes) -> dict[int, bytes]:
        """Ask again for mails that FETCH did not show; what stays away is taken out of `sizes`."""
        got: dict[int, bytes] = {}
        absent = dict.fromkeys(missing, 0)
        for pause in _AGAIN_SECONDS:
            await self._tools.clock.sleep(pause)
            sizes |= await self.sizes(session, list(absent))
            whole = [uid for uid in absent if uid in sizes and self._is_whole(uid, sizes)]
            got |= await self._fetch(session, whole, _BODY)
            for uid in [uid for uid in absent if uid in got or (uid in sizes and uid not in whole)]:
                del absent[uid]
            there = set(await session.uid_search(f"UID {of_numbers(absent)}")) if absent else set()
            for uid in [uid for uid in absent if uid not in there]:
                absent[uid] += 1
                if absent[uid] >= _ABSENT:
                    del absent[uid]
                    sizes.pop(uid, None)
            if not absent:
                break
        return got

    async def _fetch(self, session: Session, uids: Sequence[int], items: tuple[str, ...]) -> dict[int, bytes]:
        if not uids:
            return {}
        keys = [(self._mailbox, uid) for uid in uids]
        for key in keys:
            self._troubles[key] = self._troubles.get(key, 0) + 1
        found = await session.uid_fetch(str(of_numbers(uids)), items)
        for key in keys:
            self._troubles[key] -= 1
            if not self._troubles[key]:
                del self._troubles[key]
        wanted = set(uids)
        bodies = {one.uid: one.body if items is _BODY else one.sections.get("HEADER") for one in found}
        return {uid: body for uid, body in bodies.items() if body is not None and uid in wanted}

    def _together(self, uids: Sequence[int]) -> list[list[int]]:
        """Return the UIDs in groups that one command asks for."""
        calm = [uid for uid in uids if self._trouble(uid) < _ALONE]
        return ([calm] if calm else []) + [[uid] for uid in uids if self._trouble(uid) >= _ALONE]

    def _is_whole(self, uid: int, sizes: Sizes) -> bool:
        return sizes[uid].size <= self._tools.most_bytes and self._trouble(uid) < _HEADER_ONLY

    def _has_header(self, uid: int) -> bool:
        return self._trouble(uid) < _UNSEEN

    def _trouble(self, uid: int) -> int:
        return self._troubles.get((self._mailbox, uid), 0)
