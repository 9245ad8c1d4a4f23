"""A running Postroom that watches the mailboxes of a real IMAP server and tells a receiver."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

from peers.dovecot import Dovecot
from peers.http_receiver import HttpReceiver
from running_server import RunningServer

from postroom.app.stress.installation import Login, install
from postroom.base.clock import SystemClock
from postroom.config import read_settings

NEW_MAIL = "new_mail_webhook"


class WatchingServer(RunningServer):
    """Watches `users` of a Dovecot, whose tags are their names, and tells `receiver` at the paths of its webhooks."""

    def __init__(self, dovecot: Dovecot, users: Sequence[str], receiver: HttpReceiver, **settings: str) -> None:
        super().__init__(initialised=False, allow_private="127.0.0.0/8", **settings)
        self._dovecot = dovecot
        self._users = users
        self._receiver = receiver

    def prepare(self) -> None:
        """Make accounts and webhooks before the first start."""
        super().prepare()
        logins = [Login(user, "secret") for user in self._users]
        settings = read_settings(self.environment())
        clock, port = SystemClock(), self._dovecot.imap_port
        asyncio.run(install(settings, clock, port, logins, lambda name: self._receiver.url(f"/{name}")))

    @property
    def watched(self) -> int:
        """How many accounts are watched now, as far as is written."""
        rows = self.rows("SELECT count(*) FROM account_status WHERE state = 'watching'")
        return int(rows[0][0])

    def told(self) -> list[dict[str, Any]]:
        """Return the bodies of new mail that the receiver was told, each as often as it was."""
        return [one.json for one in self._receiver.received(f"/{NEW_MAIL}")]


class Deliveries:
    """Puts mails into mailboxes at a steady pace from a thread of its own, from the beginning to the end of `with`."""

    def __init__(self, dovecot: Dovecot, users: Sequence[str], per_second: float) -> None:
        self.sent: dict[str, str] = {}
        """Message-ID to user."""
        self._dovecot = dovecot
        self._users = users
        self._pause = 1 / per_second
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="deliveries")

    def __enter__(self) -> "Deliveries":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._ended.wait(self._pause):
            number += 1
            user, name = self._users[number % len(self._users)], f"<{number}@author.test>"
            raw = f"From: a@author.test\r\nSubject: mail {number}\r\nMessage-ID: {name}\r\n\r\nhello {number}\r\n"
            self._dovecot.deliver(user, raw.encode())
            self.sent[name] = user
