"""Names of mailboxes: modified UTF-7 on the wire, text for people. RFC 3501 5.1.3; pure.

A name is used as the server wrote it. What a name shows is for people: a name that breaks the
rules is shown as it is, so no mailbox is lost to a wrong letter.
"""

import binascii
import re

_SHIFTED = re.compile(r"&([^&-]*)-")
_OTHERS = re.compile(r"&|[^ -~]+")


def shown_name(name: str) -> str:
    """Return what people call a mailbox; a name that is no modified UTF-7 as it is.

    `name` has one character for each octet (Latin-1), as `responses` has it.
    Octets above 127 are taken as UTF-8, which servers send after ENABLE UTF8=ACCEPT (RFC 6855).
    """
    if not name.isascii():
        try:
            return name.encode("latin-1").decode("utf-8")
        except ValueError:
            return name
    if "&" not in name:
        return name
    if "&" in _SHIFTED.sub("", name):
        return name
    try:
        return _SHIFTED.sub(_shown, name)
    except ValueError:
        return name


def wire_name(shown: str) -> str:
    """Return how a name that somebody chose is written on the wire; always ASCII."""
    return _OTHERS.sub(_written, shown)


def _shown(match: re.Match[str]) -> str:
    encoded = match[1]
    if not encoded:
        return "&"
    if "/" in encoded or "=" in encoded:
        raise ValueError("a comma stands for the slash, and nothing is padded")
    padded = encoded.replace(",", "/") + "=" * (-len(encoded) % 4)
    text = binascii.a2b_base64(padded.encode(), strict_mode=True).decode("utf-16-be")
    if not text:
        raise ValueError("nothing is encoded")
    return text


def _written(match: re.Match[str]) -> str:
    if match[0] == "&":
        return "&-"
    # Half of a surrogate pair cannot be shown again, but it is no reason to fail.
    octets = match[0].encode("utf-16-be", "surrogatepass")
    return "&" + binascii.b2a_base64(octets, newline=False).decode().rstrip("=").replace("/", ",") + "-"
