"""The header fields by which SMTP clients say what the API says in JSON: X-Postroom-Stream, -Tag, -Metadata, ...

Their values are read once at the door and leave with no copy. Text may hold
encoded words (RFC 2047). A wrong value is refused; nothing is guessed.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from postroom.base.errors import WrongInput
from postroom.mail.date import parse_date
from postroom.mail.encoded_words import decode_words
from postroom.mail.header import field_body, field_name

MAX_TAGS = 10
MAX_TAG = 64
"""Letters."""
MAX_METADATA = 50
"""Names of a message."""
MAX_METADATA_NAME = 64
MAX_METADATA_VALUE = 1024
MAX_IDEMPOTENCY_KEY = 255

PREFIX = b"x-postroom-"
PRIVATE_FIELDS = frozenset({b"bcc", b"resent-bcc", b"return-path"})
"""Beside ours, no copy shows these (RFC 5322 3.6.3, RFC 5321 4.4)."""

_FIELDS = frozenset({b"stream", b"tag", b"metadata", b"track", b"send-at", b"idempotency-key", b"id"})
_OWN = frozenset({b"id"})
"""In the mail of any Postroom, so in what is passed on."""
_STREAMS = ("transactional", "bulk")
_YES = frozenset({"yes", "true", "on", "1"})
_NO = frozenset({"no", "false", "off", "0"})


@dataclass(frozen=True, slots=True)
class TrackSwitches:
    """What the author said about tracking; None leaves a switch as the workspace has it."""

    opens: bool | None = None
    clicks: bool | None = None
    replies: bool | None = None
    text_clicks: bool | None = None


@dataclass(frozen=True, slots=True)
class ControlFields:
    """What a header's X-Postroom fields say; each has its default where the field is absent."""

    stream: str | None = None
    """`transactional` or `bulk`."""
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    track: TrackSwitches = TrackSwitches()
    send_at_ms: int | None = None
    idempotency_key: str | None = None


_NOTHING = ControlFields()


def read_control_fields(header: Iterable[bytes]) -> ControlFields:
    """Return what the X-Postroom fields of a header say.

    Raises WrongInput, naming the header field, also for one that does not exist: a mail with a misspelt
    Send-At would leave at once. Its code is `not_available` for templates.
    """
    values: dict[bytes, list[str]] = {}
    for raw in header:
        # Most mail has none: one look at the first letter spares the rest.
        if raw[:1] in b"Xx" and field_name(raw).startswith(PREFIX):
            values.setdefault(field_name(raw)[len(PREFIX) :], []).append(decode_words(field_body(raw)).strip())
    if not values:
        return _NOTHING
    for name in ("Template", "Variables"):
        if name.lower().encode() in values:
            raise WrongInput(
                f"X-Postroom-{name}", "templates are not available yet: send the finished mail", code="not_available"
            )
    if (unknown := next((name for name in values if name not in _FIELDS), None)) is not None:
        there_are = ", ".join(name.decode().title() for name in sorted(_FIELDS - _OWN))
        raise WrongInput(f"X-Postroom-{unknown[:40].decode('ascii').title()}", f"does not exist; there are {there_are}")
    stream = _single(values, "Stream")
    send_at = _single(values, "Send-At")
    key = _single(values, "Idempotency-Key")
    track = _single(values, "Track")
    return ControlFields(
        stream=None if stream is None else check_stream(stream, of="X-Postroom-Stream"),
        tags=_tags(values.get(b"tag", [])),
        metadata=_metadata(values.get(b"metadata", [])),
        track=TrackSwitches() if track is None else parse_track(track, of="X-Postroom-Track"),
        send_at_ms=None if send_at is None else parse_time(send_at, of="X-Postroom-Send-At"),
        idempotency_key=None if key is None else check_idempotency_key(key, of="X-Postroom-Idempotency-Key"),
    )


def check_stream(text: str, *, of: str) -> str:
    """Return the stream's word. Raises WrongInput for the field `of`."""
    if text.lower() not in _STREAMS:
        raise WrongInput(of, f"{text[:80]!r} is no stream: write transactional or bulk")
    return text.lower()


def check_tags(tags: Sequence[str], *, of: str) -> tuple[str, ...]:
    """Return the tags, each once. Raises WrongInput for the field `of`: too many, too long, commas, not printable."""
    once = tuple(dict.fromkeys(tags))
    if len(once) > MAX_TAGS:
        raise WrongInput(of, f"a message has at most {MAX_TAGS} tags, not {len(once)}")
    for tag in once:
        if not 0 < len(tag) <= MAX_TAG or not tag.isprintable() or "," in tag:
            raise WrongInput(of, f"the tag {tag[:80]!r} is not allowed: 1 to {MAX_TAG} printable letters, no comma")
    return once


