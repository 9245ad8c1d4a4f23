"""A tracer's whole way: sent by the account's own SMTP server, found again by IMAP, told to nobody."""

import pytest
from dashboard_browser import log_in
from peers.dovecot import Dovecot
from peers.process import wait_until
from peers.require import require_peer
from peers.smtp_sink import SmtpSink
from running_server import RunningServer

ANN = "ann@example.com"


@pytest.mark.soak
def test_tracers_come_back_with_their_times_and_no_webhook_tells_of_them() -> None:
    require_peer("dovecot")
    with (
        Dovecot({ANN: "s3cret"}) as imap,
        SmtpSink(users={ANN: "s3cret"}) as smtp,
        RunningServer(allow_private="127.0.0.0/8", tracer_seconds="1", tracers="2") as server,
        log_in(server) as client,
    ):
        here = {"imap_host": "127.0.0.1", "imap_port": str(imap.imap_port), "imap_security": "plain"}
        there = {"smtp_host": "127.0.0.1", "smtp_port": str(smtp.port), "smtp_security": "plain"}
        client.post("/w/default/accounts/connections", imap_provider_code="PLAIN", **here, **there)
        login = {"email": ANN, "login_password": "s3cret", "is_tracer": "1"}
        assert client.post("/w/default/accounts", connection="PLAIN", tag="ann", **login).status_code == 303

        smtp.wait_for(2)
        for mail in smtp.mails[:2]:
            assert (mail.reverse_path, mail.recipients, mail.login) == (ANN, (ANN,), ANN)
            imap.deliver(ANN, mail.data)
        came = "SELECT count(*) FROM tracer WHERE arrived_ms IS NOT NULL"
        wait_until(lambda: server.rows(came)[0][0] >= 2, "two tracers are found")
        imap.deliver(ANN, b"From: bo@example.com\r\nSubject: TRACER: 0123456789abcdef0123\r\n\r\nnot of ours\r\n")
        told = "SELECT number, kind FROM account_event ORDER BY number"
        wait_until(lambda: len(server.rows(told)) == 2, "the mail is told")
        numbered = server.rows(told)
        outcomes = dict(server.rows("SELECT outcome, count(*) FROM account_mail GROUP BY 1"))
        page = client.get("/w/default/tracers").text
        metrics = server.fetch("GET", "/metrics").body.decode()

    assert numbered == [(1, "account_connected"), (2, "mail_arrived")]
    assert outcomes == {"tracer": 2, "delivered": 1}
    assert page.count("arrived</span>") >= 2
    assert 'postroom_account_stage_seconds_count{provider="PLAIN",stage="notify"}' in metrics
