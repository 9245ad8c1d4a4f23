"""What IMAP servers do and should not: each behaviour is a function from a command to steps.

The first ones are SuperIMAP's own test mix; the others were seen in the field, or are what an attacker
would try. None of them says anything about a mail that is not true for good: whatever they do, a
client that keeps its head finds every mail in the end. Only `renumber` ends the epoch of a mailbox.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from postroom.net.imap.mailstore import StoredAccount
from postroom.net.imap.steps import Close, Cut, Drip, Exchange, Flood, Pause, Send, Step

Act = Callable[[Exchange, Random], Sequence[Step]]

_OPENING = frozenset({"EXAMINE", "SELECT"})
_FETCH = frozenset({"FETCH", "UID FETCH"})
_SEARCH = frozenset({"SEARCH", "UID SEARCH"})
_SELECTED = _FETCH | _SEARCH | {"NOOP", "DONE"}
_CAPABLE = frozenset({"CAPABILITY", "LOGIN", "AUTHENTICATE"})
_LITERAL = re.compile(rb"\{(\d+)\}\r\n")
_FLOOD_BYTES = 12 * 1024 * 1024
"""More than the longest line that a client should hold."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One way to misbehave."""

    name: str
    """For people: what the server does."""
    act: Act
    weight: float = 1.0
    """How often, beside the others that fit a command."""
    verbs: frozenset[str] | None = None
    """Commands that it is done to; None: to all."""
    is_slow: bool = False
    """A client gets over it after a minute only: it waits, polls, or takes its password for a wrong one."""


def _line(text: str) -> Send:
    return Send(f"{text}\r\n".encode())


# SuperIMAP's


def _no(exchange: Exchange, random: Random) -> Sequence[Step]:
    return [_line(f"{exchange.tag} NO Not now")]


def _bad(exchange: Exchange, random: Random) -> Sequence[Step]:
    return [_line(f"{exchange.tag} BAD What?")]


def _unknown_end(exchange: Exchange, random: Random) -> Sequence[Step]:
    return [_line(f"{exchange.tag} ZZZ")]


def _unknown_line(exchange: Exchange, random: Random) -> Sequence[Step]:
    return [_line("* ZZZ"), *exchange.answer()]


def _bye(exchange: Exchange, random: Random) -> Sequence[Step]:
    return [_line("* BYE Come back later"), Close()]


def _cut(exchange: Exchange, random: Random) -> Sequence[Step]:
    return [Cut()]


def _not_ready(exchange: Exchange, random: Random) -> Sequence[Step]:
    return [_line("* ERROR Not ready."), Close()]


def _login_refused(exchange: Exchange, random: Random) -> Sequence[Step]:
    return [_line(f"{exchange.tag} NO [UNAVAILABLE] Logging in is not possible now")]


def _list_nothing(exchange: Exchange, random: Random) -> Sequence[Step]:
    return [_line(f"{exchange.tag} OK Done")]


def _renumber(exchange: Exchange, random: Random) -> Sequence[Step]:
    if exchange.session.account is not None:
        exchange.session.unselect()
        exchange.session.account.inbox.renumber(random.randint(1, 1_000), exchange.session.rules.now_ms())
    return exchange.answer()


SUPERIMAP_MIX: tuple[Behaviour, ...] = (
    Behaviour("NO", _no, is_slow=True),
    Behaviour("BAD", _bad, is_slow=True),
    Behaviour("TAG ZZZ", _unknown_end),
    Behaviour("* ZZZ", _unknown_line),
    Behaviour("* BYE", _bye),
    Behaviour("connection cut", _cut),
    Behaviour("greeting * ERROR", _not_ready, 3, frozenset({"GREETING"})),
    Behaviour("login refused for now", _login_refused, 3, frozenset({"LOGIN", "AUTHENTICATE"}), is_slow=True),
    Behaviour("LIST without INBOX", _list_nothing, 3, frozenset({"LIST"})),
    Behaviour("UIDVALIDITY jump", _renumber, 3, _OPENING),
)
"""Of 409 commands 400 are answered properly, 3 get what is particular to their verb, 1 each of the others."""


# Worse


