"""The submission door: authenticated clients hand mail in by SMTP (RFC 6409).

Who may come in, what the envelope may hold and what the X-Postroom header fields say is decided
here; storing is `Accept`'s work, and 250 is said only after it returned. The envelope decides
who receives; header fields are never looked at for that.
"""

from collections.abc import Awaitable
from typing import Protocol

from postroom.base.errors import TryLater, WrongInput
from postroom.base.ids import show_id
from postroom.doors.smtp.uploads import Uploads
from postroom.ledger.rows import WorkspaceRow
from postroom.ledger.states import Stream
from postroom.mail.address import parse_address
from postroom.mail.control_fields import ControlFields, TrackSwitches, read_control_fields
from postroom.mail.envelope import Envelope, EnvelopeRecipient
from postroom.mail.header import split_header
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp import replies
from postroom.net.smtp.door import Client, Peer
from postroom.outbound.submission import DEFAULT_TRACK, Accepted, Refused, StagedContent, Submission, Track

SOURCE = "smtp"
_MAX_REPLY_TEXT = 400
"""Letters: a reply line has 512 octets with its code (RFC 5321 4.5.3.1.5)."""


class SubmissionLogin(Protocol):
    """What a correct login opens."""

    @property
    def workspace(self) -> WorkspaceRow:
        """Whose mail it hands in."""
        ...

    @property
    def stream(self) -> Stream | None:
        """The stream that the login fixes, or None where each message says it."""
        ...


class Logins(Protocol):
    """Who may hand mail in."""

    async def check(self, username: str, password: str) -> SubmissionLogin | None:
        """Return what the login opens, or None. Raises TryLater."""
        ...


class Accept(Protocol):
    """The only way in: checks, stores and queues a submission."""

    async def accept(self, submission: Submission, idempotency_key: str | None) -> Accepted:
        """Return what was accepted, after the commit.

        Raises TryLater, WrongInput or Refused; then nothing was stored.
        """
        ...


class SubmissionDoor:
    """What stands behind the submission listeners."""

    def __init__(self, logins: Logins, accept: Accept, uploads: Uploads) -> None:
        self._logins = logins
        self._accept = accept
        self._uploads = uploads

    def open(self, peer: Peer) -> "SubmissionVisit":
        """Return the visit of a new session."""
        return SubmissionVisit(self._logins, self._accept, self._uploads)


class SubmissionVisit:
    """One session at the submission door."""

    def __init__(self, logins: Logins, accept: Accept, uploads: Uploads) -> None:
        self._logins = logins
        self._accept = accept
        self._uploads = uploads
        self._login: SubmissionLogin | None = None

    async def authenticate(self, username: str, password: str) -> bool:
        """Tell whether the login is right, and let it in."""
        self._login = await self._logins.check(username, password)
        return self._login is not None

    def mail(self, envelope: Envelope) -> SmtpReply:
        """Check the reverse-path; it may be null."""
        refusal = _wrong_address(envelope.reverse_path, "5.1.7") if envelope.reverse_path else None
        return refusal or replies.SENDER_OK

    def rcpt(self, envelope: Envelope, recipient: EnvelopeRecipient) -> SmtpReply:
        """Check the address; whether it is suppressed stands in the ledger, not in the reply."""
        return _wrong_address(recipient.address, "5.1.3") or replies.RECIPIENT_OK

    def begin_content(self, envelope: Envelope, client: Client) -> "SubmissionSink | SmtpReply":
        """Return where the content goes."""
        if self._login is None:
            return replies.AUTH_REQUIRED
        return SubmissionSink(self._login, envelope, self._accept, self._uploads)


