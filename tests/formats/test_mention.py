"""An address is found wherever it stands in a mail, and nobody else's is taken for it."""

import base64
import quopri
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.mail.mention import CUT, Mention

ADA = Mention("Ada.Lovelace@example.net")


@pytest.mark.parametrize(
    "text",
    [
        "ada.lovelace@example.net",
        "ADA.LOVELACE@EXAMPLE.NET",
        "<Ada.Lovelace@Example.net>",
        "write to ada.lovelace@example.net.",
        "mailto:ada.lovelace@example.net?subject=x",
        "https://shop.test/?email=ada.lovelace%40example.net&x=1",
        '"ada.lovelace@example.net"',
        "'ada.lovelace@example.net'",
    ],
)
def test_an_address_is_found_in_any_letter_case_and_cut(text: str) -> None:
    assert ADA.in_text(text)
    assert ADA.in_mail(text.encode())
    assert "lovelace" not in ADA.cut(text).lower()
    assert CUT in ADA.cut(text)


@pytest.mark.parametrize(
    "text",
    [
        "nada.lovelace@example.net",
        "x+ada.lovelace@example.net",
        "x.ada.lovelace@example.net",
        "ada.lovelace@example.network",
        "ada.lovelace@example.net.au",
        "ada.lovelace@example.net-work.test",
        "lovelace@example.net",
        "ada.lovelace@example.com",
        "",
    ],
)
def test_addresses_of_others_stay(text: str) -> None:
    assert not ADA.in_text(text)
    assert not ADA.in_mail(text.encode())
    assert ADA.cut(text) == text


SENTENCE = b"Dear Ada, you have signed up as ada.lovelace@example.net; if this was not you, tell us. " * 3


@pytest.mark.parametrize(
    "raw",
    [
        base64.encodebytes(SENTENCE).replace(b"\n", b"\r\n"),
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(SENTENCE).replace(b"\n", b"\r\n") + b"--b--",
        b"word " + base64.b64encode(SENTENCE),
        quopri.encodestring(SENTENCE).replace(b".", b"=2E").replace(b"\n", b"\r\n"),
        b"ada.love=\r\nlace=40exam=\r\nple.net",
        b"Subject: =?utf-8?B?" + base64.b64encode(b"for ada.lovelace@example.net") + b"?=\r\n",
        b"Subject: =?utf-8?Q?for_ada=2Elovelace=40example=2Enet?=\r\n",
        b"http://x.test/" + quote("ADA.lovelace@example.net", safe="").encode(),
        base64.encodebytes(quopri.encodestring(SENTENCE).replace(b"@", b"=40")),
    ],
)
def test_an_address_is_found_in_every_encoding(raw: bytes) -> None:
    assert ADA.in_mail(raw)


def test_a_domain_is_found_in_both_its_forms() -> None:
    mention = Mention("ada@xn--bcher-kva.example")
    assert mention.in_text("Ada@bücher.example")
    assert mention.in_mail("ada@xn--bcher-kva.example and ada@bücher.example".encode())


@given(st.binary(max_size=400))
def test_any_bytes_can_be_searched(raw: bytes) -> None:
    ADA.in_mail(raw)
    assert ADA.in_mail(raw + b" <ada.lovelace@example.net> ") is True


@given(st.binary(max_size=120), st.integers(min_value=0, max_value=3))
def test_base64_is_found_wherever_it_begins(before: bytes, skew: int) -> None:
    encoded = base64.b64encode(b"z" * skew + b" ada.lovelace@example.net " + before)
    assert ADA.in_mail(b"X: y\r\n\r\n" + encoded + b"\r\n")
