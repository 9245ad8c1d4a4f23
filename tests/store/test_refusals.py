"""What a refusal in the dialogue does to the address: a dead one gets no more mail, anything else changes nothing."""

import json

import pytest
from queue_rows import Queue, tried

from postroom.base.clock import ManualClock
from postroom.events.evidence import quoted_line
from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.mail.smtp_reply import SmtpReply
from postroom.outbound.retry import RetrySchedule
from postroom.outbound.settle import decide, write
from postroom.store import queue
from postroom.store.database import Database, Tx

RCPT = "> MAIL FROM:<>\n< 250 ok\n> RCPT TO:<u@example.net>\n< "
DATA = RCPT + "250 ok\n> DATA\n< 354 go\n< "
UNKNOWN = SmtpReply(550, "", "no such user")


class Refused(Queue):
    """A store in which one mail was refused."""

    async def refuse(self, reply: SmtpReply, before: str, *, after_days: int = 0) -> None:
        """Refuse a mail with a reply; `before` is the dialogue up to it, empty where no peer was asked."""
        await self.workspace()
        _, rows = await self.message(1)
        event_id, now = self.ids.next(), self.clock.now_ms()
        kind = OutcomeKind.FAILED if reply.is_permanent else OutcomeKind.DEFERRED
        outcome = Outcome(kind, reply, "mx.example.net:25", transcript=before and f"{before}{reply}")

        def settle(tx: Tx) -> None:
            (one,) = queue.claim(tx, rows[0].lane_id, limit=1, node=1, now_ms=now, lease_ms=now + 1000)
            first = one._replace(tries=40, first_tried_ms=now - after_days * 86_400_000) if after_days else one
            write(tx, [decide(tried(first, outcome, event_id=event_id, at_ms=now), RetrySchedule(), 0.0)])

        await self.database.write(settle)

    async def told(self) -> dict[str, object]:
        """Return the detail of the event."""
        ((detail,),) = await self.ask("SELECT detail FROM event WHERE kind = 'failed'")
        return dict(json.loads(detail))

    async def suppressed(self) -> list[tuple[object, ...]]:
        """Return the suppressions, of their evidence the line."""
        rows = await self.ask("SELECT scope, reason, source, evidence FROM suppression")
        return [(scope, reason, source, quoted_line(evidence)) for scope, reason, source, evidence in rows]


@pytest.fixture
def house(database: Database, clock: ManualClock) -> Refused:
    return Refused(database, clock)


@pytest.mark.parametrize(
    ("reply", "before"),
    [
        (UNKNOWN, RCPT),
        (SmtpReply(550, "5.1.2", "the domain example.net does not exist"), ""),
        (SmtpReply(556, "5.1.10", "the domain example.net accepts no mail (null MX)"), ""),
    ],
)
async def test_a_dead_address_is_suppressed_with_the_reply_as_evidence(
    house: Refused, reply: SmtpReply, before: str
) -> None:
    await house.refuse(reply, before)
    assert await house.suppressed() == [("all", "failed", "delivery", str(reply))]
    told = await house.told()
    assert (told["hard"], told["suppressed"]) == (True, "all")


@pytest.mark.parametrize(
    ("reply", "before", "reason"),
    [
        (UNKNOWN, DATA, "filtered"),
        (SmtpReply(550, "", "sender unknown"), RCPT.partition("< 250")[0] + "< ", "sender_rejected"),
        (SmtpReply(550, "", ""), RCPT, "on_hold"),
        (SmtpReply(552, "5.2.2", "mailbox full"), RCPT, "mailbox_full"),
    ],
)
async def test_any_other_refusal_suppresses_nobody(house: Refused, reply: SmtpReply, before: str, reason: str) -> None:
    await house.refuse(reply, before)
    assert await house.suppressed() == []
    told = await house.told()
    assert (told["reason"], told["hard"], "suppressed" in told) == (reason, False, False)
    assert await house.ask("SELECT cause FROM recipient") == [(reason,)]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (SmtpReply(450, "4.1.1", "no such user"), "no_such_user"),
        (SmtpReply(451, "", "the moon is too bright"), "expired"),
    ],
)
async def test_mail_that_was_given_up_has_the_reason_of_the_last_answer_and_suppresses_nobody(
    house: Refused, reply: SmtpReply, reason: str
) -> None:
    await house.refuse(reply, RCPT, after_days=9)
    assert await house.suppressed() == []
    assert (await house.told())["reason"] == reason
