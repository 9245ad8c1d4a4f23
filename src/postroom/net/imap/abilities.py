"""What a server can do: what it claims, less what it has refused. RFC 9051 7.2.2; no I/O.

A capability is a hint. Servers claim IDLE and answer NO to it, list UIDPLUS and know no UID EXPUNGE: what
was refused once is switched off for the connection, and whoever asks `can` is told the truth.
"""

from postroom.net.imap.encode import LiteralSupport

_REV2 = frozenset(
    {
        "ENABLE", "ESEARCH", "ID", "IDLE", "LIST-EXTENDED", "LITERAL-", "MOVE", "NAMESPACE", "SASL-IR", "SPECIAL-USE",
        "STATUS=SIZE", "UIDPLUS", "UNSELECT",
    }
)  # fmt: skip
"""Part of IMAP4rev2 (RFC 9051, appendix E), so a server that speaks nothing else need not list them."""


def claims(capabilities: frozenset[str], name: str) -> bool:
    """Tell whether a server with these capabilities says that it can do `name`."""
    if name in capabilities:
        return True
    return name in _REV2 and "IMAP4REV2" in capabilities and "IMAP4REV1" not in capabilities


def literal_support(capabilities: frozenset[str], off: frozenset[str]) -> LiteralSupport:
    """Return which literals may go without waiting (RFC 7888)."""
    if "LITERAL+" in capabilities and "LITERAL+" not in off:
        return LiteralSupport.PLUS
    if claims(capabilities, "LITERAL-") and "LITERAL-" not in off:
        return LiteralSupport.MINUS
    return LiteralSupport.WAIT
