"""One copy offered to one endpoint: what `smarthost` and `mx` have in common.

Renders for the endpoint's abilities, takes a kept or new connection, sends, and
turns what happened into an outcome. What the server says before MAIL is about
us and not about the recipient: `offer` then returns a `Refused`, and the caller
may try another host.
"""

from dataclasses import dataclass, replace

from postroom.base.clock import Clock
from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.mail.envelope import BodyType
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.smtp.abilities import Abilities
from postroom.net.smtp.client import Endpoint, SmtpConnection
from postroom.net.smtp.content import BareLineEnd
from postroom.net.smtp.dialogue import Phase, Refused, TroubleKind
from postroom.net.smtp.pool import SmtpPool
from postroom.net.smtp.transaction import CannotSay, Sent
from postroom.outbound.transport import Delivery, Rendered, TransportResult

_STATUS = {
    TroubleKind.UNREACHABLE: "4.4.1",
    TroubleKind.CLOSED: "4.4.2",
    TroubleKind.TIMEOUT: "4.4.2",
    TroubleKind.MALFORMED: "4.5.0",
    TroubleKind.TLS: "4.7.5",
    TroubleKind.POLICY: "4.7.4",
    TroubleKind.BUSY: "4.4.5",
}
"""RFC 3463 3.5 and 3.8."""


@dataclass(frozen=True, slots=True)
class _Copy:
    rendered: Rendered
    abilities: Abilities


async def offer(pool: SmtpPool, endpoint: Endpoint, delivery: Delivery, clock: Clock) -> TransportResult | Refused:
    """Send one copy over a connection to `endpoint`. Refused: no session, nothing was sent."""
    begun = clock.monotonic()
    known = pool.abilities(endpoint)
    # Abilities are known of most sites: rendering and signing then need not hold a connection.
    copy = await _copy(delivery, known) if known is not None else None
    if isinstance(copy, Outcome):
        return TransportResult(copy)
    connection = await pool.acquire(endpoint, urgent=delivery.urgent)
    if isinstance(connection, Refused):
        return connection
    kept = connection.mails > 0
    sent = await _over(pool, connection, copy, delivery)
    if isinstance(sent, Sent) and not sent.heard and kept:
        # The server had closed the kept connection before it saw MAIL: that was no try.
        fresh = await pool.acquire(endpoint, fresh=True, urgent=delivery.urgent)
        if isinstance(fresh, Refused):
            return fresh
        connection = fresh
        sent = await _over(pool, connection, copy, delivery)
    if isinstance(sent, Outcome):
        return TransportResult(sent)
    return TransportResult(outcome_of(sent, connection, round((clock.monotonic() - begun) * 1000)))


def outcome_of(sent: Sent, connection: SmtpConnection, duration_ms: int) -> Outcome:
    """Return what a transaction with one recipient came to."""
    phase, reply = sent.recipients[0]
    if sent.forbidden:
        kind, reply = OutcomeKind.RETURNED, SmtpReply(451, "4.3.0", "not sent: the claim was lost or a stop cut it")
    elif reply is None:
        kind, reply = _unanswered(phase, sent)
    elif reply.is_permanent:
        kind = OutcomeKind.FAILED
    elif reply.is_transient:
        kind = OutcomeKind.DEFERRED
    elif phase is Phase.FINAL_DOT:
        kind = OutcomeKind.DELIVERED
    else:
        # 2yz to DATA, 3yz to MAIL or RCPT: the peer is out of step, and nothing was sent.
        kind, reply = OutcomeKind.DEFERRED, SmtpReply(451, "4.5.0", f"{connection.endpoint} answered {reply}")
    before_rcpt = phase is Phase.MAIL and kind is OutcomeKind.DEFERRED
    return Outcome(
        kind,
        reply,
        str(connection.endpoint),
        connection.tls,
        duration_ms,
        before_rcpt or (reply.code == 421 and kind is OutcomeKind.DEFERRED),
        sent.transcript(0),
    )


