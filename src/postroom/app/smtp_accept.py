"""The submission door's way to `accept`: with an idempotency key it answers a repetition with the first answer."""

import hashlib

import msgspec

from postroom.base.errors import WrongInput
from postroom.ledger.states import RecipientState
from postroom.outbound.accept import Acceptance
from postroom.outbound.once import Answer, Claim, KeyReused, Once
from postroom.outbound.submission import Accepted, AcceptedRecipient, StagedContent, Submission
from postroom.store.content import upload_pieces
from postroom.store.database import Database, Tx

_SMTP_OK = 250


class _Answer(msgspec.Struct, frozen=True):
    message_id: int
    recipients: list[tuple[int, str, str]]


class SubmissionAccept:
    """Accepts what came in by SMTP."""

    def __init__(self, acceptance: Acceptance, database: Database, once: Once) -> None:
        self._acceptance = acceptance
        self._database = database
        self._once = once

    async def accept(self, submission: Submission, idempotency_key: str | None) -> Accepted:
        """Accept a submission, or answer as the first time. Raises TryLater, WrongInput and Refused."""
        if idempotency_key is None:
            return await self._acceptance.accept(submission)

        async def work(claim: Claim) -> Answer:
            def finish(tx: Tx, accepted: Accepted) -> None:
                claim.finish(tx, _SMTP_OK, _write(accepted))

            accepted = await self._acceptance.accept(submission, in_transaction=finish)
            return Answer(_SMTP_OK, _write(accepted))

        body_hash = await self._fingerprint(submission)
        try:
            answer = await self._once.run(submission.workspace.id, idempotency_key, body_hash, work)
        except KeyReused as error:
            raise WrongInput("X-Postroom-Idempotency-Key", str(error), code=error.code) from error
        return _read(answer.body)

    async def _fingerprint(self, submission: Submission) -> bytes:
        envelope, content = submission.envelope, submission.content
        digest = hashlib.sha256(repr((envelope.reverse_path, [one.address for one in envelope.recipients])).encode())
        if isinstance(content, StagedContent):
            async for piece in upload_pieces(self._database, content.upload_id):
                digest.update(piece)
        else:
            digest.update(content)
        return digest.digest()


def _write(accepted: Accepted) -> bytes:
    recipients = [(one.id, one.address, one.state.value) for one in accepted.recipients]
    return msgspec.json.encode(_Answer(accepted.message_id, recipients))


def _read(answer: bytes) -> Accepted:
    stored = msgspec.json.decode(answer, type=_Answer)
    return Accepted(
        stored.message_id,
        tuple(
            AcceptedRecipient(row_id, address, RecipientState(state)) for row_id, address, state in stored.recipients
        ),
    )
