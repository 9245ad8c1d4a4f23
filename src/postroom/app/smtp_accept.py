"""The submission door's way to `accept`: with an idempotency key it answers a repetition with the first answer.

The key is claimed in a transaction of its own and finished in that of the
accept, as the HTTP door does it; both share the table, so a mail that was
handed in by one may not be handed in by the other.
"""

import hashlib

import msgspec

from postroom.base.clock import Clock
from postroom.base.errors import TryLater, WrongInput
from postroom.ledger.states import RecipientState
from postroom.outbound.accept import Acceptance
from postroom.outbound.submission import Accepted, AcceptedRecipient, StagedContent, Submission
from postroom.store import idempotency
from postroom.store.content import load_upload
from postroom.store.database import Database, Tx

_SMTP_OK = 250


class _Answer(msgspec.Struct, frozen=True):
    message_id: int
    recipients: list[tuple[int, str, str]]


class SubmissionAccept:
    """Accepts what came in by SMTP."""

    def __init__(self, acceptance: Acceptance, database: Database, clock: Clock) -> None:
        self._acceptance = acceptance
        self._database = database
        self._clock = clock

    async def accept(self, submission: Submission, idempotency_key: str | None) -> Accepted:
        """Accept a submission, or answer as the first time. Raises TryLater, WrongInput and Refused."""
        if idempotency_key is None:
            return await self._acceptance.accept(submission)
        body_hash = await self._fingerprint(submission)
        row = idempotency.new_claim(submission.workspace.id, idempotency_key, body_hash, self._clock.now_ms())
        standing = await self._database.write(lambda tx: idempotency.claim(tx, row))
        if standing is not None:
            if standing.body_hash != row.body_hash:
                raise WrongInput("X-Postroom-Idempotency-Key", "this key was used for another mail: choose a new one")
            if standing.status == 0:
                raise TryLater("the first mail with this idempotency key is still being accepted")
            return _read(standing.answer)

        def finish(tx: Tx, accepted: Accepted) -> None:
            if not idempotency.finish(tx, row, _SMTP_OK, _write(accepted)):
                raise TryLater("this idempotency key was taken over by another mail")

        try:
            return await self._acceptance.accept(submission, in_transaction=finish)
        except Exception:
            await self._database.write(lambda tx: idempotency.free(tx, row))
            raise

    async def _fingerprint(self, submission: Submission) -> bytes:
        envelope, content = submission.envelope, submission.content
        digest = hashlib.sha256(repr((envelope.reverse_path, [one.address for one in envelope.recipients])).encode())
        if isinstance(content, StagedContent):
            content = await load_upload(self._database, content.upload_id)
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
