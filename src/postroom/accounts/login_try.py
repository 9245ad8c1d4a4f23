"""One login that is tried while somebody waits for it: is there an IMAP server, and does it take the password?"""

import asyncio

from postroom.accounts.autodetect import Tried, Verdict
from postroom.accounts.providers import Service
from postroom.ledger.account_rows import Security
from postroom.net.imap.client import ImapClient, ImapDialler
from postroom.net.imap.dialling import ImapServer
from postroom.net.imap.errors import AddressRefused, AuthRefused, ImapError, ImapLost, Throttled
from postroom.net.imap.link import ImapLimits

_LIMITS = ImapLimits(connect=10.0, greeting=8.0, command=10.0, login=20.0)
"""Some servers answer a wrong password only after many seconds."""
_WHOLE_SECONDS = 30.0
_MOST_WORDS = 300


class LoginTries:
    """Tries logins."""

    def __init__(self, dialler: ImapDialler, *, may_be_plain: bool) -> None:
        """`dialler` refuses addresses that may not be dialled; without `may_be_plain` no login goes without TLS."""
        self._dialler = dialler
        self._may_be_plain = may_be_plain

    async def try_login(self, service: Service, user: str, password: str) -> Tried:
        """Log in and out again, within half a minute. Raises nothing that a server can cause."""
        if service.security is Security.PLAIN and not self._may_be_plain:
            return Tried(Verdict.PRIVATE, "a login without TLS is for networks that the operator opens")
        try:
            async with asyncio.timeout(_WHOLE_SECONDS):
                return await self._try(service, user, password)
        except TimeoutError:
            return Tried(Verdict.AWAY, f"{service} does not answer in time")

    async def _try(self, service: Service, user: str, password: str) -> Tried:
        client: ImapClient | None = None
        try:
            client = await self._dialler.connect(
                ImapServer(service.host, service.port, service.security), limits=_LIMITS
            )
            await client.login(user, password)
            # Some servers take any password, and say only at the first mailbox that there is none.
            await client.examine("INBOX")
        except AddressRefused as error:
            return Tried(Verdict.PRIVATE, _shown(error))
        except AuthRefused as error:
            return Tried(Verdict.REFUSED, _said(error))
        except Throttled as error:
            return Tried(Verdict.LATER, _said(error))
        except ImapLost as error:
            return Tried(Verdict.AWAY, _shown(error))
        except ImapError as error:
            # It took the password: what it cannot do just now is for the watcher to wait for.
            is_in = client is not None and client.is_open
            return Tried(Verdict.TAKEN if is_in else Verdict.AWAY, _shown(error))
        finally:
            if client is not None:
                client.close()
        return Tried(Verdict.TAKEN)


def _said(error: ImapError) -> str:
    """Return the server's own text: the page names the server and what it did."""
    return _printable(error.words)


def _shown(error: ImapError) -> str:
    return _printable(str(error))


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)[:_MOST_WORDS].strip()