class SubmissionSink:
    """Takes the content of one submission: small content whole, larger content as an upload."""

    def __init__(self, login: SubmissionLogin, envelope: Envelope, accept: Accept, uploads: Uploads) -> None:
        self._login = login
        self._envelope = envelope
        self._accept = accept
        self._uploads = uploads
        self._upload_id: int | None = None
        self._blocks = 0
        self._size = 0
        self._said: ControlFields | SmtpReply = ControlFields()

    async def write(self, block: bytes) -> None:
        """Store a block of large content."""
        if self._blocks == 0 and not isinstance(self._said, SmtpReply):
            self._said = _read_large_header(block)
        if isinstance(self._said, SmtpReply):
            return  # refused in the end, so nothing of it is stored
        if self._upload_id is None:
            self._upload_id = await self._uploads.begin()
        await self._uploads.add(self._upload_id, self._blocks, block)
        self._blocks += 1
        self._size += len(block)

    def finish(self, rest: bytes) -> Awaitable[SmtpReply]:
        """Hand the submission to `accept` and answer with its message id."""
        return self._finish(rest)

    async def abort(self) -> None:
        """Remove what was stored."""
        upload_id, self._upload_id = self._upload_id, None
        if upload_id is not None:
            await self._uploads.drop(upload_id)

    async def _finish(self, rest: bytes) -> SmtpReply:
        if self._blocks == 0 and not isinstance(self._said, SmtpReply):
            self._said = _read_header(rest)
        if isinstance(self._said, SmtpReply):
            return self._said
        try:
            submission = self._submission(self._said, await self._content(rest))
            accepted = await self._accept.accept(submission, self._said.idempotency_key)
        except WrongInput as error:
            await self.abort()
            return _wrong_content(error)
        except Refused as error:
            await self.abort()
            return error.reply
        except TryLater:
            # No abort: when the database went away during COMMIT, the message may stand and need the upload.
            return replies.TRY_LATER
        return SmtpReply(250, "2.0.0", f"accepted as {show_id('msg', accepted.message_id)}")

    async def _content(self, rest: bytes) -> bytes | StagedContent:
        if self._upload_id is None:
            return rest
        await self._uploads.add(self._upload_id, self._blocks, rest)
        return StagedContent(self._upload_id, self._size + len(rest))

    def _submission(self, said: ControlFields, content: bytes | StagedContent) -> Submission:
        stream = self._login.stream or Stream.TRANSACTIONAL
        if said.stream is not None:
            stream = Stream(said.stream)
            if self._login.stream is not None and stream is not self._login.stream:
                raise WrongInput(
                    "X-Postroom-Stream", f"this login sends on the {self._login.stream} stream only: use another login"
                )
        return Submission(
            workspace=self._login.workspace,
            envelope=self._envelope,
            content=content,
            source=SOURCE,
            stream=stream,
            tags=said.tags,
            metadata=said.metadata,
            track=_track(said.track),
            send_at_ms=said.send_at_ms,
        )


def _wrong_address(address: str, enhanced: str) -> SmtpReply | None:
    try:
        parse_address(address)
    except WrongInput as error:
        return SmtpReply(553, enhanced, _one_line(str(error)))
    return None


def _read_header(content: bytes) -> ControlFields | SmtpReply:
    try:
        return read_control_fields(split_header(content)[0])
    except WrongInput as error:
        return _wrong_content(error)


def _read_large_header(block: bytes) -> ControlFields | SmtpReply:
    """Read the header of content whose first block this is."""
    if b"\r\n\r\n" not in block and not block.startswith(b"\r\n"):
        # Fields in the next block would not be read, and then leave with the copies.
        return SmtpReply(552, "5.3.4", f"the header is larger than {len(block)} octets")
    return _read_header(block)


def _wrong_content(error: WrongInput) -> SmtpReply:
    return SmtpReply(550, "5.6.0", _one_line(f"{error.field}: {error}"))


def _track(said: TrackSwitches) -> Track:
    track = Track.NOTHING
    for flag, switch in (
        (Track.OPENS, said.opens),
        (Track.CLICKS, said.clicks),
        (Track.REPLIES, said.replies),
        (Track.TEXT_CLICKS, said.text_clicks),
    ):
        if switch if switch is not None else flag in DEFAULT_TRACK:
            track |= flag
    return track


def _one_line(text: str) -> str:
    """Texts quote what the client sent, so they may hold anything."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:_MAX_REPLY_TEXT]
