"""A workspace with a long history, written straight into the tables: a million recipients and ten million events.

The same SQL makes it on both engines. Thirty days lie evenly behind each other
up to now; the shape is that of a newsletter sender with some transactional
mail: nine of ten recipients got theirs, few failed, one of three opened.
"""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import psycopg

from postroom.base.ids import ID_EPOCH_MS, first_id_at
from postroom.base.packing import pack
from postroom.ledger.rows import COUNTERS

DAYS = 30
A_MESSAGE = 10
"""Recipients of one message."""
DOMAINS = ("gmail.com", "outlook.com", "yahoo.com", "web.de", "icloud.com", "proton.me", "example.net", "example.org")
_PROVIDERS = ("google", "microsoft", "yahoo", "other", "apple", "other", "other", "other")
_TAGS = 200
_DAY_MS = 86_400_000
_NOBODY = "CASE WHEN state IN ('queued', 'held', 'suppressed') THEN"
_REPLIED = '{"reply":"451 4.7.1 try again later","try":1,"duration_ms":312,"next_hop":"mx.test"}'
_FETCHED = (
    '{"label":"human","first":false,"user_agent":"Mozilla/5.0 (X11; Linux x86_64)","position":1,'
    '"target":"https://shop.test/"}'
)

_INBOUND = 100_000
_ATTEMPTS = 100_000
_OUTBOX = 20_000
_LETTER = b"From: reader@example.net\r\nTo: hello@shop.test\r\nSubject: A question\r\n\r\nWhen do you open?\r\n"

Execute = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class House:
    """What was made through the doors before, and the history hangs on."""

    workspace_id: int
    content_key: bytes
    """Of the content that all messages share."""
    endpoint_id: int
    """A webhook endpoint."""


