"""What the consequences of a mail are given: the mail, what it is, what of ours it is about, and the ids they need."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from postroom.base.ids import show_id
from postroom.events.record import Facts, facts_of
from postroom.inbound.origin import About, Origin, answers_go_to
from postroom.inbound.written import Written
from postroom.ledger.inbound_rows import Destination, InboundRow
from postroom.ledger.route_rows import RouteRow
from postroom.mail.address import address_key
from postroom.mail.authentication import Result, Verdicts
from postroom.mail.verdict import MailKind, Verdict


@dataclass(frozen=True, slots=True)
class Work:
    """A mail that came in and is understood, ready for its transaction."""

    row: InboundRow
    verdict: Verdict
    origin: Origin
    now_ms: int
    route: RouteRow | None = None
    """The route that takes it."""
    written: Written | None = None
    """What somebody wrote in it, where it is for people."""
    is_repeated: bool = False
    """The same answer came in before, for another address of ours or once more: it is told and counted."""

    @property
    def is_doubtful(self) -> bool:
        """It may ask for something that only a person should decide: nothing follows until somebody looked."""
        kind = self.verdict.kind
        if self.verdict.is_doubtful and kind in (MailKind.UNSUBSCRIBE, MailKind.COMPLAINT):
            return True
        return kind is MailKind.UNSUBSCRIBE and self.is_disowned

    @property
    def is_disowned(self) -> bool:
        """From alone says who writes, and its domain does not stand behind the mail (DMARC)."""
        if all(one.is_proved for one in self.origin.about):
            return False
        return Verdicts.from_json(self.row.verdicts).dmarc.result in (Result.FAIL, Result.PERMERROR)

    @property
    def is_by_author(self) -> bool:
        """The author of a copy writes to its reply address: he answered all who stand in a reply that he got."""
        return self.row.destination == Destination.REPLY.value and self.is_from_author

    @property
    def is_from_author(self) -> bool:
        """It goes on from a mail of his own. Who sends mail to himself may answer it."""
        if not self.origin.about:
            return False
        one, key = self.origin.about[0], self.row.author_key
        own = {address_key(one.message.author_address), address_key(answers_go_to(one.message))}
        return key in own and key != one.recipient.address_key

    @property
    def is_reply(self) -> bool:
        """Somebody answers a copy of ours; a doubtful answer is a reply too."""
        if self.is_from_author or self.is_repeated:
            return False
        is_doubtful_reply = self.is_doubtful and self.row.destination == Destination.REPLY.value
        return bool(self.origin.about) and (self.verdict.kind is MailKind.REPLY or is_doubtful_reply)

    def detail(self, one: About | None = None) -> dict[str, object]:
        """Return what every event tells of the mail; of a report what it says about `one`."""
        told: dict[str, object] = {"inbound_id": show_id("inb", self.row.id)}
        reported = one.reported if one is not None else None
        says = reported if reported is not None else self.verdict
        told |= {"rule": says.rule, "evidence": says.evidence}
        if one is not None:
            told["found_by"] = one.found_by
        if reported is not None:
            told |= {"reason": reported.reason.value, "hard": reported.is_hard}
            if reported.status:
                told["status"] = reported.status
            if reported.reply_code is not None:
                told["reply_code"] = reported.reply_code
        return told


@dataclass(frozen=True, slots=True)
class Step:
    """One consequence for one copy, inside the transaction."""

    work: Work
    about: About
    ids: Iterator[int]
    """New ids, more than any consequence needs."""

    @property
    def facts(self) -> Facts:
        """What is recorded under."""
        return facts_of(self.about.message, self.about.recipient)

    @property
    def detail(self) -> Mapping[str, object]:
        """What the event tells."""
        return self.work.detail(self.about)
