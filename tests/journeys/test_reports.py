"""What cannot be delivered fails with the right word, and its author hears of it by DSN where one is due."""

import email
import email.message
from collections.abc import Iterable

import dkim
import pytest
from journeys_world import World
from peers import opendkim
from peers.dns_server import DnsServer, Trouble
from peers.process import wait_until
from peers.smtp_sink import Mail, SmtpSink
from running_server import RunningServer, submit

MAIL = (
    b"From: Ann <ann@author.test>\r\nTo: x@taker.test\r\nSubject: The report\r\n"
    b"Message-ID: <1@author.test>\r\n\r\nHi\r\n"
)


def send(
    world: World,
    author: str,
    recipient: str,
    *,
    mail: bytes = MAIL,
    options: Iterable[str] = (),
    rcpt: Iterable[str] = (),
) -> str:
    """Hand a mail in by SMTP and return its message's id."""
    with world.server.smtp() as client:
        return submit(client, author, [recipient], mail, options=options, rcpt_options=rcpt)


def failed(world: World, message_id: str) -> dict[str, object]:
    """Return the only recipient of a message once it has failed."""
    (recipient,) = world.server.wait_for_state(message_id, "failed").values()
    return recipient


def report_to(world: World, author: str) -> tuple[Mail, email.message.Message]:
    """Return the only report that an author got."""
    wait_until(lambda: bool(world.sink.mails_to(author)), f"a report to {author}")
    (mail,) = world.sink.mails_to(author)
    return mail, email.message_from_bytes(mail.data)


def status_of(report: email.message.Message) -> dict[str, str]:
    """Return the fields of message/delivery-status in lower case, those of the message and of the recipient."""
    (status,) = [part for part in report.walk() if part.get_content_type() == "message/delivery-status"]
    groups = status.get_payload()
    assert isinstance(groups, list)
    return {name.lower(): str(value) for group in groups for name, value in group.items()}


def test_a_refused_recipient_is_reported_with_the_header_of_the_mail(world: World) -> None:
    world.sink.on("RCPT", "550 5.1.1 No such user here", recipient="nobody-1@taker.test")

    message_id = send(
        world, "dsn-1@author.test", "nobody-1@taker.test", options=["RET=HDRS", "ENVID=QQ+2B314"],
        rcpt=["NOTIFY=FAILURE", "ORCPT=rfc822;first+2Bwritten@else.test"],
    )  # fmt: skip

    recipient = failed(world, message_id)
    assert recipient["reply"] == {"code": 550, "status": "5.1.1"}
    mail, report = report_to(world, "dsn-1@author.test")
    assert mail.reverse_path == ""
    assert report.get_content_type() == "multipart/report"
    assert report["Auto-Submitted"] == "auto-replied"
    status = status_of(report)
    assert status["original-envelope-id"] == "QQ+314"
    assert status["original-recipient"] == "rfc822; first+written@else.test"
    assert status["final-recipient"] == "rfc822; nobody-1@taker.test"
    assert (status["action"], status["status"]) == ("failed", "5.1.1")
    assert "No such user here" in status["diagnostic-code"]
    kinds = [part.get_content_type() for part in report.walk()]
    assert "text/rfc822-headers" in kinds
    assert "message/rfc822" not in kinds
    assert b"nobody-1@taker.test" in mail.data.partition(b"message/delivery-status")[0]


def test_ret_full_returns_the_whole_mail(world: World) -> None:
    world.sink.on("RCPT", "550 5.1.1 No", recipient="nobody-2@taker.test")

    send(world, "dsn-2@author.test", "nobody-2@taker.test", options=["RET=FULL"], rcpt=["NOTIFY=SUCCESS,FAILURE"])

    _, report = report_to(world, "dsn-2@author.test")
    (returned,) = [part for part in report.walk() if part.get_content_type() == "message/rfc822"]
    assert MAIL.partition(b"\r\n\r\n")[2].strip() in returned.as_bytes()


