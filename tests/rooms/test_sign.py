"""Signing copies: what other implementations say about our signatures."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dkim
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peers.opendkim import verify_all
from peers.require import require_peer

from postroom.base.errors import SettingsError
from postroom.mail.address_list import Mailbox
from postroom.mail.compose import Draft, compose
from postroom.mail.dkim.relaxed import body_sha256
from postroom.mail.dkim.signature import Algorithm
from postroom.mail.header import split_header
from postroom.mail.parse import with_crlf
from postroom.outbound.sign import SigningKey, load_key, new_ed25519_key, new_rsa_key, sign

SIGNED_AT = 1_767_225_600
MAIL = (
    b"From: Ada <ada@example.test>\r\nTo: bob@example.net,\r\n\tcarol@example.net\r\nSubject:  Two   words \r\n"
    b"Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@example.test>\r\n\r\nHello \t world \r\n\r\n.\r\n\r\n"
)


@pytest.fixture(scope="module")
def keys() -> list[SigningKey]:
    return [
        load_key("example.test", "rsa1", new_rsa_key()),
        load_key("example.test", "ed1", new_ed25519_key()),
    ]


def records(keys: list[SigningKey]) -> dict[str, str]:
    return {f"{key.selector}._domainkey.{key.domain}": key.record_text() for key in keys}


def signed(mail: bytes, keys: list[SigningKey]) -> bytes:
    header, body = split_header(mail)
    header = [field if field.endswith(b"\r\n") else field + b"\r\n" for field in header]
    fields = sign(header, body_sha256(mail[body:]), keys, SIGNED_AT)
    sent = b"".join((*fields, *header, b"\r\n", mail[body:]))
    return sent if sent.endswith(b"\r\n") else sent + b"\r\n"


def verified_by_dkimpy(mail: bytes, keys: list[SigningKey]) -> list[bool]:
    published = records(keys)

    def look_up(name: bytes, timeout: int = 5) -> bytes:
        return published[name.decode().rstrip(".")].encode()

    def verify(number: int) -> bool:
        try:
            return bool(dkim.DKIM(mail).verify(number, dnsfunc=look_up))
        except dkim.ValidationError:
            return False

    return [verify(number) for number in range(len(keys))]


def test_dkimpy_accepts_the_rsa_and_the_ed25519_signature(keys: list[SigningKey]) -> None:
    assert verified_by_dkimpy(signed(MAIL, keys), keys) == [True, True]


def test_opendkim_accepts_the_rsa_signature(keys: list[SigningKey]) -> None:
    require_peer("opendkim")
    [verdicts] = verify_all([signed(MAIL, keys[:1])], records(keys[:1]))
    assert [(verdict.algorithm, verdict.result) for verdict in verdicts] == [("rsa-sha256", "pass")]


@pytest.mark.parametrize(
    "change",
    [
        lambda mail: mail.replace(b"Hello", b"Hallo"),
        lambda mail: mail.replace(b"Two", b"2"),
        lambda mail: b"Subject: another one\r\n" + mail,
        lambda mail: b"Reply-To: mallory@example.org\r\n" + mail,
        lambda mail: b"Content-Type: text/html\r\n" + mail,
    ],
)
def test_a_changed_or_added_field_or_word_breaks_the_signature(keys: list[SigningKey], change: object) -> None:
    changed = change(signed(MAIL, keys))  # type: ignore[operator]
    assert verified_by_dkimpy(changed, keys) == [False, False]


def test_the_same_copy_gets_the_same_fields_again(keys: list[SigningKey]) -> None:
    header, body = split_header(MAIL)
    digest = body_sha256(MAIL[body:])
    assert sign(header, digest, keys, SIGNED_AT) == sign(header, digest, keys, SIGNED_AT)


def test_a_domain_without_keys_gets_no_signature() -> None:
    assert sign([b"From: a@b\r\n"], b"x" * 32, [], SIGNED_AT) == []


def real_mails(corpora: Path, folder: str) -> list[bytes]:
    files = sorted(path for path in (corpora / folder).rglob("*") if path.suffix in (".eml", ".html"))
    if folder == "newsletters":
        return [with_crlf(path.read_bytes()) for path in files]
    author = Mailbox("ada@example.test", "Ada")
    return [
        compose(Draft(author, html=path.read_text("utf-8", "replace")), date_ms=SIGNED_AT * 1000).content
        for path in files
    ]


@pytest.mark.parametrize(("folder", "count"), [("newsletters", 120), ("templates", 44)])
def test_every_real_mail_is_accepted_by_dkimpy_and_opendkim(
    corpora: Path, keys: list[SigningKey], folder: str, count: int
) -> None:
    require_peer("opendkim")
    mails = real_mails(corpora, folder)
    assert len(mails) == count
    for mail in mails:
        assert verified_by_dkimpy(signed(mail, keys), keys) == [True, True]
    rsa = [signed(mail, keys[:1]) for mail in mails]
    verdicts = verify_all(rsa, records(keys[:1]))
    assert [[verdict.result for verdict in of_one] for of_one in verdicts] == [["pass"]] * count


PIECES = (b" ", b"\t", b"\r\n", b".", b"word", b"\xff\xfe", b"  \r\n", b"\r\n\r\n")


@settings(max_examples=40)
@given(st.lists(st.sampled_from(PIECES)).map(b"".join))
def test_any_body_verifies(keys: list[SigningKey], body: bytes) -> None:
    mail = b"From: ada@example.test\r\n\r\n" + body
    assert verified_by_dkimpy(signed(mail, keys[1:]), keys[1:]) == [True]


def test_threads_may_share_a_key(keys: list[SigningKey]) -> None:
    header, body = split_header(MAIL)
    digest = body_sha256(MAIL[body:])
    barrier = threading.Barrier(4)

    def run() -> list[bytes]:
        barrier.wait(timeout=30)
        return [field for _ in range(20) for field in sign(header, digest, keys, SIGNED_AT)]

    with ThreadPoolExecutor(4) as pool:
        results = [future.result() for future in [pool.submit(run) for _ in range(4)]]
    assert results == [results[0]] * 4


def test_a_key_that_is_none_is_told_by_its_name() -> None:
    with pytest.raises(SettingsError, match=r"sel\._domainkey\.example\.test"):
        load_key("example.test", "sel", b"junk")


def test_a_loaded_key_knows_its_algorithm(keys: list[SigningKey]) -> None:
    assert [key.algorithm for key in keys] == [Algorithm.RSA, Algorithm.ED25519]
