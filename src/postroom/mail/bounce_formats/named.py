"""One recipient as a bounce names it, not yet judged, and how addresses are read from texts."""

import re
from dataclasses import dataclass

MAX_RECIPIENTS = 20_000
"""Of one mail that are named."""

_ASCII = "A-Za-z0-9!#$%&'*+/=?^_`{|}~.\\-"
_QUOTED = r"\"[^\"\s<>@]{1,64}\""
_LITERAL = r"\[[0-9A-Fa-f.:IPv]{3,60}\]"
# In Chinese and Japanese texts no space parts an address from what stands around it.
_ALPHABETS = r"\u00c0-\u024f\u0370-\u052f"
_HOST = rf"(?:[A-Za-z0-9_-]{{1,63}}\.){{1,10}}[A-Za-z]{{2,24}}(?![A-Za-z0-9_{_ALPHABETS}-])"
_NAME = r"[A-Za-z0-9{0}](?:[A-Za-z0-9._{0}-]{{0,250}}[A-Za-z0-9{0}])?"

ADDRESS = rf"(?:{_QUOTED}|[{_ASCII}{_ALPHABETS}]{{1,120}})@(?:{_HOST}|{_NAME.format(_ALPHABETS)}|{_LITERAL})"
"""An address as it stands in running text."""

_ANY = r"\x80-\U0010ffff"
_WHOLE = re.compile(rf"(?:\"[^\"<>@]{{1,64}}\"|[{_ASCII}{_ANY}]{{1,120}})@(?:{_NAME.format(_ANY)}|{_LITERAL})")
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
    final: str = ""
    """Final-Recipient of RFC 3464 2.3.2 where `address` is the original one; empty where nothing tells it."""


_COMMENT = re.compile(r"[ \t]+\([^()]*\)\Z")
_IN_QUOTES = re.compile(r"'[^'@]+'@")
_BRACKETS = re.compile(r"[^<>]*<([^<>]*)>[^<>]*")


def clean_address(text: str) -> str:
    """Return the address that a field or a text means, without brackets, route and key in front; empty for none."""
    text = _COMMENT.sub("", text.strip()[:1_000])
    if (bracketed := _BRACKETS.fullmatch(text)) and "@" in bracketed[1]:
        text = bracketed[1]
    text = _KEY.sub("", text.strip("<> \t"))
    text = text if _IN_QUOTES.match(text) else text.lstrip("'`/")
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
