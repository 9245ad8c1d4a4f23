"""A domain from its making to copies that carry its own hosts, with a DNS server of our own."""

import re
import smtplib

import pytest
from journeys_world import World
from peers.smtp_sink import Mail
from running_server import Api, RunningServer, submit


def publish(world: World, records: list[dict[str, str]]) -> None:
    """Do what a domain's owner does with the records that Postroom shows."""
    for record in records:
        value = record["value"]
        if record["type"] == "TXT":
            # A string of a TXT record has 255 octets at the most (RFC 1035 3.3.14).
            value = " ".join(f'"{value[at : at + 250]}"' for at in range(0, len(value), 250))
        elif record["type"] in ("MX", "CNAME"):
            value += "."
        world.dns.put(record["name"], record["type"], value)


def mail_from(domain: str, world: World, to: str) -> Mail:
    """Send a mail with a link and return what arrived."""
    message = {"from": f"shop@{domain}", "to": [to], "subject": "x", "html": '<a href="https://there.test/?a=1">x</a>'}
    sent = world.server.api.post("/messages", message)
    world.server.wait_for_state(sent["id"], "delivered")
    (mail,) = world.sink.mails_to(to)
    return mail


def test_a_proved_domain_sends_with_its_own_hosts(world: World) -> None:
    server = world.server
    made = server.api.post("/domains", {"name": "shop.test"})
    assert not made["proved"]

    before = server.api.post("/domains/shop.test/check", {})
    assert not before["proved"]
    assert all(not record["seen"] and record["problem"] for record in before["records"])

    publish(world, made["records"])
    # At once, although DNS has just said that there is nothing.
    after = server.api.post("/domains/shop.test/check", {})
    assert after["proved"], after
    assert all(record["seen"] for record in after["records"]), after["records"]

    mail = mail_from("shop.test", world, "hosts@taker.test")
    assert re.fullmatch(r"b-[a-z2-7]{32}@rp\.shop\.test", mail.reverse_path)
    host = f"go.shop.test:{server.http_port}"
    link = re.search(rb'href="http://([^/"]+)(/c/[\w-]+)"', mail.data)
    assert link
    assert link[1].decode() == host
    answer = server.fetch("GET", link[2].decode(), host=host)
    assert (answer.status, answer.fields["location"]) == (307, "https://there.test/?a=1")


def test_a_proof_that_was_corrected_is_seen_at_the_next_check(world: World) -> None:
    """What DNS said before lives in caches; whoever has just corrected a record must not wait for them."""
    made = world.server.api.post("/domains", {"name": "typo.test"})
    world.dns.put("_postroom.typo.test", "TXT", '"postroom-proof=wrong"')
    before = world.server.api.post("/domains/typo.test/check", {})

    publish(world, made["records"])
    after = world.server.api.post("/domains/typo.test/check", {})

    assert "postroom-proof=wrong" in before["records"][0]["problem"]
    assert after["proved"]


def test_the_operator_sees_in_words_what_is_missing(world: World) -> None:
    printed = world.server.command("domain", "create", "words.test")
    checked = world.server.command("domain", "check", "words.test")

    assert "_postroom.words.test.  TXT  postroom-proof=" in printed
    assert "go.words.test.  CNAME  track.postroom.test" in printed
    assert "missing  proof" in checked
    assert "may not leave yet" in checked


def test_an_unproved_from_is_refused_with_what_to_do(world: World) -> None:
    server = world.server
    mail = b"From: x@unproved.test\r\nSubject: x\r\n\r\nx\r\n"

    with server.smtp() as client, pytest.raises(smtplib.SMTPDataError) as refused:
        client.sendmail("x@unproved.test", ["unproved@taker.test"], mail)
    answer = server.api.request(
        "POST", "/messages", {"from": "x@unproved.test", "to": ["unproved@taker.test"], "text": "x"}
    )

    assert refused.value.smtp_code == 550
    assert refused.value.smtp_error.startswith(b"5.7.1 ")
    assert b"postroom domain create unproved.test" in refused.value.smtp_error
    assert answer.status == 422
    assert "postroom domain create unproved.test" in answer.body.decode()
    assert server.rows("SELECT count(*) FROM recipient WHERE address = 'unproved@taker.test'") == [(0,)]


