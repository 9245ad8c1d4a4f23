"""Logging in: LOGIN and AUTHENTICATE. RFC 9051 6.2.2, 6.2.3; RFC 4959 (SASL-IR), RFC 7628, XOAUTH2."""

import base64

from postroom.net.imap import refusals, sasl
from postroom.net.imap.abilities import claims, literal_support
from postroom.net.imap.encode import CannotEncode, Part, string
from postroom.net.imap.errors import AuthRefused, NotOffered
from postroom.net.imap.link import ImapLink
from postroom.net.imap.session import Running


async def login(link: ImapLink, server: str, user: str, password: str, seconds: float) -> None:
    """LOGIN, or AUTHENTICATE where LOGIN is disabled or the text is not ASCII. Raises as `refusals`."""
    capabilities = link.session.capabilities
    mechanism = next((name for name in ("PLAIN", "LOGIN") if f"AUTH={name}" in capabilities), None)
    is_disabled = "LOGINDISABLED" in capabilities
    if is_disabled and mechanism is None:
        raise NotOffered(f"{server} takes no password on this connection (LOGINDISABLED)")
    # What is not ASCII has no charset in LOGIN (RFC 9051 6.2.3); PLAIN says UTF-8.
    if mechanism is not None and (is_disabled or not (user + password).isascii()):
        await authenticate(link, server, mechanism, user, password, seconds)
        return
    try:
        words: tuple[Part, ...] = (string(user), string(password))
    except CannotEncode as error:
        raise AuthRefused(f"user name and password for {server} hold what no login can say") from error
    session = link.session
    literals = literal_support(capabilities, frozenset())
    running = await link.finish(session.start("LOGIN", *words, literals=literals), seconds=seconds)
    _judge(server, running, "")


async def authenticate(link: ImapLink, server: str, mechanism: str, user: str, secret: str, seconds: float) -> None:
    """AUTHENTICATE by a mechanism of `sasl`; the response goes with the command where the server takes it."""
    name = mechanism.upper()
    make = sasl.MECHANISMS.get(name)
    if make is None:
        raise NotOffered(f"SASL mechanism {name} is not known")
    try:
        exchange = make(user, secret)
    except ValueError as error:
        raise AuthRefused(f"user name and secret for {server} hold what {name} cannot say") from error
    session = link.session
    parts: list[Part] = [name.encode("ascii")]
    if exchange.initial is not None:
        if claims(session.capabilities, "SASL-IR"):
            # RFC 4959 3: an empty response is a single `=`.
            parts.append(base64.b64encode(exchange.initial) or b"=")
        else:
            exchange.prepared.insert(0, exchange.initial)
    running = await link.finish(session.start("AUTHENTICATE", *parts, sasl=exchange), seconds=seconds)
    _judge(server, running, exchange.failure)


def _judge(server: str, running: Running, failure: str) -> None:
    end = running.end
    if end is None or running.is_ok:
        return
    code = end.code.name if end.code is not None else ""
    said = f"{server} refuses the login"
    raise refusals.login_refusal(said, end.text, code, failure, is_bad=end.status == "BAD")