def _drip(exchange: Exchange, random: Random) -> Sequence[Step]:
    found: list[Step] = []
    for step in exchange.answer():
        if isinstance(step, Send):
            found.append(Drip(step.data, 0.0005, max(1, len(step.data) // 1000)))
        else:
            found.append(step)
    return found


def _cut_inside(exchange: Exchange, random: Random) -> Sequence[Step]:
    data = exchange.proper()
    literal = _LITERAL.search(data)
    size = int(literal[1]) if literal else 0
    # At least one octet before the end: an answer that is whole was given.
    return [Send(data[: literal.end() + random.randrange(size)] if literal and size else data[: len(data) // 2]), Cut()]


def _announce(change: Callable[[int, Random], int]) -> Act:
    """Announce another length of the first literal than it has."""

    def act(exchange: Exchange, random: Random) -> Sequence[Step]:
        data = exchange.proper()
        literal = _LITERAL.search(data)
        if literal is None:
            return [Send(data)]
        told = b"{%d}\r\n" % change(int(literal[1]), random)
        return [Send(data[: literal.start()] + told + data[literal.end() :])]

    return act


def _endless(exchange: Exchange, random: Random) -> Sequence[Step]:
    return [Send(b"* OK "), Flood(b"x" * 65_536, _FLOOD_BYTES), Cut()]


def _wrong_tag(exchange: Exchange, random: Random) -> Sequence[Step]:
    lines = exchange.proper().split(b"\r\n")
    tag = exchange.tag.encode()
    return [Send(b"\r\n".join(b"ZZ99" + line[len(tag) :] if line.startswith(tag) else line for line in lines))]


def _bye_in_idle(exchange: Exchange, random: Random) -> Sequence[Step]:
    return [*exchange.answer(), Pause(random.uniform(0.05, 3.0)), _line("* BYE Idling for too long"), Close()]


def _no_plus(exchange: Exchange, random: Random) -> Sequence[Step]:
    answered = exchange.proper()
    return [Send(answered.removeprefix(b"+ idling\r\n"))]


def _capability_changes(exchange: Exchange, random: Random) -> Sequence[Step]:
    offered = exchange.session.capabilities()
    fewer = [one for one in offered if one == "IMAP4rev1" or random.random() < 0.5]
    return [_line(f"* CAPABILITY {' '.join(fewer)}"), *exchange.answer()]


def _capability_lies(exchange: Exchange, random: Random) -> Sequence[Step]:
    claimed = "QRESYNC NOTIFY COMPRESS=DEFLATE IMAP4rev2 UTF8=ACCEPT OBJECTID X-GM-EXT-1"
    return [_line(f"* CAPABILITY {' '.join(exchange.session.capabilities())} {claimed}"), *exchange.answer()]


def _nul(exchange: Exchange, random: Random) -> Sequence[Step]:
    return [Send(b"* OK \0\0 \xff\xfe \0\r\n"), Send(b"\0\r\n"), *exchange.answer()]


def _exists_shrinks(exchange: Exchange, random: Random) -> Sequence[Step]:
    answer = exchange.answer()
    view = exchange.session.view
    return [_line(f"* {random.randrange(len(view.uids) + 1)} EXISTS"), *answer] if view is not None else answer


def _modseq_frozen(exchange: Exchange, random: Random) -> Sequence[Step]:
    answered = re.sub(rb"HIGHESTMODSEQ \d+", b"HIGHESTMODSEQ 1", exchange.proper())
    return [Send(re.sub(rb"MODSEQ \(\d+\)", b"MODSEQ (1)", answered))]


def _expunge_storm(exchange: Exchange, random: Random) -> Sequence[Step]:
    return [Send(b"* 1 EXPUNGE\r\n" * 2_000), *exchange.answer()]


def _fetch_nothing(exchange: Exchange, random: Random) -> Sequence[Step]:
    return [_line(f"{exchange.tag} OK Done")]


def _fetch_others(exchange: Exchange, random: Random) -> Sequence[Step]:
    foreign = "".join(f"* {n} FETCH (UID {4_000_000 + n} FLAGS (\\Seen) MODSEQ (7))\r\n" for n in range(1, 50))
    return [Send(foreign.encode()), *exchange.answer()]


def _search_in_pieces(exchange: Exchange, random: Random) -> Sequence[Step]:
    lines = exchange.proper().split(b"\r\n")
    numbers = lines[0].removeprefix(b"* SEARCH").split()
    if not lines[0].startswith(b"* SEARCH"):
        return [Send(b"\r\n".join(lines))]
    said = [b"* SEARCH", *(b"* SEARCH %s" % number for number in reversed(numbers)), *lines[1:]]
    return [Send(b"\r\n".join(said))]


def _late(exchange: Exchange, random: Random) -> Sequence[Step]:
    return [Pause(random.uniform(0.5, 4.0)), *exchange.answer()]


def _silent(exchange: Exchange, random: Random) -> Sequence[Step]:
    return []


def _throttled(exchange: Exchange, random: Random) -> Sequence[Step]:
    wait = random.randint(200, 3_000)
    return [_line(f"{exchange.tag} BAD Request is throttled. Suggested Backoff Time: {wait} milliseconds")]


WORSE: tuple[Behaviour, ...] = (
    Behaviour("octet by octet", _drip),
    Behaviour("cut inside an answer", _cut_inside, 1),
    Behaviour(
        "literal longer than announced", _announce(lambda size, r: size - r.randint(1, min(size, 40))), 1, _FETCH
    ),
    Behaviour(
        "literal shorter than announced",
        _announce(lambda size, r: size + r.randint(1, 5_000)),
        verbs=_FETCH,
        is_slow=True,
    ),
    Behaviour("literal of 4 GB", _announce(lambda size, r: 4_294_967_295), 1, _FETCH),
    Behaviour("line without end", _endless, 0.1),
    Behaviour("wrong tag", _wrong_tag, is_slow=True),
    Behaviour("BYE in IDLE", _bye_in_idle, 2, frozenset({"IDLE"})),
    Behaviour("NO to IDLE", _no, 2, frozenset({"IDLE"}), is_slow=True),
    Behaviour("no + to IDLE", _no_plus, 1, frozenset({"IDLE"}), is_slow=True),
    Behaviour("CAPABILITY changes", _capability_changes, 1, _CAPABLE | {"NOOP", "DONE"}, is_slow=True),
    Behaviour("CAPABILITY lies", _capability_lies, 1, _CAPABLE),
    Behaviour("NUL and broken text", _nul),
    Behaviour("EXISTS shrinks", _exists_shrinks, 1, _SELECTED),
    Behaviour("MODSEQ frozen", _modseq_frozen, 1, _SELECTED | _OPENING),
    Behaviour("EXPUNGE storm", _expunge_storm, 0.5, _SELECTED),
    Behaviour("FETCH tells nothing", _fetch_nothing, 1, _FETCH),
    Behaviour("FETCH tells of others", _fetch_others, 1, _FETCH),
    Behaviour("SEARCH in pieces", _search_in_pieces, 1, _SEARCH),
    Behaviour("accepted and dropped", _cut, 1, frozenset({"GREETING"})),
    Behaviour("late answer", _late, 0.5),
    Behaviour("no answer", _silent, 0.2, is_slow=True),
    Behaviour("throttled", _throttled, 0.5, frozenset({"LOGIN", "AUTHENTICATE", "EXAMINE", "SELECT"}), is_slow=True),
)


def arriving_mail(arrive: Callable[[StoredAccount], None]) -> Behaviour:
    """Return the behaviour of telling of a mail inside the answer of a SEARCH that does not name it.

    `arrive` puts a mail into an account's INBOX. What follows is an IDLE that tells of no mail: who
    did not listen during the SEARCH never hears of this one.
    """

    def act(exchange: Exchange, random: Random) -> Sequence[Step]:
        answered, session = exchange.proper(), exchange.session
        if session.view is None or session.account is None:
            return [Send(answered)]
        arrive(session.account)
        end = answered.rfind(exchange.tag.encode() + b" ")
        return [Send(answered[:end] + session.view.news(with_expunges=False) + answered[end:])]

    return Behaviour("EXISTS inside SEARCH", act, 2, _SEARCH)
