"""SASL mechanisms as questions and answers; no I/O. RFC 4422, 4616 (PLAIN), 7628 (OAUTHBEARER).

XOAUTH2 and LOGIN have no RFC: the one is what Google and Microsoft describe, the other an expired draft
(draft-murchison-sasl-login) that some servers know alone.
"""

from dataclasses import dataclass, field

_ERROR_BYTES = 4_096


@dataclass(slots=True, repr=False)
class SaslExchange:
    """One attempt. `initial` goes with the command where the server takes that (RFC 4959), else to its first `+`."""

    mechanism: str
    initial: bytes | None
    """None: the server speaks first."""
    prepared: list[bytes] = field(default_factory=list)
    """Answers to what the server asks, in turn."""
    after_error: bytes | None = None
    """Answer to a challenge that tells why it failed; the tagged NO follows it."""
    failure: str = ""
    """What that challenge said: JSON with a `status` in both OAuth mechanisms."""

    def answer(self, challenge: bytes) -> bytes | None:
        """Return what to answer, not yet in base64; None: there is nothing to say, cancel by `*`."""
        if self.prepared:
            return self.prepared.pop(0)
        self.failure = challenge[:_ERROR_BYTES].decode("utf-8", "replace")
        return self.after_error


def plain(user: str, password: str) -> SaslExchange:
    """RFC 4616. Raises ValueError where user or password holds NUL."""
    return SaslExchange("PLAIN", b"\0" + _octets(user, "\0") + b"\0" + _octets(password, "\0"))


def login(user: str, password: str) -> SaslExchange:
    """User, then password, whatever the server's questions say."""
    return SaslExchange("LOGIN", None, [user.encode(), password.encode()])


def xoauth2(user: str, token: str) -> SaslExchange:
    """The error comes as a challenge, and wants an empty answer."""
    response = b"user=" + _octets(user, "\x01") + b"\x01auth=Bearer " + _octets(token, "\x01") + b"\x01\x01"
    return SaslExchange("XOAUTH2", response, after_error=b"")


def oauthbearer(user: str, token: str) -> SaslExchange:
    """RFC 7628 3.1; the error comes as a challenge and wants a single 0x01 (3.2.3)."""
    # RFC 5801 4: in a name `=` and `,` are written otherwise.
    name = _octets(user, "\x01").replace(b"=", b"=3D").replace(b",", b"=2C")
    response = b"n,a=" + name + b",\x01auth=Bearer " + _octets(token, "\x01") + b"\x01\x01"
    return SaslExchange("OAUTHBEARER", response, after_error=b"\x01")


MECHANISMS = {"PLAIN": plain, "LOGIN": login, "XOAUTH2": xoauth2, "OAUTHBEARER": oauthbearer}


def _octets(text: str, separator: str) -> bytes:
    if separator in text:
        raise ValueError("a character that separates the parts")
    return text.encode()
