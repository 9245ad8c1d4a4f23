"""Each peer does what the tests that lean on it expect."""

import base64
import smtplib
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import dkim
import dns.message
import dns.query
import dns.rcode
import loopback
import psycopg
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from peers import nodemailer
from peers.dns_server import DnsServer, Trouble
from peers.opendkim import OpenDkimMilter, verify, verify_all
from peers.postfix import Postfix
from peers.postgres import Databases, PostgresServer
from peers.process import wait_until
from peers.require import require_peer
from peers.smtp_sink import DROP, SmtpSink

MAIL = b"From: ann@a.test\r\nTo: bob@b.test\r\nSubject: hello\r\n\r\nOne\r\n.two\r\n..three\r\ncaf\xc3\xa9\r\n"


def test_tests_dial_loopback_only() -> None:
    with pytest.raises(loopback.DialledOutside):
        _connect("192.0.2.1")
    with socket.socket(type=socket.SOCK_DGRAM) as datagram, pytest.raises(loopback.DialledOutside):
        datagram.sendto(b"x", ("198.51.100.1", 53))
    with pytest.raises(loopback.DialledOutside):
        _connect("mx.example.test")
    assert len(loopback.dialled_outside) == 3
    loopback.dialled_outside.clear()


def _connect(host: str) -> None:
    with socket.socket() as outside:
        outside.connect((host, 25))


def test_a_database_is_fresh_and_a_template_is_copied(postgres: Databases) -> None:
    def fill(url: str) -> None:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE word (text text)")

    template = postgres.template_database("peers_smoke", fill)

    first, second = postgres.fresh_database(template), postgres.fresh_database()

    with psycopg.connect(first) as connection:
        assert connection.execute("SELECT count(*) FROM word").fetchone() == (0,)
    with psycopg.connect(second) as connection:
        assert connection.execute("SELECT to_regclass('word')").fetchone() == (None,)
    for url in (first, second):
        postgres.drop_database(url)


def test_a_stopped_database_comes_back_with_its_rows(own_postgres: PostgresServer) -> None:
    url = own_postgres.databases().fresh_database()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE word (text text)")

        assert connection.execute("SHOW fsync").fetchone() == ("on",)

    own_postgres.stop("immediate")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    own_postgres.start()

    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM word").fetchone() == (0,)


def test_the_sink_keeps_envelope_and_bytes(sink: SmtpSink) -> None:
    with smtplib.SMTP("127.0.0.1", sink.port) as client:
        client.sendmail("ann@a.test", ["bob@b.test"], MAIL, ["BODY=8BITMIME"], ["NOTIFY=FAILURE"])

    (mail,) = sink.wait_for(1)

    assert (mail.reverse_path, mail.recipients, mail.data) == ("ann@a.test", ("bob@b.test",), MAIL)
    assert mail.mail_parameters == (f"size={len(MAIL)}", "BODY=8BITMIME")
    assert mail.recipient_parameters == (("NOTIFY=FAILURE",),)


def test_the_sink_answers_as_told(sink: SmtpSink) -> None:
    sink.on("RCPT", "550 5.1.1 No such user", recipient="nobody@b.test")
    sink.on("DOT", "451 4.3.0 Later", times=1)
    sink.on("DOT", DROP, connection=2)

    with smtplib.SMTP("127.0.0.1", sink.port) as client:
        with pytest.raises(smtplib.SMTPDataError):
            client.sendmail("ann@a.test", ["bob@b.test"], MAIL)
        refused = client.sendmail("ann@a.test", ["bob@b.test", "nobody@b.test"], MAIL)
    with pytest.raises(smtplib.SMTPServerDisconnected), smtplib.SMTP("127.0.0.1", sink.port) as client:
        client.sendmail("ann@a.test", ["bob@b.test"], MAIL)

    assert refused == {"nobody@b.test": (550, b"5.1.1 No such user")}
    assert [mail.recipients for mail in sink.mails] == [("bob@b.test",)]


