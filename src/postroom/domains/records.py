"""The DNS records that a domain's owner publishes. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from postroom.mail.dkim.record import record_name

PROOF_PREFIX = "postroom-proof="


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """One record to publish."""

    purpose: str
    """`proof`, `dkim`, `dkim_ed25519`, `dmarc`, `return_path`, `return_path_spf` or `tracking`."""
    name: str
    """Full name without a final dot."""
    type: str
    value: str
    """As it is pasted into a zone editor: TXT without quotes, hosts without a final dot."""


@dataclass(frozen=True, slots=True)
class Installation:
    """The names under which this installation is reached."""

    hostname: str
    """The MX host of return-path domains."""
    public_host: str
    """The host of POSTROOM_PUBLIC_URL, which tracking domains point to; may be an address."""


def proof_name(domain: str) -> str:
    """Return the name of the TXT record that proves a domain."""
    return f"_postroom.{domain}"


def return_path_name(domain: str) -> str:
    """Return the host of a domain's machine addresses."""
    return f"rp.{domain}"


def tracking_name(domain: str) -> str:
    """Return the host of a domain's tracking addresses."""
    return f"go.{domain}"


def records_for(
    domain: str, proof: str, keys: Sequence[tuple[str, str]], installation: Installation
) -> tuple[DnsRecord, ...]:
    """Return all records of a domain. `keys` are selector and TXT text, the RSA key first."""
    rp = return_path_name(domain)
    dkim = [
        DnsRecord("dkim" if not index else "dkim_ed25519", record_name(selector, domain), "TXT", text)
        for index, (selector, text) in enumerate(keys)
    ]
    return (
        DnsRecord("proof", proof_name(domain), "TXT", PROOF_PREFIX + proof),
        *dkim,
        # p=none watches without harm; the owner tightens it once the reports are clean (RFC 7489 6.3).
        DnsRecord("dmarc", f"_dmarc.{domain}", "TXT", "v=DMARC1; p=none"),
        DnsRecord("return_path", rp, "MX", f"10 {installation.hostname}"),
        DnsRecord("return_path_spf", rp, "TXT", f"v=spf1 a:{installation.hostname} -all"),
        DnsRecord("tracking", tracking_name(domain), _host_type(installation.public_host), installation.public_host),
    )


def _host_type(host: str) -> str:
    # RFC 1035 3.3.1: an alias leads to a name, never to an address.
    try:
        return "A" if ip_address(host).version == 4 else "AAAA"
    except ValueError:
        return "CNAME"
