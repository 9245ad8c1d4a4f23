"""A separate pass with a recording sink: what the relays deliver is real, signed, and tracked."""

import binascii
import http.client
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import dkim
from peers.smtp_sink import Mail, SmtpSink

from bench.load import Generator
from bench.mails import template
from bench.peers import PostfixRelay, PostroomRelay, Relay

COUNT = 24


class NotReal(Exception):
    """What was delivered is not what was measured."""


def verify(relay: Relay, first: int, size: int) -> str:
    """Send COUNT mails to a recording sink and check every copy; return what was found. Raises NotReal."""
    with SmtpSink() as sink:
        if isinstance(relay, PostroomRelay):
            relay.stop()
            relay.start(sink.port)
            with _SyncCount(relay.roots()[0]) as synced:
                _send(relay.port, relay.login, first, size)
                mails = sink.wait_for(COUNT, 60)
            _check_signatures(mails, relay.dkim_record())
            followed = _check_tracking(mails, relay, first, size)
            if synced.count == 0:
                raise NotReal("the server did not sync its database once")
            told = f", {synced.count} syncs of the database" if synced.count is not None else ""
            tracked = f"a pixel and 8 own links in each, {followed} followed"
            return f"postroom: {COUNT} copies verified with dkimpy, {tracked}{told}"
        peer = PostfixRelay(sink.port)
        try:
            _send(peer.port, None, first, size)
            mails = sink.wait_for(COUNT, 60)
            _check_signatures(mails, peer.dkim_record())
        finally:
            peer.close()
        return f"{relay.name}: {COUNT} copies verified with dkimpy"


class _SyncCount:
    """Counts fdatasync and fsync of a process with strace, where that is installed; `count` None where not."""

    def __init__(self, pid: int) -> None:
        self.count: int | None = None
        self._pid = pid

    def __enter__(self) -> "_SyncCount":
        self._folder = Path(tempfile.mkdtemp(prefix="postroom-bench-"))
        self._process = None
        if shutil.which("strace"):
            command = [
                "strace",
                "-f",
                "-e",
                "trace=fdatasync,fsync",
                "-o",
                str(self._folder / "trace"),
                "-p",
                str(self._pid),
            ]
            self._process = subprocess.Popen(command, stderr=subprocess.PIPE)
            assert self._process.stderr is not None
            self._process.stderr.readline()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()
            trace = self._folder / "trace"
            self.count = sum("sync(" in line for line in trace.read_text().splitlines()) if trace.exists() else None
        shutil.rmtree(self._folder, ignore_errors=True)


def _send(port: int, login: tuple[str, str] | None, first: int, size: int) -> None:
    load = Generator(port, COUNT, size, first=first, sessions=4, login=login)
    load.go()
    load.result()


def _check_signatures(mails: list[Mail], record: str) -> None:
    for mail in mails:
        if not dkim.verify(mail.data, dnsfunc=lambda name, timeout=5: record.encode()):
            raise NotReal(f"the signature of the copy to {mail.recipients[0]} does not verify")


def _check_tracking(mails: list[Mail], relay: PostroomRelay, first: int, size: int) -> int:
    made = template(size)
    followed = 0
    seen: set[str] = set()
    for mail in mails:
        number = int(mail.recipients[0][4:12])
        html = _html(mail.data)
        links = re.findall(r'href="([^"]*)"', html)
        pixels = re.findall(r'<img[^>]*src="([^"]*/o/[^"]*)"', html)
        if len(pixels) != 1 or len(links) != made.links or seen & {*pixels, *links}:
            raise NotReal(f"{len(pixels)} pixels and {len(links)} links in the copy to {mail.recipients[0]}")
        seen |= {*pixels, *links}
        for link, target in zip(links, made.targets(number), strict=True):
            if _redirect(relay.http_port, link) != target:
                raise NotReal(f"{link} does not lead to {target}")
            followed += 1
    del first
    return followed


def _html(raw: bytes) -> str:
    part = raw.split(b"Content-Type: text/html", 1)[1].split(b"\r\n\r\n", 1)[1]
    return binascii.a2b_qp(part).decode()


def _redirect(port: int, link: str) -> str | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", urlsplit(link).path)
        return connection.getresponse().getheader("Location")
    finally:
        connection.close()
