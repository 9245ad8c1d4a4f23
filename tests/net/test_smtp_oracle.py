"""Where aiosmtpd and our session both speak, they say and understand the same."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from smtp_talk import ENVELOPE, HELLO, Talk, codes


class _Keeping:
    """An aiosmtpd handler that keeps contents."""

    def __init__(self) -> None:
        self.contents: list[bytes] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep the content."""
        assert isinstance(envelope.content, bytes)
        self.contents.append(envelope.content)
        return "250 2.0.0 ok"


@dataclass(frozen=True, slots=True)
class Oracle:
    """A running aiosmtpd."""

    address: tuple[str, int]
    contents: list[bytes]


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    handler, loop = _Keeping(), asyncio.new_event_loop()
    serving = loop.create_server(lambda: SMTP(handler, enable_SMTPUTF8=True, loop=loop), "127.0.0.1", 0)
    server = loop.run_until_complete(serving)
    thread = threading.Thread(target=loop.run_forever, name="oracle")
    thread.start()
    yield Oracle(server.sockets[0].getsockname(), handler.contents)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(20)
    server.close()
    loop.run_until_complete(server.wait_closed())
    loop.close()


def _ask(oracle: Oracle, data: bytes) -> list[str]:
    """Send `data` and QUIT; return the reply codes without the greeting."""
    with socket.create_connection(oracle.address, timeout=20) as client:
        client.sendall(data + b"QUIT\r\n")
        said = b""
        while piece := client.recv(65536):
            said += piece
    return [code[:3] for code in codes(said)][1:]


@pytest.mark.parametrize(
    "commands",
    [
        HELLO + ENVELOPE + b"DATA\r\nhello\r\n.\r\n",
        b"HELO x\r\n" + ENVELOPE + b"DATA\r\n.\r\n",
        HELLO + b"RCPT TO:<a@b.test>\r\n",
        HELLO + b"DATA\r\n",
        HELLO + b"MAIL FROM:<a@b.test>\r\nDATA\r\n",
        HELLO + ENVELOPE + b"MAIL FROM:<a@b.test>\r\n",
        b"MAIL FROM:<a@b.test>\r\n",
        HELLO + b"MAIL a@b.test\r\n",
        HELLO + b"MAIL FROM:<> SIZE=999999999999\r\n",
        HELLO + b"MAIL FROM:<a@b.test> NONSENSE=1\r\n",
        HELLO + b"MAIL FROM:<> BODY=8BITMIME SMTPUTF8\r\n",
        HELLO + b"RSET\r\nNOOP\r\nVRFY a@b.test\r\n",
        HELLO + ENVELOPE + b"RSET\r\nDATA\r\n",
        HELLO + b"XYZZY\r\n",
        b"EHLO\r\n",
        HELLO + b"EXPN x\r\n",
        HELLO + b"MAIL FROM:<\xc3\xa9@b.test> SMTPUTF8\r\nRCPT TO:<\xc3\xa9@b.test>\r\n",
    ],
    ids=repr,
)
def test_both_answer_with_the_same_codes(oracle: Oracle, commands: bytes) -> None:
    ours = [code[:3] for code in Talk(offer_tls=False).codes(commands + b"QUIT\r\n")]

    assert ours == _ask(oracle, commands)


_LINE = st.one_of(
    st.sampled_from([b"", b".", b"..", b". ", b".\0", b"From "]),
    st.binary(max_size=40).map(lambda line: line.replace(b"\r", b"").replace(b"\n", b"")),
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(_LINE, max_size=15))
def test_both_understand_the_same_content(oracle: Oracle, lines: list[bytes]) -> None:
    stuffed = b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines)
    talk = Talk().ready()

    data = ENVELOPE + b"DATA\r\n" + stuffed + b".\r\n"
    talk.say(data)
    _ask(oracle, HELLO + data)

    assert talk.messages[0].content == oracle.contents[-1] == b"".join(line + b"\r\n" for line in lines)
