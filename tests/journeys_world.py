"""What journeys with direct delivery share: a server, the DNS that it asks, and MX hosts of our own."""

from dataclasses import dataclass

from peers.dns_server import DnsServer
from peers.smtp_sink import SmtpSink
from running_server import RunningServer


@dataclass(frozen=True, slots=True)
class World:
    """A server that delivers directly, the DNS it asks, and the MX hosts it finds there."""

    server: RunningServer
    dns: DnsServer
    sink: SmtpSink
    """MX host of taker.test and author.test, 127.0.0.1."""
    old_sink: SmtpSink
    """MX host of old.test at 127.0.0.3, which takes 7-bit mail only."""
