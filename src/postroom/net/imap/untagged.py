"""Untagged data by name: LIST, STATUS, FLAGS, SEARCH, ESEARCH, VANISHED, ENABLED, ID, NAMESPACE; pure.

Each reader returns the response, or raises Malformed. Names of mailboxes that a server writes without
quotes though they hold blanks are taken as they stand.
"""

import re
from collections.abc import Callable

from postroom.net.imap import responses
from postroom.net.imap.responses import Response
from postroom.net.imap.sequence_sets import SequenceSet, read_set
from postroom.net.imap.values import Malformed, Value, name_of, names_of, number_of, octets_of, read_values, words_of
from postroom.net.imap.wire import Frame

Reader = Callable[[str, Frame, int, int], Response]

_BARE_LIST = re.compile(rb' *+(\([^()"]*+\)) ++(?:"\\?([^"])"|NIL) ++([^"()][^"]*+)', re.IGNORECASE)
_BARE_STATUS = re.compile(rb" *+([^\"()]++)(\([^()\"]*+\)) *+")
_STATUS_NUMBERS = frozenset(("MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "HIGHESTMODSEQ", "SIZE"))
_ESEARCH_NUMBERS = frozenset(("MIN", "MAX", "COUNT", "MODSEQ"))


def _listed(name: str, frame: Frame, start: int, depth: int) -> Response:
    try:
        values = read_values(frame, start=start, depth=depth)
    except Malformed:
        values = ()
    match values:
        case (attributes, delimiter, mailbox) | (attributes, delimiter, mailbox, tuple()):
            words, level, shown = names_of(attributes), name_of(delimiter), name_of(mailbox)
            if words is not None and shown is not None and (delimiter is None or level is not None):
                return responses.Listed(name, words, level or None, shown, values[3:])
    # RFC 3501 9 wants an astring; some servers write `* LIST () "/" Sent Items`.
    bare = None if frame.literals else _BARE_LIST.fullmatch(frame.texts[0], start)
    if bare is None:
        raise Malformed("a list of mailboxes without attributes, delimiter and name")
    words = names_of(read_values(Frame((bare[1],)))[0]) or ()
    level = bare[2].decode("latin-1") if bare[2] else None
    return responses.Listed(name, words, level, bare[3].decode("latin-1").rstrip(" "))


def _mailbox_status(_name: str, frame: Frame, start: int, depth: int) -> Response:
    try:
        values = read_values(frame, start=start, depth=depth)
    except Malformed:
        values = ()
    bare = None
    if len(values) != 2 and not frame.literals:
        bare = _BARE_STATUS.fullmatch(frame.texts[0], start)
    if bare is not None:
        values = (bare[1].decode("latin-1").rstrip(" "), *read_values(Frame((bare[2],))))
    match values:
        case (mailbox, tuple() as items) if name_of(mailbox) is not None and len(items) % 2 == 0:
            numbers, others = _numbers(items, _STATUS_NUMBERS)
            return responses.MailboxStatus(
                name_of(mailbox) or "",
                messages=numbers.get("MESSAGES"),
                recent=numbers.get("RECENT"),
                uid_next=numbers.get("UIDNEXT"),
                uid_validity=numbers.get("UIDVALIDITY"),
                unseen=numbers.get("UNSEEN"),
                highest_modseq=numbers.get("HIGHESTMODSEQ"),
                size=numbers.get("SIZE"),
                others=others,
            )
    raise Malformed("a STATUS without a name and numbers")


def _flags(_name: str, frame: Frame, start: int, depth: int) -> Response:
    values = read_values(frame, start=start, depth=depth)
    words = names_of(values[0]) if len(values) == 1 else None
    if words is None:
        raise Malformed("FLAGS without a list of words")
    return responses.Flags(words)


def _search(_name: str, frame: Frame, start: int, depth: int) -> Response:
    values = read_values(frame, start=start, depth=depth)
    modseq = None
    match values:
        # RFC 7162 7: the numbers, then (MODSEQ 917162500).
        case (*numbers, (str() as word, found)) if word.upper() == "MODSEQ":
            modseq = number_of(found)
            values = tuple(numbers)
    numbers_found = [number_of(value) for value in values]
    if None in numbers_found:
        raise Malformed("SEARCH with something else than numbers")
    return responses.Search(tuple(number for number in numbers_found if number is not None), modseq)


def _esearch(_name: str, frame: Frame, start: int, depth: int) -> Response:
    values = read_values(frame, start=start, depth=depth)
    tag = None
    match values:
        case ((str() as word, found), *rest) if word.upper() == "TAG":
            tag, values = name_of(found), tuple(rest)
    is_uid = bool(values) and isinstance(values[0], str) and values[0].upper() == "UID"
    if is_uid:
        values = values[1:]
    if len(values) % 2:
        raise Malformed("ESEARCH without names and values")
    numbers, others = _numbers(values, _ESEARCH_NUMBERS)
    found_set = None
    for name, value in others:
        if name == "ALL":
            found_set = _set(value)
    others = tuple(other for other in others if other[0] != "ALL")
    return responses.ESearch(
        tag,
        is_uid,
        lowest=numbers.get("MIN"),
        highest=numbers.get("MAX"),
        numbers=found_set,
        count=numbers.get("COUNT"),
        modseq=numbers.get("MODSEQ"),
        others=others,
    )


def _vanished(_name: str, frame: Frame, start: int, depth: int) -> Response:
    values = read_values(frame, start=start, depth=depth)
    is_earlier = False
    match values:
        case ((str() as word,), *rest) if word.upper() == "EARLIER":
            is_earlier, values = True, tuple(rest)
    if len(values) != 1:
        raise Malformed("VANISHED without a set of UIDs")
    return responses.Vanished(is_earlier, _set(values[0]))


def _enabled(_name: str, frame: Frame, start: int, depth: int) -> Response:
    words = words_of(read_values(frame, start=start, depth=depth))
    if words is None:
        raise Malformed("ENABLED with something else than words")
    return responses.Enabled(frozenset(word.upper() for word in words))


def _identification(_name: str, frame: Frame, start: int, depth: int) -> Response:
    values = read_values(frame, start=start, depth=depth)
    if len(values) != 1 or not (values[0] is None or isinstance(values[0], tuple)):
        raise Malformed("ID without a list")
    parts = [octets_of(value) for value in values[0] or ()]
    texts = [None if part is None else part.decode("utf-8", "replace") for part in parts]
    pairs = zip(texts[::2], texts[1::2], strict=False)
    return responses.Identification(tuple((name.lower(), value) for name, value in pairs if name is not None))


def _namespace(_name: str, frame: Frame, start: int, depth: int) -> Response:
    values = read_values(frame, start=start, depth=depth)
    if len(values) != 3:
        raise Malformed("NAMESPACE without three lists")
    personal, others, shared = (_prefixes(value) for value in values)
    return responses.Namespace(personal, others, shared)


def _prefixes(value: Value) -> tuple[responses.NamespacePrefix, ...]:
    found = []
    for entry in value if isinstance(value, tuple) else ():
        match entry:
            case (prefix, delimiter, *_) if name_of(prefix) is not None:
                found.append(responses.NamespacePrefix(name_of(prefix) or "", name_of(delimiter) or None))
            case _:
                raise Malformed("NAMESPACE without prefixes")
    return tuple(found)


def _set(value: Value) -> SequenceSet:
    found = read_set(value.encode("latin-1")) if isinstance(value, str) else None
    if found is None:
        raise Malformed("no set of numbers")
    return found


def _numbers(items: tuple[Value, ...], known: frozenset[str]) -> tuple[dict[str, int], tuple[tuple[str, Value], ...]]:
    """Return the numbers of names that are known, and whatever else stands there."""
    numbers: dict[str, int] = {}
    others: list[tuple[str, Value]] = []
    for item, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(item, str):
            raise Malformed("a value without a name")
        number = number_of(value)
        if item.upper() in known and number is not None:
            numbers[item.upper()] = number
        else:
            others.append((item.upper(), value))
    return numbers, tuple(others)


READERS: dict[str, Reader] = {
    "LIST": _listed,
    "LSUB": _listed,
    "XLIST": _listed,
    "STATUS": _mailbox_status,
    "FLAGS": _flags,
    "SEARCH": _search,
    "ESEARCH": _esearch,
    "VANISHED": _vanished,
    "ENABLED": _enabled,
    "ID": _identification,
    "NAMESPACE": _namespace,
}
