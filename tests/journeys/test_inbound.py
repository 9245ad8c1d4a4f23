"""Mail that comes in through a real Postfix: by SMTP to the inbound door, and by a pipe to `postroom receive`."""

import os
import pwd
import re
import shutil
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from peers.dns_server import DnsServer
from peers.postfix import Postfix
from peers.process import wait_until
from peers.require import ROOT, require_peer
from running_server import RunningServer

from postroom.base.packing import unpack
from postroom.mail.authentication import Verdicts

AUTHOR = "ann@peer.test"
MAIL = b"From: Ann <ann@peer.test>\r\nTo: somebody\r\nSubject: gr\xc3\xbc\xc3\x9fe\r\n\r\n.one\r\nFrom two\r\n"
PIPE_USER = "nobody"
CLIENT = "192.0.2.7"


def interpreter() -> str:
    """Return a Python that the pipe's user may run: `postroom receive` needs nothing but the standard library."""
    for one in (sys.executable, shutil.which("python3", path="/usr/bin:/usr/local/bin")):
        if one is not None:
            asked = [one, "-c", "import tomllib"]
            with suppress(PermissionError, subprocess.CalledProcessError):
                subprocess.run(asked, user=PIPE_USER, capture_output=True, check=True, cwd="/")
                return one
    pytest.skip(f"no Python of 3.11 or later that {PIPE_USER} may run")


@contextmanager
def postfix_before(server: RunningServer) -> Iterator[Postfix]:
    """Give a Postfix that hands `abuse@` and `gone@` over by a pipe, and everything else by SMTP."""
    command = server.folder / "postroom"
    # A script, since the words of a line of master.cf cannot hold the spaces that a path may.
    command.write_text(
        f"#!/bin/sh\nPYTHONPATH='{ROOT / 'src'}' POSTROOM_DATA='{server.folder / 'data'}' "
        f"exec '{interpreter()}' -m postroom \"$@\"\n"
    )
    command.chmod(0o755)
    arguments = "receive --from ${sender} --to ${original_recipient}"
    settings = {
        "transport_maps": "inline:{{abuse@shop.test = postroom:}, {gone@shop.test = postroom:}}",
        "postroom_destination_recipient_limit": "1",
        "bounce_queue_lifetime": "0",
        "smtpd_authorized_xclient_hosts": "127.0.0.1",
        "mynetworks": f"127.0.0.0/8, {CLIENT}",
    }
    pipe = f"postroom unix - n n - - pipe flags=q user={PIPE_USER} argv={command} {arguments}"
    with Postfix(relayhost=f"127.0.0.1:{server.inbound_port}", settings=settings, services=[pipe]) as postfix:
        # In production the pipe's user is the server's own.
        for folder in (server.folder, server.folder / "data"):
            folder.chmod(0o711)
        os.chown(server.folder / "data" / "control.sock", pwd.getpwnam(PIPE_USER).pw_uid, -1)
        yield postfix


def send(postfix: Postfix, recipient: str, author: str = AUTHOR) -> None:
    """Hand a mail to Postfix, as if from CLIENT."""
    with smtplib.SMTP("127.0.0.1", postfix.port, timeout=60) as client:
        client.ehlo()
        client.docmd("XCLIENT", f"ADDR={CLIENT} NAME=[UNAVAILABLE]")
        client.ehlo("mail.peer.test")
        client.sendmail(author, [recipient], MAIL)


def test_a_real_postfix_hands_mail_over_by_smtp_and_by_a_pipe() -> None:
    require_peer("postfix")
    spf = {name: {"TXT": [f'"v=spf1 ip4:{CLIENT} -all"']} for name in ("peer.test", "mail.peer.test")}
    with (
        DnsServer(spf) as dns,
        RunningServer(vouched=["shop.test"], resolver=dns.address, trusted_relays="127.0.0.1/32") as server,
        postfix_before(server) as postfix,
    ):
        for recipient in ("postmaster@shop.test", "abuse@shop.test", "unknown@shop.test", "gone@shop.test"):
            send(postfix, recipient)
        send(postfix, "abuse@shop.test", author="")
        for told in ("to=<unknown@shop.test>, .*said: 550 5.1.1", "to=<gone@shop.test>, .*dsn=5.1.1, status=bounced"):
            wait_until(lambda told=told: told_in(postfix, told), told, 30)  # type: ignore[misc]
        wait_until(lambda: len(server.rows("SELECT 1 FROM inbound")) == 3, "three mails are in the store", 30)

        found = server.rows(
            "SELECT source, recipient, reverse_path, subject FROM inbound ORDER BY source DESC, reverse_path DESC"
        )
        # Of whom Postfix had it from, not of Postfix.
        assert {Verdicts.from_json(one).spf.result for (one,) in server.rows("SELECT verdicts FROM inbound")} == {
            "pass"
        }
        assert found == [
            ("smtp", "postmaster@shop.test", AUTHOR, "grüße"),
            ("pipe", "abuse@shop.test", AUTHOR, "grüße"),
            ("pipe", "abuse@shop.test", "", "grüße"),
        ]
        for content in stored(server):
            assert b"\r\nSubject: gr\xc3\xbc\xc3\x9fe\r\n" in content
            assert content.endswith(b"\r\n\r\n.one\r\nFrom two\r\n")
            assert content.startswith(b"Return-Path: <")
            assert b"\r\nReceived: " in content

        server.stop()
        send(postfix, "abuse@shop.test")
        wait_until(lambda: told_in(postfix, "to=<abuse@shop.test>, .*status=deferred"), "it is tried again later", 30)


def told_in(postfix: Postfix, told: str) -> bool:
    """Tell whether a line of Postfix's log matches."""
    return re.search(told, postfix.log()) is not None


def stored(server: RunningServer) -> list[bytes]:
    """Return the mails as they lie in the store."""
    return [unpack(body) for (body,) in server.rows("SELECT body FROM inbound_content ORDER BY id")]
