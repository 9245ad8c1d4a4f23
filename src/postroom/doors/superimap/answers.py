"""What SuperIMAP's API answers: JSON, or a sentence as plain text."""

import datetime
from dataclasses import dataclass

import msgspec

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Answer:
    """A response."""

    status: int
    body: bytes
    media_type: str
    fields: tuple[tuple[str, str], ...] = ()
    """More header fields."""

    def header(self) -> list[tuple[bytes, bytes]]:
        """Return the header fields."""
        fields = [
            # Of a tag in a sentence, or of a mail, no browser shall make a page.
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            *self.fields,
        ]
        # RFC 9110 8.6: none in 204.
        if self.status != 204:
            fields += [("content-type", self.media_type), ("content-length", str(len(self.body)))]
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]


class Refused(Exception):
    """Ends a request with a sentence."""

    def __init__(self, status: int, text: str, *fields: tuple[str, str]) -> None:
        super().__init__(text)
        self.answer = plain(status, text, *fields)


def plain(status: int, text: str, *fields: tuple[str, str]) -> Answer:
    """Return a sentence."""
    return Answer(status, text.encode("utf-8", "replace"), "text/plain; charset=utf-8", fields)


def json(body: object) -> Answer:
    """Return JSON."""
    return Answer(200, _encode(body), "application/json; charset=utf-8")


def done() -> Answer:
    """Return the answer of what leaves nothing to say."""
    return Answer(204, b"", "text/plain; charset=utf-8")


def show_time(epoch_ms: int | None) -> str | None:
    """Return a time in the form of SuperIMAP: ISO 8601 in UTC with milliseconds."""
    if epoch_ms is None:
        return None
    moment = datetime.datetime.fromtimestamp(epoch_ms / 1000, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{epoch_ms % 1000:03d}Z"
