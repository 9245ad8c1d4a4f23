"""The mail that the docs show as a route's webhook gets it is told so, field by field."""

import base64
import json
import re
from typing import Any

from peers.require import ROOT

from postroom.base.ids import parse_id
from postroom.inbound.told import webhook_body
from postroom.ledger.inbound_rows import InboundRow
from postroom.mail.authentication import DkimVerdict, DmarcPolicy, DmarcVerdict, Result, SpfVerdict, Verdicts

MAIL = """\
Return-Path: <ann@example.net>
Authentication-Results: mail.example.com;
 spf=pass reason="ip4:192.0.2.7/32" smtp.mailfrom=example.net;
 dkim=pass header.d=example.net header.s=s1 header.a=rsa-sha256 header.b=Yww9aWDM;
 dmarc=pass (p=reject dis=none) header.from=example.net
From: Ann Ode <ann@example.net>
To: Support <support+17@example.com>
Subject: =?utf-8?q?Re=3A_Tea_for_two=3F?=
Date: Mon, 23 Nov 2026 08:00:00 +0100
Message-ID: <2@example.net>
In-Reply-To: <msg_an5afnqciaeac@example.com>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=utf-8

Yes, please.

--\x20
Ann

On Sun, 22 Nov 2026 at 10:00, Support <support@example.com> wrote:
> Do you want tea?
--b
Content-Type: application/pdf
Content-Disposition: attachment; filename="tea.pdf"
Content-Transfer-Encoding: base64

JVBERi0xLjQK
--b--
"""
VERDICTS = Verdicts(
    SpfVerdict(Result.PASS, "example.net", reason="ip4:192.0.2.7/32"),
    (DkimVerdict(Result.PASS, "example.net", "s1", "rsa-sha256", "Yww9aWDM"),),
    DmarcVerdict(Result.PASS, "example.net", DmarcPolicy.REJECT, spf_aligned=True, dkim_aligned=True),
)


def test_the_docs_show_a_mail_as_a_webhook_gets_it() -> None:
    shown: dict[str, Any] = json.loads(_sample())
    raw = MAIL.replace("\n", "\r\n").encode()
    row = InboundRow(
        id=parse_id("inb", shown["id"]) or 0, workspace_id=1, content_id=1, received_ms=1_795_417_200_120,
        source="smtp", peer="192.0.2.7", helo="mx.example.net", tls="TLSv1.3 TLS_AES_256_GCM_SHA384",
        reverse_path="ann@example.net",
        recipient="support+17@example.com", recipient_key="support+17@example.com", destination="route",
        own_recipient_id=None, author="ann@example.net", author_name="Ann Ode", subject="Re: Tea for two?",
        message_id="<2@example.net>", size_bytes=len(raw), verdicts=VERDICTS.to_json(), state="done", kind="reply",
        detail=json.dumps(shown["data"]["classification"]), is_counted=1,
        answers_recipient_id=parse_id("rcp", shown["data"]["answers_recipient"]),
        answers_message_id=parse_id("msg", shown["data"]["answers_message"]),
        route_id=parse_id("rte", shown["data"]["route"]),
    )  # fmt: skip

    told = json.loads(webhook_body(row, raw))

    content = told["data"]["raw"]["base64"]
    assert base64.b64decode(content) == raw
    assert content.startswith(shown["data"]["raw"]["base64"].removesuffix("…"))
    told["data"]["raw"]["base64"] = shown["data"]["raw"]["base64"]
    assert told == shown


def _sample() -> str:
    _, _, behind = (ROOT / "docs" / "events.md").read_text().partition("\n## Mail by webhook\n")
    match = re.search(r"```json\n(.*?)```", behind, re.DOTALL)
    assert match is not None
    return match[1]
