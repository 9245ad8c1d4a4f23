"""Codes of an authenticator (TOTP, RFC 6238): six digits that change every 30 seconds, each taken once."""

import hmac
import secrets

import pyotp

STEP_SECONDS = 30
_DRIFT_STEPS = 1
"""A clock may be wrong by one step in either direction (RFC 6238 5.2)."""
RECOVERY_CODES = 10
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_RECOVERY_LETTERS = 16
_ISSUER = "Postroom"


def new_secret() -> str:
    """Return a new secret of 160 bits as base32 (RFC 4226 4, R6)."""
    return pyotp.random_base32(32)


def address_of(secret: str, name: str, host: str) -> str:
    """Return the otpauth:// address that authenticators read from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=f"{name} ({host})", issuer_name=_ISSUER)


def step_of(secret: str, code: str, now_ms: int, last_step: int) -> int | None:
    """Return the time step whose code this is, or None where it is wrong, too old, or not after `last_step`."""
    digits = "".join(code.split())
    if len(digits) != 6 or not digits.isascii() or not digits.isdigit():
        return None
    now = now_ms // 1000 // STEP_SECONDS
    totp = pyotp.TOTP(secret)
    found = None
    for step in range(now - _DRIFT_STEPS, now + _DRIFT_STEPS + 1):
        if hmac.compare_digest(totp.generate_otp(step), digits) and step > last_step:
            found = step
    return found


def new_recovery_codes() -> list[str]:
    """Return codes of 80 random bits, in groups of four letters to write down."""
    return [
        "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(_RECOVERY_LETTERS // 4))
        for _ in range(RECOVERY_CODES)
    ]


def plain_recovery_code(typed: str) -> str | None:
    """Return a recovery code as it is hashed, however its groups were typed; None for what is none."""
    letters = "".join(typed.lower().replace("-", " ").split())
    if len(letters) != _RECOVERY_LETTERS or not set(letters) <= set(_ALPHABET):
        return None
    return letters
