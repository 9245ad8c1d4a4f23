"""The server's side before login, and the commands of every state. RFC 3501 6.1 and 6.2, RFC 7628, XOAUTH2."""

import base64
import binascii
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from postroom.net.imap.mailstore import StoredAccount
from postroom.net.imap.server_words import Words
from postroom.net.imap.steps import Close, Send, StartTls, Step

if TYPE_CHECKING:
    from postroom.net.imap.server import ServerSession

_REFUSED = "NO [AUTHENTICATIONFAILED] These credentials are not taken"
_ERROR = base64.b64encode(b'{"status":"401","schemes":"bearer","scope":"https://mail.example/"}')
"""What servers say in XOAUTH2 and OAUTHBEARER before the NO (RFC 7628 3.2.2)."""
_USER_OF = {"XOAUTH2": re.compile(rb"user=([^\x01]*)\x01"), "OAUTHBEARER": re.compile(rb"n,a=([^,\x01]*),")}
_TOKEN = re.compile(rb"auth=Bearer ([^\x01]*)\x01", re.IGNORECASE)

Answerer = Callable[["ServerSession", Words], list[Step]]


def _said(*lines: str) -> list[Step]:
    return [Send("".join(f"{line}\r\n" for line in lines).encode("latin-1"))]


def _capability(session: "ServerSession", words: Words) -> list[Step]:
    return _said(f"* CAPABILITY {' '.join(session.capabilities())}", f"{words.tag} OK Done")


def _noop(session: "ServerSession", words: Words) -> list[Step]:
    return session.told(words.tag, words.verb, (b"", b"OK Done"))


def _logout(session: "ServerSession", words: Words) -> list[Step]:
    session.unselect()
    return [*_said("* BYE Goodbye", f"{words.tag} OK Done"), Close()]


def _id(session: "ServerSession", words: Words) -> list[Step]:
    return _said('* ID ("name" "Postroom" "vendor" "own server")', f"{words.tag} OK Done")


def _starttls(session: "ServerSession", words: Words) -> list[Step]:
    if not session.rules.offers_tls or session.is_tls:
        return _said(f"{words.tag} BAD TLS cannot begin here")
    session.begin_tls()
    return [*_said(f"{words.tag} OK Begin TLS now"), StartTls()]


def _login(session: "ServerSession", words: Words) -> list[Step]:
    return _end(session, words.tag, session.rules.store.with_password(words.text(0), words.text(1)))


def _authenticate(session: "ServerSession", words: Words) -> list[Step]:
    mechanism = words.text(0).upper()
    if mechanism != "PLAIN" and mechanism not in _USER_OF:
        return _said(f"{words.tag} NO [CANNOT] There is no such mechanism")

    def read(line: bytes) -> list[Step]:
        return _read_response(session, words.tag, mechanism, line)

    if len(words.arguments) > 1:
        return read(words.text(1).encode("latin-1"))
    session.wait_for_line(read)
    return [Send(b"+ \r\n")]


def _read_response(session: "ServerSession", tag: str, mechanism: str, line: bytes) -> list[Step]:
    if line == b"*":
        return _said(f"{tag} BAD Cancelled")
    try:
        response = base64.b64decode(line, validate=True) if line != b"=" else b""
    except binascii.Error:
        return _said(f"{tag} BAD This is no base64")
    store = session.rules.store
    if mechanism == "PLAIN":
        # RFC 4616 2: authorization identity, login, password.
        parts = response.decode("latin-1").split("\0")
        return _end(session, tag, store.with_password(parts[1], parts[2]) if len(parts) == 3 else None)
    user, token = _USER_OF[mechanism].search(response), _TOKEN.search(response)
    account = store.with_token(user[1].decode("latin-1"), token[1].decode("latin-1")) if user and token else None
    if account is not None:
        return _end(session, tag, account)
    # The client answers the error with an empty line, or with ^A (RFC 7628 3.2.3); then comes the NO.
    session.wait_for_line(lambda _: _end(session, tag, None))
    return [Send(b"+ %s\r\n" % _ERROR)]


def _end(session: "ServerSession", tag: str, account: StoredAccount | None) -> list[Step]:
    if account is None:
        return _said(f"{tag} {_REFUSED}")
    session.account = account
    return _said(f"{tag} OK [CAPABILITY {' '.join(session.capabilities())}] Logged in")


ANY_STATE: dict[str, Answerer] = {"CAPABILITY": _capability, "NOOP": _noop, "LOGOUT": _logout, "ID": _id}
NOT_AUTHENTICATED: dict[str, Answerer] = {"STARTTLS": _starttls, "LOGIN": _login, "AUTHENTICATE": _authenticate}
