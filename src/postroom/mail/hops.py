"""How often a mail was handed on, as its Received fields say: what stops loops (RFC 5321 6.3)."""

import re
from collections.abc import Sequence

from postroom.mail.header import field_body, field_name

MOST_HOPS = 100
"""RFC 5321 6.3: at least 100 Received fields are no loop."""
MOST_OWN_HOPS = 4
"""So many of our own: mail that leaves us, comes in and is forwarded has three at most when it comes in again."""
SOFTWARE = "(Postroom)"
"""The comment behind our name in Received, by which we know our own."""

_OUR_HOP = re.compile(rb"\bby[ \t]+([^ \t();]+)[ \t]+" + re.escape(SOFTWARE.encode()), re.IGNORECASE)


def is_loop(header: Sequence[bytes], hostname: str) -> bool:
    """Tell whether a mail has been on its way too long, or too often with us."""
    received = [field for field in header if field_name(field) == b"received"]
    if len(received) > MOST_HOPS:
        return True
    name = hostname.lower().encode("ascii", "replace")
    own = sum(1 for field in received for match in _OUR_HOP.finditer(field_body(field)) if match[1].lower() == name)
    return own >= MOST_OWN_HOPS