def no_session(refused: Refused, endpoint: Endpoint, *, duration_ms: int = 0) -> Outcome:
    """Return the outcome when no host let us in: deferred, and the site needs a pause.

    Also for 5yz: a refusal of the whole session is about this sending host, which the
    operator can mend while the mail waits; it says nothing about the recipient.
    Waiting in vain for one of our own connections is no try and no sign of the site's trouble.
    """
    if refused.reply is not None:
        reply = refused.reply
    elif refused.trouble is not None:
        reply = SmtpReply(451, _STATUS[refused.trouble.kind], refused.trouble.text)
    else:
        reply = SmtpReply(451, "4.4.2", f"no session with {endpoint}")
    ours = refused.trouble is not None and refused.trouble.kind is TroubleKind.BUSY
    kind = OutcomeKind.RETURNED if ours else OutcomeKind.DEFERRED
    hop = "" if refused.phase is Phase.CONNECT else str(endpoint)
    return Outcome(kind, reply, hop, "", duration_ms, not ours, refused.transcript)


def _unanswered(phase: Phase, sent: Sent) -> tuple[OutcomeKind, SmtpReply]:
    trouble = sent.trouble
    status = _STATUS[trouble.kind] if trouble is not None else "4.4.2"
    text = trouble.text if trouble is not None else "the connection was lost"
    kind = OutcomeKind.IN_DOUBT if phase is Phase.FINAL_DOT else OutcomeKind.DEFERRED
    return kind, SmtpReply(451, status, text)


async def _copy(delivery: Delivery, abilities: Abilities) -> _Copy | Outcome:
    """Return the copy in the form for these abilities, or the failure that keeps it from leaving."""
    rendered = await delivery.render(abilities)
    if isinstance(rendered, SmtpReply):
        return Outcome(OutcomeKind.FAILED, rendered)
    return _Copy(rendered, abilities)


async def _over(pool: SmtpPool, connection: SmtpConnection, copy: _Copy | None, delivery: Delivery) -> Sent | Outcome:
    """Send over a connection, in the form that it takes, and give it back to the pool."""
    try:
        fits = copy is not None and copy.abilities.variant == connection.abilities.variant
        made = copy if copy is not None and fits else await _copy(delivery, connection.abilities)
        return made if isinstance(made, Outcome) else await _send(connection, made.rendered, delivery)
    except BaseException:
        # Also when the task is cancelled: a transaction that was broken off leaves nothing usable.
        connection.abort()
        raise
    finally:
        pool.release(connection)


async def _send(connection: SmtpConnection, rendered: Rendered, delivery: Delivery) -> Sent | Outcome:
    limit = connection.abilities.size
    if limit and rendered.size_bytes > limit:
        # RFC 1870 6.1: a limit that was told is not tried.
        text = f"the copy has {rendered.size_bytes} bytes, {connection.endpoint} takes {limit}"
        return Outcome(OutcomeKind.FAILED, SmtpReply(552, "5.3.4", text), str(connection.endpoint))
    if rendered.eight_bit and not connection.abilities.eight_bit:
        text = "the copy has 8-bit bytes and the next hop does not offer 8BITMIME"
        return Outcome(OutcomeKind.FAILED, SmtpReply(550, "5.6.3", text), str(connection.endpoint))
    body = BodyType.EIGHT_BIT if rendered.eight_bit else BodyType.SEVEN_BIT
    envelope = delivery.envelope
    if envelope.body is not body:
        envelope = replace(envelope, body=body)
    try:
        return await connection.send(envelope, rendered.pieces, rendered.size_bytes, delivery.journal)
    except CannotSay as error:
        return Outcome(OutcomeKind.FAILED, error.reply, str(connection.endpoint))
    except BareLineEnd as error:
        connection.abort()
        return Outcome(OutcomeKind.FAILED, SmtpReply(550, "5.6.0", str(error)), str(connection.endpoint))
