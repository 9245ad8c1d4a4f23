"""Notifications of Amazon SES that come as mail through SNS: a JSON object at the beginning of the text."""

import json
from json import JSONDecoder

from postroom.mail.bounce_formats.delivery_status import status_of
from postroom.mail.bounce_formats.named import Named, clean_address

_NAMES = ("notificationType", "eventType")
_LISTS = (("bounce", "bouncedRecipients", "failed"), ("deliveryDelay", "delayedRecipients", "delayed"))
MAX_RECIPIENTS = 20_000


def read_ses(body: str) -> list[Named]:
    """Return the recipients of a bounce or delay notification; empty where the text is none."""
    found = read_notification(body)
    named: list[Named] = []
    for word, recipients, action in _LISTS:
        event = found.get(word)
        listed = event.get(recipients) if isinstance(event, dict) else None
        for one in listed[:MAX_RECIPIENTS] if isinstance(listed, list) else []:
            if isinstance(one, dict) and (address := clean_address(str(one.get("emailAddress", "")))):
                text = str(one.get("diagnosticCode", "")).removeprefix("smtp; ")
                said = (
                    f"{event.get('bounceType', '')} {event.get('bounceSubType', '')}" if isinstance(event, dict) else ""
                )
                texts = tuple(part for part in (text, said.strip()) if part)
                named.append(Named(address, texts, action, status_of(str(one.get("status", ""))), family="ses"))
    return named


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