def test_an_address_in_the_envelope_does_not_prove_the_author(world: World) -> None:
    """The author is who From says, not the reverse-path of a domain that may send."""
    with world.server.smtp() as client, pytest.raises(smtplib.SMTPDataError) as refused:
        client.sendmail("a@author.test", ["x@taker.test"], b"From: x@unproved.test\r\n\r\nx\r\n")

    assert refused.value.smtp_code == 550


def test_a_token_is_answered_only_on_a_host_of_its_workspace(world: World) -> None:
    server = world.server
    other = second_workspace(server)
    for name, api in (("one.test", server.api), ("two.test", other)):
        publish(world, api.post("/domains", {"name": name})["records"])
        assert api.post(f"/domains/{name}/check", {})["proved"]
    mail = mail_from("one.test", world, "tenants@taker.test")
    click, pixel = (re.search(rb"/" + kind + rb"/[\w.-]+", mail.data) for kind in (b"c", b"o"))
    assert click
    assert pixel

    statuses = {
        host: server.fetch("GET", click[0].decode(), host=f"{host}:{server.http_port}").status
        for host in ("go.one.test", "go.two.test", "track.postroom.test", "go.nobody.test")
    }

    assert statuses == {"go.one.test": 307, "go.two.test": 404, "track.postroom.test": 307, "go.nobody.test": 404}
    # A pixel is answered everywhere, but counted only at home.
    assert server.fetch("GET", pixel[0].decode(), host="go.two.test").status == 200
    assert server.fetch("GET", pixel[0].decode(), host="go.one.test").status == 200
    server.wait_for_hits(3)
    found = server.rows(
        "SELECT e.kind, count(*) FROM event e JOIN recipient r ON r.id = e.recipient_id "
        "WHERE r.address = 'tenants@taker.test' AND e.kind IN ('opened', 'clicked') GROUP BY 1 ORDER BY 1"
    )
    assert found == [("clicked", 2), ("opened", 1)]


def test_a_domain_of_one_workspace_is_not_anothers(world: World) -> None:
    server = world.server
    other = second_workspace(server, "third")
    publish(world, server.api.post("/domains", {"name": "mine.test"})["records"])
    assert server.api.post("/domains/mine.test/check", {})["proved"]

    answer = other.request("POST", "/messages", {"from": "x@mine.test", "to": ["y@taker.test"], "text": "x"})
    taken = other.request("POST", "/domains", {"name": "mine.test"})

    assert answer.status == 422
    assert taken.status == 409
    assert other.request("GET", "/domains/mine.test").status == 404


def second_workspace(server: RunningServer, name: str = "second") -> Api:
    """Make another workspace and return its API."""
    server.command("workspace", "create", name)
    return Api(server.http_port, server.command("key", "create", "--workspace", name).strip())


def test_submission_and_api_write_the_same_rows(world: World) -> None:
    server = world.server
    raw = b"From: shop@example.com\r\nTo: same@taker.test\r\nSubject: same\r\n\r\nsame\r\n"
    with server.smtp() as client:
        by_smtp = submit(client, "shop@example.com", ["same@taker.test"], raw)
    by_api = server.api.post(
        "/messages", {"from": "shop@example.com", "to": ["same@taker.test"], "subject": "same", "text": "same"}
    )["id"]

    one, other = (server.api.get(f"/messages/{message_id}") for message_id in (by_smtp, by_api))

    assert one.keys() == other.keys()
    assert (one["subject"], one["stream"]) == (other["subject"], other["stream"])


def test_a_vouched_domain_may_send_until_the_operator_takes_it_back(world: World) -> None:
    server = world.server
    mail = {"from": "x@vouched.test", "to": ["vouched@taker.test"], "text": "x"}
    server.command("domain", "create", "vouched.test", "--vouched")
    before = server.api.request("POST", "/messages", mail).status

    said = server.command("domain", "unvouch", "vouched.test")

    assert said == "vouched.test is not vouched for. Its mail may not leave.\n"
    assert (before, server.api.request("POST", "/messages", mail).status) == (202, 422)
