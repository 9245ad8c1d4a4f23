"""Who handed a mail to the MTA in front of us, by the Received field that this MTA wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.mail.border import BorderClient, border_client

POSTFIX = (
    b"from %s (unknown [192.0.2.7])\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n"
    b'\t key-exchange X25519)\r\n\t(Client CN "[198.51.100.1]", Issuer "x" (not verified))\r\n'
    b"\tby mx.shop.test (Postfix) with ESMTPS id 4XyzA1\r\n\tfor <a@shop.test>; Mon, 23 Nov 2026 08:00:00 +0000 (UTC)"
)
FILTER = (
    b"from mx.shop.test ([127.0.0.1])\r\n\tby localhost (mx.shop.test [127.0.0.1]) (amavis) with ESMTP\r\n\tid x; d"
)
AGAIN = b"from localhost (localhost [IPv6:::1])\r\n\tby mx.shop.test (Postfix) with ESMTP id y; d"
STRANGER = b"from good.test (good.test [203.0.113.5]) by evil.test (Postfix) with ESMTP; d"


def client(*fields: bytes) -> BorderClient | None:
    return border_client([b"Received: " + field + b"\r\n" for field in fields])


@pytest.mark.parametrize(
    ("field", "address", "helo"),
    [
        (POSTFIX % b"mail.sender.test", "192.0.2.7", "mail.sender.test"),
        (POSTFIX % b"[198.51.100.1]", "192.0.2.7", "[198.51.100.1]"),
        (b"from a.test (b.test [IPv6:2001:db8::7]) by mx (Postfix) with SMTP id 1; d", "2001:db8::7", "a.test"),
        (b"from a.test (b.test [192.0.2.7] (may be forged)) by mx (8.17) with ESMTP; d", "192.0.2.7", "a.test"),
        (b"from b.test ([192.0.2.7] helo=a.test)\r\n\tby mx with esmtps (Exim 4.96); d", "192.0.2.7", "a.test"),
        (b"from b.test ([192.0.2.7]:20 helo=[198.51.100.1]) by x with smtp (Exim 4); d", "192.0.2.7", "[198.51.100.1]"),
        (b"from [192.0.2.7] (helo=[198.51.100.1])\r\n\tby mx with esmtp (Exim 4.96); d", "192.0.2.7", "[198.51.100.1]"),
        (b"from [192.0.2.7] (port=2048 helo=a.test) by mx with esmtps (Exim 4); d", "192.0.2.7", "a.test"),
        (b"from unknown (HELO a.test) (192.0.2.7)\r\n  by 0 with SMTP; d", "192.0.2.7", "a.test"),
        (b"from b.test (x@192.0.2.7) by mx with SMTP; d", "192.0.2.7", ""),
    ],
)  # fmt: skip
def test_each_mta_says_whom_it_had_a_mail_from(field: bytes, address: str, helo: str) -> None:
    assert client(field, STRANGER) == BorderClient(address, helo)


def test_filters_on_the_mtas_own_machine_are_passed_over() -> None:
    assert client(AGAIN, FILTER, POSTFIX % b"a.test", STRANGER) == BorderClient("192.0.2.7", "a.test")
    by_qmail = b"from a.test (HELO b.test) (192.0.2.7) by 0 with SMTP; d"
    assert client(b"(qmail 12 invoked from network); d", by_qmail) == BorderClient("192.0.2.7", "b.test")


@pytest.mark.parametrize(
    "field",
    [
        b"by mx.shop.test (Postfix, from userid 1000) id 4Xyz; d",
        b"(qmail 12 invoked by uid 1000); d",
        b"from www-data by mx with local (Exim 4.96) id 1; d",
        b"from imap.provider.test [192.0.2.7] by localhost with IMAP (fetchmail-6.4) for <a@b> (single-drop); d",
        b"from a.test (b.test [192.0.2.7]) (Authenticated sender: ann) by mx (Postfix) with ESMTPSA id 1; d",
        b"from a.test ([x=1] [192.0.2.7]) by mx with ESMTP; d",
        b"from a.test (999.1.1.1) by mx with SMTP; d",
        b"",
    ],
)
def test_a_field_that_names_no_client_of_an_mta_lets_no_stranger_speak(field: bytes) -> None:
    assert client(field, STRANGER) is None
    assert client(AGAIN, field, STRANGER) is None


WORDS = ["[198.51.100.1]", "198.51.100.1", "helo=", "ident=", "HELO", "by", "with", "SMTP", "IPv6:", "[", "]", "=", "x"]


@given(
    st.sampled_from(
        [
            'from {0} (unknown [192.0.2.7]) (Client CN "{0}", Issuer "{0}" (no)) by mx (Postfix) with ESMTPS; d',
            "from {0} (b.test [192.0.2.7]) by mx (8.17) with ESMTP; d",
            "from {0} ({0}@b.test [192.0.2.7]) by mx (8.17) with ESMTP; d",
            "from b.test ([192.0.2.7] helo={0} ident={0}) by mx with esmtp (Exim 4.96) (envelope-from <{0}@x>); d",
            "from [192.0.2.7] (port=2048 helo={0}) by mx with esmtp (Exim 4.96); d",
            "from [192.0.2.7] (ident={0}) by mx with esmtp (Exim 4.96); d",
            "from unknown (HELO {0}) ({0}@192.0.2.7) by 0 with SMTP; d",
        ]
    ),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map("".join),
)
def test_no_client_says_that_it_is_another_one(form: str, word: str) -> None:
    found = client(form.format(word).encode(), STRANGER)
    assert found is None or found.address == "192.0.2.7"


def test_without_a_field_nobody_is_known() -> None:
    assert border_client([b"Subject: x\r\n"]) is None


@given(st.binary(max_size=300))
def test_any_field_is_read(body: bytes) -> None:
    client(body)
    client(b"from " + body + b" by mx with SMTP")
