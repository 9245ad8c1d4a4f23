"""The certificate of the SMTP doors: readable, ours, fitting its key, and not about to run out."""

import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from postroom.app.check.findings import Finding, fail, ok, warn
from postroom.app.check.fitting import is_loopback
from postroom.config import Settings

_AREA = "tls"
_SOON_DAYS = 14
"""ACME clients renew with 30 days left: with 14 a renewal has failed for long."""


def check_certificate(settings: Settings, now: datetime) -> list[Finding]:
    """Look at POSTROOM_TLS_CERT and POSTROOM_TLS_KEY; `now` is aware."""
    if not settings.tls_cert or not settings.tls_key:
        listeners = [one for one in (settings.submission, settings.submissions) if one is not None]
        if all(is_loopback(one.host) for one in listeners):
            return [ok(_AREA, "a self-signed certificate serves the SMTP doors, which are on loopback")]
        remedy = "clients cannot verify it: set POSTROOM_TLS_CERT and POSTROOM_TLS_KEY"
        return [warn(_AREA, "a self-signed certificate serves SMTP doors that others reach", remedy)]
    try:
        return list(_look(settings, now))
    except (OSError, ValueError, TypeError) as error:
        remedy = "both have to be PEM files that this user may read"
        return [fail(_AREA, f"{settings.tls_cert} and {settings.tls_key} cannot be used: {error}", remedy)]


def _look(settings: Settings, now: datetime) -> Iterator[Finding]:
    key_path = Path(settings.tls_key)
    certificate = x509.load_pem_x509_certificates(Path(settings.tls_cert).read_bytes())[0]
    key = load_pem_private_key(key_path.read_bytes(), password=None)
    spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if certificate.public_key().public_bytes(*spki) != key.public_key().public_bytes(*spki):
        yield fail(_AREA, f"{settings.tls_key} is not the key of {settings.tls_cert}", "put the two in place together")
    names = _names(certificate)
    shown = ", ".join(names) or "nobody"
    if not any(_covers(name, settings.hostname.lower()) for name in names):
        remedy = f"get one for {settings.hostname}, or set POSTROOM_HOSTNAME to its name"
        yield warn(_AREA, f"the certificate is for {shown}", remedy)
    left = (certificate.not_valid_after_utc - now).total_seconds() / 86_400
    if left <= 0:
        yield fail(_AREA, f"the certificate ran out {-left:.0f} days ago", "renew it; it is read again on change")
    elif certificate.not_valid_before_utc > now:
        yield fail(_AREA, f"the certificate begins at {certificate.not_valid_before_utc}", "look at the clock")
    elif left < _SOON_DAYS:
        yield warn(_AREA, f"the certificate runs out in {left:.0f} days", "renew it; it is read again on change")
    else:
        yield ok(_AREA, f"the certificate is for {shown} and holds for {left:.0f} days")
    mode = stat.S_IMODE(key_path.stat().st_mode)
    if mode & 0o007:
        yield warn(_AREA, f"{key_path} has the mode {mode:04o}: everybody may read it", f"chmod 640 {key_path}")


def utc(now_ms: int) -> datetime:
    """Return a stored time as an aware one."""
    return datetime.fromtimestamp(now_ms / 1000, UTC)


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return [name.lower() for name in found.value.get_values_for_type(x509.DNSName)]


def _covers(name: str, hostname: str) -> bool:
    # RFC 9525 6.3: a wildcard is the whole first label and stands for one label.
    return name == hostname or (name.startswith("*.") and name[2:] == hostname.partition(".")[2])
