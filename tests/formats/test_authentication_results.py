"""The Authentication-Results field (RFC 8601) and the verdicts that stand in it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from results_reader import read_results

from postroom.mail.authentication import (
    ArcVerdict,
    DkimVerdict,
    DmarcPolicy,
    DmarcVerdict,
    Result,
    SpfVerdict,
    Verdicts,
)
from postroom.mail.authentication_results import authserv_id_of, field
from postroom.mail.header import split_fields
from postroom.mail.trace import as_received

HOST = "mx.example.test"
VERDICTS = Verdicts(
    SpfVerdict(Result.SOFTFAIL, "bounce.example.com", reason="all"),
    (
        DkimVerdict(Result.PASS, "example.com", "s1", "rsa-sha256", "ab/+=cde"),
        DkimVerdict(Result.PERMERROR, reason='it says "no"'),
    ),
    DmarcVerdict(Result.FAIL, "example.com", DmarcPolicy.REJECT, DmarcPolicy.QUARANTINE),
    ArcVerdict(Result.PASS, 2, "list.test"),
)

_TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
_RESULTS = st.sampled_from(Result)
_VERDICTS = st.builds(
    Verdicts,
    st.builds(SpfVerdict, _RESULTS, _TEXTS, st.booleans(), _TEXTS, _TEXTS),
    st.lists(st.builds(DkimVerdict, _RESULTS, _TEXTS, _TEXTS, _TEXTS, _TEXTS), max_size=3).map(tuple),
    st.builds(
        DmarcVerdict, _RESULTS, _TEXTS, st.sampled_from(DmarcPolicy), st.sampled_from(DmarcPolicy), reason=_TEXTS
    ),
    st.builds(ArcVerdict, _RESULTS, st.integers(0, 50), _TEXTS, _TEXTS),
)


@pytest.mark.parametrize(
    ("result", "policy", "is_disowned"),
    [
        (Result.FAIL, DmarcPolicy.REJECT, True),
        (Result.FAIL, DmarcPolicy.QUARANTINE, True),
        (Result.FAIL, DmarcPolicy.NONE, False),
        (Result.PERMERROR, DmarcPolicy.NONE, True),
        (Result.PASS, DmarcPolicy.REJECT, False),
        (Result.NONE, DmarcPolicy.NONE, False),
        (Result.TEMPERROR, DmarcPolicy.REJECT, False),
    ],
)
def test_only_a_domain_that_asks_for_it_disowns_its_mail(
    result: Result, policy: DmarcPolicy, *, is_disowned: bool
) -> None:
    """With p=none a domain only watches: mail that a list changed is still its author's."""
    assert Verdicts(dmarc=DmarcVerdict(result, "example.com", policy)).disowns_author is is_disowned


def test_the_field_says_all_verdicts_one_on_a_line() -> None:
    assert field(VERDICTS, HOST).decode() == (
        "Authentication-Results: mx.example.test;\r\n"
        ' spf=softfail reason="all" smtp.mailfrom=bounce.example.com;\r\n'
        ' dkim=pass header.d=example.com header.s=s1 header.a=rsa-sha256 header.b="ab/+=cde";\r\n'
        ' dkim=permerror reason="it says \\"no\\"";\r\n'
        " dmarc=fail (p=reject dis=quarantine) header.from=example.com;\r\n"
        " arc=pass (i=2)\r\n"
    )


def test_what_is_written_is_read_again() -> None:
    results = read_results(field(VERDICTS, HOST))

    assert [(one.method, one.result) for one in results] == [
        ("spf", "softfail"),
        ("dkim", "pass"),
        ("dkim", "permerror"),
        ("dmarc", "fail"),
        ("arc", "pass"),
    ]
    assert results[0].properties == {"reason": "all", "smtp.mailfrom": "bounce.example.com"}
    assert results[1].properties["header.b"] == "ab/+=cde"
    assert results[2].properties == {"reason": 'it says "no"'}


@settings(max_examples=40)
@given(_VERDICTS)
def test_no_domain_of_a_stranger_writes_a_result_or_a_field(verdicts: Verdicts) -> None:
    written = field(verdicts, HOST)

    assert len(split_fields(written)) == 1
    assert written.isascii()
    assert all(len(line) < 998 for line in written.split(b"\r\n"))
    results = read_results(written)
    assert [one.result for one in results if one.method == "spf"] == [verdicts.spf.result]
    assert [one.result for one in results if one.method == "dkim"] == [one.result for one in verdicts.dkim] or ["none"]
    assert [one.result for one in results if one.method == "dmarc"] == [verdicts.dmarc.result]


@settings(max_examples=40)
@given(_VERDICTS)
def test_verdicts_are_the_same_after_they_were_stored(verdicts: Verdicts) -> None:
    assert Verdicts.from_json(verdicts.to_json()) == verdicts


def test_where_nothing_was_asked_there_is_nothing() -> None:
    assert Verdicts.from_json("") == Verdicts()
    with pytest.raises(ValueError, match="truncated"):
        Verdicts.from_json("{")


@pytest.mark.parametrize(
    "text",
    [
        "mx.example.test; spf=pass",
        "MX.Example.TEST 1; spf=pass",
        '"mx.example.test"; spf=pass',
        "(a (nested) comment) mx.example.test (another); spf=pass",
        "mx.example.test;spf=pass",
        "\r\n mx.example.test\r\n ; spf=pass",
    ],
)
def test_a_field_in_our_name_is_known_and_taken_out(text: str) -> None:
    forged = b"Authentication-Results: " + text.encode() + b"\r\n"

    assert authserv_id_of(forged) == HOST
    assert as_received([forged, b"Subject: x\r\n"], HOST) == [b"Subject: x\r\n"]


@pytest.mark.parametrize(
    "text",
    [
        "((x) mx.example.test; spf=pass",
        "(\\) mx.example.test; spf=pass",
        '"mx\\.example\\.test"; spf=pass; x=mx.example.test',
        "(" + "x" * 20_000 + ") mx.example.test; spf=pass",
        "mx.example.test.; spf=pass",
    ],
)
def test_a_field_that_some_reader_could_take_for_ours_is_taken_out(text: str) -> None:
    forged = b"Authentication-Results: " + text.encode() + b"\r\n"

    assert as_received([forged], HOST) == []


def test_fields_of_other_servers_are_not_ours() -> None:
    other = b"Authentication-Results: mx.example.test.other; spf=pass; dkim/1=fail (bad) header.d = a.test\r\n"

    assert authserv_id_of(other) == "mx.example.test.other"
    assert as_received([other], HOST) == [other]


@given(st.binary(max_size=300) | st.text('();="\\/ \r\n\tabd.', max_size=80).map(str.encode))
def test_any_field_is_read(body: bytes) -> None:
    authserv_id_of(b"Authentication-Results:" + body)
