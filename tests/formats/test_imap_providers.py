"""Providers of mailboxes: those that are shipped, those of an operator's file, and whose word counts."""

from pathlib import Path

import pytest

from postroom.accounts.partners import Partner, may_send_to, origin_of
from postroom.accounts.providers import (
    SHIPPED,
    Kind,
    Overrides,
    Providers,
    Service,
    oauth_of,
    read_providers,
    server_of,
)
from postroom.base.errors import SettingsError
from postroom.ledger.account_rows import AccountRow, ConnectionRow, Security

WRITTEN = """
[EXAMPLE_OAUTH2]
kind = "oauth2"
title = "Example"
imap_host = "imap.example.com"
smtp_host = "smtp.example.com"
smtp_port = 465
authorize_url = "https://login.example.com/authorize"
token_url = "https://login.example.com/token"
scope = "imap"
parameters = { prompt = "consent" }
idle_seconds = 60
has_idle = false

[GMAIL]
imap_host = "127.0.0.1"
imap_port = 1143
imap_security = "plain"
"""


def connection(server: Overrides, provider: str = "GMAIL_OAUTH2") -> ConnectionRow:
    return ConnectionRow(1, 1, provider, "", None, server.to_json(), 1)


def account(server: Overrides) -> AccountRow:
    return AccountRow(1, 1, 1, "t", "t", "", "", None, None, server.to_json(), "", 0, 0, None, 1, 1)


def test_a_code_is_found_whatever_its_case_and_by_its_other_word() -> None:
    providers = Providers()
    for code, found in (("gmail_oauth2", "GMAIL_OAUTH2"), ("OUTLOOK_OAUTH2", "MICROSOFT_OAUTH2"), ("Plain", "PLAIN")):
        provider = providers.get(code)
        assert provider is not None
        assert provider.code == found
    assert providers.get("") is None
    assert providers.get("NOWHERE") is None


def test_what_is_shipped_can_be_used() -> None:
    for provider in SHIPPED:
        assert provider.idle_seconds < 29 * 60
        if provider.kind is Kind.OAUTH2 and provider.server.imap:
            assert provider.oauth.authorize_url.startswith("https://")
            assert provider.oauth.token_url.startswith("https://")
        for service in (provider.server.imap, provider.server.smtp):
            assert service is None or service.security is not Security.PLAIN


def test_an_operators_file_adds_providers_and_replaces_shipped_ones(tmp_path: Path) -> None:
    file = tmp_path / "providers.toml"
    file.write_text(WRITTEN)
    providers = read_providers(str(file))
    example, gmail = providers.get("example_oauth2"), providers.get("GMAIL")
    assert example is not None
    assert gmail is not None
    assert example.server.imap == Service("imap.example.com", 993, Security.TLS)
    assert example.server.smtp == Service("smtp.example.com", 465, Security.TLS)
    assert (example.kind, example.idle_seconds, example.has_idle) == (Kind.OAUTH2, 60, False)
    assert example.oauth.parameters == (("prompt", "consent"),)
    assert gmail.server.imap == Service("127.0.0.1", 1143, Security.PLAIN)
    assert len(providers.all()) == len(SHIPPED) + 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[lower]\nkind = 'oauth2'", "capital letters"),
        ("[A]\nkind = 'magic'", "kind"),
        ("[A]\nimap_port = 70000", "imap_port"),
        ("[A]\nidle_seconds = 3600", "idle_seconds"),
        ("[A]\nhots = 'x'", "hots"),
        ("A = 7", "[A]"),
        ("[A", "cannot be read"),
    ],
)
def test_a_wrong_file_stops_the_start_and_names_the_place(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "providers.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match="POSTROOM_IMAP_PROVIDERS") as refused:
        read_providers(str(file))
    assert said in str(refused.value)


def test_an_accounts_server_counts_before_its_connections_and_that_before_the_providers() -> None:
    gmail = Providers().get("GMAIL_OAUTH2")
    assert gmail is not None
    plain = connection(Overrides(imap_host="imap.connection.example", imap_port=1143))
    assert server_of(gmail, connection(Overrides())).imap == Service("imap.gmail.com", 993, Security.TLS)
    assert server_of(gmail, plain).imap == Service("imap.connection.example", 1143, Security.STARTTLS)
    own = account(Overrides(imap_host="imap.own.example"))
    assert server_of(gmail, plain, own).imap == Service("imap.own.example", 993, Security.TLS)
    assert server_of(gmail, plain, own).smtp == gmail.server.smtp
    only_port = account(Overrides(imap_port=1993))
    assert server_of(gmail, connection(Overrides()), only_port).imap == Service("imap.gmail.com", 1993, Security.TLS)


def test_another_token_server_is_not_told_at_the_providers_own_addresses() -> None:
    gmail = Providers().get("GMAIL_OAUTH2")
    assert gmail is not None
    oauth = oauth_of(gmail, connection(Overrides(token_url="https://login.example/token")))
    assert (oauth.token_url, oauth.revoke_url, oauth.userinfo_url) == ("https://login.example/token", "", "")
    assert oauth.scope == gmail.oauth.scope


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://app.example.com/x?y=1#z", "https://app.example.com"),
        ("HTTPS://App.Example.com:443", "https://app.example.com"),
        ("http://[::1]:8080/x", "http://[::1]:8080"),
        ("https://user@app.example.com/", None),
        ("//app.example.com/", None),
        ("javascript:alert(1)", None),
        ("https://app.example.com\\@evil.example/", None),
        ("https://app.example.com\t.evil.example/", None),
        ("https://app.example.com:port/", None),
        ("https://[::1/", None),
        ("", None),
    ],
)
def test_an_origin_is_read_as_browsers_read_it_or_not_at_all(url: str, origin: str | None) -> None:
    assert origin_of(url) == origin


def test_people_are_sent_to_listed_origins_only() -> None:
    partner = Partner(success_url="https://own.example/done", redirects=("https://app.example.com",))
    assert may_send_to(partner, "https://app.example.com/any?x=1")
    assert may_send_to(partner, "https://own.example/else")
    for url in ("http://app.example.com/", "https://app.example.com:8443/", "https://app.example.com.evil.example/"):
        assert not may_send_to(partner, url)
