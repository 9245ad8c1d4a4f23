"""TLS contexts: for connections that we open and for the doors that others come in by.

Opportunistic TLS (RFC 7435) checks no certificate: the alternative is clear text, and
an MX host's certificate proves nothing without DANE or MTA-STS. Verified TLS is for a
smarthost that the operator named. RFC 8996: nothing below TLS 1.2.
"""

import datetime
import os
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from postroom.base.errors import SettingsError

_SELF_SIGNED_DAYS = 3650
"""Nobody checks it, so nothing is gained by running out."""


class ClientContexts:
    """The contexts of all connections that we open, one per policy: a context costs 0.5 MB and 10 ms."""

    def __init__(self, authorities: Path | None = None) -> None:
        """`authorities` is a PEM file to trust instead of the system's."""
        self.opportunistic = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.opportunistic.check_hostname = False
        self.opportunistic.verify_mode = ssl.CERT_NONE
        self.opportunistic.minimum_version = ssl.TLSVersion.TLSv1_2
        # A weak key still hides more than clear text, which is what follows a failed handshake.
        self.opportunistic.set_ciphers("DEFAULT@SECLEVEL=1")
        self.verified = ssl.create_default_context(cafile=str(authorities) if authorities else None)
        self.verified.minimum_version = ssl.TLSVersion.TLSv1_2


class ServerContext:
    """The context of a door, read again when the certificate or key file changes."""

    def __init__(self, cert: Path, key: Path) -> None:
        """Raises SettingsError when the two files cannot be used."""
        self._cert, self._key = cert, key
        self._stamp = self._look()
        try:
            self._context = self._load()
        except (OSError, ssl.SSLError) as error:
            message = (
                f"POSTROOM_TLS_CERT and POSTROOM_TLS_KEY: {cert} and {key} are no certificate with its key: {error}"
            )
            raise SettingsError(message) from error

    def current(self) -> ssl.SSLContext:
        """Return the context for a new connection.

        Files that do not fit together, as in the middle of a renewal, leave the old one in use.
        """
        stamp = self._look()
        if stamp != self._stamp:
            try:
                self._context = self._load()
            except (OSError, ssl.SSLError):
                return self._context
            self._stamp = stamp
        return self._context

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._cert, self._key)
        return context

    def _look(self) -> tuple[tuple[int, int, int], ...]:
        found = []
        for path in (self._cert, self._key):
            try:
                status = path.stat()
            except OSError:
                found.append((0, 0, 0))
            else:
                found.append((status.st_mtime_ns, status.st_size, status.st_ino))
        return tuple(found)


def self_signed(folder: Path, hostname: str, now: datetime.datetime) -> tuple[Path, Path]:
    """Return a certificate and key file in `folder`, made for `hostname` where they are absent.

    The key file is readable by its owner only. `now` is aware.
    """
    cert_path, key_path = folder / "self-signed.crt", folder / "self-signed.key"
    if cert_path.exists() and key_path.exists():
        return cert_path, key_path
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_SELF_SIGNED_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(hostname)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(key_path, secret, 0o600)
    _write(cert_path, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return cert_path, key_path


def _write(path: Path, data: bytes, mode: int) -> None:
    """Put a whole file in place: it never exists half or with wider rights."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    new.replace(path)
