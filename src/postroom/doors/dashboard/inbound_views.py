"""What the pages of mail that came in say: kinds, where it comes from, what the classifier thinks. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from postroom.base.ids import show_id
from postroom.ledger.inbound_rows import Destination, InboundRow, InboundState
from postroom.ledger.route_rows import RouteAction
from postroom.mail.authentication import (
    ArcVerdict,
    DkimVerdict,
    DmarcPolicy,
    DmarcVerdict,
    Result,
    SpfVerdict,
    Verdicts,
)
from postroom.mail.reasons import Reason
from postroom.mail.verdict import MailKind

KIND_LOOKS = {
    MailKind.BOUNCE: ("bounce", "bad"),
    MailKind.DELAY: ("delay report", "warn"),
    MailKind.COMPLAINT: ("complaint", "bad"),
    MailKind.UNSUBSCRIBE: ("unsubscribe", "warn"),
    MailKind.REPLY: ("reply", "good"),
    MailKind.AUTO_REPLY: ("auto-reply", "idle"),
    MailKind.CHALLENGE: ("challenge", "warn"),
    MailKind.RECEIPT: ("receipt", "idle"),
    MailKind.LIST: ("list mail", "idle"),
    MailKind.OTHER: ("mail", "busy"),
}
"""Words and colour of each kind, in the order in which pages offer them."""
_REPORTS = frozenset({MailKind.BOUNCE.value, MailKind.DELAY.value})
_REVIEWED = frozenset({MailKind.COMPLAINT.value, MailKind.UNSUBSCRIBE.value})
_DESTINATIONS = {
    Destination.BOUNCE: "the return address of one of your mails",
    Destination.REPLY: "the reply address of one of your mails",
    Destination.UNSUBSCRIBE: "the unsubscribe address of one of your mails",
    Destination.FEEDBACK: "the complaint address of one of your mails",
    Destination.ROLE: "a role that every domain has",
    Destination.ROUTE: "an address that a route takes",
}
_MACHINES = {
    Destination.BOUNCE.value: "return address",
    Destination.REPLY.value: "reply address",
    Destination.UNSUBSCRIBE.value: "unsubscribe address",
    Destination.FEEDBACK.value: "complaint address",
}
ROUTE_DOES = {
    RouteAction.WEBHOOK.value: "told to",
    RouteAction.FORWARD.value: "forwarded to",
    RouteAction.STORE.value: "stored",
    RouteAction.REFUSE.value: "refused",
}
"""What becomes of a mail that a route takes."""
_RESULTS = {
    Result.PASS: "good",
    Result.FAIL: "bad",
    Result.SOFTFAIL: "warn",
    Result.PERMERROR: "warn",
    Result.TEMPERROR: "warn",
    Result.POLICY: "warn",
}
_POLICIES = {
    DmarcPolicy.NONE: "asks for nothing",
    DmarcPolicy.QUARANTINE: "asks to set such mail aside",
    DmarcPolicy.REJECT: "asks to refuse such mail",
}
_decode = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class InboundLine:
    """A mail in the list."""

    id: str
    label: str
    tone: str
    author: str
    subject: str
    short_author: str
    """The name where there is one, else the address."""
    recipient: str
    machine: str
    """What the envelope recipient is where it is an address that we made; else empty."""
    answers: str
    """Public id of the recipient of ours that it is about, or empty."""
    received_ms: int
    is_reviewed: bool
    finding: str
    """What a report says of the first whom it names, and of how many more; empty of other mail."""


@dataclass(frozen=True, slots=True)
class Named:
    """A recipient that a report names."""

    address: str
    tone: str
    label: str
    """`hard` or `soft`; empty where the mail is no bounce."""
    sentence: str
    codes: str
    evidence: str
    rule: str


@dataclass(frozen=True, slots=True)
class Thought:
    """What the classifier thinks of a mail, and why."""

    label: str
    tone: str
    meaning: str
    evidence: str
    rule: str
    named: tuple[Named, ...]
    named_further: int
    """Recipients that are not listed."""
    is_telling: bool
    """A rule found it to be something; else nothing is known of it, and the subject stands as evidence."""


@dataclass(frozen=True, slots=True)
class CheckLine:
    """What was found out about where a mail comes from, by one method."""

    name: str
    tone: str
    result: str
    sentence: str


MOST_NAMED = 50


def inbound_line(row: InboundRow) -> InboundLine:
    """Return a mail as a row of the list."""
    label, tone = look_of(row)
    return InboundLine(
        show_id("inb", row.id),
        label,
        tone,
        author_of(row),
        row.subject,
        row.author_name or author_of(row),
        row.recipient,
        _MACHINES.get(row.destination, ""),
        show_id("rcp", row.answers_recipient_id) if row.answers_recipient_id is not None else "",
        row.received_ms,
        row.reviewed_ms is not None,
        _finding(row),
    )


def look_of(row: InboundRow) -> tuple[str, str]:
    """Return the word for what a mail is, and its colour."""
    if row.state == InboundState.FAILED:
        return "not understood", "bad"
    if not row.kind:
        return "waiting", "busy"
    kind = next((kind for kind in KIND_LOOKS if kind.value == row.kind), None)
    return KIND_LOOKS[kind] if kind is not None else (row.kind.replace("_", " "), "idle")


def author_of(row: InboundRow) -> str:
    """Return who wrote it, as people read it."""
    if row.author_name and row.author:
        return f"{row.author_name} <{row.author}>"
    return row.author or row.author_name or row.reverse_path or "nobody"


def needs_review(row: InboundRow) -> bool:
    """Tell whether an operator should look at it: nothing followed, for it may mean another thing or another mail."""
    if row.kind not in _REVIEWED or row.reviewed_ms is not None:
        return False
    return row.answers_recipient_id is None or detail_of(row).get("doubtful") is True


def destination_words(row: InboundRow) -> str:
    """Return what the envelope recipient is."""
    return next((words for one, words in _DESTINATIONS.items() if one.value == row.destination), row.destination)


def detail_of(row: InboundRow) -> dict[str, Any]:
    """Return what the worker wrote down of a mail; nothing of one that it has still to understand."""
    try:
        return _decode(row.detail) if row.detail else {}
    except msgspec.DecodeError:
        return {}


def thought_of(row: InboundRow) -> Thought | None:
    """Return what the classifier thinks; None before it was asked."""
    if not row.kind:
        return None
    detail = detail_of(row)
    label, tone = look_of(row)
    meaning = next((kind.meaning for kind in MailKind if kind.value == row.kind), "")
    named = _list(detail.get("recipients"))
    is_telling = row.kind != MailKind.OTHER.value
    return Thought(
        label,
        tone,
        meaning,
        _text(detail.get("evidence")) if is_telling else "",
        _text(detail.get("rule")),
        tuple(_named(one, row.kind) for one in named[:MOST_NAMED]),
        _further(detail) + max(0, len(named) - MOST_NAMED),
        is_telling,
    )


def checks_of(row: InboundRow) -> tuple[CheckLine, ...]:
    """Return where a mail comes from, as far as it was found out; nothing where it was not asked."""
    try:
        verdicts = Verdicts.from_json(row.verdicts) if row.verdicts else None
    except ValueError:
        verdicts = None
    return () if verdicts is None else tuple(_checks(verdicts))


def _checks(verdicts: Verdicts) -> Iterator[CheckLine]:
    yield _check("SPF", verdicts.spf.result, _spf(verdicts.spf))
    for one in verdicts.dkim:
        yield _check("DKIM", one.result, _dkim(one))
    if not verdicts.dkim:
        yield _check("DKIM", Result.NONE, "it carries no signature")
    yield _check("DMARC", verdicts.dmarc.result, _dmarc(verdicts.dmarc))
    if verdicts.arc.result is not Result.NONE:
        yield _check("ARC", verdicts.arc.result, _arc(verdicts.arc))


def _check(name: str, result: Result, sentence: str) -> CheckLine:
    first = sentence.partition(" ")[0]
    # A domain is written as it is.
    told = sentence if "." in first else f"{sentence[:1].upper()}{sentence[1:]}"
    return CheckLine(name, _RESULTS.get(result, "idle"), result.value, f"{told}.")


def _spf(spf: SpfVerdict) -> str:
    who = spf.domain or "the domain"
    told = {
        Result.PASS: f"{who} lets this host send for it",
        Result.FAIL: f"{who} says that this host may not send for it",
        Result.SOFTFAIL: f"{who} says that this host should not send for it",
        Result.NEUTRAL: f"{who} says nothing about this host",
        Result.NONE: f"{who} does not say which hosts send for it",
        Result.TEMPERROR: f"the DNS of {who} did not answer",
        Result.PERMERROR: f"the record of {who} cannot be read",
    }.get(spf.result, spf.result.value)
    return _with(told, "asked for the name of HELO, as nobody gets a report" if spf.is_helo else "", spf.reason)


def _dkim(dkim: DkimVerdict) -> str:
    who = f"{dkim.domain} (selector {dkim.selector})" if dkim.selector else dkim.domain or "somebody"
    told = {
        Result.PASS: f"signed by {who}, and unchanged since",
        Result.FAIL: f"signed by {who}, but changed since, or not by them",
        Result.NEUTRAL: f"signed by {who} in a way that cannot be read",
        Result.POLICY: f"signed by {who} in a way that is too weak",
        Result.TEMPERROR: f"the key of {who} could not be asked for",
        Result.PERMERROR: f"the key of {who} is not there or broken",
    }.get(dkim.result, f"{dkim.result.value}: {who}")
    return _with(told, "it covers too little to say who wrote the mail" if dkim.is_weak else "", dkim.reason)


def _dmarc(dmarc: DmarcVerdict) -> str:
    who = dmarc.domain or "the author's domain"
    if dmarc.result is Result.PASS:
        by = " and ".join(
            name for name, aligned in (("SPF", dmarc.spf_aligned), ("DKIM", dmarc.dkim_aligned)) if aligned
        )
        return f"{who} stands behind it{f', by {by}' if by else ''}"
    if dmarc.result is Result.FAIL:
        return f"{who} does not stand behind it, and {_POLICIES[dmarc.policy]}"
    told = {
        Result.NONE: f"{who} has no policy",
        Result.TEMPERROR: f"the policy of {who} could not be asked for",
        Result.PERMERROR: "who wrote it cannot be told",
    }
    return _with(told.get(dmarc.result, f"{dmarc.result.value}: {who}"), dmarc.reason)


def _arc(arc: ArcVerdict) -> str:
    hops = f"{arc.instance} time{'' if arc.instance == 1 else 's'}"
    last = f", last by {arc.domain}" if arc.domain else ""
    told = {
        Result.PASS: f"it was passed on {hops}{last}, and each of them sealed what he saw",
        Result.FAIL: f"it was passed on {hops}{last}, and the chain of seals is broken",
    }
    return _with(told.get(arc.result, arc.result.value), arc.reason)


def _with(sentence: str, *more: str) -> str:
    further = "; ".join(one.rstrip(".") for one in more if one)
    return f"{sentence} ({further})" if further else sentence


def _finding(row: InboundRow) -> str:
    if row.kind not in _REPORTS:
        return ""
    detail = detail_of(row)
    if not detail:
        # It was about somebody who was erased.
        return ""
    named = _list(detail.get("recipients"))
    if not named:
        return "names nobody"
    first = _named(named[0], row.kind)
    further = len(named) - 1 + _further(detail)
    more = f" and {further:,} more" if further else ""
    weight = f"{first.label}: " if first.label else ""
    return f"{weight}{first.sentence} {first.address}{more}"


def _further(detail: dict[str, Any]) -> int:
    """Return how many more a report names than were written down."""
    further = detail.get("named_further")
    return further if isinstance(further, int) else 0


def _named(one: dict[str, Any], kind: str) -> Named:
    reason = next((reason for reason in Reason if reason.value == one.get("reason")), None)
    codes = " ".join(_text(code) for code in (one.get("reply_code"), one.get("status")) if code)
    is_report = kind in _REPORTS
    is_hard = bool(one.get("hard"))
    return Named(
        _text(one.get("address")),
        "bad" if is_hard else "warn",
        ("hard" if is_hard else "soft") if kind == MailKind.BOUNCE.value else "",
        reason.meaning if reason is not None and is_report else "",
        codes,
        _text(one.get("evidence")),
        _text(one.get("rule")),
    )


def _list(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return "" if value is None else str(value)
