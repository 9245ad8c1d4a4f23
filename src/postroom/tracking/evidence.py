"""What a label rests on, from what is stored: for hits that come in, and for those that are judged again."""

from collections.abc import Mapping

import msgspec

from postroom.events.record import Facts, tags_of
from postroom.ledger.states import RecipientState
from postroom.store.hits import HitFacts

_DELIVERED = RecipientState.DELIVERED.value
_encode = msgspec.json.Encoder().encode


def since_delivery(at_ms: int, fact: HitFacts) -> int | None:
    """Return the time from the delivery to a hit at `at_ms`, negative before it; None where it is not known."""
    # A copy that was sent twice after a doubt may have arrived the first time: its delivery time is not known.
    if fact.state != _DELIVERED or fact.settled_ms is None or fact.doubt_retried:
        return None
    if fact.shown_ms is not None and fact.shown_ms <= at_ms:
        return at_ms - fact.shown_ms
    return at_ms - fact.settled_ms


def written_evidence(
    rule: str, since_ms: int | None, fields: Mapping[str, str], was_shown: bool, links: tuple[int, int] | None
) -> str:
    """Return the column `hit.evidence`. `links`: those followed within a burst and a pair; None: not counted."""
    evidence: dict[str, object] = {"rule": rule, "since_delivery_ms": since_ms}
    if was_shown:
        evidence["was_shown"] = True
    if links is not None:
        evidence["links_in_burst"], evidence["links_in_pair"] = links
    if fields:
        evidence["fields"] = fields
    return _encode(evidence).decode()


def facts_told(fact: HitFacts) -> Facts:
    """Return what recording needs of a recipient."""
    return Facts(
        fact.workspace_id,
        fact.message_id,
        fact.recipient_id,
        fact.address_key,
        fact.stream,
        fact.author_domain,
        tags_of(fact.tags),
        fact.provider,
    )