def test_the_sink_takes_chunks_and_logins_under_tls() -> None:
    ca = trustme.CA()
    with (
        SmtpSink(tls=_server_context(ca), users={"ann": "secret"}) as sink,
        smtplib.SMTP("127.0.0.1", sink.port) as client,
    ):
        client.starttls(context=_client_context(ca))
        client.ehlo("client.test")
        client.login("ann", "secret")
        client.mail("ann@a.test")
        client.rcpt("bob@b.test")
        client.send(b"BDAT 3\r\nab\r")
        client.getreply()
        client.send(b"BDAT 3 LAST\r\n\ncd")
        reply = client.getreply()

        assert reply[0] == 250
        (mail,) = sink.mails
        assert (mail.data, mail.tls, mail.login, mail.helo) == (b"ab\r\ncd", True, "ann", "client.test")


def test_dns_answers_over_udp_and_tcp() -> None:
    zone = {"a.test": {"MX": ["10 mx.a.test."]}, "www.a.test": {"CNAME": ["mx.a.test."]}}
    with DnsServer(zone) as server:
        server.put("mx.a.test", "A", "127.0.0.1")
        server.fail("broken.test")
        server.fail("long.test", Trouble.TRUNCATED)
        server.put("long.test", "TXT", '"text"')

        for ask in (dns.query.udp, dns.query.tcp):
            mx = ask(dns.message.make_query("a.test", "MX"), "127.0.0.1", 5, server.port)
            alias = ask(dns.message.make_query("WWW.a.test", "A"), "127.0.0.1", 5, server.port)
            assert [item.to_text() for item in mx.answer[0]] == ["10 mx.a.test."]
            assert [answer[0].to_text() for answer in alias.answer] == ["mx.a.test.", "127.0.0.1"]
        broken = dns.query.udp(dns.message.make_query("broken.test", "A"), "127.0.0.1", 5, server.port)
        absent = dns.query.udp(dns.message.make_query("absent.test", "A"), "127.0.0.1", 5, server.port)
        long, over_tcp = dns.query.udp_with_fallback(
            dns.message.make_query("long.test", "TXT"), "127.0.0.1", 5, server.port
        )

        assert (broken.rcode(), absent.rcode()) == (dns.rcode.SERVFAIL, dns.rcode.NXDOMAIN)
        assert over_tcp
        assert long.answer[0][0].to_text() == '"text"'
        assert server.asked("a.test", "MX") == 2


@pytest.mark.peers
def test_nodemailer_sends_and_says_who_was_refused(sink: SmtpSink) -> None:
    require_peer("nodemailer")
    sink.on("RCPT", "550 5.1.1 No such user", recipient="nobody@b.test")
    transport = {"host": "127.0.0.1", "port": sink.port}
    mail = {"from": "ann@a.test", "to": ["bob@b.test", "nobody@b.test"], "subject": "hello", "text": "One"}

    report = nodemailer.send(transport, mail)

    assert (report["accepted"], report["rejected"]) == (["bob@b.test"], ["nobody@b.test"])
    assert b"Subject: hello\r\n" in sink.mails[0].data


@pytest.mark.peers
def test_opendkim_verifies_rsa_and_ed25519_and_sees_a_changed_body() -> None:
    require_peer("opendkim")
    pem, record = _rsa_key()
    edwards = ed25519.Ed25519PrivateKey.generate()
    keys = {
        "sel._domainkey.a.test": record,
        "ed._domainkey.a.test": "v=DKIM1; k=ed25519; p="
        + base64.b64encode(edwards.public_key().public_bytes_raw()).decode(),
    }
    relaxed = (b"relaxed", b"relaxed")
    signed = dkim.sign(MAIL, b"sel", b"a.test", pem, canonicalize=relaxed) + MAIL
    secret = base64.b64encode(edwards.private_bytes_raw())
    both = dkim.sign(MAIL, b"ed", b"a.test", secret, canonicalize=relaxed, signature_algorithm=b"ed25519-sha256")

    verdicts = verify_all([both + signed, MAIL, signed + b"more\r\n"], keys)

    assert [(found.selector, found.algorithm, found.result) for found in verdicts[0]] == [
        ("ed", "ed25519-sha256", "pass"),
        ("sel", "rsa-sha256", "pass"),
    ]
    assert verdicts[1] == ()
    assert [found.result for found in verdicts[2]] == ["fail"]


