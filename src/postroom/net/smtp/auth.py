"""AUTH: the SASL exchanges PLAIN and LOGIN, and the price of failing.

RFC 4954 (AUTH), RFC 4616 (PLAIN); LOGIN has no RFC and is what old clients speak.
"""

import base64
import binascii
from collections import OrderedDict
from dataclasses import dataclass

from postroom.net.smtp.door import network_of

LONGEST_DELAY_SECONDS = 30.0
_FORGIVE_SECONDS = 300.0
"""One failure is forgiven after this time without another."""
_MAX_WAIT_SECONDS = 60.0
"""Sessions that would queue up longer than this behind others are refused at once."""
_MAX_FAILURES = 8


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client claims to be."""

    username: str
    password: str


@dataclass(frozen=True, slots=True)
class Challenge:
    """What is asked next, before base64."""

    text: bytes

    def to_wire(self) -> bytes:
        """Return the 334 reply (RFC 4954 4)."""
        return b"334 " + base64.b64encode(self.text) + b"\r\n"


class BadResponse(Exception):
    """The client's response is not base64 or not of the mechanism's form."""


class SaslExchange:
    """One AUTH command. Give `step` the responses, still in base64, until it returns Credentials."""

    def __init__(self, mechanism: str) -> None:
        """`mechanism` is PLAIN or LOGIN."""
        self._mechanism = mechanism
        self._username: str | None = None

    def step(self, response: bytes | None) -> Challenge | Credentials:
        """Take a response, or None where the command had no initial one. Raises BadResponse."""
        if self._mechanism == "PLAIN":
            return Challenge(b"") if response is None else _plain(_decoded(response))
        if response is None:
            return Challenge(b"Username:")
        text = _text(_decoded(response))
        if self._username is None:
            self._username = text
            return Challenge(b"Password:")
        return Credentials(self._username, text)


def _plain(raw: bytes) -> Credentials:
    parts = raw.split(b"\0")
    if len(parts) != 3 or not parts[1] or not parts[2]:
        raise BadResponse
    # Acting for somebody else (an authorization identity) is not offered.
    if parts[0] and parts[0] != parts[1]:
        raise BadResponse
    return Credentials(_text(parts[1]), _text(parts[2]))


def _decoded(response: bytes) -> bytes:
    if response == b"=":  # an empty initial response, RFC 4954 4
        return b""
    try:
        return base64.b64decode(response, validate=True)
    except binascii.Error as error:
        raise BadResponse from error


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadResponse from error


@dataclass(slots=True)
class _Record:
    failures: int
    last: float
    free_at: float


class FailureDelays:
    """How long an attempt to authenticate has to wait, by address and by login.

    After n failures attempts from one address, or for one login, are 0, 1, 2, 4 … 30
    seconds apart; parallel sessions queue up, so opening more of them gains nothing. A failure
    is forgiven after five quiet minutes. A login that has succeeded from an address
    does not wait there until it fails there, so nobody is locked out by the
    attempts of others. Kept in memory, the least recently used go first.
    """

    def __init__(self, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._known_good: OrderedDict[tuple[str, str], None] = OrderedDict()
        self.failures = 0
        """Failed attempts since the start."""

    def __len__(self) -> int:
        """How many addresses and logins are remembered."""
        return len(self._records) + len(self._known_good)

    def reserve(self, address: str, username: str, now: float) -> float | None:
        """Return the seconds to wait before the check, or None where the queue is too long.

        `now` is monotonic seconds. The returned time is taken: the next one comes after it.
        """
        if (network_of(address), username) in self._known_good:
            return 0.0
        waits = [self._wait(key, now) for key in _keys(address, username)]
        wait = max(waits)
        if wait > _MAX_WAIT_SECONDS:
            return None
        for key in _keys(address, username):
            record = self._records.get(key)
            if record is not None:
                record.free_at = max(record.free_at, now + wait + self._pause(record, now))
        return wait

    def failed(self, address: str, username: str, now: float) -> None:
        """Note a failed attempt."""
        self.failures += 1
        self._known_good.pop((network_of(address), username), None)
        for key in _keys(address, username):
            record = self._records.pop(key, None) or _Record(0, now, now)
            failures = min(self._standing(record, now) + 1, _MAX_FAILURES)
            fresh = _Record(failures, now, record.free_at)
            fresh.free_at = max(record.free_at, now + self._pause(fresh, now))
            self._records[key] = fresh
        while len(self._records) > self._capacity:
            self._records.popitem(last=False)

    def succeeded(self, address: str, username: str) -> None:
        """Note that this login works from this address."""
        key = (network_of(address), username)
        self._known_good[key] = None
        self._known_good.move_to_end(key)
        if len(self._known_good) > self._capacity:
            self._known_good.popitem(last=False)

    def _wait(self, key: str, now: float) -> float:
        record = self._records.get(key)
        return 0.0 if record is None or self._standing(record, now) == 0 else max(0.0, record.free_at - now)

    @staticmethod
    def _standing(record: _Record, now: float) -> int:
        return max(0, record.failures - int((now - record.last) / _FORGIVE_SECONDS))

    def _pause(self, record: _Record, now: float) -> float:
        failures = self._standing(record, now)
        return 0.0 if failures < 2 else min(LONGEST_DELAY_SECONDS, 2.0 ** (failures - 2))


def _keys(address: str, username: str) -> tuple[str, str]:
    return f"a {network_of(address)}", f"u {username}"
