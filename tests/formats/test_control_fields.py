"""X-Postroom header fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.base.errors import WrongInput
from postroom.mail.control_fields import (
    ControlFields,
    TrackSwitches,
    read_control_fields,
)
from postroom.mail.header import split_fields


def read(*lines: str) -> ControlFields:
    return read_control_fields(split_fields("".join(line + "\r\n" for line in lines).encode()))


def test_a_header_without_them_says_nothing() -> None:
    assert read("From: a@b", "X-Mailer: x", "X-Postroom-Id: abc") == ControlFields()


def test_every_field_is_read() -> None:
    said = read(
        "X-Postroom-Stream: Bulk",
        "x-postroom-tag: welcome, =?utf-8?q?Gr=C3=BC=C3=9Fe?=",
        "X-Postroom-Tag: second,",
        'X-Postroom-Metadata: {"order": "17",\r\n "plan": "pro, gold"}',
        "X-Postroom-Metadata: note=a=b",
        "X-Postroom-Track: opens, text-clicks",
        "X-Postroom-Send-At: 2026-01-01T01:00:00+01:00",
        "X-Postroom-Idempotency-Key: order-17",
    )
    assert said == ControlFields(
        stream="bulk",
        tags=("welcome", "Grüße", "second"),
        metadata={"order": "17", "plan": "pro, gold", "note": "a=b"},
        track=TrackSwitches(opens=True, clicks=False, replies=False, text_clicks=True),
        send_at_ms=1_767_225_600_000,
        idempotency_key="order-17",
    )


@pytest.mark.parametrize(
    ("text", "switches"),
    [
        ("opens, clicks", TrackSwitches(True, True, False, False)),
        ("none", TrackSwitches(False, False, False, False)),
        ("opens=no", TrackSwitches(opens=False)),
        ("Replies=Yes, text-clicks=off", TrackSwitches(replies=True, text_clicks=False)),
        ("opens, replies=no", TrackSwitches(True, False, False, False)),
    ],
)
def test_tracking_is_named_whole_or_switched_one_by_one(text: str, switches: TrackSwitches) -> None:
    assert read(f"X-Postroom-Track: {text}").track == switches


@pytest.mark.parametrize(
    "time", ["2026-01-01T00:00:00Z", "2026-01-01 00:00:00+00:00", "Thu, 01 Jan 2026 02:00:00 +0200"]
)
def test_a_time_is_read_in_both_forms(time: str) -> None:
    assert read(f"X-Postroom-Send-At: {time}").send_at_ms == 1_767_225_600_000


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("X-Postroom-Stream: marketing", "transactional or bulk"),
        ("X-Postroom-Stream: ", "transactional or bulk"),
        ("X-Postroom-Sendat: 2026-01-01T00:00:00Z", "there are Idempotency-Key, Metadata, Send-At"),
        ("X-Postroom-: x", "does not exist"),
        ("X-Postroom-Tag: " + ",".join(f"t{n}" for n in range(11)), "at most 10"),
        ("X-Postroom-Tag: " + "x" * 65, "1 to 64"),
        ("X-Postroom-Metadata: order", "name=value"),
        ("X-Postroom-Metadata: {not json", "no JSON object"),
        ('X-Postroom-Metadata: {"a": 1}', "no text"),
        ('X-Postroom-Metadata: {"a": "1", "a": "2"}', "stands twice"),
        ("X-Postroom-Metadata: =value", "1 to 64"),
        ("X-Postroom-Metadata: a=" + "x" * 1025, "above 1024"),
        ("X-Postroom-Track: everything", "no switch"),
        ("X-Postroom-Track: opens=perhaps", "no switch"),
        ("X-Postroom-Send-At: tomorrow", "Z or an offset"),
        ("X-Postroom-Send-At: 2026-01-01T00:00:00", "Z or an offset"),
        ("X-Postroom-Idempotency-Key: " + "x" * 256, "1 to 255"),
        ("X-Postroom-Stream: bulk\r\nX-Postroom-Stream: transactional", "stands twice"),
    ],
)
def test_a_wrong_value_is_refused_naming_the_field_and_the_remedy(line: str, remedy: str) -> None:
    with pytest.raises(WrongInput, match=remedy) as caught:
        read(line)
    assert caught.value.field == line.partition(":")[0]


@pytest.mark.parametrize("name", ["Template", "Variables"])
def test_templates_are_not_available(name: str) -> None:
    with pytest.raises(WrongInput) as caught:
        read(f"X-Postroom-{name}: x")
    assert (caught.value.field, caught.value.code) == (f"X-Postroom-{name}", "not_available")


NAMES = (b"Stream", b"Tag", b"Metadata", b"Track", b"Send-At", b"Idempotency-Key", b"Other")


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.one_of(st.binary(), st.just(b'{"a":' * 2000)))))
def test_reading_any_bytes_answers_or_refuses(fields: list[tuple[bytes, bytes]]) -> None:
    header = split_fields(b"".join(b"X-Postroom-" + name + b": " + value + b"\r\n" for name, value in fields))
    try:
        read_control_fields(header)
    except WrongInput as error:
        refused = error
        assert refused.field.startswith("X-Postroom-")
