"""Which addresses may be dialled because of what others wrote."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.net.address_guard import allowed


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2a00:1450:4001:82a::200e", "::ffff:8.8.8.8"])
def test_public_addresses_are_allowed(address: str) -> None:
    assert allowed(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "100.127.255.255", "224.0.0.1", "239.255.255.255", "240.0.0.1",
        "255.255.255.255", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "192.0.0.1", "192.88.99.1",
        "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1", "fec0::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "::7f00:1", "::a00:1",
        "192.0.0.192", "168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254",
        "::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::", "::ffff:0:127.0.0.1",
        "2a00:1450::5efe:10.0.0.1", "2a00:1450::200:5efe:127.0.0.1",
        "64:ff9b::127.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1", "2001:0:1:2::",
        "", "localhost", "127.1", "0x7f000001", "2130706433", "127.0.0.1:25", "[::1]",
    ],
)  # fmt: skip
def test_addresses_of_our_own_networks_and_what_is_no_address_are_refused(address: str) -> None:
    assert not allowed(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"])
def test_an_allowed_network_opens_the_addresses_that_lead_into_it(address: str) -> None:
    networks = (ip_network("127.0.0.0/8"),)
    assert allowed(address, networks)
    assert not allowed("10.0.0.1", networks)
    assert not allowed("::1", networks)


def test_an_ipv6_network_can_be_allowed() -> None:
    assert allowed("::1", (ip_network("::1/128"),))


@given(st.one_of(st.ip_addresses(), st.text(max_size=40)))
def test_anything_has_an_answer(address: object) -> None:
    allowed(str(address))
