"""The selected state of the server's side: what one session knows of its mailbox, and the commands on its mails.

A session numbers the mails it was told of (RFC 3501 2.3.1.2); what others do to the mailbox waits here
until the session may be told (RFC 3501 7.4.1: an EXPUNGE never comes during FETCH, STORE and SEARCH).
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

from postroom.base.errors import WrongInput
from postroom.net.imap.encode import internal_date
from postroom.net.imap.mailstore import DELETED, SEEN, Change, StoredAccount, StoredMail, StoredMailbox
from postroom.net.imap.sequence_sets import of_numbers
from postroom.net.imap.server_search import Argument, header_fields, header_of, parse_criteria, parse_set

_MACROS = {
    b"ALL": (b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE"),
    b"FAST": (b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE"),
}
_BODY = re.compile(rb"BODY(\.PEEK)?\[([A-Z.]*)(?: \(([^()]*)\))?\](?:<(\d+)\.(\d+)>)?", re.I)
_OLD_NAMES = {b"RFC822": b"BODY[]", b"RFC822.HEADER": b"BODY.PEEK[HEADER]", b"RFC822.TEXT": b"BODY[TEXT]"}


class View:
    """A selected mailbox as one session sees it."""

    __slots__ = ("gone", "handed", "has_modseq", "is_read_only", "mailbox", "reflagged", "uids")

    def __init__(self, mailbox: StoredMailbox, *, is_read_only: bool) -> None:
        self.mailbox = mailbox
        self.is_read_only = is_read_only
        self.uids = [mail.uid for mail in mailbox.mails]
        """By sequence number less one, those that are gone without the session knowing included."""
        self.gone: list[int] = []
        """UIDs that are gone without the session knowing."""
        self.reflagged: dict[int, None] = {}
        """UIDs with new flags that the session does not know."""
        self.handed: list[StoredMail] = []
        """Mails whose whole content was in the last answer."""
        self.has_modseq = False
        """The client has shown that it knows MODSEQ (RFC 7162 3.1)."""

    def changed(self, change: Change, uids: Sequence[int]) -> None:
        """Remember what the session has to be told. New mails are found by `news` itself."""
        if change is Change.GONE:
            self.gone.extend(uid for uid in uids if self.sequence(uid))
        elif change is Change.FLAGS:
            self.reflagged.update(dict.fromkeys(uid for uid in uids if self.sequence(uid)))

    def news(self, *, with_expunges: bool = True) -> bytes:
        """Return what the session may be told now, and take it for told."""
        found: list[bytes] = []
        if with_expunges and self.gone:
            for uid in self.gone:
                sequence = self.sequence(uid)
                if sequence:
                    del self.uids[sequence - 1]
                    found.append(b"* %d EXPUNGE\r\n" % sequence)
            self.gone = []
        known = self.uids[-1] if self.uids else 0
        came = [mail.uid for mail in self.mailbox.since(known + 1)]
        if came:
            self.uids += came
            found.append(b"* %d EXISTS\r\n" % len(self.uids))
        if self.reflagged:
            for uid in self.reflagged:
                mail, sequence = self.mailbox.mail(uid), self.sequence(uid)
                if mail is not None and sequence:
                    found.append(self._line(sequence, mail, [b"UID", b"FLAGS"]))
            self.reflagged = {}
        return b"".join(found)

    def sequence(self, uid: int) -> int:
        """Return the sequence number of a UID; 0: the session does not know it."""
        at = bisect_left(self.uids, uid)
        return at + 1 if at < len(self.uids) and self.uids[at] == uid else 0

    def chosen(self, argument: Argument, *, by_uid: bool) -> Iterator[tuple[int, StoredMail]]:
        """Return the mails of a set with their sequence numbers. Raises WrongInput."""
        if not isinstance(argument, bytes):
            raise WrongInput("set", "a set is missing")
        largest = (self.uids[-1] if self.uids else 0) if by_uid else len(self.uids)
        for first, last in parse_set(argument, largest).ranges:
            if by_uid:
                begin, end = bisect_left(self.uids, first), bisect_left(self.uids, last + 1)
            else:
                begin, end = max(first, 1) - 1, min(last, len(self.uids))
            for at in range(begin, end):
                mail = self.mailbox.mail(self.uids[at])
                if mail is not None:
                    yield at + 1, mail

    # Commands

    def fetch(self, arguments: Sequence[Argument], *, by_uid: bool) -> bytes:
        """FETCH (RFC 3501 6.4.5) with CHANGEDSINCE (RFC 7162 3.1.4.1)."""
        if len(arguments) < 2:
            raise WrongInput("fetch", "items are missing")
        names = _names(arguments[1])
        since = _changed_since(arguments[2]) if len(arguments) > 2 else None
        if since is not None or b"MODSEQ" in names:
            self.has_modseq = True
            names = names if b"MODSEQ" in names else [*names, b"MODSEQ"]
        if by_uid and b"UID" not in names:
            names = [b"UID", *names]
        for name in names:
            _check(name)
        return b"".join(
            self._line(sequence, mail, names)
            for sequence, mail in self.chosen(arguments[0], by_uid=by_uid)
            if since is None or mail.modseq > since
        )

    def search(self, arguments: Sequence[Argument], tag: str, *, by_uid: bool) -> bytes:
        """SEARCH (RFC 3501 6.4.4), and with RETURN its extended answer (RFC 4731 3.1)."""
        wanted: list[bytes] | None = None
        if arguments and isinstance(arguments[0], bytes) and arguments[0].upper() == b"RETURN":
            wanted = [name.upper() for name in _flat(arguments[1])] or [b"ALL"]
            arguments = arguments[2:]
        largest = self.uids[-1] if self.uids else 0
        test = parse_criteria(arguments, largest, len(self.uids))
        found = []
        for sequence, uid in enumerate(self.uids, 1):
            mail = self.mailbox.mail(uid)
            if mail is not None and test(sequence, mail):
                found.append(uid if by_uid else sequence)
        if wanted is None:
            return b"* SEARCH" + b"".join(b" %d" % number for number in found) + b"\r\n"
        said = b'* ESEARCH (TAG "%s")%s' % (tag.encode(), b" UID" if by_uid else b"")
        if b"COUNT" in wanted:
            said += b" COUNT %d" % len(found)
        if found:
            said += b" MIN %d" % found[0] if b"MIN" in wanted else b""
            said += b" MAX %d" % found[-1] if b"MAX" in wanted else b""
            said += b" ALL %s" % _shown(found) if b"ALL" in wanted else b""
        return said + b"\r\n"

    def store(self, arguments: Sequence[Argument], *, by_uid: bool) -> bytes:
        """STORE (RFC 3501 6.4.6)."""
        if len(arguments) < 3 or not isinstance(arguments[1], bytes):
            raise WrongInput("store", "flags are missing")
        how = arguments[1].upper().decode("latin-1")
        flags = {flag.decode("latin-1") for argument in arguments[2:] for flag in _flat(argument)}
        said = []
        for sequence, mail in list(self.chosen(arguments[0], by_uid=by_uid)):
            wanted = {"+": mail.flags | flags, "-": mail.flags - flags}.get(how[0], frozenset(flags))
            self.mailbox.set_flags(mail.uid, wanted)
            self.reflagged.pop(mail.uid, None)
            if not how.endswith(".SILENT"):
                said.append(self._line(sequence, mail, [b"UID", b"FLAGS"] if by_uid else [b"FLAGS"]))
        return b"".join(said)

    def copy(self, arguments: Sequence[Argument], account: StoredAccount, *, by_uid: bool) -> tuple[list[int], bytes]:
        """Copy mails; return their UIDs here and the COPYUID code (RFC 4315 3). Raises NoSuchMailbox."""
        if len(arguments) < 2 or not isinstance(arguments[1], bytes):
            raise WrongInput("copy", "a mailbox is missing")
        target = account.mailbox(arguments[1].decode("latin-1"))
        # By UID: COPYUID names both sides in the same order.
        mails = [mail for _, mail in sorted(dict(self.chosen(arguments[0], by_uid=by_uid)).items())]
        made = [target.append(mail.body, internal_ms=mail.internal_ms, flags=mail.flags).uid for mail in mails]
        uids = [mail.uid for mail in mails]
        code = b"[COPYUID %d %s %s] " % (target.uid_validity, _shown(uids), _shown(made)) if uids else b""
        return uids, code

    def expunge(self, argument: Argument | None) -> None:
        """Remove those with \\Deleted, all or those of a UID set (RFC 4315 2.1)."""
        largest = self.uids[-1] if self.uids else 0
        uids = parse_set(argument if isinstance(argument, bytes) else b"1:*", largest)
        self.mailbox.expunge(m.uid for m in self.mailbox.mails if DELETED in m.flags and m.uid in uids)

    def _line(self, sequence: int, mail: StoredMail, names: Sequence[bytes]) -> bytes:
        items = b" ".join([self._item(mail, name) for name in names])
        return b"* %d FETCH (%s)\r\n" % (sequence, items)

    def _item(self, mail: StoredMail, name: bytes) -> bytes:
        simple = _SIMPLE.get(name)
        if simple is not None:
            return name + b" " + simple(mail)
        section = _BODY.fullmatch(_OLD_NAMES.get(name, name))
        assert section is not None  # noqa: S101 - `_check` has seen it
        text = self._section(mail, section)
        if not section[1] and not self.is_read_only:
            self.mailbox.set_flags(mail.uid, mail.flags | {SEEN})
        shown = name
        if name not in _OLD_NAMES:
            fields = b" (%s)" % section[3] if section[3] is not None else b""
            shown = b"BODY[%s%s]" % (section[2].upper(), fields)
            if section[4] is not None:
                first = int(section[4])
                text = text[first : first + int(section[5])]
                shown += b"<%d>" % first
        return b"%s {%d}\r\n%s" % (shown, len(text), text)

    def _section(self, mail: StoredMail, section: re.Match[bytes]) -> bytes:
        what = section[2].upper()
        if what == b"":
            self.handed.append(mail)
            return mail.body
        if what == b"HEADER":
            return header_of(mail)
        if what == b"TEXT":
            return mail.body[len(header_of(mail)) :]
        wanted = section[3].decode("latin-1").upper().replace('"', "").split()
        is_not = what.endswith(b".NOT")
        return b"".join(raw for name, raw in header_fields(mail) if (name in wanted) is not is_not) + b"\r\n"


def _shown(numbers: Iterable[int]) -> bytes:
    return str(of_numbers(numbers)).encode()


def _flags(mail: StoredMail) -> bytes:
    return b"(%s)" % " ".join(sorted(mail.flags)).encode("latin-1")


_SIMPLE: dict[bytes, Callable[[StoredMail], bytes]] = {
    b"UID": lambda mail: b"%d" % mail.uid,
    b"FLAGS": _flags,
    b"INTERNALDATE": lambda mail: internal_date(datetime.fromtimestamp(mail.internal_ms / 1000, UTC)),
    b"RFC822.SIZE": lambda mail: b"%d" % len(mail.body),
    b"MODSEQ": lambda mail: b"(%d)" % mail.modseq,
}


def _check(name: bytes) -> None:
    section = _BODY.fullmatch(_OLD_NAMES.get(name, name))
    if name in _SIMPLE:
        return
    if section is None or section[2].upper() not in (b"", b"HEADER", b"TEXT", b"HEADER.FIELDS", b"HEADER.FIELDS.NOT"):
        raise WrongInput("fetch", f"unknown item {name[:40]!r}")
    if (section[3] is not None) is not section[2].upper().startswith(b"HEADER.FIELDS"):
        raise WrongInput("fetch", "field names are missing")


def _names(argument: Argument) -> list[bytes]:
    """Return the items of FETCH or of RETURN, names in capitals; what stands in brackets as it was written."""
    found = [name if b"[" in name else name.upper() for name in _flat(argument)]
    return list(_MACROS[found[0]]) if len(found) == 1 and found[0] in _MACROS else found


def _flat(argument: Argument) -> list[bytes]:
    if isinstance(argument, bytes):
        return [argument]
    return [part for inner in argument for part in _flat(inner)]


def _changed_since(argument: Argument) -> int | None:
    words = _flat(argument)
    if len(words) == 2 and words[0].upper() == b"CHANGEDSINCE" and words[1].isdigit():
        return int(words[1])
    raise WrongInput("fetch", "unknown modifier")
