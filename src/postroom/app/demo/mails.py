"""The made-up mails: who writes what to whom, and how often. Everything follows from a random source with a seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from postroom.app.demo.plan import DAYS
from postroom.base.clock import DAY_MS, HOUR_MS
from postroom.ledger.states import Stream

DOMAIN = "lighthouse-books.example"
"""Who sends: a domain that exists nowhere (RFC 2606)."""

_FIRST = (
    "ada", "alan", "barbara", "claude", "donald", "edsger", "frances", "grace", "hedy", "ida", "joan", "katherine",
    "leslie", "margaret", "niklaus", "olga", "peter", "radia", "sophie", "tim", "ursula", "vint", "wanda", "yukihiro",
)  # fmt: skip
_LAST = ("archer", "baker", "carter", "dyer", "fisher", "gardner", "hunter", "miller", "potter", "turner")
_DOMAINS = (
    ("gmail.com", 36), ("outlook.com", 15), ("yahoo.com", 10), ("icloud.com", 8), ("gmx.de", 7), ("example.net", 9),
    ("example.org", 8), ("example.com", 4), ("proton.me", 3),
)  # fmt: skip

_FATES = {
    3: "dead", 7: "full", 11: "dead", 19: "gone", 31: "dead", 40: "gone", 52: "gone",
    9: "writes", 13: "late", 15: "left", 23: "away", 26: "left", 28: "complains", 34: "writes", 36: "stuffed",
    45: "writes", 48: "stops", 57: "complains", 60: "stops",
}  # fmt: skip
"""Who of the people has no ordinary one, by their number."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who gets mail. The fate says what becomes of it."""

    address: str
    fate: str
    """`well`, `dead` (no such mailbox), `full` (mailbox) or `gone` (unsubscribes).

    After delivery: `left` and `stuffed` (a bounce comes back), `late` (a delay report), `away` (a machine answers),
    `writes` (a person does), `complains`, `stops` (asks for no more).
    """
    reads: float
    """How likely an opened mail is."""
    agent: int
    """Which program shows the mail."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One message that is going to be sent."""

    at_ms: int
    author: str
    to: tuple[Person, ...]
    subject: str
    text: str
    html: str
    stream: Stream
    tags: tuple[str, ...]
    metadata: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Kind:
    subject: str
    text: str
    link: str
    tags: tuple[str, ...]
    author: str
    weight: int


_KINDS = (
    _Kind(
        "Welcome to Lighthouse Books", "Good to have you here. Confirm your address to begin.", "confirm",
        ("welcome",), "hello", 4,
    ),
    _Kind(
        "Your order {number} is on its way", "Three books left our shop today. You can follow the parcel.", "track",
        ("order", "shipping"), "orders", 7,
    ),
    _Kind(
        "Receipt for order {number}", "Thank you. Here is your receipt over 34.20 EUR.", "receipt",
        ("order", "receipt"), "orders", 7,
    ),
    _Kind(
        "Reset your password", "Somebody, hopefully you, asked for a new password.", "reset",
        ("account",), "account", 3,
    ),
    _Kind(
        "Your book “The Sea, the Sea” is back in stock", "You asked us to tell you. Two copies are left.", "book",
        ("stock",), "hello", 2,
    ),
)  # fmt: skip

_NEWSLETTERS = (
    ("The lighthouse keeper's letter: eleven books for long evenings", "newsletter"),
    ("Tomorrow only: old maps for half the price", "offer"),
    ("The lighthouse keeper's letter: what our readers loved this week", "newsletter"),
    ("Last call: readings by the fire this weekend", "offer"),
    ("The lighthouse keeper's letter: seven translators and their sea", "newsletter"),
)


def people(chance: random.Random, count: int = 90) -> list[Person]:
    """Return those who get mail. Their names carry `demo`, so that nobody real is among them."""
    domains, weights = zip(*_DOMAINS, strict=True)
    found: dict[str, Person] = {}
    while len(found) < count:
        name = f"{chance.choice(_FIRST)}.{chance.choice(_LAST)}.demo"
        address = f"{name}@{chance.choices(domains, weights)[0]}"
        fate = _FATES.get(len(found), "well")
        reads = 1.0 if fate == "gone" else chance.uniform(0.15, 0.9)
        found.setdefault(address, Person(address, fate, reads, chance.randrange(100)))
    return list(found.values())


def letters(chance: random.Random, everybody: Sequence[Person], now_ms: int) -> list[Letter]:
    """Return the mails of the last DAYS days, oldest first: more by day than by night, now and then one to many."""
    made = [_single(chance, everybody, at_ms) for at_ms in _times(chance, now_ms, 320)]
    for number, (subject, tag) in enumerate(_NEWSLETTERS):
        at_ms = now_ms - DAYS * DAY_MS + (number * 3 + 1) * DAY_MS - now_ms % DAY_MS + 9 * HOUR_MS
        readers = [person for person in everybody if chance.random() < 0.5 or person.fate == "gone"]
        made.append(_to_many(at_ms, readers, subject, tag))
    # Something is always waiting for its next try.
    made += [_single(chance, [one for one in everybody if one.fate == "full"], now_ms - 4 * 60_000)]
    return sorted(made, key=lambda letter: letter.at_ms)


def _times(chance: random.Random, now_ms: int, count: int) -> list[int]:
    times: list[int] = []
    while len(times) < count:
        at_ms = now_ms - chance.randrange(5 * 60_000, DAYS * DAY_MS)
        hour = at_ms // HOUR_MS % 24
        by_day = 1.0 if 7 <= hour <= 20 else 0.25
        # A shop that grows: the last days have more.
        growth = 1 - 0.5 * (now_ms - at_ms) / (DAYS * DAY_MS)
        if chance.random() < by_day * growth:
            times.append(at_ms)
    return times


def _single(chance: random.Random, everybody: Sequence[Person], at_ms: int) -> Letter:
    kind = chance.choices(_KINDS, [one.weight for one in _KINDS])[0]
    number = chance.randrange(10_000, 99_999)
    subject = kind.subject.format(number=number)
    link = f"https://{DOMAIN}/{kind.link}/{number}"
    return Letter(
        at_ms,
        f"{kind.author}@{DOMAIN}",
        (chance.choice(everybody),),
        subject,
        f"{kind.text}\n\n{link}\n",
        _html(subject, f"<p>{kind.text}</p>", link),
        Stream.TRANSACTIONAL,
        kind.tags,
        {"order": str(number)} if "order" in kind.tags else {},
    )


def _to_many(at_ms: int, readers: Sequence[Person], subject: str, tag: str) -> Letter:
    base = f"https://{DOMAIN}/letters/{at_ms // DAY_MS}"
    items = "".join(f'<li><a href="{base}/{number}">Number {number}</a></li>' for number in range(1, 8))
    return Letter(
        at_ms,
        f"letter@{DOMAIN}",
        tuple(readers),
        subject,
        f"Read it here: {base}\n",
        _html(subject, f"<p>Dear readers,</p><ol>{items}</ol>", base),
        Stream.BULK,
        (tag,),
        {},
    )


def _html(title: str, body: str, link: str) -> str:
    return (
        f'<html><body><h1>{title}</h1>{body}<p><a href="{link}">Open it</a></p>'
        f'<p><a href="https://{DOMAIN}/">Lighthouse Books</a></p></body></html>'
    )
