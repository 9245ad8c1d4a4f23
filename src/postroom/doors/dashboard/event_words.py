"""What an event tells, as pages say it: a title, a tone and a sentence. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from postroom.base.ids import show_id
from postroom.doors.dashboard.reasons import explained
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.rows import EventRow
from postroom.mail.encoded_words import decode_words
from postroom.mail.reasons import Reason
from postroom.net.imap.names import shown_name

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_MOST_SAID = 1_000
"""Characters of what somebody wrote that a timeline shows; a link leads to the rest."""
_BY = {"api": "the API", "operator": "an operator", "policy": "a policy"}
UNSUBSCRIBED_BY = {
    "one_click": "with one click in the mail program",
    "page": "on the unsubscribe page",
    "mail": "by mail",
    "api": "by the API",
}
"""How somebody asked for no more mail, by the word of the event."""
_CAME_BACK = {
    EventKind.COMPLAINED.value: ("Complained", "bad", "The recipient or its provider called it spam"),
    EventKind.REPLIED.value: ("Answered", "good", "Somebody answered it"),
    EventKind.AUTO_REPLIED.value: ("Answered by a machine", "idle", "Out of office, a ticket number, or the like"),
    EventKind.RECEIPT_REPORTED.value: ("Receipt", "idle", "A notice came back: it was delivered or shown"),
    EventKind.RECEIVED.value: ("Came in", "idle", "Mail came in for one of your addresses"),
}
"""Title, tone and sentence of what comes back and changes no state."""
_OF_ACCOUNTS = {
    EventKind.MAIL_ARRIVED.value: ("Mail arrived", "good", "In a watched mailbox"),
    EventKind.MAILBOX_RESET.value: ("Mailbox reset", "warn", "It has new UIDs: watching begins anew"),
    EventKind.ACCOUNT_CONNECTED.value: ("Account connected", "good", "Somebody gave access to it"),
    EventKind.ACCOUNT_DISCONNECTED.value: ("Account disconnected", "idle", "Somebody took the access back"),
    EventKind.ACCOUNT_AUTH_FAILED.value: ("Login refused", "bad", "The account's server does not take its credentials"),
    EventKind.TRACER_LOST.value: ("Tracer lost", "bad", "A mail of ours to this account did not arrive in time"),
}
"""Title, tone and sentence of what happens to watched accounts."""
_RULES = {
    "method": "not the request of a browser that opens a mail",
    "prefetch": "a browser or program fetched it ahead",
    "scanner": "a security gateway, crawler or preview",
    "apple_privacy": "Apple's privacy proxy fetches every image, opened or not",
    "before_delivery": "it came before the mail was delivered",
    "instant": "it came faster than anybody reads",
    "burst": "it came together with other links of the same mail",
    "proxy_later": "an image proxy, at a time when somebody can have read it",
    "browser": "a browser or mail program",
    "proxy": "an image proxy, which may have fetched ahead",
    "agent_not_known": "a program that we do not know",
    "delivery_not_known": "when the mail arrived is not known",
    "soon": "so soon after delivery that it may be a gateway",
    "sandbox": "somebody looked at the copy in the sandbox",
}


@dataclass(frozen=True, slots=True)
class EventWords:
    """An event in words."""

    title: str
    tone: str
    """`good`, `warn`, `bad`, `busy` or `idle`: the colour of its mark."""
    sentence: str = ""
    """More about it, without full stop; often empty."""
    remedy: str = ""
    next_try_ms: int | None = None
    said: str = ""
    """The line of a mail that came in on which it rests, word for word."""
    inbound_id: str = ""
    """Public id of that mail, or empty."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """The event's own detail."""