@pytest.mark.peers
def test_postfix_relays_signs_and_keeps_long_lines(sink: SmtpSink) -> None:
    require_peer("postfix")
    require_peer("opendkim")
    pem, record = _rsa_key()
    long = MAIL + b"x" * 5000 + b"\r\n"
    with (
        OpenDkimMilter(domain="a.test", selector="sel", private_key_pem=pem) as milter,
        Postfix(relayhost=sink.address, milters=[milter.address], settings={"smtp_line_length_limit": "0"}) as postfix,
        smtplib.SMTP("127.0.0.1", postfix.port) as client,
    ):
        client.sendmail("ann@a.test", ["bob@b.test"], long)
        (mail,) = sink.wait_for(1)
        postfix.wait_until_empty()

    assert mail.data.endswith(b"x" * 5000 + b"\r\n")
    assert [found.result for found in verify(mail.data, {"sel._domainkey.a.test": record})] == ["pass"]


@pytest.mark.peers
def test_postfix_logs_in_over_starttls() -> None:
    require_peer("postfix")
    ca = trustme.CA()
    with (
        SmtpSink(tls=_server_context(ca), users={"ann": "sec:ret"}) as sink,
        Postfix(relayhost=sink.address, login=("ann", "sec:ret"), tls="encrypt") as postfix,
        smtplib.SMTP("127.0.0.1", postfix.port) as client,
    ):
        client.sendmail("ann@a.test", ["bob@b.test"], MAIL)
        (mail,) = sink.wait_for(1)

    assert (mail.tls, mail.login) == (True, "ann")


@pytest.mark.peers
def test_postfix_asks_its_users_to_log_in(sink: SmtpSink, tmp_path: Path) -> None:
    require_peer("postfix")
    require_peer("saslpasswd2")
    ca = trustme.CA()
    certificate = ca.issue_cert("127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    certificate.cert_chain_pems[0].write_to_path(chain)
    certificate.private_key_pem.write_to_path(key)
    with (
        Postfix(relayhost=sink.address, users={"ann": "secret"}, certificate=(chain, key)) as postfix,
        smtplib.SMTP("127.0.0.1", postfix.port) as client,
    ):
        client.starttls(context=_client_context(ca))
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail("ann@a.test", ["bob@b.test"], MAIL)
        client.login("ann", "secret")
        client.sendmail("ann@a.test", ["bob@b.test"], MAIL)

        assert len(sink.wait_for(1)) == 1


@pytest.mark.peers
def test_postfix_delivers_and_knows_who_is_unknown() -> None:
    require_peer("postfix")
    with (
        Postfix(mailboxes=["bob@b.test"]) as postfix,
        smtplib.SMTP("127.0.0.1", postfix.port) as client,
    ):
        refused = client.sendmail("ann@a.test", ["bob@b.test", "nobody@b.test"], MAIL)
        wait_until(lambda: len(postfix.delivered("bob@b.test")) == 1, "the mail is in the mailbox")

        assert refused["nobody@b.test"][0] == 550
        assert postfix.delivered("bob@b.test")[0].endswith(b"caf\xc3\xa9\n")


@pytest.mark.peers
def test_postfix_keeps_its_queue_over_a_stop() -> None:
    require_peer("postfix")
    with SmtpSink() as sink:
        sink.on("CONNECT", "421 4.3.2 Not now")
        with Postfix(relayhost=sink.address) as postfix:
            with smtplib.SMTP("127.0.0.1", postfix.port) as client:
                client.sendmail("ann@a.test", ["bob@b.test"], MAIL)
            wait_until(lambda: "status=deferred" in postfix.log(), "Postfix has tried")
            postfix.stop()
            assert postfix.queue_length() == 1
            sink.clear()
            postfix.start()
            postfix.flush()
            sink.wait_for(1)


def test_a_skip_is_a_failure_where_peers_are_required(tmp_path: Path) -> None:
    """The promise of CI: nothing is left out silently."""
    root = Path(__file__).parents[2]
    (tmp_path / "test_absent.py").write_text("import pytest\ndef test_it(): pytest.skip('no such peer')\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", str(root / "pyproject.toml")]
    command += ["-p", "conftest", str(tmp_path)]

    done = subprocess.run(
        command,
        cwd=root,
        env={"PATH": "/usr/bin:/bin", "POSTROOM_REQUIRE_PEERS": "1", "PYTHONPATH": "tests", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 1, done.stdout
    assert "would skip: Skipped: no such peer" in done.stdout


def _server_context(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    return context


def _client_context(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    ca.configure_trust(context)
    return context


def _rsa_key() -> tuple[bytes, str]:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem, f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"
