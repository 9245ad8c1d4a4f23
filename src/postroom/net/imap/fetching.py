"""Collects the answers of UID FETCH and UID SEARCH among whatever else a server tells meanwhile; no I/O."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from postroom.net.imap import responses
from postroom.net.imap.answers import Fetched
from postroom.net.imap.fetch import Fetch
from postroom.net.imap.responses import Response
from postroom.net.imap.sequence_sets import STAR, SequenceSet

_MOST_FOUND = 20_000_000
"""UIDs that one SEARCH may name: `1:4294967295` is an answer of twelve octets."""

_ATTRIBUTES = {
    "RFC822.SIZE": "size",
    "INTERNALDATE": "internal_ms",
    "FLAGS": "flags",
    "MODSEQ": "modseq",
    "X-GM-MSGID": "gmail_id",
    "X-GM-THRID": "gmail_thread",
    "X-GM-LABELS": "gmail_labels",
    "EMAILID": "email_id",
}


class FetchCollector:
    """Puts together what is told of each mail: a server may tell it in one response or in several."""

    def __init__(self, uids: SequenceSet, items: Sequence[str], on_mail: Callable[[Fetched], None] | None) -> None:
        """`items`: what was asked for, upper case."""
        # `*` alone is the last mail, whatever its UID.
        self._uids = SequenceSet(tuple((0 if low == STAR else low, high) for low, high in uids.ranges))
        self._wanted = tuple(_ATTRIBUTES[item] for item in items if item in _ATTRIBUTES)
        self._sections = tuple(_section_name(item) for item in items if "[" in item)
        self._telling = tuple(name for name in self._wanted if name not in ("flags", "modseq"))
        """What no mere change of flags tells."""
        self._on_mail = on_mail
        self._parts: dict[int, Fetched] = {}
        self.found: list[Fetched] = []

    def take(self, response: Response) -> bool:
        """Take a response; False: it is no answer, or may be news as well."""
        if not isinstance(response, Fetch):
            return False
        told = _fetched(response)
        if not self._is_answer(told, holds=bool(response.sections)):
            return False
        if told.uid not in self._uids:
            # `5:*` names the last mail too, whatever its UID, and some servers tell of others.
            return True
        known = self._parts.pop(told.uid, None)
        whole = told if known is None else _merged(known, told)
        if self._is_whole(whole):
            self._give(whole)
        else:
            self._parts[told.uid] = whole
        return True

    def finish(self) -> list[Fetched]:
        """No more comes: give what lacks something, and return all."""
        for uid in sorted(self._parts):
            self._give(self._parts[uid])
        self._parts.clear()
        return self.found

    def _give(self, mail: Fetched) -> None:
        if self._on_mail is None:
            self.found.append(mail)
        else:
            self._on_mail(mail)

    def _is_answer(self, told: Fetched, *, holds: bool) -> bool:
        """Tell whether it holds something that was asked for: flags that others change come at any time."""
        if not told.uid:
            return False
        # BODY[] may be NIL: then the server holds no octets of it.
        if holds or told.uid in self._parts:
            return True
        for name in self._telling:
            if getattr(told, name) is not None:
                return True
        if self._telling or self._sections:
            return False
        return all(getattr(told, name) is not None for name in self._wanted)

    def _is_whole(self, mail: Fetched) -> bool:
        for name in self._wanted:
            if getattr(mail, name) is None:
                return False
        return all(mail.body is not None if name is None else name in mail.sections for name in self._sections)


class SearchCollector:
    """UIDs of SEARCH and ESEARCH (RFC 4731), which may come in several responses."""

    def __init__(self) -> None:
        self.uids: set[int] = set()
        self.is_absurd = False
        """It named more UIDs than any mailbox has; they were not taken."""

    def take(self, response: Response) -> bool:
        """Take a response; False: it is no answer."""
        match response:
            case responses.Search(numbers=numbers):
                self.uids.update(numbers)
            case responses.ESearch(is_uid=True, numbers=found):
                if found is not None:
                    self.is_absurd = self.is_absurd or found.count() + len(self.uids) > _MOST_FOUND
                    if not self.is_absurd:
                        self.uids.update(found.numbers())
            case _:
                return False
        return True


def _fetched(told: Fetch) -> Fetched:
    body: bytes | None = None
    sections: dict[str, bytes | None] = {}
    for section in told.sections:
        data = section.data if isinstance(section.data, bytes) else None
        if not section.section and section.origin is None:
            body = data
        else:
            sections[section.section] = data
    return Fetched(
        uid=told.uid or 0,
        sequence=told.sequence,
        size=told.size,
        internal_ms=told.internal_ms,
        flags=None if told.flags is None else frozenset(told.flags),
        modseq=told.modseq,
        body=body,
        sections=sections,
        gmail_id=told.gmail_id,
        gmail_thread=told.gmail_thread,
        gmail_labels=told.gmail_labels,
        email_id=told.email_id,
    )


def _merged(known: Fetched, told: Fetched) -> Fetched:
    changes: dict[str, object] = {
        name: getattr(told, name) for name in (*_ATTRIBUTES.values(), "body") if getattr(told, name) is not None
    }
    return replace(known, sequence=told.sequence, sections={**known.sections, **told.sections}, **changes)  # type: ignore[arg-type]


def _section_name(item: str) -> str | None:
    """Return where `Fetched.sections` has what an item such as `BODY.PEEK[HEADER]<0.100>` asks; None: in `body`."""
    _, _, rest = item.partition("[")
    section, _, partial = rest.rpartition("]")
    return section if section or partial else None
