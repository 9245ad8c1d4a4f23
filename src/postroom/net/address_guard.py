"""Which network addresses may be dialled because of data that others wrote (an MX record, a webhook URL).

An address inside our own network is refused before any connection, unless the
operator allows its network (POSTROOM_ALLOW_PRIVATE). IPv6 forms that carry an
IPv4 address are judged by what they carry: that is where the packets go.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052 2.1."""
_COMPATIBLE = IPv6Network("::/96")
"""RFC 4291 2.5.5.1, deprecated."""
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")
"""RFC 2765 2.1, obsolete; translators still know it."""
_ISATAP = (0x00005EFE, 0x02005EFE)
"""RFC 5214 6.1: what stands before the IPv4 address in the interface identifier."""
_REFUSED: tuple[Network, ...] = (
    IPv4Network("0.0.0.0/8"),  # this network, RFC 791 3.2; Linux connects 0.0.0.0 to itself
    IPv4Network("100.64.0.0/10"),  # carrier-grade NAT, RFC 6598
    IPv4Network("192.88.99.0/24"),  # 6to4 relays, RFC 7526
    IPv4Network("192.0.0.0/24"),  # protocol assignments, RFC 6890; one cloud's metadata is at 192.0.0.192
    IPv4Network("168.63.129.16/32"),  # another cloud's metadata, at an address that looks public
    IPv6Network("64:ff9b:1::/48"),  # NAT64 of the local network, RFC 8215
    IPv6Network("2001::/32"),  # Teredo: the packets go to an IPv4 address that is hidden in it, RFC 4380
    IPv6Network("fec0::/10"),  # site-local, RFC 3879
)


def allowed(address: str | Address, allow_private: tuple[Network, ...] = ()) -> bool:
    """Tell whether an address may be dialled. Text that is no address is refused."""
    try:
        ip = ip_address(address) if isinstance(address, str) else address
    except ValueError:
        return False
    inner = _carried(ip)
    return any(inner in network or ip in network for network in allow_private) or _is_public(inner)


def _carried(ip: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, or the address itself."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip in _NAT64 or ip in _TRANSLATED or int(ip) >> 32 & 0xFFFFFFFF in _ISATAP:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip in _COMPATIBLE and int(ip) > 1:
        return IPv4Address(int(ip))
    return ip


def _is_public(ip: Address) -> bool:
    if ip.is_private or ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip.is_reserved:
        return False
    return not any(ip in network for network in _REFUSED)
