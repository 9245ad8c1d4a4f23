"""The way out for a recipient: placeholders in the body, header fields of bulk mail (RFC 2369, RFC 8058, RFC 9477)."""

import re

PLACEHOLDER = "unsubscribe_url"
"""Cheap to search for; `find_placeholders` then looks closely."""
REPLACED_FIELDS = frozenset({b"list-unsubscribe", b"list-unsubscribe-post"})
"""The author's own, on the bulk stream: kept with the message and told after an unsubscribe."""
DROPPED_FIELDS = frozenset({b"feedback-id", b"cfbl-address", b"cfbl-feedback-id"})
"""The author's own on the bulk stream: complaints come to us."""

_TEXT = r"(?:\{\{|%7[bB]%7[bB])(?:\s|%20)*unsubscribe_url(?:\s|%20)*(?:\}\}|%7[dD]%7[dD])"
_PLACEHOLDER = re.compile(_TEXT)
_WHOLE = re.compile(rf"\s*(?:https?://)?{_TEXT}/?\s*", re.IGNORECASE)
_NO_WORD = re.compile(r"[^A-Za-z0-9._-]+")


def find_placeholders(view: str) -> list[tuple[int, int]]:
    """Return the spans of `{{unsubscribe_url}}`, also with its braces percent-encoded as editors do in links."""
    return [match.span() for match in _PLACEHOLDER.finditer(view)] if PLACEHOLDER in view else []


def is_placeholder(value: str) -> bool:
    """Tell whether a link's value is the placeholder and nothing else; editors put `http://` in front."""
    return PLACEHOLDER in value and _WHOLE.fullmatch(value) is not None


def feedback_id(stream: str, domain: str, workspace: str, tag: str = "") -> str:
    """Return the value of Feedback-ID: tag, stream, workspace and, as the sender, the domain.

    Google adds up what it knows by these words, so they never name a recipient.
    """
    words = [_NO_WORD.sub("-", word)[:40] for word in (tag, stream, workspace)]
    return ":".join([*words, _NO_WORD.sub("-", domain)[:100]])


def bulk_fields(
    tracking_url: str, return_path_host: str, page_token: str, mail_token: str, feedback_token: str, feedback: str
) -> list[bytes]:
    """Return the raw header fields that a copy on the bulk stream carries.

    One-click needs https (RFC 8058 3.1), so List-Unsubscribe-Post is left out
    where the public address has none; Feedback-ID where `feedback` is empty.
    """
    fields = [f"List-Unsubscribe: <{tracking_url}/u/{page_token}>,\r\n <mailto:u-{mail_token}@{return_path_host}>\r\n"]
    if tracking_url.startswith("https:"):
        fields.append("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")
    if feedback:
        fields.append(f"Feedback-ID: {feedback}\r\n")
    # RFC 9477 3.1 and 3.2.
    fields.append(f"CFBL-Address: f-{feedback_token}@{return_path_host}; report=arf\r\n")
    fields.append(f"CFBL-Feedback-ID: {feedback_token}\r\n")
    return [field.encode("ascii") for field in fields]
