"""Contexts of doors and of connections that we open."""

import contextlib
import datetime
import os
import shutil
import ssl
import stat
from pathlib import Path

import pytest
import trustme
from cryptography import x509

from postroom.base.errors import SettingsError
from postroom.net.tls import ClientContexts, ServerContext, self_signed

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def shown_certificate(context: ssl.SSLContext) -> str:
    """Shake hands in memory and return the common name or first name that the door shows."""
    client_in, client_out, server_in, server_out = (ssl.MemoryBIO() for _ in range(4))
    client = ClientContexts().opportunistic.wrap_bio(client_in, client_out, server_hostname="door.test")
    server = context.wrap_bio(server_in, server_out, server_side=True)
    for _ in range(5):
        for side in (client, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
            server_in.write(client_out.read())
            client_in.write(server_out.read())
    shown = client.getpeercert(binary_form=True)
    assert shown is not None
    names = x509.load_der_x509_certificate(shown).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return names.value.get_values_for_type(x509.DNSName)[0]


def put(authority: trustme.CA, name: str, cert: Path, key: Path) -> None:
    made = authority.issue_cert(name)
    cert.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    made.private_key_pem.write_to_path(str(key))


def test_a_self_signed_certificate_is_made_once_and_its_key_is_for_the_owner_only(tmp_path: Path) -> None:
    cert, key = self_signed(tmp_path, "mail.example.com", NOW)
    before = key.read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert self_signed(tmp_path, "other.example.com", NOW) == (cert, key)
    assert key.read_bytes() == before
    assert shown_certificate(ServerContext(cert, key).current()) == "mail.example.com"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["self-signed.crt", "self-signed.key"]


@pytest.mark.parametrize("name", ["localhost.localdomain", "x" * 63 + ".example.com"])
def test_a_host_name_of_any_length_gets_a_certificate(tmp_path: Path, name: str) -> None:
    cert, key = self_signed(tmp_path, name, NOW)
    assert shown_certificate(ServerContext(cert, key).current()) == name


def test_a_renewed_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    authority, cert, key = trustme.CA(), tmp_path / "cert", tmp_path / "key"
    put(authority, "old.test", cert, key)
    door = ServerContext(cert, key)
    assert shown_certificate(door.current()) == "old.test"
    assert door.current() is door.current()
    put(authority, "new.test", cert, key)
    os.utime(cert, ns=(1, 1))
    assert shown_certificate(door.current()) == "new.test"


def test_files_that_do_not_fit_together_leave_the_old_certificate_in_use(tmp_path: Path) -> None:
    authority, cert, key = trustme.CA(), tmp_path / "cert", tmp_path / "key"
    put(authority, "old.test", cert, key)
    door = ServerContext(cert, key)
    put(authority, "new.test", cert, tmp_path / "new-key")
    assert shown_certificate(door.current()) == "old.test"
    cert.unlink()
    assert shown_certificate(door.current()) == "old.test"
    put(authority, "new.test", cert, tmp_path / "new-key")
    shutil.copy(tmp_path / "new-key", key)
    assert shown_certificate(door.current()) == "new.test"


def test_files_that_are_no_certificate_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / "cert").write_text("hello")
    with pytest.raises(SettingsError, match="POSTROOM_TLS_CERT"):
        ServerContext(tmp_path / "cert", tmp_path / "key")


def test_nothing_below_tls_1_2_is_spoken() -> None:
    contexts = ClientContexts()
    for context in (contexts.opportunistic, contexts.verified):
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert contexts.opportunistic.verify_mode is ssl.CERT_NONE
    assert contexts.verified.check_hostname