def words_of(event: EventRow, provider: str = "other", domain: str = "") -> EventWords:
    """Return an event in words. `provider` and `domain` are those of its recipient, where there is one."""
    detail = _detail(event)
    match event.kind:
        case EventKind.DELIVERED | EventKind.DEFERRED | EventKind.FAILED:
            return _tried(event.kind, detail, provider, domain)
        case EventKind.OPENED | EventKind.CLICKED:
            return fetched_words(event.kind, detail)
        case EventKind.ACCEPTED:
            return EventWords("Accepted", "busy", _accepted(detail), detail=detail)
        case EventKind.SUPPRESSED:
            scope, reason = _text(detail, "scope"), _text(detail, "reason")
            told = f"The address is suppressed for {scope} mail"
            return EventWords("Not tried", "idle", f"{told}: {reason}" if reason else told, detail=detail)
        case EventKind.IN_DOUBT:
            why = _text(detail, "why")
            told = "It may have arrived: the connection ended before the answer came"
            return EventWords("In doubt", "warn", f"{told} ({why})" if why else told, detail=detail)
        case EventKind.HELD | EventKind.RELEASED | EventKind.CANCELLED | EventKind.RETRIED:
            title = {"retried": "Another try asked for"}.get(event.kind, event.kind.capitalize())
            by = _text(detail, "by")
            why = _text(detail, "why")
            sentence = f"by {_BY.get(by, by)}" if by else ""
            return EventWords(title, "idle", f"{sentence}: {why}" if why else sentence, detail=detail)
        case EventKind.UNSUBSCRIBED:
            by = _text(detail, "by")
            return _came_back(detail, "Unsubscribed", "warn", UNSUBSCRIBED_BY.get(by, f"by {by}"))
        case EventKind.BOUNCED | EventKind.DELAY_REPORTED:
            return _reported(event.kind, detail)
        case (
            EventKind.COMPLAINED
            | EventKind.REPLIED
            | EventKind.AUTO_REPLIED
            | EventKind.RECEIPT_REPORTED
            | EventKind.RECEIVED
        ):
            title, tone, sentence = _CAME_BACK[event.kind]
            return _came_back(detail, title, tone, _who_wrote(event.kind, detail) or sentence)
        case EventKind.SUPPRESSION_ADDED | EventKind.SUPPRESSION_REMOVED:
            return _suppression(event.kind, detail)
        case _ if event.kind in _OF_ACCOUNTS:
            title, tone, sentence = _OF_ACCOUNTS[event.kind]
            return EventWords(title, tone, _of_account(event.kind, detail) or sentence, detail=detail)
        case _:
            return EventWords(event.kind.replace("_", " ").capitalize(), "idle", detail=detail)


def reason_sentence(word: str, *, hard: bool) -> str:
    """Return why a mail failed, by a word of `mail.reasons.Reason`: a sentence without full stop."""
    reason = next((one for one in Reason if one.value == word), None)
    told = reason.meaning.removesuffix(".") if reason is not None else word.replace("_", " ")
    return f"{told}; the address is dead" if hard and told else told


def rule_in_words(rule: str) -> str:
    """Return why a hit has its label, by the name of the rule that gave it."""
    return _RULES.get(rule, rule.replace("_", " "))


def path_of_event(event: EventRow) -> str:
    """Return the page that tells more, below the workspace's address; empty: there is none."""
    if event.recipient_id is not None:
        return f"recipients/{show_id('rcp', event.recipient_id)}"
    if event.message_id is not None:
        return f"messages/{show_id('msg', event.message_id)}"
    return f"accounts/{show_id('acc', event.account_id)}" if event.account_id is not None else ""


def address_of_event(event: EventRow) -> str:
    """Return the address that an event without a recipient is about, or empty."""
    detail = _detail(event)
    return _text(detail, "address") or (_text(detail, "email") if event.account_id is not None else "")


def size_in_words(size_bytes: int) -> str:
    """Return a size as people read it."""
    if size_bytes < 1000:
        return f"{size_bytes} byte{'' if size_bytes == 1 else 's'}"
    if size_bytes < 1_000_000:
        return f"{size_bytes / 1000:.1f} kB"
    return f"{size_bytes / 1_000_000:.1f} MB"


def _reported(kind: str, detail: Mapping[str, Any]) -> EventWords:
    """Return a bounce or a delay report in words."""
    if kind == EventKind.DELAY_REPORTED.value:
        return _came_back(detail, "Late", "warn", "A report came back: the next hop is still trying to deliver it")
    # Of somebody who was erased no reason is kept.
    sentence = reason_sentence(_text(detail, "reason"), hard=detail.get("hard") is True) or "A bounce came back"
    if scope := _text(detail, "suppressed"):
        sentence = f"{sentence}, and gets no {'mail' if scope == 'all' else f'{scope} mail'} any more"
    return _came_back(detail, "Bounced", "bad", sentence)


def _who_wrote(kind: str, detail: Mapping[str, Any]) -> str:
    """Return who answered or complained, and what followed; empty where nobody is named."""
    who = _text(detail, "author_name") or _text(detail, "author")
    scopes = detail.get("suppressed")
    if kind == EventKind.COMPLAINED.value and isinstance(scopes, list):
        return f"{_CAME_BACK[kind][2]}, and gets no {' and no '.join(map(str, scopes))} mail any more"
    if kind == EventKind.REPLIED.value and who:
        return f"{who} answered it"
    if kind == EventKind.AUTO_REPLIED.value and (subject := _text(detail, "subject")):
        return f"{_CAME_BACK[kind][2]}: {subject}"
    return ""


