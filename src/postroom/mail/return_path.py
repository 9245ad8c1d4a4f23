"""Machine addresses: `b-TOKEN@host` and its like, made for a recipient and read back (RFC 5321 4.4, RFC 9477).

The letter says what the address is for, the token whose copy it is. Letter
case does not matter, since some servers change it. A bounce address lives for
some days only, so that old ones cannot be used to report failures.
"""

from dataclasses import dataclass

from postroom.base.instant import DAY_MS
from postroom.base.tokens import Token, TokenKeys, TokenKind

MOST_DAYS_AHEAD = 30
"""How far ahead mail may be scheduled. Bounce addresses carry the day of the accept and expire: what is sent long
after it would come back to addresses that are no longer believed (docs/decisions/0003)."""

_KINDS = {
    "b": TokenKind.BOUNCE,
    "r": TokenKind.REPLY,
    "u": TokenKind.UNSUBSCRIBE_MAIL,
    "f": TokenKind.FEEDBACK,
}
_LETTERS = {kind: letter for letter, kind in _KINDS.items()}


@dataclass(frozen=True, slots=True)
class MachineAddress:
    """What a valid machine address says."""

    kind: TokenKind
    token: Token

    def has_expired(self, now_ms: int, lifetime_days: int) -> bool:
        """Tell whether it is a bounce address made more than `lifetime_days` ago; other kinds do not expire."""
        return self.kind is TokenKind.BOUNCE and now_ms > self.token.made_at_ms + lifetime_days * DAY_MS


def machine_address(keys: TokenKeys, kind: TokenKind, key_id: int, recipient_id: int, host: str) -> str:
    """Return the address of `kind` for a recipient: 34 octets of local-part, at `host`.

    `kind` is BOUNCE, REPLY, UNSUBSCRIBE_MAIL or FEEDBACK; KeyError for any other and for an unknown key id.
    """
    return f"{_LETTERS[kind]}-{keys.local_part_text(kind, key_id, recipient_id)}@{host}"


def read_machine_address(local_part: str, keys: TokenKeys) -> MachineAddress | None:
    """Return what a local-part says, or None unless we made it. Any text is allowed.

    The caller has looked at the host: machine addresses live on hosts of their own.
    """
    letter, dash, text = local_part.partition("-")
    kind = _KINDS.get(letter.lower())
    if not dash or kind is None:
        return None
    token = keys.check_local_part_text(kind, text)
    return MachineAddress(kind, token) if token else None
