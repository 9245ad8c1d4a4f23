"""The inbound door: other hosts hand in mail for addresses of ours (RFC 5321).

Who may receive is decided at RCPT, without the database; whoever asks for wrong addresses again and
again is slowed and cut off. Nobody logs in here, and nothing is passed on to others. 250 is said only
after the commit.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

import structlog

from postroom.base.clock import Clock
from postroom.base.errors import TryLater, WrongInput
from postroom.base.ids import show_id
from postroom.doors.smtp.guessers import HERE, MOST_IN_SESSION, Guessers, guesser_of
from postroom.doors.smtp.uploads import Uploads
from postroom.inbound.receive import Incoming, Refused, StagedRest
from postroom.inbound.recipients import NO_SUCH_ADDRESS, Addressed
from postroom.ledger.inbound_rows import Destination
from postroom.mail.address import address_key, parse_address
from postroom.mail.envelope import Envelope, EnvelopeRecipient
from postroom.mail.smtp_reply import SmtpReply
from postroom.mail.trace import protocol_name
from postroom.net.smtp import replies
from postroom.net.smtp.door import Answer, Client, Peer

_log = structlog.get_logger(__name__)

SOURCE = "smtp"
NO_ROOM = SmtpReply(452, "4.3.1", "no room left, try again later")
CUT_OFF = SmtpReply(421, "4.7.0", "too many wrong addresses, come back later")
WRONG_REVERSE_PATH = SmtpReply(553, "5.1.7", "the reverse-path is no address")
ONE_AT_A_TIME = SmtpReply(452, "4.5.3", "a report goes to one recipient at a time")


class Recipients(Protocol):
    """Who may receive."""

    def decide(self, address: str, reverse_path: str) -> Addressed | SmtpReply:
        """Return how mail for this address is taken, or the reply that refuses it."""
        ...


class Receiver(Protocol):
    """The only way in."""

    def refusal(self, content: bytes, *, is_whole: bool) -> SmtpReply | None:
        """Return why a mail is not taken, as far as its content or the first block of it says, or None."""
        ...

    async def receive(self, mail: Incoming) -> list[int]:
        """Store a mail and return the ids of its rows, after the commit. Raises Refused and TryLater."""
        ...


class InboundDoor:
    """What stands behind the inbound listener."""

    def __init__(
        self,
        recipients: Recipients,
        receiver: Receiver,
        uploads: Uploads,
        clock: Clock,
        guessers: Guessers,
        has_room: Callable[[], bool] = lambda: True,
        is_relay: Callable[[str], bool] = lambda address: False,
    ) -> None:
        """`has_room` False: strangers must not take the last of the disk, which the other doors need.

        `is_relay` tells of an IP address whether an MTA in front of us has it: that one guesses for others.
        """
        self.recipients = recipients
        self.receiver = receiver
        self.uploads = uploads
        self.clock = clock
        self.guessers = guessers
        self.has_room = has_room
        self.is_relay = is_relay

    def open(self, peer: Peer) -> "InboundVisit":
        """Return the visit of a new session."""
        return InboundVisit(self, peer)


class InboundVisit:
    """One session at the inbound door."""

    def __init__(self, door: InboundDoor, peer: Peer) -> None:
        self._door = door
        self._peer = peer
        self._network = HERE if peer.address and door.is_relay(peer.address) else guesser_of(peer)
        self._wrong = 0
        self._taken: dict[str, Addressed] = {}
        """The recipients of this transaction, by their keys: one that is named twice gets one mail."""

    async def authenticate(self, username: str, password: str) -> bool:
        """Let nobody in: AUTH is not offered here."""
        return False

    def mail(self, envelope: Envelope) -> SmtpReply:
        """Check the reverse-path; it may be null."""
        self._taken = {}
        if self._door.guessers.is_shut_out(self._network, self._door.clock.monotonic()):
            return CUT_OFF
        if not self._door.has_room():
            return NO_ROOM
        return WRONG_REVERSE_PATH if _is_wrong(envelope.reverse_path) else replies.SENDER_OK

    def rcpt(self, envelope: Envelope, recipient: EnvelopeRecipient) -> Answer:
        """Decide about a recipient."""
        decided = self._door.recipients.decide(recipient.address, envelope.reverse_path)
        if isinstance(decided, SmtpReply):
            return self._guessed() if decided == NO_SUCH_ADDRESS else decided
        everybody = {**self._taken, address_key(recipient.address): decided}
        # RFC 5321 4.5.5: with the null reverse-path come reports, and a report is for the one who sent.
        # Only of bounces may several be told at once.
        is_report = not envelope.reverse_path and len(everybody) > 1
        if is_report and any(one.destination is not Destination.BOUNCE for one in everybody.values()):
            return ONE_AT_A_TIME
        self._taken = everybody
        return replies.RECIPIENT_OK

    def begin_content(self, envelope: Envelope, client: Client) -> "InboundSink":
        """Return where the content goes."""
        tls = bool(client.tls)
        mail = Incoming(
            source=SOURCE,
            protocol=protocol_name(extended=client.extended, tls=tls, smtputf8=envelope.smtputf8),
            peer=self._peer.address,
            helo=client.name,
            tls=client.tls,
            reverse_path=envelope.reverse_path,
            recipients=tuple(self._taken.values()),
            content=b"",
        )
        return InboundSink(mail, self._door.receiver, self._door.uploads)

    def _guessed(self) -> Answer:
        # A transaction that is good for somebody is slowed, not cut: it would come again just so, for days.
        self._wrong = min(self._wrong + 1, MOST_IN_SESSION - 1) if self._taken else self._wrong + 1
        wait = self._door.guessers.wrong(self._network, self._wrong, self._door.clock.monotonic())
        if wait is None:
            return CUT_OFF
        return self._later(wait) if wait else NO_SUCH_ADDRESS

    async def _later(self, seconds: float) -> SmtpReply:
        await self._door.clock.sleep(seconds)
        return NO_SUCH_ADDRESS


class InboundSink:
    """Takes the content of one mail: small content whole, what follows the first block of a large one as an upload."""

    def __init__(self, mail: Incoming, receiver: Receiver, uploads: Uploads) -> None:
        self._mail = mail
        self._receiver = receiver
        self._uploads = uploads
        self._first: bytes | None = None
        self._refusal: SmtpReply | None = None
        self._upload_id: int | None = None
        self._pieces = 0
        self._rest_bytes = 0

    async def write(self, block: bytes) -> None:
        """Take a block of large content."""
        if self._first is None:
            self._first = block
            self._refusal = self._receiver.refusal(block, is_whole=False)
        elif self._refusal is None:  # of what is refused in the end nothing is stored
            await self._stage(block)

    def finish(self, rest: bytes) -> Awaitable[SmtpReply]:
        """Hand the mail to the receiver and answer with its id."""
        return self._finish(rest)

    async def abort(self) -> None:
        """Remove what was stored."""
        upload_id, self._upload_id = self._upload_id, None
        if upload_id is not None:
            await self._uploads.drop(upload_id)

    async def _finish(self, rest: bytes) -> SmtpReply:
        if self._refusal is not None:
            return self._refusal
        try:
            row_ids = await self._receiver.receive(await self._whole(rest))
        except Refused as error:
            await self.abort()
            return error.reply
        except TryLater as error:
            # No abort: when the database went away during COMMIT, the mail may stand and need the upload.
            _log.warning("mail could not be stored and will come again", peer=self._mail.peer, reason=str(error))
            return replies.TRY_LATER
        return SmtpReply(250, "2.0.0", f"received as {show_id('inb', row_ids[0])}")

    async def _whole(self, rest: bytes) -> Incoming:
        if self._first is None:
            return replace(self._mail, content=rest)
        upload_id = await self._stage(rest)
        return replace(self._mail, content=self._first, rest=StagedRest(upload_id, self._rest_bytes))

    async def _stage(self, block: bytes) -> int:
        if self._upload_id is None:
            self._upload_id = await self._uploads.begin()
        # Number 0 is the first block: it is written last, under our trace fields.
        self._pieces += 1
        self._rest_bytes += len(block)
        await self._uploads.add(self._upload_id, self._pieces, block)
        return self._upload_id


def _is_wrong(reverse_path: str) -> bool:
    try:
        if reverse_path:
            parse_address(reverse_path)
    except WrongInput:
        return True
    return False
