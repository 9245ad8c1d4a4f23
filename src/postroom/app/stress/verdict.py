"""The verdict of a stress run: was every mail told, once, under numbers without a gap? Pure.

*Must be told* is a mail that came while its mailbox was watched, in an epoch that did not end; and one of an
epoch that ended, where a client had its bytes and went on at least `_READ_BEFORE_MS` before that. *Apart* are the
others: what came before the first client had opened the mailbox in the epoch (a changed UIDVALIDITY is no
reason to tell old mail again, so nobody could know that it is new), and what nobody had read when its UIDs
ended. Those may be told or not, but not twice.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from postroom.app.stress.mails import Generated
from postroom.net.imap.mailstore import StoredAccount, StoredMailbox

NEW_MAIL = "new_mail_webhook"
MAILBOX_RESET = "mailbox_reset_webhook"
_READ_BEFORE_MS = 10_000
"""What was read has a while to be written down."""


@dataclass(frozen=True, slots=True)
class Told:
    """One webhook that came."""

    kind: str
    """The path it came to, such as `new_mail_webhook`."""
    tag: str
    number: int
    event_id: str
    digest: str
    """SHA-256 of the bytes of its mail; empty where it carries none."""
    message_id: str
    at: float
    """Monotonic seconds."""
    is_truncated: bool = False


@dataclass(slots=True)
class Verdict:
    """What holds, and what does not: every list is empty where all is well."""

    generated: int = 0
    told: int = 0
    """Different mails that were told."""
    repeats: int = 0
    """Webhooks that came again, with the same id and number."""
    apart: int = 0
    """Mails that nobody could have told, and that were not."""
    resets: int = 0
    missing: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """Told, but nobody had put it there."""
    doubled: list[str] = field(default_factory=list)
    """One mail under two events."""
    gaps: list[str] = field(default_factory=list)
    changed_repeats: list[str] = field(default_factory=list)
    """Came again under another id or number, or with another content."""
    out_of_order: list[str] = field(default_factory=list)
    """Told at one address before an earlier number."""
    refused: list[str] = field(default_factory=list)
    """Webhooks whose signature or form was wrong."""
    died: list[str] = field(default_factory=list)
    """Nodes that ended although nobody had ended them."""
    unfinished: list[str] = field(default_factory=list)
    """What was still waited for when time was up."""

    FAULTS = (
        "missing", "unknown", "doubled", "gaps", "changed_repeats", "out_of_order", "refused", "died", "unfinished",
    )  # fmt: skip

    @property
    def holds(self) -> bool:
        """Tell whether nothing went wrong."""
        return not any(getattr(self, name) for name in self.FAULTS)


def judge(generated: Sequence[Generated], told: Iterable[Told], accounts: Mapping[str, StoredAccount]) -> Verdict:
    """Compare what was put into mailboxes with what was told. `told` in the order in which it came."""
    verdict = Verdict(generated=len(generated))
    events = _judge_numbers(list(told), verdict)
    mails = [one for one in events if one.kind == NEW_MAIL]
    verdict.resets = sum(one.kind == MAILBOX_RESET for one in events)
    counts = Counter(_key_of_told(one) for one in mails)
    verdict.told = len(counts)
    expected = {_key(one): one for one in generated}
    for key, count in counts.items():
        if key not in expected:
            verdict.unknown.append(f"{key[0]}: {key[1]}")
        if count > 1:
            verdict.doubled.append(f"{key[0]}: {key[1]} under {count} events")
    for key, mail in expected.items():
        if key in counts:
            continue
        if must_be_told(mail, accounts[mail.tag].inbox):
            verdict.missing.append(f"{mail.tag}: {mail.message_id} {_where(mail)}")
        else:
            verdict.apart += 1
    return verdict


def must_be_told(mail: Generated, mailbox: StoredMailbox) -> bool:
    """Tell whether a mail could be known as new. The module says when."""
    stored = mail.stored
    if stored.ended_ms is not None:
        return stored.read_ms is not None and stored.read_ms <= stored.ended_ms - _READ_BEFORE_MS
    opened = mailbox.told_from.get(stored.uid_validity)
    # A mailbox that nobody ever opened was not watched, and that is a fault.
    return opened is None or stored.first_uid >= opened


def waited_for(
    generated: Sequence[Generated], told: Iterable[Told], accounts: Mapping[str, StoredAccount]
) -> list[Generated]:
    """Return the mails that must be told and are not yet."""
    known = {_key_of_told(one) for one in told if one.kind == NEW_MAIL}
    return [one for one in generated if _key(one) not in known and must_be_told(one, accounts[one.tag].inbox)]


def latencies_ms(generated: Sequence[Generated], told: Iterable[Told]) -> list[int]:
    """Return, ascending, how long each mail took from the mailbox to its first webhook."""
    put = {_key(one): one.at for one in generated}
    found: dict[tuple[str, str], int] = {}
    for one in told:
        key = _key_of_told(one)
        if one.kind == NEW_MAIL and key in put and key not in found:
            found[key] = round((one.at - put[key]) * 1000)
    return sorted(found.values())


def _judge_numbers(told: Sequence[Told], verdict: Verdict) -> list[Told]:
    """Look at ids and numbers; return each event once, as it came first."""
    first: dict[tuple[str, int], Told] = {}
    ids: dict[str, tuple[str, int]] = {}
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    at_address: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for one in told:
        key = (one.tag, one.number)
        before = first.get(key)
        if ids.setdefault(one.event_id, key) != key:
            verdict.changed_repeats.append(f"{one.event_id} is number {ids[one.event_id]} and {key}")
        if before is None:
            first[key] = one
            numbers[one.tag].append(one.number)
            at_address[one.tag, one.kind].append(one.number)
        elif (before.event_id, before.kind, before.digest) != (one.event_id, one.kind, one.digest):
            verdict.changed_repeats.append(f"{one.tag}: {one.number} came as {before.event_id} and {one.event_id}")
        else:
            verdict.repeats += 1
    for tag, found in sorted(numbers.items()):
        lost = sorted(set(range(1, max(found) + 1)) - set(found))
        if lost:
            verdict.gaps.append(f"{tag}: {', '.join(map(str, lost[:10]))} of {max(found)}")
    # Each kind goes to an address of its own, and one that is tried again does not hold up another address.
    for (tag, kind), found in sorted(at_address.items()):
        late = [number for before, number in itertools.pairwise(found) if number < before]
        if late:
            verdict.out_of_order.append(f"{tag}: {', '.join(map(str, late[:10]))} at {kind}")
    return list(first.values())


def _key(mail: Generated) -> tuple[str, str]:
    # A large mail is told without its bytes; its Message-ID is its own.
    return mail.tag, mail.message_id if mail.is_large else mail.digest


def _key_of_told(one: Told) -> tuple[str, str]:
    return one.tag, one.message_id if one.is_truncated else one.digest


def _where(mail: Generated) -> str:
    stored = mail.stored
    read = "read" if stored.read_ms is not None else "not read"
    return f"UID {stored.first_uid} of {stored.uid_validity}, {read}{', large' if mail.is_large else ''}"
