"""Handing a mail in at an account's own SMTP server, with the account's own login.

Whoever made the account named the host: its addresses are checked before any
connection (`net.address_guard`), and a password goes out under TLS with a
certificate for the host's name, or in clear to a private address that the
operator allowed (`Security.PLAIN`).
"""

from typing import Protocol

from postroom.accounts.credentials import Bearer, Password
from postroom.accounts.providers import Service
from postroom.ledger.account_rows import Security
from postroom.mail.envelope import BodyType, Envelope, EnvelopeRecipient
from postroom.mail.smtp_reply import SmtpReply
from postroom.net.address_guard import Network, allowed
from postroom.net.dns import Answer, Status
from postroom.net.smtp.client import ClientSettings, Endpoint, connect
from postroom.net.smtp.dialogue import Credentials as SmtpCredentials
from postroom.net.smtp.dialogue import Phase, Refused, SmtpTimeouts, TlsPolicy
from postroom.net.smtp.transaction import CannotSay, Sent
from postroom.net.tls import ClientContexts

_MOST_ADDRESSES = 3
_TIMEOUTS = SmtpTimeouts(connect=15, greeting=60, command=60, data=60, block=60, final=120)


class Addresses(Protocol):
    """Finds the addresses of a host (`net.dns.Resolver`)."""

    async def host_addresses(self, name: str) -> Answer[str]:
        """Return the addresses of a host that somebody named."""
        ...


class AccountSmtp:
    """The way out by accounts' own servers. One per process; it keeps no connections."""

    def __init__(
        self, addresses: Addresses, contexts: ClientContexts, allow_private: tuple[Network, ...], hostname: str
    ) -> None:
        self._addresses = addresses
        self._contexts = contexts
        self._allow_private = allow_private
        self._settings = ClientSettings(hostname, _TIMEOUTS)

    async def send(self, server: Service, login: Password | Bearer, address: str, to: str, raw: bytes) -> str:
        """Hand one mail from `address` in for one recipient; return why it was not taken, or the empty text."""
        try:
            dialled = await self._checked(server)
        except _Refused as error:
            return str(error)
        why = ""
        for one in dialled:
            opened = await connect(_endpoint(server, one, login), self._settings, self._contexts)
            if not isinstance(opened, Refused):
                body = BodyType.SEVEN_BIT if raw.isascii() else BodyType.EIGHT_BIT
                utf8 = not (address + to).isascii()
                envelope = Envelope(address, (EnvelopeRecipient(to),), body, utf8)
                try:
                    return _ending(server, await opened.send(envelope, (raw,), len(raw), _Unwritten()))
                except CannotSay as error:
                    return str(error)
                finally:
                    opened.quit()
            why = _refusal(server, opened)
            if opened.phase is not Phase.CONNECT:
                break
        return why

    async def _checked(self, server: Service) -> list[str]:
        answer = await self._addresses.host_addresses(server.host)
        if answer.status is Status.TEMPORARY_FAILURE or not answer.records:
            raise _Refused(answer.reason or f"DNS knows no address of {server.host}")
        found = [one for one in answer.records if allowed(one, self._allow_private)]
        if not found:
            raise _Refused(
                f"{server.host} leads to {answer.records[0]}, inside a network that may not be dialled "
                "(the operator opens networks with POSTROOM_ALLOW_PRIVATE)"
            )
        if server.security is Security.PLAIN and any(allowed(one) for one in found):
            raise _Refused(f"{server.host} is a public host: a login goes there under TLS only")
        return found[:_MOST_ADDRESSES]


class _Refused(Exception):
    pass


class _Unwritten:
    """A journal of mail that nobody misses when this process dies."""

    def before_final_dot(self) -> bool:
        return True

    def after_reply(self, reply: SmtpReply) -> None:
        pass


def _endpoint(server: Service, address: str, login: Password | Bearer) -> Endpoint:
    secret = login.token if isinstance(login, Bearer) else login.password
    return Endpoint(
        server.host,
        address,
        server.port,
        TlsPolicy.NONE if server.security is Security.PLAIN else TlsPolicy.VERIFY,
        server.security is Security.TLS,
        SmtpCredentials(login.user, secret, isinstance(login, Bearer)),
    )


def _ending(server: Service, sent: Sent) -> str:
    ended = sent.recipients[0]
    if ended.reply is not None and ended.reply.is_success and ended.phase is Phase.FINAL_DOT:
        return ""
    if ended.reply is not None:
        return f"{server} said: {ended.reply}"
    return sent.trouble.text if sent.trouble is not None else f"{server} did not answer"


def _refusal(server: Service, refused: Refused) -> str:
    if refused.reply is not None:
        return f"{server} said: {refused.reply}"
    return refused.trouble.text if refused.trouble is not None else f"{server} did not answer"
