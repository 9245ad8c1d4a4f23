"""Mailboxes in memory, as the IMAP server of `net.imap.server` shows them.

For tests, benchmarks and the stress run: nothing here is kept beyond the process.
Numbers are those of RFC 3501 2.3.1: UIDs grow within an epoch (UIDVALIDITY), MODSEQ
(RFC 7162) grows with every change of a mailbox.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from enum import Enum

from postroom.base.errors import PostroomError

SEEN = "\\Seen"
DELETED = "\\Deleted"
_FIRST_VALIDITY = 1_000


class Change(Enum):
    """What happened to a mailbox."""

    CAME = "came"
    GONE = "gone"
    FLAGS = "flags"
    RENUMBERED = "renumbered"
    """Its epoch ended; every UID is another one."""


Listener = Callable[[Change, Sequence[int]], None]
"""Is told what happened to which UIDs."""


class NoSuchMailbox(PostroomError):
    """There is no mailbox of that name."""


class StoredMail:
    """One mail of a mailbox."""

    __slots__ = ("body", "ended_ms", "first_uid", "flags", "internal_ms", "modseq", "read_ms", "uid", "uid_validity")

    def __init__(
        self, uid: int, uid_validity: int, body: bytes, internal_ms: int, flags: frozenset[str], modseq: int
    ) -> None:
        self.uid = self.first_uid = uid
        """`first_uid` is the one it came under, in the epoch `uid_validity`."""
        self.uid_validity = uid_validity
        self.body = body
        self.internal_ms = internal_ms
        self.flags = flags
        self.modseq = modseq
        self.read_ms: int | None = None
        """When a client first went on after it had been given the whole mail: it has it."""
        self.ended_ms: int | None = None
        """When the epoch ended in which it came; None: it lasts."""


class StoredMailbox:
    """One mailbox: its mails in the order of their UIDs, its numbers, and who wants to hear of changes."""

    __slots__ = (
        "_listeners", "attributes", "delimiter", "mails", "modseq", "name", "told_from", "uid_next", "uid_validity",
    )  # fmt: skip

    def __init__(self, name: str, attributes: tuple[str, ...] = (), uid_validity: int = _FIRST_VALIDITY) -> None:
        self.name = name
        self.attributes = attributes
        self.delimiter = "/"
        self.mails: list[StoredMail] = []
        self.uid_validity = uid_validity
        self.uid_next = 1
        self.modseq = 1
        self.told_from: dict[int, int] = {}
        """By epoch the UIDNEXT that its first client was told: mails from there on came before its eyes."""
        self._listeners: set[Listener] = set()

    def append(
        self, body: bytes, *, internal_ms: int, flags: Iterable[str] = (), gap: int = 0, silently: bool = False
    ) -> StoredMail:
        """Add a mail and tell of it. `gap`: so many UIDs are skipped first. `silently`: nobody is told."""
        self.modseq += 1
        mail = StoredMail(self.uid_next + gap, self.uid_validity, body, internal_ms, frozenset(flags), self.modseq)
        self.uid_next = mail.uid + 1
        self.mails.append(mail)
        if not silently:
            self._tell(Change.CAME, (mail.uid,))
        return mail

    def mail(self, uid: int) -> StoredMail | None:
        """Return the mail of a UID, or None where it is gone."""
        at = bisect_left(self.mails, uid, key=_uid_of)
        return self.mails[at] if at < len(self.mails) and self.mails[at].uid == uid else None

    def since(self, uid: int) -> list[StoredMail]:
        """Return the mails from a UID up."""
        return self.mails[bisect_left(self.mails, uid, key=_uid_of) :]

    def set_flags(self, uid: int, flags: Iterable[str]) -> None:
        """Give a mail these flags, and a new MODSEQ."""
        mail = self.mail(uid)
        if mail is not None and mail.flags != (wanted := frozenset(flags)):
            self.modseq += 1
            mail.flags, mail.modseq = wanted, self.modseq
            self._tell(Change.FLAGS, (uid,))

    def expunge(self, uids: Iterable[int]) -> list[int]:
        """Remove mails; return the UIDs of those that were there."""
        wanted = set(uids)
        gone = [mail.uid for mail in self.mails if mail.uid in wanted]
        if gone:
            self.modseq += 1
            self.mails = [mail for mail in self.mails if mail.uid not in wanted]
            self._tell(Change.GONE, gone)
        return gone

    def renumber(self, shift: int, at_ms: int) -> None:
        """End the epoch: UIDVALIDITY and every UID grow by `shift`, as after a restore of the server."""
        self.uid_validity += max(1, shift)
        for mail in self.mails:
            mail.uid += shift
            mail.ended_ms = at_ms if mail.ended_ms is None else mail.ended_ms
        self.uid_next += shift
        self._tell(Change.RENUMBERED, ())

    def was_opened(self, uid_validity: int, uid_next: int) -> None:
        """A client has learned these numbers by opening the mailbox, and went on."""
        self.told_from.setdefault(uid_validity, uid_next)

    def listen(self, listener: Listener) -> None:
        """Tell `listener` of each change from now on."""
        self._listeners.add(listener)

    def leave(self, listener: Listener) -> None:
        """Tell `listener` no more."""
        self._listeners.discard(listener)

    def _tell(self, change: Change, uids: Sequence[int]) -> None:
        for listener in list(self._listeners):
            listener(change, uids)


class StoredAccount:
    """One login with its mailboxes."""

    __slots__ = ("mailboxes", "password", "tokens", "user")

    def __init__(self, user: str, password: str = "", mailboxes: Iterable[StoredMailbox] = ()) -> None:
        """`mailboxes`: without any there is an empty INBOX."""
        self.user = user
        self.password = password
        self.tokens: set[str] = set()
        """Access tokens that XOAUTH2 and OAUTHBEARER take."""
        found = tuple(mailboxes) or (StoredMailbox("INBOX"),)
        self.mailboxes = {mailbox.name: mailbox for mailbox in found}

    @property
    def inbox(self) -> StoredMailbox:
        """INBOX."""
        return self.mailboxes["INBOX"]

    def mailbox(self, name: str) -> StoredMailbox:
        """Return a mailbox; INBOX in any case of letters (RFC 3501 5.1). Raises NoSuchMailbox."""
        found = self.mailboxes.get("INBOX" if name.upper() == "INBOX" else name)
        if found is None:
            raise NoSuchMailbox(name)
        return found

    def add_mailbox(self, name: str, attributes: tuple[str, ...] = ()) -> StoredMailbox:
        """Make a mailbox, such as `Sent` with `\\Sent` (RFC 6154 2)."""
        return self.mailboxes.setdefault(name, StoredMailbox(name, attributes))


class MailStore:
    """All accounts of a server."""

    def __init__(self) -> None:
        self.accounts: dict[str, StoredAccount] = {}

    def add(self, user: str, password: str = "") -> StoredAccount:
        """Make an account with an empty INBOX."""
        return self.accounts.setdefault(user, StoredAccount(user, password))

    def with_password(self, user: str, password: str) -> StoredAccount | None:
        """Return the account that a password opens."""
        account = self.accounts.get(user)
        return account if account is not None and account.password and account.password == password else None

    def with_token(self, user: str, token: str) -> StoredAccount | None:
        """Return the account that an access token opens."""
        account = self.accounts.get(user)
        return account if account is not None and token in account.tokens else None


def _uid_of(mail: StoredMail) -> int:
    return mail.uid
