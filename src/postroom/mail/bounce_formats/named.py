"""One recipient as a bounce names it, not yet judged, and how addresses are read from texts."""

import re
from dataclasses import dataclass

_LETTER = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\x80-\U0010ffff-]"
_DOMAIN = r"[A-Za-z0-9\x80-\U0010ffff](?:[A-Za-z0-9._\x80-\U0010ffff-]{0,250}[A-Za-z0-9\x80-\U0010ffff])?"
ADDRESS = rf"(?:\"[^\"\s<>@]{{1,64}}\"|{_LETTER}{{1,120}})@(?:{_DOMAIN}|\[[0-9A-Fa-f.:IPv]{{3,60}}\])"
"""An address as it stands in running text."""

_WHOLE = re.compile(ADDRESS)
_ROUTED = re.compile(r"@[^:,\s]+(?:,@[^:,\s]+)*:(.+)")
_KEY = re.compile(r"(?:mailto|smtp|rfc822|addr|to)[:=;]", re.IGNORECASE)
# Archives of groups show `someb...@gmail.com`, where no mailbox can have such a name.
_SHORTENED = re.compile(r"\.\.\.@(?:gmail|googlemail|googlegroups)\.com\Z", re.IGNORECASE)
_AT_SERVER = re.compile(r"(.+@[^@]+)@[^@]+")


@dataclass(frozen=True, slots=True)
class Named:
    """One recipient, and what was said about it."""

    address: str
    texts: tuple[str, ...] = ()
    """What is said about this recipient, the most telling first."""
    action: str = "failed"
    """Action of RFC 3464 2.3.3 in lower case."""
    status: str = ""
    """Enhanced status code as a field tells it, or empty."""
    reply_code: int | None = None
    host: str = ""
    """Who answered, where that is told."""
    command: str = ""
    """The SMTP command that was answered, where that is told."""
    family: str = ""
    """Name of the rule that found it."""


def clean_address(text: str) -> str:
    """Return the address that a field or a text means, without brackets, route and key in front; empty for none."""
    text = _KEY.sub("", text.strip().strip("<>").strip()).lstrip("'`/")
    text = text.removeprefix("=") if not text.startswith("=?") else text
    text = text.strip("\"'") if text.count('"') == 2 and text.startswith('"') and text.endswith('"') else text
    route = _ROUTED.fullmatch(text)
    if route is not None:
        text = route[1]
    if text.count("@") > 1 and (at := _AT_SERVER.fullmatch(text)) and _WHOLE.fullmatch(at[1]):
        # `@relay:user@domain@server` of gateways that keep the whole address as a local-part.
        text = at[1]
    text = text.strip("<>").rstrip(".,;:")
    if not _WHOLE.fullmatch(text) or _SHORTENED.search(text):
        return ""
    return text