def check_metadata(metadata: dict[str, str], *, of: str) -> dict[str, str]:
    """Return the metadata. Raises WrongInput for the field `of`: too many, too long, NUL."""
    if len(metadata) > MAX_METADATA:
        raise WrongInput(of, f"metadata has at most {MAX_METADATA} names, not {len(metadata)}")
    for name, value in metadata.items():
        if not 0 < len(name) <= MAX_METADATA_NAME or not name.isprintable():
            raise WrongInput(
                of, f"the metadata name {name[:80]!r} is not allowed: 1 to {MAX_METADATA_NAME} printable letters"
            )
        if len(value) > MAX_METADATA_VALUE or "\0" in value:
            raise WrongInput(of, f"the metadata value of {name!r} is above {MAX_METADATA_VALUE} letters or has a NUL")
    return metadata


def check_idempotency_key(key: str, *, of: str) -> str:
    """Return the key. Raises WrongInput for the field `of` unless it is 1 to 255 printable ASCII characters."""
    if not 0 < len(key) <= MAX_IDEMPOTENCY_KEY or not key.isascii() or not key.isprintable():
        raise WrongInput(of, f"an idempotency key has 1 to {MAX_IDEMPOTENCY_KEY} printable ASCII characters")
    return key


def parse_track(text: str, *, of: str) -> TrackSwitches:
    """Return the switches of `opens, clicks`, `none`, `opens=no`. Raises WrongInput for the field `of`.

    Bare words name all that is tracked, the rest is off; `name=yes` and `name=no` set one switch and leave the others.
    """
    said: dict[str, bool] = {}
    names_all = False
    for item in text.split(","):
        word, equals, value = (part.strip().lower() for part in item.partition("="))
        name = word.replace("-", "_")
        if word == "none" and not equals:
            names_all = True
        elif name not in TrackSwitches.__slots__ or (equals and value not in _YES | _NO):
            raise WrongInput(
                of, f"{item.strip()[:80]!r} is no switch: write opens, clicks, replies, text-clicks, none or opens=no"
            )
        else:
            names_all = names_all or not equals
            said[name] = not equals or value in _YES
    rest = False if names_all else None
    return TrackSwitches(*(said.get(name, rest) for name in ("opens", "clicks", "replies", "text_clicks")))


def parse_time(text: str, *, of: str) -> int:
    """Return epoch milliseconds of a time as RFC 3339 or RFC 5322 writes it. Raises WrongInput for the field `of`."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = parse_date(text) or datetime.min
    try:
        if time.tzinfo is None:
            raise ValueError("the offset is missing")
        return round((time - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
    except (ValueError, OverflowError) as error:
        raise WrongInput(of, f"{text[:80]!r} is no time: write 2026-01-31T08:00:00Z, with Z or an offset") from error


def _single(values: dict[bytes, list[str]], name: str) -> str | None:
    found = list(dict.fromkeys(values.get(name.lower().encode(), [])))
    if len(found) > 1:
        raise WrongInput(f"X-Postroom-{name}", "the header field stands twice with different values: keep one")
    return found[0] if found else None


def _tags(values: list[str]) -> tuple[str, ...]:
    tags = [tag.strip() for value in values for tag in value.split(",")]
    return check_tags([tag for tag in tags if tag], of="X-Postroom-Tag")


def _metadata(values: list[str]) -> dict[str, str]:
    of = "X-Postroom-Metadata"
    metadata: dict[str, str] = {}
    for value in values:
        pairs = _json_pairs(value) if value.startswith("{") else [_pair(value)]
        for name, text in pairs:
            if name in metadata:
                raise WrongInput(of, f"the metadata name {name[:80]!r} stands twice: keep one")
            metadata[name] = text
    return check_metadata(metadata, of=of)


def _pair(value: str) -> tuple[str, str]:
    name, equals, text = value.partition("=")
    if not equals:
        raise WrongInput("X-Postroom-Metadata", f"{value[:80]!r} is no metadata: write name=value or a JSON object")
    return name.strip(), text.strip()


def _json_pairs(value: str) -> list[tuple[str, str]]:
    of = "X-Postroom-Metadata"
    try:
        pairs = json.loads(value, object_pairs_hook=list)
    except (ValueError, RecursionError) as error:
        raise WrongInput(of, f"the value begins with {{ and is no JSON object: {str(error)[:200]}") from error
    for name, text in pairs:
        if not isinstance(text, str):
            raise WrongInput(of, f"the metadata value of {name[:80]!r} is no text: put it in quotes")
    return list(pairs)
