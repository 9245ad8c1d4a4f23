"""`postroom key rotate --tokens` on a running server with a helper process."""

import base64
import re
import sqlite3
from contextlib import closing

import pytest
from peers.process import wait_until
from peers.smtp_sink import SmtpSink
from running_server import RunningServer

_CLICK = re.compile(rb"/c/([A-Za-z0-9_-]+)")
MAIL = {
    "from": "news@shop.test",
    "to": ["ann@peer.test"],
    "subject": "x",
    "html": '<p><a href="https://shop.test/">shop</a></p>',
}


@pytest.mark.soak
def test_new_mail_is_signed_with_a_new_token_key_and_older_links_go_on() -> None:
    """Soak: a server reads the ring every ten seconds."""
    with (
        SmtpSink() as sink,
        RunningServer(transport=f"smtp://127.0.0.1:{sink.port}", vouched=["shop.test"], helpers="1") as server,
    ):

        def sent() -> bytes:
            count = len(sink.mails)
            server.wait_for_state(server.api.post("/messages", MAIL)["id"], "delivered", "sent")
            body = b"".join(mail.data for mail in sink.mails[count:]).replace(b"=\r\n", b"").replace(b"=3D", b"=")
            found = _CLICK.search(body)
            assert found is not None
            return found[1]

        def key_of(token: bytes) -> int:
            return base64.urlsafe_b64decode(token + b"=" * (-len(token) % 4))[0]

        first = sent()
        server.command("key", "rotate", "--tokens")
        assert key_of(sent()) == 0
        with closing(sqlite3.connect(server.folder / "data" / "postroom.db", timeout=30)) as connection, connection:
            connection.execute("UPDATE secret SET created_ms = 1 WHERE name = 'token_key/1'")
        last: list[bytes] = []

        def is_signed_anew() -> bool:
            last[:] = [sent()]
            return key_of(last[0]) == 1

        wait_until(is_signed_anew, "a mail is signed with the new key", 30)
        for token in (first, last[0]):
            answer = server.fetch("GET", f"/c/{token.decode()}")
            assert (answer.status, answer.fields["location"]) == (307, "https://shop.test/")
