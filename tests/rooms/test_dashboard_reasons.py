"""Why a recipient is where it is, as pages say it."""

from queue_rows import message_row, recipient_row

from postroom.doors.dashboard.reasons import peer_name, reason_of
from postroom.ledger.states import RecipientState
from postroom.mail.explain import Cause

MX = "aspmx.l.google.com [192.0.2.1]:25"


def test_a_deferred_recipient_tells_who_said_what_and_when_the_next_try_comes() -> None:
    row = recipient_row(
        1, message_row(), "gmail.com", state="deferred", provider="google", next_hop=MX, due_ms=7_000,
        reason="421 4.7.28 our system has detected an unusual rate of mail",
    )  # fmt: skip

    told = reason_of(row)

    assert told.sentence == "Google asked us to slow down"
    assert told.next_try_ms == 7_000
    assert told.reply.startswith("421 4.7.28")
    assert told.cause is Cause.RATE


def test_a_reply_of_a_smarthost_is_not_put_into_the_provider_s_mouth() -> None:
    assert peer_name("relay.example.com [192.0.2.7]:587", "google", "gmail.com") == "relay.example.com"
    assert peer_name(MX, "google", "gmail.com") == "Google"
    assert peer_name("", "other", "example.net") == "example.net"
    assert peer_name("mx.example.net:25", "other", "example.net") == "mx.example.net"


def test_what_the_sandbox_kept_did_not_leave() -> None:
    row = recipient_row(1, message_row(), state="delivered", next_hop="sandbox", reason="250 2.0.0 kept in the sandbox")

    assert reason_of(row).sentence == "Kept in the sandbox: nothing left this machine"


def test_every_state_has_a_sentence() -> None:
    for state in RecipientState:
        told = reason_of(recipient_row(1, message_row(), state=state.value))

        assert told.sentence
