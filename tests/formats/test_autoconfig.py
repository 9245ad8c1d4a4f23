"""The file in which a domain tells mail programs its servers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.mail.autoconfig import Autoconfig, Socket, Told, read_autoconfig

FILE = b"""<?xml version="1.0" encoding="UTF-8"?>
<clientConfig version="1.1">
 <emailProvider id="example.test">
  <domain>example.test</domain>
  <incomingServer type="pop3">
   <hostname>pop.example.test</hostname><port>995</port><socketType>SSL</socketType>
  </incomingServer>
  <incomingServer type="imap">
   <hostname>IMAP.%EMAILDOMAIN%</hostname> <port>993</port> <socketType>SSL</socketType>
   <username>%EMAILLOCALPART%</username> <authentication>password-cleartext</authentication>
  </incomingServer>
  <incomingServer type="imap">
   <hostname>imap.example.test</hostname><port>143</port><socketType>STARTTLS</socketType>
   <username>%EMAILADDRESS%</username><authentication>OAuth2</authentication>
  </incomingServer>
  <incomingServer type="imap">
   <hostname>clear.example.test</hostname><port>143</port><socketType>plain</socketType>
  </incomingServer>
  <outgoingServer type="smtp">
   <hostname>smtp.example.test</hostname><port>587</port><socketType>STARTTLS</socketType>
   <username>%EMAILADDRESS%</username><authentication>password-cleartext</authentication>
  </outgoingServer>
 </emailProvider>
</clientConfig>
"""


def test_protected_servers_are_told_in_the_domains_order() -> None:
    told = read_autoconfig(FILE, "ada@example.test")

    assert told.imap == (
        Told("imap.example.test", 993, Socket.SSL, "ada", is_oauth_only=False),
        Told("imap.example.test", 143, Socket.STARTTLS, "ada@example.test", is_oauth_only=True),
    )
    assert [one.host for one in told.smtp] == ["smtp.example.test"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>not found</html",
        FILE.replace(b"<clientConfig", b'<!DOCTYPE x [<!ENTITY a "b">]><clientConfig', 1),
        FILE.decode().encode("utf-16"),
        FILE.replace(b"993", b"99999").replace(b"143", b"0"),
        FILE.replace(b"IMAP.%EMAILDOMAIN%", b"imap/../x").replace(b"imap.example.test", b"a b"),
        FILE + b" " * 70_000,
        b"<a>" * 20_000,
    ],
)
def test_what_is_no_such_file_tells_nothing(content: bytes) -> None:
    assert read_autoconfig(content, "ada@example.test").imap == ()


def test_entities_that_expand_are_not_read() -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "' + b"x" * 9_000 + b'">]><l>' + b"&a;" * 9_000 + b"</l>"
    assert read_autoconfig(bomb, "ada@example.test") == Autoconfig()


@given(st.binary(max_size=300), st.integers(0, len(FILE)))
def test_any_bytes_are_read(noise: bytes, at: int) -> None:
    assert isinstance(read_autoconfig(noise, "a@b.test"), Autoconfig)
    assert isinstance(read_autoconfig(FILE[:at] + noise + FILE[at:], "a@b.test"), Autoconfig)
