"""What can go wrong with an IMAP server, by what the caller can do about it. RFC 9051 7.1, RFC 5530.

Every error carries the server's own words where it said any. None carries a
password, a token or the text of a command.
"""

from postroom.base.errors import PostroomError


class ImapError(PostroomError):
    """Something that an IMAP server said, or did not say."""

    def __init__(self, message: str, *, words: str = "", code: str = "") -> None:
        """`message` is for people and the log; `words` is the server's text alone."""
        super().__init__(message)
        self.words = words
        """The server's text without its response code; empty where it said nothing."""
        self.code = code
        """Response code without brackets and arguments, upper case, such as `TRYCREATE`; empty where there is none."""


class ImapNo(ImapError):
    """A command could not be done: the session goes on."""


class ImapBad(ImapError):
    """The server did not understand a command, or says so: the session goes on."""


class ImapUnreadable(ImapError):
    """A command was done, and a part of its answer could not be understood: what lacks need not be gone."""


class NotOffered(ImapError):
    """The server cannot do what was asked, or has refused it before on this connection. Nothing was sent."""


class ImapLost(ImapError):
    """There is no connection (any more): what was under way may have been done or not. Dial again, later."""


class ImapBye(ImapLost):
    """The server said goodbye. `words` say why."""


class ImapSilent(ImapLost):
    """The server did not answer in time; the connection was cut."""


class ImapGarbled(ImapLost):
    """The server sent what nobody can go on from, such as a line without end; the connection was cut."""


class Unreachable(ImapLost):
    """No connection could be opened: no address, nobody listens, no greeting."""


class TlsFailed(Unreachable):
    """The server could not prove who it is, or speaks no TLS although it must. No credentials were sent."""


class AddressRefused(ImapError):
    """The host has no address that may be dialled (POSTROOM_ALLOW_PRIVATE). Nothing was connected."""


class AuthRefused(ImapError):
    """The server does not take these credentials. The same ones will be refused again."""

    def __init__(self, message: str, *, words: str = "", code: str = "", expired: bool = False) -> None:
        super().__init__(message, words=words, code=code)
        self.expired = expired
        """They were good once: a token that has ended, a password that must be changed."""


class Throttled(ImapError):
    """The server asks to come back later. It says nothing against the credentials."""

    def __init__(self, message: str, *, words: str = "", code: str = "", wait_ms: int | None = None) -> None:
        super().__init__(message, words=words, code=code)
        self.wait_ms = wait_ms
        """How long the server asks to wait; None where it names no time."""