def fill(url: str, house: House, recipients: int, now_ms: int) -> None:
    """Write the history into a database that no server has open; prints how long each table took."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            # What is lost when the machine fails now is made again by the next run.
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA cache_size = -1000000")
            connection.execute("BEGIN")
            _fill(lambda text: void(connection.execute(text)), house, recipients, now_ms, "x'{}'")
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return
    with psycopg.connect(url, autocommit=True) as connection_:
        connection_.execute("SET synchronous_commit = off")
        _fill(
            lambda text: void(connection_.execute(text.encode())),
            house, recipients, now_ms, "'\\x{}'::bytea",
        )  # fmt: skip
        connection_.execute("ANALYZE")


def void(_: object) -> None:
    """Take a cursor that nobody reads."""


def _fill(execute: Execute, house: House, recipients: int, now_ms: int, blob: str) -> None:
    messages = recipients // A_MESSAGE
    start_ms = now_ms - DAYS * _DAY_MS
    step_ms = DAYS * _DAY_MS // messages
    # The id of message i, and its time; recipients and events take the ids behind it.
    id_of = f"(({first_id_at(start_ms)} + i * {first_id_at(ID_EPOCH_MS + step_ms)}))"
    at_of = f"({start_ms} + i * {step_ms})"
    values = {
        "ws": house.workspace_id,
        "key": blob.format(house.content_key.hex()),
        "id": id_of,
        "at": at_of,
        "endpoint": house.endpoint_id,
        "letter": blob.format(pack(_LETTER).hex()),
    }
    for name, text in _statements(values, messages, now_ms).items():
        began = time.monotonic()
        execute(text)
        print(f"  {name}: {time.monotonic() - began:.0f} s", flush=True)


def _statements(values: dict[str, object], messages: int, now_ms: int) -> dict[str, str]:
    ws, key, id_of, at_of = values["ws"], values["key"], values["id"], values["at"]
    count = f"WITH RECURSIVE n(i) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {messages - 1}) "
    tens = "(SELECT 0 AS k UNION ALL " + " UNION ALL ".join(f"SELECT {k}" for k in range(1, A_MESSAGE)) + ") tens"
    place = f"((i * 3 + k) % {len(DOMAINS)})"
    last_day = now_ms - _DAY_MS
    state = (
        f"CASE WHEN (i * 7 + k) % 100 < 92 THEN 'delivered' WHEN (i * 7 + k) % 100 < 96 THEN 'failed' "
        f"WHEN (i * 7 + k) % 100 < 97 THEN 'suppressed' WHEN {at_of} < {last_day} THEN 'delivered' "
        "WHEN (i * 7 + k) % 100 < 98 THEN 'deferred' WHEN (i * 7 + k) % 100 < 99 THEN 'queued' ELSE 'held' END"
    )
    return {
        "message": f"""
            INSERT INTO message (id, workspace_id, content_key, kind, stream, source, reverse_path, author_address,
                author_domain, subject, message_id, tags, metadata, track, token_key_id, return_path_host, tracking_url,
                smtputf8, ret, envid, size_bytes, created_ms)
            {count}
            SELECT {id_of}, {ws}, {key}, 'shared', CASE WHEN i % 5 = 0 THEN 'transactional' ELSE 'bulk' END, 'http',
                'news@shop.test', 'news@shop.test', 'shop.test', 'Letter number ' || i, '<' || i || '@shop.test>',
                '["tag' || (i % {_TAGS}) || '"]', '{{}}', 3, 1, 'rp.shop.test', 'http://127.0.0.1', 0, '', '', 4000,
                {at_of} FROM n""",
        "message_tag": f"""
            INSERT INTO message_tag (workspace_id, tag, message_id)
            {count} SELECT {ws}, 'tag' || (i % {_TAGS}), {id_of} FROM n ORDER BY 2, 3""",
        "lane": f"""
            INSERT INTO lane (id, workspace_id, stream, domain)
            {count.replace(str(messages - 1), str(len(DOMAINS) - 1))}
            SELECT 1000 + i, {ws}, 'bulk', {_pick("i", DOMAINS)} FROM n""",
        "recipient": f"""
            INSERT INTO recipient (id, workspace_id, message_id, lane_id, address, address_key, domain, state, due_ms,
                provider, notify, original, merge, tries, first_tried_ms, reason, reply_code, reply_status, next_hop,
                settled_ms, sent_hour, opened_ms, human_opened_ms, clicked_ms)
            {count}
            SELECT id, {ws}, message_id, 1000 + d, who || '@' || domain, who || '@' || domain, domain, state,
                CASE WHEN state IN ('deferred', 'queued') THEN {now_ms} + 864000000 ELSE at_ms END,
                {_pick("d", _PROVIDERS)}, 0, '', '', {_NOBODY} 0 ELSE 1 END, {_NOBODY} NULL ELSE at_ms END,
                CASE state WHEN 'failed' THEN '550 5.1.1 no such user' WHEN 'deferred' THEN '451 4.7.1 try again later'
                    ELSE '' END,
                CASE state WHEN 'failed' THEN 550 WHEN 'deferred' THEN 451 WHEN 'delivered' THEN 250 END,
                CASE state WHEN 'failed' THEN '5.1.1' WHEN 'deferred' THEN '4.7.1' ELSE '' END, 'mx.' || domain,
                CASE WHEN state IN ('deferred', 'queued', 'held') THEN NULL ELSE at_ms + 900 END,
                CASE state WHEN 'delivered' THEN at_ms / 3600000 END,
                CASE WHEN state = 'delivered' AND i % 3 = 0 THEN at_ms + 3600000 END,
                CASE WHEN state = 'delivered' AND i % 3 = 0 THEN at_ms + 3600000 END,
                CASE WHEN state = 'delivered' AND i % 15 = 0 THEN at_ms + 3700000 END
            FROM (SELECT i, k, {id_of} + 1 + k AS id, {id_of} AS message_id, {at_of} AS at_ms,
                    {place} AS d, 'reader' || ((i * 10 + k) % 300000) AS who, {state} AS state,
                    {_pick(place, DOMAINS)} AS domain
                FROM n CROSS JOIN {tens}) AS made""",
        "accepted events": f"""
            INSERT INTO event (id, workspace_id, message_id, recipient_id, kind, at_ms, detail)
            {count} SELECT {id_of} + 50, {ws}, {id_of}, NULL, 'accepted', {at_of},
                '{{"recipients":10,"source":"http","size_bytes":4000}}' FROM n""",
        "recipients' events": f"""
            INSERT INTO event (id, workspace_id, message_id, recipient_id, kind, at_ms, detail)
            SELECT r.message_id + 100 + (r.id - r.message_id) * {A_MESSAGE} + k, {ws}, r.message_id, r.id,
                CASE WHEN k < 2 THEN 'deferred' WHEN k = 2 THEN r.state WHEN k < 9 THEN 'opened' ELSE 'clicked' END,
                r.due_ms + k * 60000,
                CASE WHEN k < 3 THEN '{_REPLIED}' ELSE '{_FETCHED}' END
            FROM recipient r CROSS JOIN {tens} WHERE r.workspace_id = {ws} AND r.state IN ('delivered', 'failed')
            ORDER BY 1""",
        "hit": f"""
            INSERT INTO hit (id, workspace_id, recipient_id, kind, position, at_ms, method, address, user_agent,
                evidence, label, rules)
            SELECT r.id + 2000, {ws}, r.id, 'open', 0, r.opened_ms, 'GET', '192.0.2.1', 'Mozilla/5.0 (X11)',
                '{{"rule":"browser","since_delivery_ms":3600000}}', 'human', 1
            FROM recipient r WHERE r.workspace_id = {ws} AND r.opened_ms IS NOT NULL""",
        "suppression": f"""
            INSERT INTO suppression (id, workspace_id, address_key, scope, reason, source, evidence, created_ms)
            {count.replace(str(messages - 1), str(min(50_000, messages) - 1))}
            SELECT {id_of} + 3000, {ws}, 'gone' || i || '@example.net', CASE WHEN i % 2 = 0 THEN 'all' ELSE 'bulk' END,
                'failed', 'delivery', '550 5.1.1 no such user', {at_of} FROM n""",
        **_came_in(values, messages, count),
        **_told(values, messages, count),
        **_counters(int(str(ws)), now_ms),
    }


def _came_in(values: dict[str, object], messages: int, count: str) -> dict[str, str]:
    """Return what fills the tables of mail that came in: bounces, replies, complaints and mail for routes."""
    ws, id_of, at_of = values["ws"], values["id"], values["at"]
    few = count.replace(str(messages - 1), str(min(_INBOUND, messages) - 1))
    detail = (
        '{"reason":"no_such_user","hard":true,"status":"5.1.1","reply_code":550,"rule":"dsn",'
        '"evidence":"550 5.1.1 no such user"}'
    )
    return {
        "inbound_content": f"""
            INSERT INTO inbound_content (id, workspace_id, size_bytes, upload_id, body, created_ms)
            VALUES (1, {ws}, {len(_LETTER)}, NULL, {values["letter"]}, 1)""",
        "inbound": f"""
            INSERT INTO inbound (id, workspace_id, content_id, received_ms, source, peer, helo, tls, reverse_path,
                recipient, recipient_key, destination, own_recipient_id, author, author_name, subject, message_id,
                size_bytes, verdicts, state, kind, detail, answers_recipient_id, answers_message_id, is_counted)
            {few}
            SELECT {id_of} + 4000, {ws}, 1, {at_of}, 'smtp', '192.0.2.7', 'mx.test', '', '', 'hello@shop.test',
                'hello@shop.test', CASE WHEN i % 4 = 0 THEN 'bounce' WHEN i % 4 = 1 THEN 'reply' ELSE 'route' END,
                CASE WHEN i % 4 < 2 THEN {id_of} + 1 END, 'reader' || i || '@example.net', 'Reader', 'Letter ' || i,
                '<in' || i || '@example.net>', 900, '', 'done',
                CASE WHEN i % 4 = 0 THEN 'bounce' WHEN i % 4 = 1 THEN 'reply' WHEN i % 40 = 2 THEN 'complaint'
                    ELSE 'other' END,
                '{detail}', CASE WHEN i % 4 < 2 THEN {id_of} + 1 END, CASE WHEN i % 4 < 2 THEN {id_of} END,
                CASE WHEN i % 4 = 0 THEN 0 ELSE 1 END FROM n""",
    }


def _told(values: dict[str, object], messages: int, count: str) -> dict[str, str]:
    """Return what fills the log and the outbox of a webhook endpoint."""
    ws, id_of, at_of, endpoint = values["ws"], values["id"], values["at"], values["endpoint"]
    return {
        "webhook_attempt": f"""
            INSERT INTO webhook_attempt (id, workspace_id, endpoint_id, at_ms, duration_ms, succeeded, status, why,
                is_test, is_batch, request_id, event_count, events, request_header, response_header, response_body)
            {count.replace(str(messages - 1), str(min(_ATTEMPTS, messages) - 1))}
            SELECT {id_of} + 5000, {ws}, {endpoint}, {at_of}, 12, CASE WHEN i % 50 = 0 THEN 0 ELSE 1 END,
                CASE WHEN i % 50 = 0 THEN 500 ELSE 200 END, '', 0, 0, 'evt_' || i, 1, '[' || ({id_of} + 50) || ']',
                '{{}}', '{{}}', 'ok' FROM n""",
        "webhook_outbox": f"""
            INSERT INTO webhook_outbox (endpoint_id, event_id, recipient_id, due_ms)
            {count.replace(str(messages - 1), str(min(_OUTBOX, messages) - 1))}
            SELECT {endpoint}, {id_of} + 50, 0, {at_of} FROM n""",
    }


def _counters(workspace_id: int, now_ms: int) -> dict[str, str]:
    """Return what fills the counters: each hour of the days, under every key that recipients are counted under."""
    hour = now_ms // 3_600_000
    keys = [("total", ""), ("stream", "bulk"), ("stream", "transactional"), ("domain", "shop.test")]
    keys += [("provider", name) for name in sorted(set(_PROVIDERS))] + [("tag", f"tag{n}") for n in range(_TAGS)]
    reasons = ("no_such_user", "mailbox_full", "spam", "blocked", "rate", "policy")
    keys += [("reason", one) for one in reasons]
    keys += [("provider_reason", f"{name} {one}") for name in sorted(set(_PROVIDERS)) for one in reasons]
    listed = " UNION ALL ".join(f"SELECT '{dimension}' AS dimension, '{key}' AS key" for dimension, key in keys)
    amounts = ", ".join(str(1400 - 90 * place) for place in range(len(COUNTERS)))
    return {
        "counter": f"""
            INSERT INTO counter (workspace_id, hour, dimension, key, node, {", ".join(COUNTERS)})
            WITH RECURSIVE n(i) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {DAYS * 24 - 1})
            SELECT {workspace_id}, {hour} - i, dimension, key, 900, {amounts} FROM n CROSS JOIN ({listed}) AS listed
            ORDER BY 2, 3, 4"""
    }


def _pick(number: str, words: tuple[str, ...]) -> str:
    """Return SQL that chooses a word by a number from 0 on."""
    return "CASE " + number + " " + " ".join(f"WHEN {at} THEN '{word}'" for at, word in enumerate(words)) + " END"
