"""Passwords of operators: argon2id, computed on threads for slow work.

Only people's passwords are hashed so; keys that we make are random (`base.secrets`).
"""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from postroom.base.errors import TryLater, WrongInput
from postroom.base.threads import Threads

SHORTEST = 10
_MOST_AT_ONCE = 10
"""A flood of logins must not take the threads from mail that comes in."""
LONGEST = 1000
"""Nobody makes us hash a novel."""


class Passwords:
    """Hashes and checks. RFC 9106 4, second recommended option: 64 MiB, three passes."""

    def __init__(self, slow: Threads, hasher: PasswordHasher | None = None) -> None:
        """`hasher`: a cheaper one is for tests."""
        self._slow = slow
        self._hasher = hasher or PasswordHasher()
        self._nobody = ""
        self._running = 0

    async def hash(self, password: str) -> str:
        """Return what is stored of a password. Raises TryLater where too many wait."""
        return await self._slow.run(lambda: self._hasher.hash(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether a password is right; None (nobody of that name) takes as long. Raises TryLater."""
        if self._running >= _MOST_AT_ONCE:
            raise TryLater("too many log in at once")
        self._running += 1
        try:
            return await self._slow.run(lambda: self._verify(stored, password))
        finally:
            self._running -= 1

    def _verify(self, stored: str | None, password: str) -> bool:
        if not self._nobody:
            self._nobody = self._hasher.hash("nobody's")
        try:
            right = self._hasher.verify(stored or self._nobody, password[:LONGEST])
        except (VerificationError, InvalidHashError):
            return False
        return right and stored is not None


def check_password(password: str, name: str, *, field: str = "password") -> str:
    """Return a new password where it will do. Raises WrongInput."""
    if len(password) < SHORTEST:
        raise WrongInput(field, f"a password has at least {SHORTEST} characters; a sentence is easy to remember")
    if len(password) > LONGEST:
        raise WrongInput(field, f"a password has at most {LONGEST} characters")
    if password.casefold() == name.casefold() or len(set(password)) < 4:
        raise WrongInput(field, "this password is too easy to guess; take a sentence that only you would say")
    return password
