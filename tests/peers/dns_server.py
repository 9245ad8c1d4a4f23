"""A small authoritative DNS server on loopback, UDP and TCP on one port, for zones given as a dict.

```python
with DnsServer({"example.test": {"MX": ["10 mx.example.test."]}, "mx.example.test": {"A": ["127.0.0.1"]}}) as dns:
    dns.port            # the resolver address is 127.0.0.1:port
    dns.fail("example.test")      # from now on SERVFAIL
```
Record texts are those of zone files. A name that is not there is NXDOMAIN, a
type that is not there is an empty answer. CNAME records are followed.
"""

import contextlib
import socket
import socketserver
import struct
import threading
from collections.abc import Iterable, Mapping
from enum import Enum

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

Zone = Mapping[str, Mapping[str, Iterable[str]]]


class Trouble(Enum):
    """How a name misbehaves."""

    SERVFAIL = "servfail"
    REFUSED = "refused"
    SILENT = "silent"
    """No answer at all, over UDP and TCP."""
    TRUNCATED = "truncated"
    """Over UDP only the TC bit, the answer over TCP (RFC 7766 5)."""


class DnsServer:
    """Serves a zone until the end of its `with` block. Changing it while it serves is safe."""

    def __init__(self, zone: Zone | None = None, *, ttl: int = 60, authenticated: bool = False) -> None:
        """`ttl` is in seconds; `authenticated` sets the AD bit, as a validating resolver does (RFC 4035 3.2.3)."""
        self.ttl = ttl
        self.authenticated = authenticated
        self.questions: list[tuple[str, str]] = []
        """Every question so far: lower-case name without the last dot, and type."""
        self._records: dict[str, dict[str, list[str]]] = {}
        self._troubles: dict[str, Trouble] = {}
        self._lock = threading.Lock()
        self._servers: list[socketserver.BaseServer] = []
        self.port = 0
        for name, records in (zone or {}).items():
            for kind, texts in records.items():
                self.put(name, kind, *texts)

    @property
    def address(self) -> str:
        """`host:port`, as POSTROOM_RESOLVER takes it."""
        return f"127.0.0.1:{self.port}"

    def put(self, name: str, kind: str, *texts: str) -> None:
        """Set the records of one name and type; no texts takes them away."""
        with self._lock:
            records = self._records.setdefault(_key(name), {})
            if texts:
                records[kind.upper()] = list(texts)
            else:
                records.pop(kind.upper(), None)

    def remove(self, name: str) -> None:
        """Make a name unknown (NXDOMAIN)."""
        with self._lock:
            self._records.pop(_key(name), None)

    def fail(self, name: str, trouble: Trouble = Trouble.SERVFAIL) -> None:
        """Let a name misbehave; `*` stands for every name."""
        with self._lock:
            self._troubles[_key(name)] = trouble

    def heal(self, name: str) -> None:
        """Let a name answer again."""
        with self._lock:
            self._troubles.pop(_key(name), None)

    def asked(self, name: str, kind: str) -> int:
        """Return how often a question was asked."""
        with self._lock:
            return self.questions.count((_key(name), kind.upper()))

    def __enter__(self) -> "DnsServer":
        for _ in range(50):
            udp = _Udp(("127.0.0.1", 0), self)
            try:
                tcp = _Tcp(udp.server_address, self)
            except OSError:  # that port is taken for TCP
                udp.server_close()
                continue
            self.port = int(udp.server_address[1])
            self._servers = [udp, tcp]
            break
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True, name="dns-server").start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._servers = []

    def answer(self, wire: bytes, *, over_tcp: bool) -> bytes | None:
        """Return the answer to one query, or None to stay silent."""
        query = dns.message.from_wire(wire)
        response = dns.message.make_response(query, recursion_available=True)
        response.flags |= dns.flags.AA
        if self.authenticated:
            response.flags |= dns.flags.AD
        if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
            response.set_rcode(dns.rcode.NOTIMP)
            return response.to_wire()
        question = query.question[0]
        name, kind = _key(question.name.to_text()), dns.rdatatype.to_text(question.rdtype)
        with self._lock:
            self.questions.append((name, kind))
            trouble = self._troubles.get(name, self._troubles.get("*"))
            if trouble is Trouble.SILENT:
                return None
            if trouble in (Trouble.SERVFAIL, Trouble.REFUSED):
                response.set_rcode(dns.rcode.SERVFAIL if trouble is Trouble.SERVFAIL else dns.rcode.REFUSED)
                return response.to_wire()
            self._fill(response, name, kind)
        if trouble is Trouble.TRUNCATED and not over_tcp:
            response.answer.clear()
            response.flags |= dns.flags.TC
        try:
            return response.to_wire(max_size=65535 if over_tcp else query.payload or 512)
        except dns.exception.TooBig:
            response.answer.clear()
            response.flags |= dns.flags.TC
            return response.to_wire()

    def _fill(self, response: dns.message.Message, name: str, kind: str) -> None:
        for _ in range(8):
            records = self._records.get(name)
            if records is None:
                response.set_rcode(dns.rcode.NXDOMAIN)
                return
            wanted = kind if kind in records else "CNAME"
            texts = records.get(wanted, [])
            if texts:
                owner = dns.name.from_text(name)
                response.answer.append(dns.rrset.from_text_list(owner, self.ttl, dns.rdataclass.IN, wanted, texts))
            if wanted == kind or not texts:
                return
            name = _key(texts[0])


def _key(name: str) -> str:
    return name.rstrip(".").lower()


class _UdpHandler(socketserver.BaseRequestHandler):
    server: "_Udp"

    def handle(self) -> None:
        wire, reply_socket = self.request
        with contextlib.suppress(dns.exception.DNSException, OSError):
            answer = self.server.dns.answer(wire, over_tcp=False)
            if answer is not None:
                reply_socket.sendto(answer, self.client_address)


class _TcpHandler(socketserver.StreamRequestHandler):
    server: "_Tcp"
    timeout = 10

    def handle(self) -> None:
        with contextlib.suppress(dns.exception.DNSException, OSError, struct.error):
            while True:
                (length,) = struct.unpack("!H", self.rfile.read(2))
                answer = self.server.dns.answer(self.rfile.read(length), over_tcp=True)
                if answer is None:
                    return
                self.wfile.write(struct.pack("!H", len(answer)) + answer)


class _Udp(socketserver.UDPServer):
    max_packet_size = 65535

    def __init__(self, address: tuple[str, int], dns_server: DnsServer) -> None:
        self.dns = dns_server
        super().__init__(address, _UdpHandler)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], dns_server: DnsServer) -> None:
        self.dns = dns_server
        super().__init__(address, _TcpHandler)
