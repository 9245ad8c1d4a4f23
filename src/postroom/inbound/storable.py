"""What a stranger's mail says, as both engines store it: PostgreSQL takes no NUL, neither takes half a character."""

from dataclasses import replace

from postroom.mail.verdict import Verdict


def storable(text: str) -> str:
    """Return a text without what cannot be stored."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def storable_verdict(verdict: Verdict) -> Verdict:
    """Return a verdict whose texts can be stored and asked for."""
    return replace(
        verdict,
        rule=storable(verdict.rule),
        evidence=storable(verdict.evidence),
        recipients=tuple(
            replace(
                one,
                address=storable(one.address),
                status=storable(one.status),
                evidence=storable(one.evidence),
                rule=storable(one.rule),
            )
            for one in verdict.recipients
        ),
        answers=tuple(map(storable, verdict.answers)),
    )
