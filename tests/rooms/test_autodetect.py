"""Finding the server of an address: in which order, with which password, and never inside our own networks."""

from ipaddress import ip_network
from pathlib import Path

import pytest
from connect_world import FakeDns, FakeLogins
from peers.dovecot import Dovecot
from peers.require import require_peer
from webhook_world import Literals

from postroom.accounts.autodetect import Autodetection, Verdict
from postroom.accounts.login_try import LoginTries
from postroom.accounts.providers import Service
from postroom.base.clock import SystemClock
from postroom.ledger.account_rows import Security
from postroom.net.dns import MxRecord, Resolver
from postroom.net.http_client import HttpAnswer, HttpClient, NoAnswer
from postroom.net.imap.client import ImapDialler
from postroom.net.tls import ClientContexts

FILE = b"""<clientConfig><emailProvider>
<incomingServer type="imap"><hostname>imap.hoster.test</hostname><port>993</port><socketType>SSL</socketType>
<username>%EMAILLOCALPART%</username></incomingServer>
<outgoingServer type="smtp"><hostname>smtp.hoster.test</hostname><port>465</port><socketType>SSL</socketType>
</outgoingServer></emailProvider></clientConfig>"""


class Files(HttpClient):
    """HTTP by which some files are there."""

    def __init__(self, **files: bytes) -> None:
        super().__init__(Literals())
        self.files = files
        self.asked: list[str] = []

    async def get(self, url: str, header: object = ()) -> HttpAnswer:
        self.asked.append(url)
        for piece, body in self.files.items():
            if piece in url:
                return HttpAnswer(200, (), body, is_cut=False)
        raise NoAnswer("nobody there")


async def test_what_a_domain_says_over_https_is_believed_with_its_user_name_and_smtp_server() -> None:
    logins, files = FakeLogins(), Files(autoconfig=FILE)
    logins.servers["imap.hoster.test"] = {"ada": "p"}

    found = await Autodetection(FakeDns(), files, logins).find("ada@own.test", "", "p")

    assert found.tried.verdict is Verdict.TAKEN
    assert found.candidate is not None
    assert (found.candidate.username, str(found.candidate.server.smtp)) == ("ada", "smtp.hoster.test:465")
    assert files.asked == ["https://autoconfig.own.test/mail/config-v1.1.xml?emailaddress=ada%40own.test"]


async def test_the_well_known_path_is_asked_second() -> None:
    logins, files = FakeLogins(), Files(**{"well-known": FILE})
    logins.servers["imap.hoster.test"] = {"ada": "p"}
    found = await Autodetection(FakeDns(), files, logins).find("ada@own.test", "", "p")
    assert found.tried.verdict is Verdict.TAKEN
    assert files.asked[1].startswith("https://own.test/.well-known/autoconfig/mail/config-v1.1.xml")


async def test_addresses_of_large_providers_need_no_question() -> None:
    logins, files, dns = FakeLogins(), Files(), FakeDns()
    logins.servers["imap.gmail.com"] = {"ada@gmail.com": "p"}
    found = await Autodetection(dns, files, logins).find("Ada@GMAIL.com".lower(), "", "p")
    assert found.tried.verdict is Verdict.TAKEN
    assert (files.asked, len(logins.tried)) == ([], 1)


async def test_hosts_that_only_look_like_a_large_provider_get_no_password() -> None:
    logins, dns = FakeLogins(), FakeDns(mx_records={"own.test": (MxRecord(1, "mx.notgoogle.com"), MxRecord(2, "."))})
    await Autodetection(dns, Files(), logins).find("ada@own.test", "", "p")
    assert all("own.test" in host for host, _, _ in logins.tried)


@pytest.mark.parametrize("address", ["127.0.0.1", "192.168.1.1", "169.254.169.254", "::1", "10.0.0.7"])
async def test_private_addresses_are_refused_before_any_connection(address: str) -> None:
    resolver = Resolver("127.0.0.1:1", clock=SystemClock(), hosts_file=None)
    tries = LoginTries(ImapDialler(resolver, ClientContexts(), (), SystemClock()), may_be_plain=False)

    refused = await tries.try_login(Service(address, 993, Security.TLS), "ada", "p")
    plain = await tries.try_login(Service("192.0.2.1", 143, Security.PLAIN), "ada", "p")

    assert (refused.verdict, plain.verdict) == (Verdict.PRIVATE, Verdict.PRIVATE)
    await resolver.close()


async def test_a_real_server_takes_the_right_password_refuses_the_wrong_one_and_proves_who_it_is() -> None:
    require_peer("dovecot")
    resolver = Resolver("127.0.0.1:1", clock=SystemClock())
    with Dovecot({"ada": "right"}) as dovecot:
        tried = []
        for authorities in (dovecot.authorities, None):
            tries = _tries(resolver, authorities)
            for password in ("right", "wrong"):
                service = Service("localhost", dovecot.imaps_port, Security.TLS)
                tried.append(await tries.try_login(service, "ada", password))
    await resolver.close()

    # Without the authority of its certificate no password goes there.
    assert [one.verdict for one in tried] == [Verdict.TAKEN, Verdict.REFUSED, Verdict.AWAY, Verdict.AWAY]
    assert tried[1].words == "Authentication failed.", "the page says itself who refuses what"


def _tries(resolver: Resolver, authorities: Path | None) -> LoginTries:
    loopback = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    dialler = ImapDialler(resolver, ClientContexts(authorities), loopback, SystemClock())
    return LoginTries(dialler, may_be_plain=True)
