"""Who receives mail for a domain."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.outbound.providers import CONSUMER_DOMAINS, MX_SUFFIXES, OTHER, Providers


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("aspmx.l.google.com", "google"),
        ("gmail-smtp-in.l.google.com", "google"),
        ("smtp.google.com", "google"),
        ("example-com.mail.protection.outlook.com", "microsoft"),
        ("example-com.x-v1.mx.microsoft", "microsoft"),
        ("outlook-com.olc.protection.outlook.com", "microsoft-consumer"),
        ("mta5.am0.yahoodns.net", "yahoo"),
        ("mx01.mail.icloud.com", "apple"),
        ("mx00.emig.gmx.net", "gmx"),
        ("mx-ha02.web.de", "gmx"),
        ("mxs.mail.ru", "mail.ru"),
        ("mx.yandex.ru", "yandex"),
        ("mxa-00123.gslb.pphosted.com", "proofpoint"),
        ("eu-smtp-inbound-1.mimecast.com", "mimecast"),
        ("in1-smtp.messagingengine.com", "fastmail"),
        ("mx.zoho.eu", "zoho"),
        ("MX.ZOHO.EU.", "zoho"),
        ("google.com.evil.test", OTHER),
        ("notgoogle.com", OTHER),
        ("mx.example.net", OTHER),
        ("", OTHER),
    ],
)
def test_a_host_belongs_to_the_provider_of_its_longest_suffix(host: str, provider: str) -> None:
    assert Providers().of_host(host) == provider


@pytest.mark.parametrize(
    ("domain", "provider"),
    [
        ("gmail.com", "google"), ("GoogleMail.com", "google"), ("hotmail.fr", "microsoft-consumer"),
        ("outlook.com", "microsoft-consumer"), ("live.co.uk", "microsoft-consumer"), ("yahoo.co.jp", "yahoo"),
        ("yahoo.com.br", "yahoo"), ("aol.com", "yahoo"), ("icloud.com", "apple"), ("gmx.at", "gmx"), ("gmx.net", "gmx"),
        ("web.de", "gmx"), ("mail.ru", "mail.ru"), ("yandex.com.tr", "yandex"), ("proton.me", "proton"),
        ("yahoo.example.com", OTHER), ("live.example", OTHER), ("example.net", OTHER),
        ("[192.0.2.1]", OTHER), ("", OTHER),
    ],
)  # fmt: skip
def test_a_consumer_domain_is_known_by_its_name(domain: str, provider: str) -> None:
    assert Providers().of_domain(domain) == provider


def test_an_operator_can_add_to_the_tables() -> None:
    providers = Providers({"mx.campus.test": "campus", "google.com": "our-google"}, {"campus.test": "campus"})
    assert providers.of_host("a.mx.campus.test") == "campus"
    assert providers.of_host("aspmx.l.google.com") == "our-google"
    assert providers.of_domain("campus.test") == "campus"


def test_domains_of_one_provider_are_one_site() -> None:
    site = Providers().site_of_hosts
    assert site(["aspmx.l.google.com", "alt1.aspmx.l.google.com"]) == ("google", "google")
    assert site(["smtp.google.com"]) == ("google", "google")


def test_other_domains_with_the_same_hosts_are_one_site() -> None:
    site = Providers().site_of_hosts
    assert site(["b.example.net", "a.example.net"]) == site(["a.example.net", "b.example.net", "a.example.net"])
    assert site(["a.example.net"]) != site(["b.example.net"])
    long = [f"mx{number}.{'x' * 60}.example.net" for number in range(10)]
    assert len(site(long)[0]) <= 200
    assert site(long) == site(long[::-1])


def test_the_tables_are_lower_case_names() -> None:
    for name in (*MX_SUFFIXES, *CONSUMER_DOMAINS):
        assert name == name.lower().strip(".")


@given(st.text(max_size=80))
def test_any_name_has_a_provider(name: str) -> None:
    assert Providers().of_host(name)
    assert Providers().of_domain(name)