def test_a_report_about_an_eight_bit_mail_reaches_an_old_hop_with_the_header_alone(world: World) -> None:
    """Only the next hop tells whether it takes 8-bit mail, and a message/rfc822 may not be encoded."""
    mail = MAIL.replace(b"Hi\r\n", "Grüße aus Köln\r\n".encode())
    returned = {}
    for number, author in enumerate(["dsn-old@old.test", "dsn-new@author.test"]):
        world.sink.on("RCPT", "550 5.1.1 No", recipient=f"nobody-8bit-{number}@taker.test")
        send(world, author, f"nobody-8bit-{number}@taker.test", mail=mail, options=["RET=FULL", "BODY=8BITMIME"])
        sink = world.old_sink if author.endswith("old.test") else world.sink
        wait_until(lambda sink=sink, author=author: bool(sink.mails_to(author)), f"a report to {author}")  # type: ignore[misc]
        (arrived,) = sink.mails_to(author)
        report = email.message_from_bytes(arrived.data)
        assert status_of(report)["status"] == "5.1.1"
        returned[author] = (arrived.data, [part.get_content_type() for part in report.walk()])

    old, kinds = returned["dsn-old@old.test"]
    assert old.isascii()
    assert kinds[-1] == "text/rfc822-headers"
    assert b"Message-ID: <1@author.test>" in old.partition(b"text/rfc822-headers")[2]
    new, kinds = returned["dsn-new@author.test"]
    assert "message/rfc822" in kinds
    assert "Grüße aus Köln".encode() in new


def test_a_handed_on_mail_is_reported_where_the_author_asked_for_success(world: World) -> None:
    send(world, "dsn-3@author.test", "somebody-3@taker.test", rcpt=["NOTIFY=SUCCESS"])

    _, report = report_to(world, "dsn-3@author.test")
    assert status_of(report)["action"] in ("relayed", "delivered")


def test_no_report_leaves_where_none_is_wanted(world: World) -> None:
    """Never; a null reverse-path; by HTTP; only success asked for. The last one shows that reports work."""
    for number in range(4, 9):
        world.sink.on("RCPT", "550 5.1.1 No", recipient=f"nobody-{number}@taker.test")

    never = send(world, "dsn-4@author.test", "nobody-4@taker.test", rcpt=["NOTIFY=NEVER"])
    null = send(world, "", "nobody-5@taker.test", rcpt=["NOTIFY=FAILURE"])
    success = send(world, "dsn-6@author.test", "nobody-6@taker.test", rcpt=["NOTIFY=SUCCESS"])
    by_http = world.server.api.post(
        "/messages", {"from": "dsn-7@author.test", "to": ["nobody-7@taker.test"], "text": "x"}
    )["id"]
    for message_id in (never, null, success, by_http):
        failed(world, message_id)
    last = send(world, "dsn-8@author.test", "nobody-8@taker.test")
    failed(world, last)

    # A report is written in the transaction of the failure: there is none now, so there never will be.
    asked = "SELECT r.address FROM message m JOIN recipient r ON r.message_id = m.id WHERE m.source = 'notify'"
    reported = {address for (address,) in world.server.rows(asked)}
    assert "dsn-8@author.test" in reported
    assert not reported & {"", "dsn-4@author.test", "dsn-6@author.test", "dsn-7@author.test"}
    events = world.server.api.get(f"/messages/{by_http}/events")["items"]
    assert [event["kind"] for event in events if event["kind"] != "accepted"] == ["failed"]


def test_a_report_that_cannot_be_delivered_causes_no_report(world: World) -> None:
    for address in ("nobody-9@taker.test", "dsn-9@author.test"):
        world.sink.on("RCPT", "550 5.1.1 No", recipient=address)

    send(world, "dsn-9@author.test", "nobody-9@taker.test")

    asked = (
        "SELECT r.state, m.reverse_path FROM message m JOIN recipient r ON r.message_id = m.id "
        "WHERE m.source = 'notify' AND r.address = 'dsn-9@author.test'"
    )
    wait_until(lambda: world.server.rows(asked) == [("failed", "")], "the report has failed")
    world.server.wait_until_settled()
    assert world.server.rows(asked) == [("failed", "")]


@pytest.mark.parametrize(
    ("domain", "mx", "status"),
    [
        ("null-mx.test", ["0 ."], "5.1.10"),
        ("no-such.test", None, "5.1.2"),
        ("nowhere.test", ["10 no-such.test."], "5.4.4"),
    ],
)
def test_a_domain_that_takes_no_mail_fails_at_once(
    world: World, domain: str, mx: list[str] | None, status: str
) -> None:
    if mx is not None:
        world.dns.put(domain, "MX", *mx)

    message_id = send(world, f"dsn-{domain}@author.test", f"x@{domain}")

    reply = failed(world, message_id)["reply"]
    assert isinstance(reply, dict)
    assert reply["status"] == status
    _, report = report_to(world, f"dsn-{domain}@author.test")
    assert status_of(report)["status"] == status


