"""Why a recipient is where it is, in sentences, with the name of who said so. Pure.

`mail.explain` knows what replies mean; here it is told who answered, and what
the state adds: who holds it, which suppression stands, what is in doubt.
"""

from dataclasses import dataclass

from postroom.ledger.outcomes import BOUNCED
from postroom.ledger.rows import RecipientRow
from postroom.ledger.states import RecipientState
from postroom.mail.explain import Cause, Explanation, explain, reply_of
from postroom.mail.reasons import Reason as WhyNot
from postroom.outbound.providers import OTHER, Providers

_PROVIDER_NAMES = {
    "microsoft-consumer": "Outlook.com",
    "gmx": "GMX",
    "ionos": "IONOS",
    "mail.ru": "Mail.ru",
    "mailbox.org": "mailbox.org",
    "qq.com": "Tencent",
    "naver": "Naver",
    "wp.pl": "WP",
    "ovh": "OVH",
    "godaddy": "GoDaddy",
}
_SANDBOX = "sandbox"
"""What the reason of a recipient begins with that a bounce moved to failed (`inbound.bounces`)."""
_providers = Providers()


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a recipient is where it is."""

    sentence: str
    """One sentence without full stop; where a next try is planned, its time belongs behind it."""
    remedy: str = ""
    """What can be done, one sentence; often empty."""
    reply: str = ""
    """What the peer said, word for word; empty where nobody answered."""
    next_try_ms: int | None = None
    cause: Cause | None = None


def provider_name(provider: str) -> str:
    """Return how people call a receiving provider; `other` is everybody else."""
    return _PROVIDER_NAMES.get(provider) or ("other providers" if provider == OTHER else provider.capitalize())


def peer_name(next_hop: str, provider: str, domain: str) -> str:
    """Return how to call who answered: the provider where it was its own host, else that host, else the domain."""
    if next_hop == _SANDBOX:
        return "The sandbox"
    host = next_hop.partition(" ")[0]
    if provider != OTHER and (not host or _providers.of_host(host) == provider):
        return provider_name(provider)
    return host.partition(":")[0] if host else domain


def explained(reply: str, next_hop: str, provider: str, domain: str) -> Explanation:
    """Return what a stored reply means; without a next hop it is one that we wrote ourselves."""
    if next_hop == _SANDBOX and reply.startswith("2"):
        return Explanation(Cause.ACCEPTED, "Kept in the sandbox: nothing left this machine")
    return explain(reply_of(reply), peer_name(next_hop, provider, domain), ours=not next_hop)


def reason_of(row: RecipientRow) -> Reason:
    """Return why a recipient is where it is."""
    match row.state:
        case RecipientState.QUEUED:
            return Reason("Waits for its next try" if row.tries else "Waits for its first try", next_try_ms=row.due_ms)
        case RecipientState.SENDING:
            return Reason("Is being tried now")
        case RecipientState.HELD:
            return Reason(f"{_said(row.reason, 'Held back')}; no try until it is released")
        case RecipientState.SUPPRESSED:
            return Reason(f"Not tried: the address is {row.reason or 'suppressed'}")
        case RecipientState.CANCELLED:
            return Reason(_said(row.reason, "Cancelled before it was sent"))
        case RecipientState.IN_DOUBT:
            return Reason(
                "It may have arrived: the connection ended after the mail was sent and before the answer came",
                "Ask for another try where arriving twice is better than not arriving.",
                row.reason,
            )
        case RecipientState.FAILED if row.reason.startswith(BOUNCED):
            said = row.reason.removeprefix(BOUNCED)
            told = explain(reply_of(said), provider_name(row.provider), ours=False)
            meaning = next((one.meaning for one in WhyNot if one.value == row.cause), "").removesuffix(".")
            return Reason(
                f"A bounce came back: {meaning[:1].lower()}{meaning[1:] or 'it names no reason'}", told.remedy, said
            )
        case RecipientState.DEFERRED | RecipientState.FAILED | RecipientState.DELIVERED:
            told = explained(row.reason, row.next_hop, row.provider, row.domain)
            waits = row.state == RecipientState.DEFERRED
            return Reason(told.sentence, told.remedy, row.reason, row.due_ms if waits else None, told.cause)
        case _:
            return Reason(row.reason or row.state)


def _said(reason: str, without: str) -> str:
    return reason[:1].upper() + reason[1:] if reason else without
