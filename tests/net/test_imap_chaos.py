"""The IMAP client with our own server at its worst: every error has a type, and no byte is wrong."""

import asyncio
from collections import Counter
from random import Random

import pytest
from imap_script import dialler

from postroom.app.stress.behaviours import SUPERIMAP_MIX, WORSE
from postroom.app.stress.chaos import Chaos
from postroom.base.clock import SystemClock
from postroom.ledger.account_rows import Security
from postroom.net.imap.client import ImapClient, ImapLimits, ImapServer
from postroom.net.imap.errors import ImapError
from postroom.net.imap.listening import ImapListener
from postroom.net.imap.mailstore import MailStore
from postroom.net.imap.server import ServerRules, ServerSession

LIMITS = ImapLimits(connect=3.0, greeting=0.5, command=0.5, login=0.5, body_bytes=200_000)


async def look_at(client: ImapClient, bodies: set[bytes], seen: Counter[str]) -> None:
    """Do what a watcher does."""
    await client.login("ann", "secret")
    await client.list_mailboxes()
    for _ in range(5):
        await client.examine("INBOX")
        await client.uid_search("UID 1:*")
        for mail in await client.uid_fetch("1:*", ["UID", "RFC822.SIZE", "BODY.PEEK[]"]):
            assert mail.body is None or mail.body in bodies, "a mail has other bytes than the server holds"
            seen["mails"] += 1
        if client.can("IDLE"):
            await client.idle(0.01)
    await client.logout()


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2])
async def test_with_every_fifth_answer_bad_errors_have_types_and_no_byte_is_wrong(seed: int) -> None:
    store, clock = MailStore(), SystemClock()
    inbox = store.add("ann", "secret").inbox
    for number in range(30):
        inbox.append(b"Subject: %d\r\n\r\n" % number + b"x" * number * 3_000, internal_ms=0)
    bodies = {mail.body for mail in inbox.mails}
    rules = ServerRules(store, clock.now_ms, Chaos(Random(seed), 20.0, [*SUPERIMAP_MIX, *WORSE]))
    listener = ImapListener(lambda is_tls: ServerSession(rules, is_tls=is_tls))
    port = await listener.listen()
    errors: Counter[str] = Counter()
    seen: Counter[str] = Counter()

    async def worker() -> None:
        for _ in range(25):
            client: ImapClient | None = None
            try:
                # Nothing waits for ever: a session ends by itself long before this.
                async with asyncio.timeout(30):
                    client = await dialler().connect(ImapServer("127.0.0.1", port, Security.PLAIN), limits=LIMITS)
                    await look_at(client, bodies, seen)
            except ImapError as error:
                errors[type(error).__name__] += 1
            finally:
                if client is not None:
                    client.close()

    await asyncio.gather(*(worker() for _ in range(8)))
    await listener.close()
    assert seen["mails"] > 500
    assert len(errors) >= 5, errors
