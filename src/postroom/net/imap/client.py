"""The IMAP client on asyncio: dials a server that somebody named, and runs commands one after another.

`ImapDialler.connect` judges the addresses before it dials, checks certificates, waits
for the greeting and speaks STARTTLS. An `ImapClient` is one session. Works on
asyncio's own loop and on uvloop.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from postroom.base.clock import Clock
from postroom.net.address_guard import Network
from postroom.net.dns import Resolver
from postroom.net.imap import responses
from postroom.net.imap.answers import (
    AppendedUid,
    CopiedUids,
    Examined,
    Fetched,
    FlagChange,
    ListedMailbox,
    MailboxStatus,
)
from postroom.net.imap.codes import AppendUid, CopyUid
from postroom.net.imap.conversation import Conversation
from postroom.net.imap.dialling import ImapServer, Ways, open_link
from postroom.net.imap.encode import CannotEncode, Part, atom, flag_list, internal_date, listed, upload
from postroom.net.imap.errors import ImapBad, ImapGarbled, ImapNo, NotOffered
from postroom.net.imap.fetch import Fetch
from postroom.net.imap.fetching import FetchCollector, SearchCollector
from postroom.net.imap.link import ImapLimits
from postroom.net.imap.mailboxes import listed_mailbox, name_part
from postroom.net.imap.responses import Response, Untagged
from postroom.net.imap.sequence_sets import read_set
from postroom.net.imap.streaming import BodyStream
from postroom.net.tls import ClientContexts

__all__ = ["ImapClient", "ImapDialler", "ImapLimits", "ImapServer"]


_BUFFERED_BYTES = 4 * 1024 * 1024
_UPLOAD_BYTES_PER_SECOND = 32 * 1024
"""What the system still holds when everything was written may go as slowly as this."""


class ImapDialler:
    """Opens sessions. One per process."""

    def __init__(
        self,
        resolver: Resolver,
        contexts: ClientContexts,
        allow_private: tuple[Network, ...],
        clock: Clock,
        authorities: Path | None = None,
    ) -> None:
        """`authorities` is a PEM file to trust instead of what `contexts` verifies with."""
        verified = contexts.verified if authorities is None else ClientContexts(authorities).verified
        # One context for all connections: each would be 0.8 MB.
        self._ways = Ways(resolver, verified, allow_private, clock)

    async def connect(self, server: ImapServer, *, limits: ImapLimits | None = None) -> "ImapClient":
        """Open a session up to its greeting, TLS included, and know its capabilities.

        Raises AddressRefused, Unreachable, TlsFailed, ImapBye (the greeting was BYE), Throttled.
        """
        bounds = limits or ImapLimits()
        return ImapClient(server, await open_link(server, bounds, self._ways), bounds, self._ways.clock)


class ImapClient(Conversation):
    """One session with one server. Commands run one after another, whoever calls.

    Any method may raise ImapLost and its kinds, and Throttled; ImapNo and ImapBad leave the session
    as it is. Cancelling a call leaves the session usable (its answer is read and dropped), or closes
    it where the server waits for the rest of a command.
    """

    __slots__ = ()

    # Mailboxes

    async def list_mailboxes(self) -> list[ListedMailbox]:
        """Return all mailboxes with their special use, in the server's order."""
        if self.can("SPECIAL-USE") and self.can("LIST-EXTENDED"):
            try:
                return await self._list("LIST", b"RETURN (SPECIAL-USE)")
            except (ImapNo, ImapBad):
                self.switch_off("LIST-EXTENDED")
        elif self.can("XLIST") and not self.can("SPECIAL-USE"):
            # Gmail's own, before there was a standard: it tells the same with other words.
            try:
                return await self._list("XLIST")
            except (ImapNo, ImapBad):
                self.switch_off("XLIST")
        return await self._list("LIST")

    async def status(self, name: str, items: Sequence[str] = ("MESSAGES", "UIDNEXT", "UIDVALIDITY")) -> MailboxStatus:
        """Ask about a mailbox that is not open; about the open one only for what cannot be had else."""
        found: list[responses.MailboxStatus] = []

        def take(response: Response) -> bool:
            if not isinstance(response, responses.MailboxStatus):
                return False
            found.append(response)
            return True

        running = await self._run("STATUS", name_part(name), listed(atom(item) for item in items), take=take)
        self._all_was_read(running)
        if not found:
            return MailboxStatus(name)
        told = found[-1]
        return MailboxStatus(
            name, told.messages, told.uid_next, told.uid_validity, told.unseen, told.highest_modseq, told.size
        )

    async def append(
        self, mailbox: str, content: bytes, *, flags: Sequence[str] = (), internal_ms: int | None = None
    ) -> AppendedUid | None:
        """Put a mail into a mailbox; None where the server does not say its UID. Raises ImapNo (TRYCREATE)."""
        parts: list[Part] = [name_part(mailbox)]
        if flags:
            parts.append(flag_list(flags))
        if internal_ms is not None:
            parts.append(internal_date(datetime.fromtimestamp(internal_ms // 1000, UTC)))
        silence = self._limits.command + min(len(content), _BUFFERED_BYTES) / _UPLOAD_BYTES_PER_SECOND
        running = await self._run("APPEND", *parts, upload(content), silence=silence)
        match running.end:
            case responses.Tagged(code=AppendUid(uid_validity=epoch, uids=uids)) if uids.count() == 1:
                return AppendedUid(epoch, next(uids.numbers()))
        return None

    # The open mailbox

    async def examine(self, name: str) -> Examined:
        """Open a mailbox for reading only: nothing that follows changes a flag."""
        return await self._open("EXAMINE", name)

    async def select(self, name: str) -> Examined:
        """Open a mailbox for reading and writing."""
        return await self._open("SELECT", name)

    async def uid_search(self, criteria: str) -> list[int]:
        """Return the UIDs that match, ascending, each once. `criteria` is ASCII such as `UID 5:*`.

        Raises ImapUnreadable where a part of the answer cannot be understood.
        """
        if self.can("ESEARCH"):
            try:
                return await self._search(b"RETURN (ALL) " + _line(criteria))
            except ImapBad:
                self.switch_off("ESEARCH")
        return await self._search(_line(criteria))

    async def uid_fetch(
        self,
        uids: str,
        items: Sequence[str],
        on_mail: Callable[[Fetched], None] | None = None,
        *,
        changed_since: int | None = None,
    ) -> list[Fetched]:
        """Fetch items such as `UID`, `RFC822.SIZE`, `BODY.PEEK[]` of a UID set, in the order of the answers.

        Only answers that carry a UID within the set are given: servers also tell of others
        at any time. With `on_mail`, which must not raise, each is given at once and the list stays empty. A UID
        without an answer is not there (any more), or not yet. `changed_since`: only what has a
        higher MODSEQ (RFC 7162 3.1.4). Raises ImapUnreadable, after all others were given, where
        answers could not be understood: what lacks need not be gone.
        """
        wanted = read_set(uids.encode("ascii"))
        if wanted is None:
            raise CannotEncode("no set of UIDs")
        collector = FetchCollector(wanted, [item.upper() for item in items], on_mail)
        parts: list[Part] = [_line(uids), listed(_line(item) for item in items)]
        if changed_since is not None:
            parts.append(b"(CHANGEDSINCE %d)" % changed_since)
        running = await self._run("UID FETCH", *parts, take=collector.take)
        found = collector.finish()
        self._all_was_read(running)
        return found

    async def stream_body(self, uid: int, sink: Callable[[bytes], Awaitable[None]]) -> Fetched | None:
        """Fetch one mail's bytes in pieces: the server waits while `sink` does. None: the mail is not there.

        Its `body` is None where the bytes went to `sink`. What `sink` raises, and being cancelled, closes the session.
        """
        wanted = read_set(str(uid).encode())
        if wanted is None:
            raise CannotEncode("no UID")
        collector = FetchCollector(wanted, ["UID", "RFC822.SIZE", "BODY.PEEK[]"], None)
        async with self._lock:
            await self._settle()
            stream = BodyStream(self._link)
            running = self._session.start(
                "UID FETCH", str(uid).encode(), b"(UID RFC822.SIZE BODY.PEEK[])", take=collector.take, sink=stream
            )
            await stream.hand_on(running, sink)
            self._judge(running)
        found = collector.finish()
        if found and found[0].body:
            await sink(found[0].body)
        self._all_was_read(running)
        return found[0] if found else None

    async def uid_store(self, uids: str, change: FlagChange, flags: Sequence[str]) -> None:
        """Change flags without being told of it (`.SILENT`)."""
        verb = change.value.encode() + b".SILENT"
        await self._run("UID STORE", _line(uids), verb, flag_list(flags), take=_is_fetch)

    async def uid_copy(self, uids: str, mailbox: str) -> CopiedUids | None:
        """Copy mails; None where the server does not say their new UIDs."""
        return await self._copy("UID COPY", uids, mailbox)

    async def uid_move(self, uids: str, mailbox: str) -> CopiedUids | None:
        """Move mails (RFC 6851). Raises NotOffered: a copy and an expunge are not the same."""
        self._need("MOVE")
        return await self._copy("UID MOVE", uids, mailbox)

    async def uid_expunge(self, uids: str) -> None:
        """Remove those of `uids` that carry \\Deleted (RFC 4315 2.1). Raises NotOffered without UIDPLUS.

        There is no plain EXPUNGE: it removes what the mailbox's owner marked too.
        """
        self._need("UIDPLUS")
        try:
            await self._run("UID EXPUNGE", _line(uids))
        except ImapBad as error:
            self.switch_off("UIDPLUS")
            raise NotOffered(str(error), words=error.words) from error

    async def _open(self, verb: str, name: str) -> Examined:
        async with self._lock:
            await self._settle()
            mailbox = self._session.open_mailbox(name)
            try:
                if self.can("CONDSTORE"):
                    try:
                        running = await self._command(verb, name_part(name), b"(CONDSTORE)")
                    except ImapBad:
                        self.switch_off("CONDSTORE")
                        running = await self._command(verb, name_part(name))
                else:
                    running = await self._command(verb, name_part(name))
            except BaseException:
                self._session.mailbox = None
                raise
            # What it told is in the answer.
            self._session.forget_news()
            code = running.end.code if running.end is not None else None
            return Examined(
                name=name,
                uid_validity=mailbox.uid_validity,
                uid_next=mailbox.uid_next,
                exists=mailbox.exists,
                highest_modseq=mailbox.highest_modseq,
                flags=frozenset(mailbox.flags),
                permanent_flags=frozenset(mailbox.permanent_flags),
                is_read_only=verb == "EXAMINE" or (code is not None and code.name == "READ-ONLY"),
                mailbox_id=mailbox.mailbox_id,
            )

    async def _list(self, verb: str, *options: bytes) -> list[ListedMailbox]:
        found: dict[str, ListedMailbox] = {}

        def take(response: Response) -> bool:
            if not isinstance(response, responses.Listed):
                return False
            found[response.name] = listed_mailbox(response)
            return True

        self._all_was_read(await self._run(verb, b'""', b'"*"', *options, take=take))
        return list(found.values())

    async def _search(self, words: bytes) -> list[int]:
        collector = SearchCollector()
        running = await self._run("UID SEARCH", words, take=collector.take)
        self._all_was_read(running)
        if collector.is_absurd:
            raise ImapGarbled(f"{self.server} found more mails than there can be")
        return sorted(collector.uids)

    async def _copy(self, verb: str, uids: str, mailbox: str) -> CopiedUids | None:
        told: list[CopyUid] = []

        def take(response: Response) -> bool:
            # RFC 6851 4.3: MOVE tells it before it is done.
            if isinstance(response, Untagged) and isinstance(response.code, CopyUid):
                told.append(response.code)
            return False

        running = await self._run(verb, _line(uids), name_part(mailbox), take=take)
        if running.end is not None and isinstance(running.end.code, CopyUid):
            told.append(running.end.code)
        if not told or told[-1].from_uids.count() != told[-1].to_uids.count():
            return None
        pairs = zip(told[-1].from_uids.numbers(), told[-1].to_uids.numbers(), strict=True)
        return CopiedUids(told[-1].uid_validity, tuple(pairs))


def _is_fetch(response: Response) -> bool:
    return isinstance(response, Fetch)


def _line(text: str) -> bytes:
    """Return a part of a command as it stands. Raises CannotEncode for what would end the line."""
    if not text.isascii() or not text.isprintable():
        raise CannotEncode("not a part of an IMAP command")
    return text.encode("ascii")
