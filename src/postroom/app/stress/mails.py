"""Mails that are put into mailboxes while nodes watch, and what is known of each."""

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from postroom.net.imap.mailstore import StoredAccount, StoredMail

_LARGE_SHARE = 0.002
_LARGE_BYTES = 1_200_000
"""Above what is fetched by default: told without its bytes."""
_TWIN_SHARE = 0.01
"""Mails with the Message-ID of another one, as lists and forwarders make them."""
_ODD_DATES_MS = (915_148_800_000, 4_070_908_800_000)
"""1999 and 2099: what INTERNALDATE says must not matter."""
_WORDS = ("order", "invoice", "Grüße", "naïve", "日本", "report", "re:", "meeting", "ответ", "smile 🙂")
_GAP = 5_000


@dataclass(frozen=True, slots=True)
class Generated:
    """One mail that was put into a mailbox."""

    tag: str
    """Of the account."""
    message_id: str
    digest: str
    """SHA-256 of its bytes, hexadecimal."""
    is_large: bool
    at: float
    """Monotonic seconds."""
    stored: StoredMail


class Generator:
    """Makes mails, each other than all before, and remembers them."""

    def __init__(self, random: Random, now_ms: Callable[[], int], monotonic: Callable[[], float]) -> None:
        self._random = random
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._recent: deque[str] = deque(maxlen=50)
        self.generated: list[Generated] = []

    def put_into(self, account: StoredAccount) -> Generated:
        """Put a new mail into an account's INBOX and return it. The account's name is its tag."""
        random, number = self._random, len(self.generated)
        is_large = random.random() < _LARGE_SHARE
        is_twin = bool(self._recent) and random.random() < _TWIN_SHARE and not is_large
        message_id = random.choice(self._recent) if is_twin else f"<{number}.{random.getrandbits(48):x}@stress.test>"
        self._recent.append(message_id)
        body = _mail(random, account.user, number, message_id, is_large)
        internal_ms = random.choice(_ODD_DATES_MS) if random.random() < _TWIN_SHARE else self._now_ms()
        at = self._monotonic()
        gap = random.randrange(_GAP) if random.random() < _TWIN_SHARE else 0
        stored = account.inbox.append(body, internal_ms=internal_ms, gap=gap)
        made = Generated(account.user, message_id, hashlib.sha256(body).hexdigest(), is_large, at, stored)
        self.generated.append(made)
        return made


def _mail(random: Random, user: str, number: int, message_id: str, is_large: bool) -> bytes:
    subject = " ".join(random.choices(_WORDS, k=3))
    lines = [
        f"Received: from stress.test by mx.stress.test; {number}".encode(),
        b"From: Stress <stress@stress.test>",
        f"To: {user}".encode(),
        # Eight bits in a header field, which RFC 5322 forbids and mailboxes are full of.
        b"Subject: " + (subject.encode() if random.random() < 0.5 else subject.encode("latin-1", "replace")),
        f"Message-ID: {message_id}".encode(),
        f"X-Number: {number}".encode(),
        b"MIME-Version: 1.0",
        b"Content-Type: text/plain; charset=utf-8",
        b"",
    ]
    size = _LARGE_BYTES if is_large else int(random.paretovariate(1.2) * 200)
    body = random.randbytes(min(size, 60_000)).replace(b"\n", b"a").replace(b"\0", b"b")
    if is_large:
        body = (b"y" * 76 + b"\r\n") * (_LARGE_BYTES // 78)
    ends = random.choice((b"\r\n", b"\r\n", b"", b")\r\n", b"\n", b"A1 OK Done\r\n", b"{400}\r\n"))
    return b"\r\n".join(lines) + b"\r\n" + body + ends
