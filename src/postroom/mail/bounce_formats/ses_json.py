"""Notifications of Amazon SES that come as mail through SNS: a JSON object at the beginning of the text."""

import json
from json import JSONDecoder

from postroom.mail.bounce_formats.delivery_status import status_of
from postroom.mail.bounce_formats.named import MAX_RECIPIENTS, Named, clean_address

_NAMES = ("notificationType", "eventType")
_LISTS = (
    ("bounce", "bouncedRecipients", "failed"),
    ("deliveryDelay", "delayedRecipients", "delayed"),
    ("delivery", "recipients", "delivered"),
)


def read_ses(body: str) -> list[Named]:
    """Return the recipients of a notification of a bounce, a delay or a delivery; empty where the text is none."""
    found = read_notification(body)
    named: list[Named] = []
    for word, recipients, action in _LISTS:
        event = found.get(word)
        if isinstance(event, dict) and isinstance(listed := event.get(recipients), list):
            cause = f"{event.get('bounceType', '')} {event.get('bounceSubType', '')}".strip()
            named += [one for each in listed[:MAX_RECIPIENTS] if (one := _recipient(each, action, cause))]
    return named


def _recipient(told: object, action: str, cause: str) -> Named | None:
    fields = told if isinstance(told, dict) else {"emailAddress": told}
    address = clean_address(str(fields.get("emailAddress", "")))
    if not address:
        return None
    text = str(fields.get("diagnosticCode", "")).removeprefix("smtp; ")
    texts = tuple(part for part in (text, cause) if part)
    return Named(address, texts, action, status_of(str(fields.get("status", ""))), family="ses")


def read_notification(body: str) -> dict[str, object]:
    """Return the notification that a text begins with, of any type; empty where it begins with none."""
    start = body.find("{")
    if start < 0 or body[:start].strip() or not any(name in body[:200_000] for name in _NAMES):
        return {}
    found = _parsed(body, start)
    inner = found.get("Message")
    if isinstance(inner, str):
        found = _parsed(inner, 0)
    return found if any(name in found for name in _NAMES) else {}


def _parsed(text: str, start: int) -> dict[str, object]:
    try:
        # Mail programs fold the one long line: what was a line end is no part of the JSON.
        found, _ = JSONDecoder(strict=False).raw_decode(text, start)
    except (json.JSONDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