def _came_back(detail: Mapping[str, Any], title: str, tone: str, sentence: str) -> EventWords:
    # Of what somebody wrote, that says more than the line by which it was known.
    said, inbound_id = _text(detail, "written") or _text(detail, "evidence"), _text(detail, "inbound_id")
    said = said if len(said) <= _MOST_SAID else f"{said[:_MOST_SAID]}…"
    return EventWords(title, tone, sentence, said=said, inbound_id=inbound_id, detail=detail)


def _tried(kind: str, detail: Mapping[str, Any], provider: str, domain: str) -> EventWords:
    told = explained(_text(detail, "reply"), _text(detail, "next_hop"), provider, domain)
    next_try = detail.get("next_try_ms")
    title, tone = {
        EventKind.DELIVERED.value: ("Delivered", "good"),
        EventKind.DEFERRED.value: ("Deferred", "warn"),
        EventKind.FAILED.value: ("Failed", "bad"),
    }[kind]
    next_ms = next_try if isinstance(next_try, int) else None
    return EventWords(title, tone, told.sentence, told.remedy, next_ms, detail=detail)


def fetched_words(kind: str, detail: Mapping[str, Any]) -> EventWords:
    """Return an open or a click in words; its `label` says whose it is taken for."""
    label = _text(detail, "label") or "unknown"
    opened = kind == EventKind.OPENED.value
    if label == "human":
        title, tone = ("Opened" if opened else "Clicked"), "good"
    else:
        what = "Picture fetched" if opened else "Link followed"
        title, tone = (f"{what} by a machine" if label == "machine" else f"{what}, by whom is unknown"), "idle"
    return EventWords(title, tone, _text(detail, "target"), detail=detail)


def _accepted(detail: Mapping[str, Any]) -> str:
    source = {"smtp": "by SMTP", "http": "by the HTTP API", "notify": "a report of our own"}
    pieces = [source.get(_text(detail, "source"), _text(detail, "source"))]
    count, size = detail.get("recipients"), detail.get("size_bytes")
    if isinstance(count, int):
        pieces.append(f"{count:,} recipient{'' if count == 1 else 's'}")
    if isinstance(size, int):
        pieces.append(size_in_words(size))
    return ", ".join(piece for piece in pieces if piece)


def mail_in_words(detail: Mapping[str, Any]) -> str:
    """Return whose mail arrived and what it is about, by the envelope in IMAP's form; empty where that is gone."""
    envelope = detail.get("envelope")
    if not isinstance(envelope, dict):
        return ""
    senders = envelope.get("from")
    first = senders[0] if isinstance(senders, list) and senders and isinstance(senders[0], dict) else {}
    mailbox, host = _text(first, "mailbox"), _text(first, "host")
    sender = decode_words(_text(first, "name")) or (f"{mailbox}@{host}" if mailbox and host else "")
    subject = decode_words(_text(envelope, "subject")) or "(no subject)"
    return f"{sender}: {subject}" if sender else subject


def _of_account(kind: str, detail: Mapping[str, Any]) -> str:
    if kind == EventKind.MAIL_ARRIVED.value:
        told = mail_in_words(detail)
        return f"{told} (too large to fetch)" if told and detail.get("truncated") is True else told
    if kind == EventKind.MAILBOX_RESET.value and (name := _text(detail, "mailbox")):
        return f"{shown_name(name)} has new UIDs: watching begins anew"
    return _text(detail, "why")


def _suppression(kind: str, detail: Mapping[str, Any]) -> EventWords:
    scopes = detail.get("scopes")
    scope = ", ".join(map(str, scopes)) if isinstance(scopes, list) else _text(detail, "scope")
    reason = _text(detail, "reason")
    if kind == EventKind.SUPPRESSION_REMOVED.value:
        return EventWords("Suppression lifted", "idle", f"for {scope} mail" if scope else "", detail=detail)
    return EventWords("Address suppressed", "warn", f"for {scope} mail{f': {reason}' if reason else ''}", detail=detail)


def _detail(event: EventRow) -> Mapping[str, Any]:
    try:
        return _decode(event.detail) if event.detail else {}
    except msgspec.DecodeError:
        return {}


def _text(detail: Mapping[str, Any], name: str) -> str:
    value = detail.get(name)
    return "" if value is None else value if isinstance(value, str) else str(value)
