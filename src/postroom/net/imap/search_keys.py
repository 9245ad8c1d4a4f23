"""Search keys: what SEARCH looks for, as parts of a command. RFC 3501 6.4.4, 7162 3.1.5; pure.

    encode_command("A1", b"UID SEARCH", *uid(b"5:*"), *unless(flag("DELETED")))

Keys beside one another must all hold; `unless` and `either` take one key each, as made here.
Texts are sent as UTF-8: say `CHARSET UTF-8` first where one is not ASCII.
"""

from datetime import datetime

from postroom.net.imap.encode import Part, astring, atom, day

Key = tuple[Part, ...]


def everything() -> Key:
    """All mails."""
    return (b"ALL",)


def uid(numbers: bytes) -> Key:
    """Mails with these UIDs, a set as `encode.sequence_set` writes it or `5:*`. RFC 3501: `n:*` names one at least."""
    return (b"UID", numbers)


def since(when: datetime) -> Key:
    """Mails whose INTERNALDATE, without time and zone, is this day or later."""
    return (b"SINCE", day(when))


def before(when: datetime) -> Key:
    """Mails whose INTERNALDATE, without time and zone, is earlier than this day."""
    return (b"BEFORE", day(when))


def header(name: str, text: str) -> Key:
    """Mails with this header field that holds the text somewhere; brackets may count or not, by server."""
    return (b"HEADER", atom(name), astring(text))


def flag(word: str) -> Key:
    """Mails by a key of one word, such as `DELETED`, `UNSEEN`."""
    return (atom(word),)


def changed_since(modseq: int) -> Key:
    """Mails that changed after this MODSEQ (CONDSTORE: the key names the first that counts)."""
    return (b"MODSEQ", str(modseq + 1).encode())


def unless(key: Key) -> Key:
    """Mails for which the key does not hold."""
    return (b"NOT", *key)


def either(first: Key, second: Key) -> Key:
    """Mails for which one of the keys holds, or both."""
    return (b"OR", *first, *second)
