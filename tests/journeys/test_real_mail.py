"""Every real mail of the corpora, through both doors and out by smarthost and direct, to five recipients each."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import real_mail
from peers.dns_server import DnsServer
from peers.postfix import Postfix
from peers.require import require_peer
from peers.smtp_sink import SmtpSink
from running_server import RunningServer

ZONE = {
    # Nobody listens at the best host of this domain: the next one takes the mail.
    "north.dest.test": {"MX": ["10 down.mx.test.", "20 one.mx.test."]},
    "south.dest.test": {"MX": ["10 one.mx.test.", "10 two.mx.test."]},
    "east.dest.test": {"MX": ["10 two.mx.test."]},
    # RFC 5321 5.1: without MX records the domain itself is the host.
    "west.dest.test": {"A": ["127.0.0.1"]},
    "down.mx.test": {"A": ["127.0.0.2"]},
    "one.mx.test": {"A": ["127.0.0.1"]},
    "two.mx.test": {"A": ["127.0.0.1"]},
}


@pytest.fixture
def through_postfix(corpora: Path, sink: SmtpSink) -> Iterator[RunningServer]:
    """Everything leaves through a real Postfix, which relays into the sink."""
    require_peer("postfix")
    # As on a relay for other hosts: it neither breaks long lines nor rewrites what is not its own.
    settings = {"smtp_line_length_limit": "0", "local_header_rewrite_clients": ""}
    with ExitStack() as stack:
        postfix = stack.enter_context(Postfix(relayhost=sink.address, settings=settings))
        server = RunningServer(
            vouched=real_mail.author_domains(corpora), transport=f"smtp://{postfix.address}?tls=none"
        )
        yield stack.enter_context(server)


@pytest.fixture
def directly(corpora: Path, sink: SmtpSink) -> Iterator[RunningServer]:
    """Everything leaves to the MX hosts that DNS names."""
    with ExitStack() as stack:
        dns = stack.enter_context(DnsServer(ZONE))
        server = RunningServer(
            vouched=real_mail.author_domains(corpora),
            transport="direct",
            resolver=dns.address,
            direct_port=str(sink.port),
            allow_private="127.0.0.0/8",
        )
        yield stack.enter_context(server)


# Each door and each way out in the suite; the other two pairs are soak: they take another minute.
@pytest.mark.parametrize(
    ("way", "doors"),
    [
        ("through_postfix", "smtp"),
        ("directly", "api"),
        pytest.param("directly", "smtp,api", marks=pytest.mark.soak),
        pytest.param("through_postfix", "smtp,api", marks=pytest.mark.soak),
    ],
)
def test_every_real_mail_arrives_as_five_signed_copies_whose_links_lead_where_the_author_said(
    way: str, doors: str, request: pytest.FixtureRequest, corpora: Path, sink: SmtpSink
) -> None:
    require_peer("opendkim")
    server: RunningServer = request.getfixturevalue(way)

    givens = real_mail.hand_in_everything(server, corpora, doors)
    real_mail.collect(givens, sink.wait_for(5 * len(givens), 120))
    server.wait_until_settled()

    handed_in = 1 + doors.count(",")
    assert len(givens) == handed_in * (120 + 44)
    for given in givens:
        real_mail.assert_headers(given)
        real_mail.assert_bulk_fields(given)
    real_mail.assert_signed(givens, signing_records(server))
    opens, clicks = assert_links_lead_home(server, givens)
    assert clicks > 5_000 * handed_in
    assert_counted(server, recipients=5 * len(givens), opens=opens, clicks=clicks)


def signing_records(server: RunningServer) -> dict[str, str]:
    """Return the DKIM records that owners of the domains would publish."""
    domains = server.api.get("/domains")["items"]
    return {one["name"]: one["value"] for domain in domains for one in domain["records"] if "dkim" in one["purpose"]}


def assert_links_lead_home(server: RunningServer, givens: list[real_mail.Given]) -> tuple[int, int]:
    """Follow every link and fetch every pixel; assert targets, own tokens and the rest of the mail. Return how many."""
    base_url = f"http://127.0.0.1:{server.http_port}"
    blind = real_mail.Reader(base_url, {})
    clicks: list[str] = []
    opens: list[str] = []
    for given in givens:
        found = [blind.tokens(texts) for texts in given.texts.values()]
        # Own tokens, as many in each copy; a mail with HTML has one pixel.
        assert len({len(of_copy) for of_copy, _ in found}) == 1, given.name
        html = b"text/html" in next(iter(given.copies.values())).data.lower()
        assert {len(pixels) for _, pixels in found} <= ({1} if given.html else {0, 1} if html else {0}), given.name
        clicks += [token for of_copy, _ in found for token in of_copy]
        opens += [token for _, of_copy in found for token in of_copy]
    assert len(set(clicks)) == len(clicks)
    assert len(set(opens)) == len(opens)

    answers = asyncio.run(real_mail.follow(server.http_port, [f"/c/{token}" for token in clicks]))
    assert {status for status, _ in answers} == {"307"}
    pixels = asyncio.run(real_mail.follow(server.http_port, [f"/o/{token}.png" for token in opens]))
    assert {status for status, _ in pixels} == {"200"}

    reader = real_mail.Reader(base_url, {token: to for token, (_, to) in zip(clicks, answers, strict=True)})
    for given in givens:
        reader.assert_unchanged(given)
    return len(opens), len(clicks)


def assert_counted(server: RunningServer, *, recipients: int, opens: int, clicks: int) -> None:
    """Assert that the counters say what happened, also when they are counted again."""
    server.wait_for_hits(opens + clicks)
    (total,) = server.api.get("/stats?interval=total")["items"]
    assert (total["outbound"], total["sent"], total["failed"]) == (recipients, recipients, 0)
    assert total["opens"]["total"] == total["opens"]["unique"] == opens
    assert total["clicks"]["total"] == clicks
    # Each copy's tokens are its own recipient's: every position of every link, once.
    by_recipient = server.rows(
        "SELECT count(*), count(DISTINCT position), max(position) FROM hit WHERE kind = 'click' GROUP BY recipient_id"
    )
    assert total["clicks"]["unique"] == len(by_recipient)
    assert all(hits == positions == last + 1 for hits, positions, last in by_recipient)
    recount = json.loads(server.command("recount", "--json"))
    assert recount["differences"] == []
    assert recount["rows"] > 0
