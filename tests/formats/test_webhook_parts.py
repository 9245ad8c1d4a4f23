"""What a webhook request is made of: signature, body, pauses."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from peers.require import ROOT
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from postroom.base.clock import DAY_MS, HOUR_MS
from postroom.base.packing import pack
from postroom.ledger.webhook_rows import WebhookEndpointRow
from postroom.mail.imap_envelope import envelope_of
from postroom.net.webhook_request import retry_after_ms
from postroom.net.webhook_signature import new_secret, signed_header
from postroom.store.webhook_facts import ToldEvent
from postroom.store.webhook_outbox import Waiting
from postroom.webhooks import retry
from postroom.webhooks.endpoints import asked_of
from postroom.webhooks.payload import batch_body, event_body, request_id
from postroom.webhooks.superimap import superimap_body
from postroom.webhooks.telling import _within_size

VECTOR = {
    # From the test suites of the specification's own libraries.
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "timestamp": 1614265330,
    "body": b'{"test": 2432232314}',
    "signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
NOW_MS = 1_767_225_600_000


def event(detail: str = "{}", **fields: Any) -> ToldEvent:
    return ToldEvent(11, None, None, "delivered", NOW_MS, detail, None, None)._replace(**fields)


def test_the_published_vector_is_signed_as_published() -> None:
    header = dict(signed_header([VECTOR["secret"]], VECTOR["id"], VECTOR["timestamp"], VECTOR["body"]))  # type: ignore[list-item, arg-type]

    assert header == {
        "webhook-id": VECTOR["id"],
        "webhook-timestamp": "1614265330",
        "webhook-signature": VECTOR["signature"],
    }


def test_secrets_are_random_and_have_the_standards_form() -> None:
    first, second = new_secret(), new_secret()

    assert first != second
    assert first.startswith("whsec_")
    assert len(base64.b64decode(first.removeprefix("whsec_"), validate=True)) == 32


@given(st.binary(min_size=24, max_size=64), st.text(max_size=200))
def test_whatever_is_signed_verifies_with_the_library_and_by_hand(key: bytes, text: str) -> None:
    secret, body = "whsec_" + base64.b64encode(key).decode(), json.dumps({"text": text}).encode()
    at = int(datetime.now(UTC).timestamp())
    header = dict(signed_header([new_secret(), secret], "evt_1", at, body))

    Webhook(secret).verify(body, header)
    by_hand = base64.b64encode(hmac.new(key, f"evt_1.{at}.".encode() + body, "sha256").digest()).decode()
    assert header["webhook-signature"].split(" ")[1] == f"v1,{by_hand}"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + b" ", header)


@given(
    st.dictionaries(st.text(max_size=20), st.none() | st.integers() | st.text(max_size=3000) | st.lists(st.integers()))
)
def test_any_detail_makes_a_body_without_transcript_and_long_texts(detail: dict[str, Any]) -> None:
    told = json.loads(event_body(event(json.dumps({**detail, "transcript": "C: QUIT" * 1000}))))

    assert "transcript" not in told["data"]["detail"]
    assert all(len(one) <= 2000 for one in told["data"]["detail"].values() if isinstance(one, str))
    assert (told["type"], told["timestamp"]) == ("delivered", "2026-01-01T00:00:00.000Z")


def test_an_event_looks_the_same_each_time() -> None:
    assert event_body(event('{"b":1,"a":2}')) == event_body(event('{"b":1,"a":2}'))


def test_a_batch_is_a_list_and_its_id_is_that_of_its_events() -> None:
    bodies = [event_body(event(id=number)) for number in (11, 12)]

    assert [one["id"] for one in json.loads(batch_body(bodies))["events"]] == [json.loads(one)["id"] for one in bodies]
    assert request_id([11, 12], is_batch=True) == request_id([11, 12], is_batch=True)
    assert request_id([11, 12], is_batch=True) != request_id([11, 13], is_batch=True)
    assert request_id([11], is_batch=False) == json.loads(bodies[0])["id"]


def test_a_request_is_cut_to_its_size_but_never_to_nothing() -> None:
    rows = [Waiting(number, 0, 0, 0, None) for number in range(5)]

    assert _within_size(rows, dict.fromkeys(range(5), b"x" * 100_000)) == rows[:2]
    assert _within_size(rows, dict.fromkeys(range(5), b"x" * 900_000)) == rows[:1]
    assert _within_size(rows, dict.fromkeys(range(5), b"x")) == rows


def test_pauses_grow_and_spread_over_three_days() -> None:
    pauses = [retry.pause_ms(tries, 0.5) for tries in range(1, 20)]

    assert pauses[:3] == [5_000, 30_000, 120_000]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 8 * HOUR_MS
    assert retry.pause_ms(1, 0.0) < retry.pause_ms(1, 1.0)
    tries = next(number for number in range(1, 40) if sum(pauses[:number] + [pauses[-1]] * 20) > 3 * DAY_MS)
    assert tries < 20


def test_a_failing_endpoint_is_asked_once_a_minute_at_least() -> None:
    assert [retry.quiet_ms(failures, 0.5) for failures in (1, 2)] == [0, 0]
    quiet = [retry.quiet_ms(failures, 0.5) for failures in range(3, 200)]
    assert quiet[:4] == [1000, 2000, 4000, 8000]
    assert max(quiet) == 60_000


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        ("0", 0), ("7", 7_000), (" 90 ", 90_000), ("99999", HOUR_MS), ("-1", None), ("1.5", None), ("", None),
        ("soon", None), ("9" * 400, None), ("Thu, 01 Jan 2026 00:01:00 GMT", 60_000),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0), ("Fri, 01 Jan 2027 00:00:00 GMT", HOUR_MS),
    ],
)  # fmt: skip
def test_retry_after_is_read_within_bounds(value: str, ms: int | None) -> None:
    assert retry_after_ms(value, NOW_MS) == ms


@given(st.text(max_size=120) | st.binary(max_size=60).map(lambda data: data.decode("latin-1")))
def test_any_retry_after_has_an_answer(value: str) -> None:
    pause = retry_after_ms(value, NOW_MS)
    assert pause is None or 0 <= pause <= HOUR_MS


@given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)))
def test_every_http_date_is_understood(at: datetime) -> None:
    told = format_datetime(at.replace(tzinfo=UTC), usegmt=True)
    wait = int(at.replace(tzinfo=UTC, microsecond=0).timestamp() * 1000) - NOW_MS
    assert retry_after_ms(told, NOW_MS) == min(max(wait, 0), HOUR_MS)
    assert timedelta(0) <= timedelta(milliseconds=retry_after_ms(told, NOW_MS) or 0)


def test_an_endpoint_is_read_as_it_was_asked_for() -> None:
    row = WebhookEndpointRow(
        1, 1, "https://h/", "d", '["failed","of_a_newer_version"]', "bulk", 7, "active", "", 0, b"", None, None, 0
    )
    asked = asked_of(row)
    assert (asked.kinds, asked.stream, asked.batch) == (("failed",), "bulk", 7)


@pytest.mark.parametrize("sample", ["python", "node", "go"])
def test_the_docs_show_the_samples_that_are_tested(sample: str) -> None:
    text = (ROOT / "src/postroom/doors/dashboard/templates/verify" / f"{sample}.txt").read_text().strip()
    assert text in (ROOT / "docs" / "events.md").read_text()


def found_mail(raw: bytes | None, **detail: Any) -> ToldEvent:
    told = {"number": 7, "tag": "t", "provider": "PLAIN", "email": "e@x", "size_bytes": len(raw or b""), **detail}
    packed = None if raw is None else pack(raw)
    return event(json.dumps(told), kind="mail_arrived", account_id=40, packed=packed)


@given(st.binary(max_size=300), st.integers(0, 1 << 41))
def test_any_mail_is_told_in_superimaps_form_byte_for_byte_and_signed_as_superimap_signs(
    raw: bytes, at_ms: int
) -> None:
    told = json.loads(superimap_body(found_mail(raw, envelope=envelope_of(raw)), "key", at_ms))

    assert base64.b64decode(told["raw"]) == raw
    assert told["sha1"] == hashlib.sha1(told["rfc822"].encode()).hexdigest()
    signed = f"{told['timestamp']}{told['sha1']}".encode()
    assert told["signature"] == hmac.new(b"key", signed, "sha256").hexdigest()


def test_superimaps_signature_is_the_one_that_was_computed_by_hand() -> None:
    # printf Hello | sha1sum; printf 1420070400f7ff9e… | openssl dgst -sha256 -hmac secret
    told = json.loads(superimap_body(found_mail(b"Hello"), "secret", 1_420_070_400_999))

    assert told["timestamp"] == 1_420_070_400
    assert told["sha1"] == "f7ff9e8b7bb2e09b70935a5d785e0cc5d9d0abf0"
    assert told["signature"] == "7227ca2076975cb367322625382b0fac4f3862de7fa1534d1f4c93f5c50be178"


def test_a_mail_whose_bytes_are_gone_is_told_with_empty_text() -> None:
    told = json.loads(superimap_body(found_mail(None, size_bytes=99), "secret", 0))

    assert (told["rfc822"], told["raw"], told["size"], told["truncated"]) == ("", None, 99, False)


def test_superimaps_pauses_are_those_of_its_jobs_and_end_at_eight_hours() -> None:
    assert [retry.superimap_pause_ms(tries) // 1000 for tries in range(1, 6)] == [6, 21, 86, 261, 630]
    assert retry.superimap_pause_ms(100) == 8 * HOUR_MS