def test_a_resolver_without_an_answer_defers(world: World) -> None:
    world.dns.fail("silent.test", Trouble.SERVFAIL)

    message_id = send(world, "dsn-silent@author.test", "x@silent.test")

    (recipient,) = world.server.wait_for_state(message_id, "deferred").values()
    assert recipient["reply"]["status"] == "4.4.3"
    assert "no answer from DNS" in recipient["why"]
    # The first pause is five minutes and up to a tenth more.
    assert "next try in 5 minutes" in recipient["why"] or "next try in 6 minutes" in recipient["why"]
    world.server.api.post("/queue/cancel", {"message": message_id})


def test_smtputf8_to_a_hop_without_it_fails(world: World) -> None:
    mail = "From: ann@author.test\r\nTo: jörg@old.test\r\nSubject: Grüße\r\n\r\nHi\r\n".encode()

    message_id = send(world, "dsn-utf8@author.test", "jörg@old.test", mail=mail, options=["SMTPUTF8", "BODY=8BITMIME"])

    reply = failed(world, message_id)["reply"]
    assert isinstance(reply, dict)
    assert reply["status"] == "5.6.7"
    mail_of_report, _ = report_to(world, "dsn-utf8@author.test")
    assert b"5.6.7" in mail_of_report.data
    assert world.old_sink.mails_to("jörg@old.test") == []


def test_smtputf8_to_a_hop_with_it_arrives(world: World) -> None:
    mail = "From: ann@author.test\r\nTo: jörg@taker.test\r\nSubject: Grüße\r\n\r\nHi\r\n".encode()

    message_id = send(world, "ann@author.test", "jörg@taker.test", mail=mail, options=["SMTPUTF8", "BODY=8BITMIME"])

    world.server.wait_for_state(message_id, "delivered")
    (arrived,) = world.sink.mails_to("jörg@taker.test")
    assert "SMTPUTF8" in arrived.mail_parameters
    assert "Subject: Grüße".encode() in arrived.data


def test_eight_bit_mail_reaches_an_old_hop_as_seven_bit_and_its_signature_holds(world: World) -> None:
    text = "Grüße aus Köln, https://there.test/?x=1\r\n" * 20
    mail = (
        "From: ann@author.test\r\nTo: old@old.test\r\nSubject: old\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        f'<p>{text}</p><a href="https://there.test/?a=1&amp;b=2">dort</a>\r\n'
    ).encode()

    message_id = send(world, "ann@author.test", "old@old.test", mail=mail, options=["BODY=8BITMIME"])

    world.server.wait_for_state(message_id, "delivered")
    (arrived,) = world.old_sink.mails_to("old@old.test")
    assert arrived.data.isascii()
    assert not any("8BITMIME" in word for word in arrived.mail_parameters)
    payload = email.message_from_bytes(arrived.data).get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert text in payload.decode()
    assert b"/c/" in payload
    records = signing_records(world.server)
    for index in range(2):
        assert dkim.DKIM(arrived.data).verify(idx=index, dnsfunc=lambda name, timeout=5: records[name].encode())
    known = {name.decode().rstrip("."): text for name, text in records.items()}
    results = {one.algorithm: one.result for one in opendkim.verify(arrived.data, known)}
    assert results["rsa-sha256"] == "pass"


def signing_records(server: RunningServer) -> dict[bytes, str]:
    """Return the DKIM records of author.test as DNS has them."""
    records = server.api.get("/domains/author.test")["records"]
    return {one["name"].encode() + b".": one["value"] for one in records if "dkim" in one["purpose"]}


def test_a_mail_that_nobody_takes_is_given_up_and_reported() -> None:
    zone = {
        "taker.test": {"MX": ["10 mx.test."]},
        "author.test": {"MX": ["10 mx.test."]},
        "mx.test": {"A": ["127.0.0.1"]},
    }
    with DnsServer(zone) as dns, SmtpSink() as sink:
        sink.on("RCPT", "451 4.2.1 Come back later", recipient="busy@taker.test")
        # Two seconds: the first try, and the last one when time is up.
        server = RunningServer(
            vouched=["author.test"], transport="direct", resolver=dns.address, direct_port=str(sink.port),
            allow_private="127.0.0.0/8", give_up_days=str(2 / 86_400),
        )  # fmt: skip
        with server:
            world = World(server, dns, sink, sink)
            message_id = send(world, "giveup@author.test", "busy@taker.test")

            recipient = failed(world, message_id)
            assert recipient["tries"] == 2
            assert recipient["reply"] == {"code": 554, "status": "5.4.7"}
            assert "Come back later" in str(recipient["why"])
            _, report = report_to(world, "giveup@author.test")
            assert status_of(report)["status"] == "5.4.7"
            kinds = [event["kind"] for event in server.api.get(f"/messages/{message_id}/events")["items"]]
            assert kinds == ["accepted", "deferred", "failed"]
