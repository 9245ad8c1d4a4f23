"""What somebody wrote in a mail that came in, as events tell it: the text without what it quotes, and its files.

Pure; for the slow threads.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from postroom.inbound.storable import storable
from postroom.mail.quoted_text import read_reply
from postroom.mail.reading import read_mail
from postroom.mail.received import Received

MOST_CHARACTERS = 20_000
"""Of the written text: nobody reads more in an event, and the mail itself is kept."""
_MOST_FILES = 50
_MOST_NAME = 200


@dataclass(frozen=True, slots=True)
class Written:
    """A mail that somebody wrote."""

    text: str
    """Without quoted text and signature."""
    is_cut: bool
    files: tuple[Mapping[str, object], ...]
    """Name, media type, size and number of each attached file; the number names it in the API."""

    @property
    def told(self) -> dict[str, object]:
        """What events tell of it."""
        told: dict[str, object] = {"written": self.text, "attachments": list(self.files)}
        return told | {"is_cut": True} if self.is_cut else told


def read_written(raw: bytes) -> Written:
    """Return what somebody wrote in a mail. Any bytes are allowed."""
    mail = Received(raw)
    text = storable(read_reply(mail).written)
    files = tuple(
        {
            "number": file.number,
            "name": storable(file.name)[:_MOST_NAME],
            "media_type": storable(file.media_type),
            "size_bytes": file.size_bytes,
        }
        for file in read_mail(mail.raw).files[:_MOST_FILES]
    )
    return Written(text[:MOST_CHARACTERS], len(text) > MOST_CHARACTERS, files)
