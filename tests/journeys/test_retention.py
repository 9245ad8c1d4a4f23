"""Upkeep is killed while it purges, and no mail that waits is lost."""

import json
import os
import signal
import sqlite3
import time
import zlib
from contextlib import closing

from peers.process import wait_until
from running_server import RunningServer

from postroom.base.ids import first_id_at

DAY_MS = 86_400_000
OLD, HELD = 3_000, 40
_MESSAGE = "id, workspace_id, content_key, created_ms"
_RECIPIENT = "id, message_id, state, settled_ms, sent_hour"


def clone(connection: sqlite3.Connection, table: str, changed: str, of: int, values: tuple[object, ...]) -> None:
    """Insert a copy of a row with other values in the columns `changed`."""
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    new = dict(zip(changed.split(", "), values, strict=True))
    columns = ", ".join("?" if name in new else name for name in names)
    given = [new[name] for name in names if name in new]
    connection.execute(f"INSERT INTO {table} SELECT {columns} FROM {table} WHERE id = ?", (*given, of))


def age(server: RunningServer) -> None:
    """Give the stopped server thousands of messages of 500 days ago; some of them are held, with the same content."""
    with closing(sqlite3.connect(server.folder / "data" / "postroom.db")) as connection, connection:
        asked = (
            "SELECT m.id, m.workspace_id, m.content_key, r.id FROM message m JOIN recipient r ON r.message_id = m.id"
        )
        message, workspace, key, recipient = connection.execute(asked).fetchone()
        at_ms = time.time_ns() // 1_000_000 - 500 * DAY_MS
        for number in range(OLD + HELD):
            is_held = number % (OLD // HELD) == 0 and number // (OLD // HELD) < HELD
            row_id, made_ms = first_id_at(at_ms + number * 800), at_ms + number * 800
            own_key = key if is_held or number % 3 == 0 else number.to_bytes(16, "big")
            clone(connection, "message", _MESSAGE, message, (row_id, workspace, own_key, made_ms))
            settled = (None, None) if is_held else (made_ms, made_ms // 3_600_000)
            state = "held" if is_held else "delivered"
            clone(connection, "recipient", _RECIPIENT, recipient, (row_id + 1, row_id, state, *settled))
            connection.execute(
                "INSERT INTO event (id, workspace_id, message_id, recipient_id, kind, at_ms, detail)"
                " VALUES (?, ?, ?, ?, 'delivered', ?, '{}')",
                (row_id + 2, workspace, row_id, row_id + 1, made_ms),
            )
            if own_key != key:
                body = zlib.compress(os.urandom(5_000))
                connection.execute(
                    "INSERT INTO content VALUES (?, ?, 5000, NULL, ?, x'00', x'00', ?, 0)",
                    (workspace, own_key, body, made_ms),
                )
        connection.execute("UPDATE content SET created_ms = ? WHERE key = ?", (at_ms, key))
        connection.execute("DELETE FROM event WHERE message_id = ?", (message,))
        connection.execute("DELETE FROM recipient WHERE id = ?", (recipient,))
        connection.execute("DELETE FROM message WHERE id = ?", (message,))
        connection.execute("DELETE FROM counter")
        connection.execute("DELETE FROM workspace_keeping")


def test_a_purge_that_is_killed_again_and_again_loses_no_mail_that_waits() -> None:
    with RunningServer() as server:
        body = {"from": "a@example.com", "to": ["held@taker.test"], "subject": "x", "text": "still here"}
        message_id = server.api.post("/messages", body)["id"]
        server.wait_for_state(message_id, "delivered")
        server.stop()
        age(server)
        left = [OLD]
        while left[-1] and len(left) < 12:
            server.start()
            if len(left) < 3:
                # In the middle of it: some are gone, most are not.
                wait_until(lambda: count(server) < left[-1] or not left[-1], "it purges", 30)
                server.stop(signal.SIGKILL)
            else:
                wait_until(lambda: count(server) == 0, "all old mail is gone", 60)
            left.append(count(server))

        assert left[1] > 0, "it was killed too late to show anything"
        assert sorted(left, reverse=True) == left
        assert server.rows("SELECT state, count(*) FROM recipient GROUP BY state") == [("held", HELD)]
        assert server.command("queue", "release", "--all") == f"{HELD} released\n"
        server.wait_until_settled()
        states = server.rows("SELECT state, reason, count(*) FROM recipient GROUP BY 1, 2")
        assert [(state, amount) for state, _, amount in states] == [("delivered", HELD)], states
        assert len(server.kept("held@taker.test")) == HELD
        assert all(b"still here" in copy for copy in server.kept("held@taker.test"))
        assert server.rows("PRAGMA integrity_check") == [("ok",)]
        assert json.loads(server.command("recount", "--json"))["unsettled"] == 0


def count(server: RunningServer) -> int:
    """Return how many old messages are there that nobody waits for."""
    return int(server.rows("SELECT count(*) FROM recipient WHERE state = 'delivered'")[0][0])
