"""What is told of an answer says whether its author's domain stands behind it."""

from typing import Any

import pytest
from returned_mail import returned_mail

from postroom.base.clock import ManualClock
from postroom.inbound import worker
from postroom.ledger.inbound_rows import Destination
from postroom.mail.authentication import DmarcVerdict, Result, Verdicts
from postroom.mail.verdict import MailKind, Verdict
from postroom.store.database import open_database

REPLY = b"From: ann@example.org\r\nSubject: Re: Hello\r\n\r\nYes, please.\r\n"


@pytest.mark.parametrize(
    ("kind", "destination", "event"),
    [
        (MailKind.REPLY, Destination.REPLY, "replied"),
        (MailKind.AUTO_REPLY, Destination.REPLY, "auto_replied"),
        (MailKind.OTHER, Destination.ROLE, "received"),
    ],
)
async def test_an_answer_is_told_with_the_result_of_dmarc(
    sqlite_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, kind: MailKind, destination: Any, event: str
) -> None:
    database = await open_database(sqlite_url, clock=clock)
    monkeypatch.setattr(worker, "classify", lambda raw: Verdict(kind, "a rule", "a line"))
    async with returned_mail(database, clock) as world:
        _, recipient = await world.sent()
        about = recipient if destination is Destination.REPLY else None
        fields = {} if about else {"recipient": "abuse@example.com"}
        for verdicts in (Verdicts(dmarc=DmarcVerdict(Result.FAIL)).to_json(), ""):
            await world.came(REPLY, about, destination, verdicts=verdicts, **fields)
            await world.work()
        told = await world.told()
    await database.close()

    assert [(what, detail.get("dmarc")) for what, detail in told] == [(event, "fail"), (event, None)]
