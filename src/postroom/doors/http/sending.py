"""`POST /messages`, `/messages/batch` and `/messages/raw`: from JSON to an accepted message.

No 202 before the commit. A large body is decoded and composed on a thread,
and its content is stored in pieces before it is accepted.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import msgspec
from litestar import Response, post
from msgspec import Meta, Struct

from postroom.base.errors import PostroomError, TryLater
from postroom.base.ids import show_id
from postroom.doors.http.fields import Errors, parse_json, read_object
from postroom.doors.http.message_fields import Context, MessageIn, RawMessageIn, message_submission, raw_submission
from postroom.doors.http.operation import Operation, described
from postroom.doors.http.problems import Problem, ProblemDetails, problem_of
from postroom.doors.http.requests import answer_bytes, body_hash, body_of, encode, idempotency_key
from postroom.doors.http.services import ApiRequest, Services, services_of
from postroom.ledger.rows import WorkspaceRow
from postroom.outbound.once import Answer, Claim
from postroom.outbound.submission import SMALL_CONTENT_BYTES, Accepted, StagedContent, Submission
from postroom.store.database import Tx

MAX_BATCH = 1000
BATCH_AT_ONCE = 32
"""Messages of a batch that are accepted side by side: they share commits."""
_THREAD_BYTES = 64 * 1024
"""A body above this is decoded and composed on a thread: below, the change of thread costs more."""
_CHUNK_BYTES = 256 * 1024

Reader = Callable[[object, Context], Submission]


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
        hashed = body_hash(request, body)
        errors = Errors()
        batch = read_object(parse_json(body), BatchIn, errors)
        body.clear()
        errors.end()

        async def work(claim: Claim | None) -> Answer:
            sent = await _send_all(services, workspace, batch.messages, key, hashed)
            # What the store could not take now is tried again by a repeated batch.
            final = all(item.error is None or item.error.status < 500 for item in sent)
            answer = Answer(202, encode(BatchSent(sent)), final=final)
            if claim is not None and final:
                await services.database.write(lambda tx: claim.finish(tx, answer.status, answer.body))
            return answer

        answer = await (services.once.run(workspace.id, key, hashed, work) if key else work(None))
    return answer_bytes(answer.body, answer.status, replayed=answer.replayed)


async def _send(request: ApiRequest, reader: Reader) -> Response[bytes]:
    services, workspace = services_of(request), request.user
    key = idempotency_key(request)
    async with body_of(request) as body:

        async def work(claim: Claim | None) -> Answer:
            context = Context(workspace, services.clock.now_ms())
            size = len(body)

            def read() -> Submission:
                value = parse_json(body)
                body.clear()
                return reader(value, context)

            submission = read() if size <= _THREAD_BYTES else await services.slow.run(read)
            return await _accept(services, submission, claim)

        if key is None:
            answer = await work(None)
        else:
            answer = await services.once.run(workspace.id, key, body_hash(request, body), work)
    return answer_bytes(answer.body, answer.status, replayed=answer.replayed)


async def _send_all(
    services: Services, workspace: WorkspaceRow, values: list[Any], key: str | None, hashed: bytes
) -> list[SentOrNot]:
    slots = asyncio.Semaphore(BATCH_AT_ONCE)

    async def one(number: int, value: object) -> SentOrNot:
        async def work(claim: Claim | None) -> Answer:
            submission = message_submission(value, Context(workspace, services.clock.now_ms()))
            return await _accept(services, submission, claim)

        async with slots:
            try:
                if key is None:
                    answer = await work(None)
                else:
                    # No client can write a line feed into a key, so these keys meet no other.
                    answer = await services.once.run(workspace.id, f"{key}\n{number}", hashed, work)
            except (Problem, PostroomError) as error:
                return SentOrNot(error=problem_of(error).details)
            return msgspec.json.decode(answer.body, type=SentOrNot)

    return list(await asyncio.gather(*(one(number, value) for number, value in enumerate(values))))


async def _accept(services: Services, submission: Submission, claim: Claim | None) -> Answer:
    content = submission.content
    staged = None
    if isinstance(content, bytes) and len(content) > SMALL_CONTENT_BYTES:
        staged = await _stage(services, content)
        submission = replace(submission, content=staged)
        del content

    def finish(tx: Tx, accepted: Accepted) -> None:
        if claim is not None:
            claim.finish(tx, 202, encode(_sent(accepted)))

    try:
        accepted = await services.accept.accept(submission, in_transaction=finish if claim else None)
    except TryLater:
        # The pieces stay: when the database went away during COMMIT the message may stand and need them.
        raise
    except Exception:
        if staged is not None:
            with contextlib.suppress(TryLater):
                await services.uploads.drop(staged.upload_id)
        raise
    return Answer(202, encode(_sent(accepted)))


async def _stage(services: Services, content: bytes) -> StagedContent:
    upload_id = await services.uploads.begin()
    for number, start in enumerate(range(0, len(content), _CHUNK_BYTES)):
        await services.uploads.add(upload_id, number, content[start : start + _CHUNK_BYTES])
    return StagedContent(upload_id, len(content))


def _sent(accepted: Accepted) -> Sent:
    return Sent(
        show_id("msg", accepted.message_id),
        [SentRecipient(show_id("rcp", one.id), one.address, one.state.value) for one in accepted.recipients],
    )
