"""X-Postroom-Idempotency-Key at the submission door: one mail however often it is handed in."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from http_api import WORKSPACE, StoringAccept

from postroom.app.smtp_accept import SubmissionAccept
from postroom.base.clock import ManualClock
from postroom.base.errors import TryLater, WrongInput
from postroom.base.ids import IdSource
from postroom.ledger.states import Stream
from postroom.mail.envelope import Envelope, EnvelopeRecipient
from postroom.outbound.once import Once
from postroom.outbound.submission import Submission
from postroom.store.database import open_database

MAIL = b"From: ada@example.com\r\n\r\nHello\r\n"


class House:
    """The door's `accept` over a store."""

    def __init__(self, database: Any, clock: ManualClock) -> None:
        self.storing = StoringAccept(database, IdSource(1, clock), clock)
        self.door = SubmissionAccept(self.storing, database, Once(database, clock))  # type: ignore[arg-type]

    async def accept(self, content: bytes = MAIL, *recipients: str) -> Any:
        people = tuple(EnvelopeRecipient(address) for address in recipients or ("bob@example.net",))
        envelope = Envelope("ada@example.com", people)
        submission = Submission(WORKSPACE, envelope, content, source="smtp", stream=Stream.TRANSACTIONAL)
        return await self.door.accept(submission, "order-17")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    clock = ManualClock()
    database = await open_database(f"sqlite:///{tmp_path}/postroom.db", clock=clock)
    yield House(database, clock)
    await database.close()


async def test_a_mail_that_is_handed_in_twice_is_one_message_with_one_answer(house: House) -> None:
    first = await house.accept()
    assert await house.accept() == first
    assert len(house.storing.accepted) == 1


async def test_sessions_that_hand_in_the_same_mail_at_once_get_one_answer(house: House) -> None:
    answers = await asyncio.gather(*(house.accept() for _ in range(20)))
    assert len({answer.message_id for answer in answers}) == 1
    assert len(house.storing.accepted) == 1


@pytest.mark.parametrize("other", [(MAIL + b"PS\r\n",), (MAIL, "carl@example.net")])
async def test_a_key_of_another_mail_is_refused_by_the_name_of_its_field(house: House, other: tuple[Any, ...]) -> None:
    await house.accept()
    with pytest.raises(WrongInput, match="take a new key") as refused:
        await house.accept(*other)
    assert refused.value.field == "X-Postroom-Idempotency-Key"


async def test_a_mail_that_could_not_be_stored_leaves_its_key_free(house: House) -> None:
    house.storing.refusal = TryLater("the disk is full")
    with pytest.raises(TryLater):
        await house.accept()
    house.storing.refusal = None
    await house.accept()
    assert len(house.storing.accepted) == 1
