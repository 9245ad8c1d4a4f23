"""`POST /messages`, `/messages/batch` and `/messages/raw`: from JSON to an accepted message.

No 202 before the commit. A large body lies in a file; it is decoded and
composed on a thread, in pieces, and these are stored before it is accepted.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import msgspec
from litestar import Response, post
from msgspec import Meta, Struct

from postroom.base.errors import PostroomError, TryLater
from postroom.base.ids import show_id
from postroom.doors.http.body import Body
from postroom.doors.http.fields import Errors, read_object
from postroom.doors.http.message_fields import Context, HandedIn, message_submission, raw_submission
from postroom.doors.http.message_models import MessageIn, RawMessageIn
from postroom.doors.http.operation import Operation, described
from postroom.doors.http.problems import Problem, ProblemDetails, problem_of
from postroom.doors.http.requests import answer_bytes, body_of, encode, idempotency_key
from postroom.doors.http.services import ApiRequest, Services, services_of
from postroom.ledger.rows import WorkspaceRow
from postroom.mail.pieces import Content, blocks_of, pieces_of
from postroom.outbound.once import Answer, Claim
from postroom.outbound.submission import SMALL_CONTENT_BYTES, Accepted, StagedContent, Submission
from postroom.store.database import Tx

MAX_BATCH = 1000
BATCH_AT_ONCE = 32
"""Messages of a batch that are accepted side by side: they share commits."""
_CHUNK_BYTES = 256 * 1024

Reader = Callable[[object, Context], HandedIn]


class SentRecipient(Struct, frozen=True):
    """One recipient of an accepted message."""

    id: str
    address: str
    state: str


class Sent(Struct, frozen=True):
    """An accepted message: it is stored durably."""

    id: str
    recipients: list[SentRecipient]


class SentOrNot(Struct, frozen=True, omit_defaults=True):
    """What became of one message of a batch: `id` and `recipients`, or `error`."""

    id: str | None = None
    recipients: list[SentRecipient] | None = None
    error: ProblemDetails | None = None


class BatchIn(Struct, frozen=True, forbid_unknown_fields=True):
    """Messages of their own, each as for `POST /messages`; each is checked and answered by itself."""

    messages: Annotated[
        list[Any],
        Meta(min_length=1, max_length=MAX_BATCH, extra_json_schema={"items": {"description": "A message."}}),
    ]


class BatchSent(Struct, frozen=True):
    """A result for each message of the batch, in its order."""

    items: list[SentOrNot]


@post(
    "/messages",
    status_code=202,
    opt=described(
        Operation(
            "Send a message",
            answers=Sent,
            status=202,
            body=MessageIn,
            body_limits=True,
            idempotent=True,
        )
    ),
)
async def send_message(request: ApiRequest) -> Response[bytes]:
    """Accept a message: every address gets a copy of its own. 202 comes after it is stored durably."""
    return await _send(request, message_submission)


@post(
    "/messages/raw",
    status_code=202,
    opt=described(
        Operation("Send a whole mail", answers=Sent, status=202, body=RawMessageIn, body_limits=True, idempotent=True)
    ),
)
async def send_raw_message(request: ApiRequest) -> Response[bytes]:
    """Accept a mail that is written already, with its envelope. The envelope decides who receives."""
    return await _send(request, raw_submission)


@post(
    "/messages/batch",
    status_code=202,
    opt=described(
        Operation("Send many messages", answers=BatchSent, status=202, body=BatchIn, body_limits=True, idempotent=True)
    ),
)
async def send_batch(request: ApiRequest) -> Response[bytes]:
    """Accept up to 1,000 messages; the answer has a result for each. Some may be accepted and others not.

    With an Idempotency-Key each message has a key of its own behind the scenes: a repeated batch
    sends only what was not accepted before.
    """
    services, workspace = services_of(request), request.user
    key = idempotency_key(request)
    async with body_of(request) as body:
        errors = Errors()
        batch = read_object(await body.json(), BatchIn, errors)
        errors.end()

        async def work(claim: Claim | None) -> Answer:
            sent = await _send_all(services, workspace, body, batch.messages, key)
            # What the store could not take now is tried again by a repeated batch.
            final = all(item.error is None or item.error.status < 500 for item in sent)
            answer = Answer(202, encode(BatchSent(sent)), final=final)
            if claim is not None and final:
                await services.database.write(lambda tx: claim.finish(tx, answer.status, answer.body))
            return answer

        answer = await (services.once.run(workspace.id, key, body.digest, work) if key else work(None))
    return answer_bytes(answer.body, answer.status, replayed=answer.replayed)


async def _send(request: ApiRequest, reader: Reader) -> Response[bytes]:
    services, workspace = services_of(request), request.user
    key = idempotency_key(request)
    async with body_of(request) as body:

        async def work(claim: Claim | None) -> Answer:
            async with body.turn():
                submission = await _read(services, workspace, body, await body.json(), reader)
            return await _accept(services, submission, claim)

        answer = await (services.once.run(workspace.id, key, body.digest, work) if key else work(None))
    return answer_bytes(answer.body, answer.status, replayed=answer.replayed)


async def _send_all(
    services: Services, workspace: WorkspaceRow, body: Body, values: list[Any], key: str | None
) -> list[SentOrNot]:
    slots = asyncio.Semaphore(BATCH_AT_ONCE)

    async def one(number: int, value: object) -> SentOrNot:
        async def work(claim: Claim | None) -> Answer:
            async with body.turn():
                submission = await _read(services, workspace, body, value, message_submission)
            return await _accept(services, submission, claim)

        async with slots:
            try:
                if key is None:
                    answer = await work(None)
                else:
                    # No client can write a line feed into a key, so these keys meet no other.
                    answer = await services.once.run(workspace.id, f"{key}\n{number}", body.digest, work)
            except (Problem, PostroomError) as error:
                return SentOrNot(error=problem_of(error).details)
            return msgspec.json.decode(answer.body, type=SentOrNot)

    return list(await asyncio.gather(*(one(number, value) for number, value in enumerate(values))))


async def _read(services: Services, workspace: WorkspaceRow, body: Body, value: object, reader: Reader) -> Submission:
    """Return what the JSON value of a message describes, its content staged where it is large."""
    context = Context(workspace, services.clock.now_ms())
    handed_in = await body.aside(lambda: reader(value, context))
    if len(handed_in.content) <= SMALL_CONTENT_BYTES:
        return replace(handed_in.submission, content=b"".join(pieces_of(handed_in.content)))
    return replace(handed_in.submission, content=await _stage(services, body, handed_in.content))


async def _accept(services: Services, submission: Submission, claim: Claim | None) -> Answer:
    def finish(tx: Tx, accepted: Accepted) -> None:
        if claim is not None:
            claim.finish(tx, 202, encode(_sent(accepted)))

    try:
        accepted = await services.accept.accept(submission, in_transaction=finish if claim else None)
    except TryLater:
        # The pieces stay: when the database went away during COMMIT the message may stand and need them.
        raise
    except Exception:
        if isinstance(submission.content, StagedContent):
            await services.uploads.drop(submission.content.upload_id)
        raise
    return Answer(202, encode(_sent(accepted)))


async def _stage(services: Services, body: Body, content: Content) -> StagedContent:
    upload_id, number, size = await services.uploads.begin(), 0, 0
    blocks = blocks_of(content, _CHUNK_BYTES)
    while block := await body.aside(lambda: next(blocks, b"")):
        await services.uploads.add(upload_id, number, block)
        number, size = number + 1, size + len(block)
    return StagedContent(upload_id, size)


def _sent(accepted: Accepted) -> Sent:
    return Sent(
        show_id("msg", accepted.message_id),
        [SentRecipient(show_id("rcp", one.id), one.address, one.state.value) for one in accepted.recipients],
    )
