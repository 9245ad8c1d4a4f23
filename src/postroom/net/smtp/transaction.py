"""One mail transaction, from MAIL to the reply to the final dot, as a procedure. No I/O.

RFC 5321 3.3 and 4.1.1, PIPELINING RFC 2920, SIZE RFC 1870, 8BITMIME RFC 6152,
SMTPUTF8 RFC 6531, DSN RFC 3461. Every recipient has its own answer. Until the
final dot is written a lost connection leaves nothing behind; after it, a missing
reply means that nobody knows whether the server has the mail.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

from postroom.mail.envelope import DEFAULT_NOTIFY, BodyType, Envelope, EnvelopeRecipient, Notify
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp.abilities import Abilities
from postroom.net.smtp.content import FINAL_DOT, blocks, whole
from postroom.net.smtp.dialogue import (
    Answers,
    Exchange,
    Phase,
    Procedure,
    SmtpTimeouts,
    Trouble,
    TroubleKind,
    Write,
    transcript,
)

_UNSAFE = re.compile(r"[\x00-\x1f\x7f]")

WHOLE_BYTES = 256 * 1024
"""Contents up to this size are written at once; larger ones in blocks, with the peer setting the pace."""


class AttemptJournal(Protocol):
    """What the caller notes about a mail in flight."""

    def before_final_dot(self) -> bool:
        """Note that the final dot goes out now; False forbids it (a lost lease, a stop) and nothing is sent."""
        ...

    def after_reply(self, reply: SmtpReply) -> None:
        """Note the reply to the final dot."""
        ...


class After(Enum):
    """What the session is good for after a transaction."""

    CLEAN = 1
    """The next MAIL may follow at once."""
    DIRTY = 2
    """RSET has to come first."""
    BROKEN = 3
    """Nothing: close it."""


class RecipientSent(NamedTuple):
    """How far one recipient came."""

    phase: Phase
    reply: SmtpReply | None
    """The reply that decided; None where the connection was lost first."""


@dataclass(frozen=True, slots=True)
class Sent:
    """How a transaction ended."""

    recipients: tuple[RecipientSent, ...]
    """In the order of the envelope. A 2yz reply in the phase `FINAL_DOT` is the only success."""
    after: After
    trouble: Trouble | None = None
    heard: bool = True
    """False: there was no answer to MAIL, or only a 421. On a kept connection it had simply gone stale."""
    forbidden: bool = False
    """The journal did not allow the final dot."""
    commands: tuple[bytes, ...] = ()
    replies: tuple[SmtpReply | None, ...] = ()
    """MAIL, each RCPT, DATA, final dot: as far as they were answered."""

    def transcript(self, index: int) -> str:
        """Return the lines that concern the recipient at `index`, without the content."""
        lines: list[str] = []
        count = len(self.recipients)
        for position in (0, 1 + index, 1 + count, 2 + count):
            if position < len(self.commands):
                lines.append("> " + self.commands[position].decode("utf-8", "replace"))
            reply = self.replies[position] if position < len(self.replies) else None
            if reply is not None:
                lines.append("< " + str(reply))
        if self.trouble is not None:
            lines.append("! " + self.trouble.text)
        return transcript(lines)


class CannotSay(Exception):
    """The envelope cannot be said to this server; `reply` is ours and tells why (permanent)."""

    def __init__(self, reply: SmtpReply) -> None:
        super().__init__(str(reply))
        self.reply = reply


def transaction(
    envelope: Envelope,
    pieces: Iterable[bytes],
    size_bytes: int,
    abilities: Abilities,
    journal: AttemptJournal,
    timeouts: SmtpTimeouts,
    *,
    reset_first: bool = False,
) -> Procedure[Sent]:
    """Send one mail. Raises CannotSay before anything is written, BareLineEnd before the piece that has one."""
    commands = [
        mail_line(envelope, size_bytes, abilities),
        *(rcpt_line(recipient, envelope, abilities) for recipient in envelope.recipients),
        b"DATA",
    ]
    said = yield from (
        _all_at_once(commands, timeouts, reset_first)
        if abilities.pipelining
        else _one_by_one(commands, timeouts, reset_first)
    )
    mail, rcpts, data = said.replies[0], said.replies[1:-1], said.replies[-1]
    shown = tuple(commands)
    if not _is_go(said):
        after = _after_refusal(said)
        if after is After.DIRTY and data is not None and data.code == 354:
            after = yield from _lone_dot(timeouts)
        heard = mail is not None and mail.code != 421
        results = tuple(_before_content(mail, rcpt, data) for rcpt in rcpts)
        return Sent(results, after, said.trouble, heard, commands=shown, replies=said.replies)
    end = yield from _content(pieces, size_bytes, journal, timeouts)
    results = tuple(
        RecipientSent(end.phase, end.reply) if _is_yes(rcpt) else RecipientSent(Phase.RCPT, rcpt) for rcpt in rcpts
    )
    after = After.BROKEN if end.broken or said.closing else After.CLEAN
    replies = (*said.replies, end.reply)
    return Sent(results, after, end.trouble, forbidden=end.forbidden, commands=(*shown, b"."), replies=replies)


def mail_line(envelope: Envelope, size_bytes: int, abilities: Abilities) -> bytes:
    """Return MAIL with the parameters that this server offers. Raises CannotSay."""
    words = [b"MAIL FROM:<" + _spelled(envelope.reverse_path, envelope, abilities) + b">"]
    if abilities.size is not None:
        words.append(b"SIZE=%d" % size_bytes)
    if abilities.eight_bit and envelope.body is BodyType.EIGHT_BIT:
        words.append(b"BODY=8BITMIME")
    if abilities.smtputf8 and envelope.smtputf8:
        words.append(b"SMTPUTF8")
    if abilities.dsn:
        if envelope.ret:
            words.append(b"RET=" + _parameter(envelope.ret))
        if envelope.envid:
            words.append(b"ENVID=" + _parameter(envelope.envid))
    return b" ".join(words)


def rcpt_line(recipient: EnvelopeRecipient, envelope: Envelope, abilities: Abilities) -> bytes:
    """Return RCPT for one recipient. Raises CannotSay."""
    line = b"RCPT TO:<" + _spelled(recipient.address, envelope, abilities) + b">"
    if abilities.dsn:
        if recipient.notify != DEFAULT_NOTIFY:
            line += b" NOTIFY=" + _notify(recipient.notify)
        if recipient.original:
            line += b" ORCPT=" + _parameter(recipient.original)
    return line


class _Said(NamedTuple):
    replies: tuple[SmtpReply | None, ...]
    """MAIL, each RCPT, DATA; None where no reply came or nothing was asked."""
    trouble: Trouble | None

    @property
    def closing(self) -> bool:
        return any(reply is not None and reply.code == 421 for reply in self.replies)


class _End(NamedTuple):
    phase: Phase
    reply: SmtpReply | None = None
    trouble: Trouble | None = None
    broken: bool = True
    forbidden: bool = False


def _all_at_once(commands: list[bytes], timeouts: SmtpTimeouts, reset_first: bool) -> Procedure[_Said]:
    data = b"\r\n".join([b"RSET", *commands] if reset_first else commands) + b"\r\n"
    answers = yield Exchange(data, len(commands) + reset_first, timeouts.command)
    replies: list[SmtpReply | None] = [*answers.replies]
    if reset_first and replies:
        reset = replies.pop(0)
        if reset is not None and reset.code == 421:
            # It stands for the answer to MAIL: the session had ended before we asked, whatever follows.
            replies = [reset]
    replies += [None] * (len(commands) - len(replies))
    return _Said(tuple(replies), answers.trouble)


def _one_by_one(commands: list[bytes], timeouts: SmtpTimeouts, reset_first: bool) -> Procedure[_Said]:
    replies: list[SmtpReply | None] = [None] * len(commands)
    if reset_first:
        answers = yield Exchange(b"RSET\r\n", 1, timeouts.command)
        reply = answers.replies[0] if answers.replies else None
        if reply is None or reply.code == 421:
            replies[0] = reply
            return _Said(tuple(replies), answers.trouble)
    last = len(commands) - 1
    for position, command in enumerate(commands):
        if position == last and not any(_is_yes(reply) for reply in replies[1:last]):
            return _Said(tuple(replies), None)
        answers = yield Exchange(command + b"\r\n", 1, timeouts.data if position == last else timeouts.command)
        replies[position] = answers.replies[0] if answers.replies else None
        if answers.trouble is not None or (position == 0 and not _is_yes(replies[0])):
            return _Said(tuple(replies), answers.trouble)
    return _Said(tuple(replies), None)


def _is_yes(reply: SmtpReply | None) -> bool:
    return reply is not None and 200 <= reply.code < 300


def _is_go(said: _Said) -> bool:
    mail, data = said.replies[0], said.replies[-1]
    return (
        _is_yes(mail)
        and data is not None
        and data.code == 354
        and said.trouble is None
        and any(_is_yes(reply) for reply in said.replies[1:-1])
    )


def _after_refusal(said: _Said) -> After:
    mail, data = said.replies[0], said.replies[-1]
    if said.trouble is not None or said.closing:
        return After.BROKEN
    if data is not None and data.code < 400:
        # 354 although MAIL was refused and a recipient accepted, or 2yz to DATA: whatever we send now,
        # nobody can say what the server makes of it.
        confused = data.code != 354 or (not _is_yes(mail) and any(_is_yes(reply) for reply in said.replies[1:-1]))
        return After.BROKEN if confused else After.DIRTY
    return After.DIRTY


def _before_content(mail: SmtpReply | None, rcpt: SmtpReply | None, data: SmtpReply | None) -> RecipientSent:
    if not _is_yes(mail):
        return RecipientSent(Phase.MAIL, mail)
    if not _is_yes(rcpt):
        return RecipientSent(Phase.RCPT, rcpt)
    return RecipientSent(Phase.DATA, data)


def _lone_dot(timeouts: SmtpTimeouts) -> Procedure[After]:
    # RFC 2920 3.1: with no recipient left, 354 is answered by a dot alone.
    answers = yield Exchange(FINAL_DOT, 1, timeouts.final)
    return After.BROKEN if answers.trouble is not None else After.CLEAN


def _content(
    pieces: Iterable[bytes], size_bytes: int, journal: AttemptJournal, timeouts: SmtpTimeouts
) -> Procedure[_End]:
    if size_bytes <= WHOLE_BYTES:
        last = whole(pieces)
    else:
        for block in blocks(pieces):
            answers = yield Write(block, timeouts.block)
            if answers.trouble is not None or answers.replies:
                # A verdict before the end: RFC 5321 has no way to break off DATA but closing.
                return _early(answers)
        last = FINAL_DOT
    if not journal.before_final_dot():
        return _End(Phase.CONTENT, forbidden=True)
    answers = yield Exchange(last, 1, timeouts.final)
    if not answers.replies:
        return _End(Phase.FINAL_DOT, None, answers.trouble)
    reply = answers.replies[0]
    if 300 <= reply.code < 400:
        text = f"the server answered the final dot with {reply.code}"
        return _End(Phase.FINAL_DOT, None, Trouble(TroubleKind.MALFORMED, text))
    journal.after_reply(reply)
    return _End(Phase.FINAL_DOT, reply, answers.trouble, broken=reply.code == 421)


def _early(answers: Answers) -> _End:
    """Return the end that a reply during the content makes: a refusal counts, anything else is noise."""
    reply = answers.replies[0] if answers.replies else None
    if reply is not None and reply.code >= 400:
        return _End(Phase.CONTENT, reply)
    noise = Trouble(TroubleKind.MALFORMED, "the server answered before the content had ended")
    return _End(Phase.CONTENT, None, answers.trouble or noise)


def _spelled(address: str, envelope: Envelope, abilities: Abilities) -> bytes:
    """Return the address for the wire. An address must never end the command that it stands in."""
    if _UNSAFE.search(address) is not None or (">" in address and '"' not in address):
        raise CannotSay(SmtpReply(553, "5.1.3", "the address has characters that SMTP cannot carry"))
    if address.isascii():
        return address.encode("ascii")
    if abilities.smtputf8 and envelope.smtputf8:
        return address.encode("utf-8")
    raise CannotSay(SmtpReply(553, "5.6.7", "the address needs SMTPUTF8 and the server does not offer it"))


def _parameter(value: str) -> bytes:
    """Return an esmtp-value (RFC 5321 4.1.2): the door has checked it, here it only must not break the line."""
    if not value.isascii() or not value.isprintable() or " " in value:
        raise CannotSay(SmtpReply(555, "5.5.4", "a DSN parameter has characters that SMTP cannot carry"))
    return value.encode("ascii")


def _notify(notify: Notify) -> bytes:
    if notify is Notify.NEVER:
        return b"NEVER"
    return b",".join(flag.name.encode() for flag in notify if flag.name)
