"""Which error a server's words are: credentials refused, come back later, or just no. RFC 5530; pure.

Providers say the same in many ways, and some say "wrong password" where they mean "too often". What is
told as AuthRefused stops an account and asks a person for a new password, so it is told only where the
words leave nothing else.
"""

import json
import re

from postroom.net.imap.errors import AuthRefused, ImapBad, ImapBye, ImapError, ImapNo, Throttled, Unreachable

_LATER_CODES = frozenset({"THROTTLED", "UNAVAILABLE", "INUSE", "SYS/TEMP"})
"""RFC 5530 3; THROTTLED and SYS/TEMP are of providers."""
_REFUSED_CODES = frozenset(
    {"AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED", "CONTACTADMIN", "WEBALERT", "AUTH"}
)
"""RFC 5530 3; WEBALERT is Gmail's: log in by the web first."""
_EXPIRED_CODES = frozenset({"EXPIRED"})
_BACKOFF = re.compile(r"suggested backoff time:\s*([0-9]{1,9})\s*milliseconds", re.IGNORECASE)
_LATER_WORDS = re.compile(
    r"throttl|too many|try again later|temporar|rate limit|bandwidth|backoff time|server unavailable|system busy"
    r"|maximum number of (?:connections|simultaneous)|connection limit|simultaneous connections|server is busy"
    r"|authenticated but not connected|service (?:is )?(?:not available|unavailable)|internal (?:server )?error"
    r"|exceeded command",
    re.IGNORECASE,
)
_REFUSED_WORDS = re.compile(
    r"(?:authenticat\w*|log-?in|sign-?in|logon)(?: has)? (?:failed|failure|rejected|denied|refused|error)"
    r"|invalid (?:credentials|login|user|password|log-?in)|incorrect (?:password|user|credentials|authentication)"
    r"|bad (?:user|password|credentials)|(?:wrong|incorrect|password) (?:password|is (?:wrong|incorrect))"
    r"|application-specific password|app(?:lication)? password|account (?:is )?(?:disabled|locked|blocked|suspended)"
    r"|yet to enable imap|not enabled for imap|imap (?:access )?is disabled|please log in via your web browser",
    re.IGNORECASE,
)
_EXPIRED_STATUS = frozenset({"400", "401", "invalid_token"})
"""What Google, Microsoft and RFC 7628 3.2.2 say of a token that has ended (or never was one)."""


def is_later(words: str, code: str = "") -> bool:
    """Tell whether the words ask to come back later."""
    return code in _LATER_CODES or _LATER_WORDS.search(words) is not None


def throttled(said: str, words: str, code: str = "") -> Throttled:
    """Return the error of a server that asks to come back later. `said` says who and what."""
    wait = _BACKOFF.search(words)
    return Throttled(f"{said}: {shown(words, code)}", words=words, code=code, wait_ms=int(wait[1]) if wait else None)


def refusal(said: str, words: str, code: str, *, verb: str, is_bad: bool) -> ImapError:
    """Return the error of a command, other than a login, that ended with NO or BAD."""
    # Yahoo's `NO [LIMIT] UID FETCH Rate limit hit.`; after APPEND it may be the size of the mail.
    if is_later(words, code) or (code == "LIMIT" and verb not in ("APPEND", "UID COPY", "UID MOVE")):
        return throttled(said, words, code)
    error = ImapBad if is_bad else ImapNo
    return error(f"{said}: {shown(words, code)}", words=words, code=code)


def login_refusal(said: str, words: str, code: str, failure: str, *, is_bad: bool) -> ImapError:
    """Return the error of a login that ended with NO or BAD. `failure`: see `sasl.SaslExchange`."""
    status = _status(failure)
    if code in _LATER_CODES or code == "LIMIT" or status.startswith("5"):
        return throttled(said, words, code)
    message = f"{said}: {shown(words, code)}" + (f" (status {status})" if status else "")
    if code not in _REFUSED_CODES and not status:
        if _LATER_WORDS.search(words):
            return throttled(said, words, code)
        # BAD says that the command was not understood, unless the words say what was meant.
        if is_bad and not _REFUSED_WORDS.search(words):
            return ImapBad(message, words=words, code=code)
        if code in ("PRIVACYREQUIRED", "SERVERBUG", "CLIENTBUG", "CANNOT"):
            return ImapNo(message, words=words, code=code)
    expired = code in _EXPIRED_CODES or status in _EXPIRED_STATUS
    return AuthRefused(message, words=words, code=code, expired=expired)


def goodbye(said: str, words: str, code: str = "") -> ImapError:
    """Return the error of a server that ended the session with BYE, or with words that are no IMAP."""
    if is_later(words, code):
        return throttled(said, words, code)
    return ImapBye(f"{said}: {shown(words, code)}", words=words, code=code)


def greeting_refused(server: str, words: str) -> ImapError:
    """Return the error of a server whose first line is no greeting."""
    if is_later(words):
        return throttled(f"{server} did not greet", words)
    return Unreachable(f"{server} did not greet as an IMAP server: {shown(words)}", words=words)


def shown(words: str, code: str = "") -> str:
    """Return the server's words for people: one short line of printable text."""
    text = "".join(character if character.isprintable() else " " for character in words)[:300].strip()
    return f"[{code}] {text}".strip() if code else text or "nothing is said why"


def _status(failure: str) -> str:
    """Return the status of an OAuth error challenge: `401`, `invalid_token`; empty where it is no such thing."""
    if not failure:
        return ""
    try:
        found = json.loads(failure)
    except ValueError:
        return ""
    status = found.get("status") if isinstance(found, dict) else None
    return str(status)[:40] if isinstance(status, str | int) else ""
