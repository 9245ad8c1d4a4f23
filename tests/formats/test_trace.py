"""Trace fields on top of mail that comes in, and loops."""

import email

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.mail.header import field_name, split_header
from postroom.mail.hops import is_loop
from postroom.mail.trace import (
    Arrival,
    as_received,
    protocol_name,
    received_field,
    return_path_field,
)

HERE = "mail.example.com"
AT_MS = 1_767_225_600_000


def arrival(**changes: str) -> Arrival:
    told = {
        "protocol": "ESMTPS",
        "helo": "mx.example.net",
        "peer": "192.0.2.7",
        "tls": "TLSv1.3 TLS_AES_256_GCM_SHA384",
    }
    return Arrival(HERE, at_ms=AT_MS, **{**told, **changes})


def test_received_tells_who_came_how_and_when() -> None:
    assert received_field(arrival(), "inb_x", "ann@example.com") == (
        b"Received: from mx.example.net ([192.0.2.7])\r\n"
        b" by mail.example.com (Postroom) with ESMTPS (TLSv1.3-TLS_AES_256_GCM_SHA384) id inb_x\r\n"
        b" for <ann@example.com>; Thu, 01 Jan 2026 00:00:00 +0000\r\n"
    )


def test_what_came_by_standard_input_has_no_client() -> None:
    field = received_field(arrival(peer="", helo="", tls="", protocol="LOCAL"), "inb_x", None)

    assert field == b"Received: by mail.example.com (Postroom) with LOCAL id inb_x; Thu, 01 Jan 2026 00:00:00 +0000\r\n"


@pytest.mark.parametrize(
    ("peer", "literal"),
    [("2001:db8::1", b"[IPv6:2001:db8::1]"), ("::ffff:192.0.2.7", b"[192.0.2.7]"), ("fe80::1%eth0", b"[IPv6:fe80::1]")],
)
def test_the_client_stands_there_as_an_address_literal(peer: str, literal: bytes) -> None:
    assert b"(" + literal + b")" in received_field(arrival(peer=peer), "inb_x", None)


@pytest.mark.parametrize(
    "helo", ["x\r\nBcc: a@b", "a b", "mx.example.net (by mail.example.com (Postroom))", "é.test", ""]
)
def test_a_name_that_is_none_is_not_repeated(helo: str) -> None:
    field = received_field(arrival(helo=helo), "inb_x", None)

    assert field.startswith(b"Received: from [192.0.2.7] ([192.0.2.7])\r\n by ")


@given(st.text(), st.text(), st.text())
def test_whatever_a_client_says_the_trace_is_two_fields(helo: str, path: str, recipient: str) -> None:
    trace = return_path_field(path) + received_field(arrival(helo=helo), "inb_x", recipient)

    header, body = split_header(trace + b"\r\nbody\r\n")
    assert [field_name(field) for field in header] == [b"return-path", b"received"]
    assert (trace + b"\r\nbody\r\n")[body:] == b"body\r\n"
    assert email.message_from_bytes(trace + b"\r\nbody\r\n").keys() == ["Return-Path", "Received"]


@pytest.mark.parametrize(
    ("extended", "tls", "smtputf8", "word"),
    [
        (False, False, False, "SMTP"),
        (True, False, False, "ESMTP"),
        (True, True, False, "ESMTPS"),
        (True, False, True, "UTF8SMTP"),
        (True, True, True, "UTF8SMTPS"),
    ],
)
def test_the_protocol_has_its_registered_name(extended: bool, tls: bool, smtputf8: bool, word: str) -> None:
    assert protocol_name(extended=extended, tls=tls, smtputf8=smtputf8) == word


def hops(count: int, own: int = 0) -> list[bytes]:
    others = [b"Received: by relay%d.example.net (Postfix); x\r\n" % number for number in range(count - own)]
    return others + [received_field(arrival(), "inb_x", None)] * own


def test_a_hundred_hops_are_no_loop_and_one_more_is() -> None:
    assert not is_loop(hops(100), HERE)
    assert is_loop(hops(101), HERE)


def test_four_times_with_us_is_a_loop_and_three_times_is_none() -> None:
    assert not is_loop(hops(10, own=3), HERE)
    assert is_loop(hops(10, own=4), HERE)
    assert is_loop(hops(10, own=4), HERE.upper())
    assert not is_loop(hops(10, own=4), "other.example.com")


def test_copies_of_ours_count_as_hops_of_ours() -> None:
    ours = b"Received: by mail.example.com (Postroom) with ESMTPA\r\n id msg_x; Thu, 01 Jan 2026 00:00:00 +0000\r\n"

    assert is_loop([ours] * 4, HERE)


@pytest.mark.parametrize(
    "forged",
    [
        b"Authentication-Results: mail.example.com; spf=pass\r\n",
        b"authentication-results : MAIL.example.com.; spf=pass\r\n",
        b"Authentication-Results:\r\n\tmail.example.com 1; none\r\n",
        b"Authentication-Results: (a (nested) comment) mail.example.com (x); spf=pass\r\n",
        b'Authentication-Results: "mail.example.com"; spf=pass\r\n',
    ],
)
def test_results_in_our_name_that_we_did_not_write_are_taken_out(forged: bytes) -> None:
    """RFC 8601 5."""
    other = b"Authentication-Results: mx.example.net; spf=pass\r\n"
    subject = b"Subject: x\r\n"

    assert as_received([forged, other, subject], HERE) == [other, subject]


def test_only_our_own_return_path_stays() -> None:
    assert as_received([b"Return-Path: <x@example.net>\r\n", b"Subject: x\r\n"], HERE) == [b"Subject: x\r\n"]
