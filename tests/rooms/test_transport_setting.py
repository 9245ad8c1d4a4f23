"""What POSTROOM_TRANSPORT and a workspace's own transport may say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.base.errors import WrongInput
from postroom.net.smtp.dialogue import Credentials, TlsPolicy
from postroom.outbound.transport import TransportKind, TransportSetting, parse_transport, site_of

SMARTHOST = TransportKind.SMARTHOST


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("sandbox", TransportSetting(TransportKind.SANDBOX)),
        (" direct ", TransportSetting(TransportKind.DIRECT)),
        ("smtp://relay", TransportSetting(SMARTHOST, "relay", 25)),
        ("smtp://relay:2500/", TransportSetting(SMARTHOST, "relay", 2500)),
        ("smtp://[2001:db8::1]:25", TransportSetting(SMARTHOST, "2001:db8::1", 25)),
        ("smtp://ann:pw@relay", TransportSetting(SMARTHOST, "relay", 587, credentials=Credentials("ann", "pw"))),
        (
            "smtp://ann%40example.com:p%40%2F%3F%23%25@relay:25?tls=verify",
            TransportSetting(
                SMARTHOST, "relay", 25, TlsPolicy.VERIFY, credentials=Credentials("ann@example.com", "p@/?#%")
            ),
        ),
        ("smtp://relay?tls=none", TransportSetting(SMARTHOST, "relay", 25, TlsPolicy.NONE)),
        ("smtps://relay", TransportSetting(SMARTHOST, "relay", 465, TlsPolicy.VERIFY, implicit_tls=True)),
        (
            "smtps://relay?tls=required",
            TransportSetting(SMARTHOST, "relay", 465, TlsPolicy.REQUIRED, implicit_tls=True),
        ),
    ],
)
def test_a_setting_says_what_it_means(text: str, setting: TransportSetting) -> None:
    assert parse_transport(text) == setting


@pytest.mark.parametrize(
    "text",
    [
        "", "Sandbox", "smarthost", "http://relay", "smtp:relay", "smtp://", "smtp://:25", "smtp://relay:0",
        "smtp://relay:99999", "smtp://relay:x", "smtp://relay/path", "smtp://relay#x", "smtp://relay?tls=maybe",
        "smtp://relay?starttls=1", "smtps://relay?tls=none", "smtps://relay?tls=opportunistic", "smtp://ann@relay",
        "smtp://:pw@relay", "smtp://ann:pass/word@relay", "smtp://[::1", "smtp://ann:p%00w@relay",
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(WrongInput) as caught:
        parse_transport(text)
    assert caught.value.field == "transport"
    assert "smtp" in str(caught.value) or "tls" in str(caught.value) or "password" in str(caught.value)


@pytest.mark.parametrize("text", ["smtp://ann:s3cret/x@relay", "smtp://ann:s3cret@relay:x", "ftp://ann:s3cret@relay"])
def test_the_text_of_a_refusal_does_not_repeat_the_password(text: str) -> None:
    with pytest.raises(WrongInput) as caught:
        parse_transport(text)
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in repr(parse_transport("smtp://ann:s3cret@relay"))


@given(st.one_of(st.text(), st.text().map("smtp://".__add__), st.text().map("smtps://a:b@".__add__)))
def test_any_text_is_a_setting_or_refused(text: str) -> None:
    try:
        setting = parse_transport(text)
    except WrongInput:
        return
    assert setting.kind is not SMARTHOST or (setting.host and 0 < setting.port < 65536)


def test_the_site_of_a_smarthost_is_its_host_and_port() -> None:
    assert site_of(parse_transport("smtp://ann:pw@relay.example.net")) == "relay.example.net:587"
    assert site_of(parse_transport("sandbox")) == "sandbox"
