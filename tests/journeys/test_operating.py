"""What an operator sees of a running server: metrics, health, the log."""

from running_server import RunningServer


def metrics(server: RunningServer) -> dict[str, float]:
    """Return the samples of `/metrics` by name with labels."""
    answer = server.fetch("GET", "/metrics")
    assert answer.status == 200
    assert answer.fields["content-type"].startswith("text/plain; version=0.0.4")
    lines = [line for line in answer.body.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_metrics_tell_what_the_server_does_and_name_nobody(sandbox: RunningServer) -> None:
    message = {"from": "author@measured.test", "to": ["ann@measured.test"], "subject": "Spoon", "text": "x"}
    sandbox.wait_for_state(sandbox.api.post("/messages", message)["id"], "delivered")

    page = metrics(sandbox)

    assert page['postroom_messages_accepted_total{source="http"}'] >= 1
    assert page['postroom_recipients_settled_total{state="delivered"}'] >= 1
    assert page['postroom_http_requests_total{route="send",status="202"}'] >= 1
    assert page['postroom_queue_recipients{state="queued"}'] >= 0
    assert page["postroom_store_commit_seconds_count"] == page["postroom_store_group_size_count"] > 0
    assert page["postroom_store_writable"] == 1
    assert page["process_resident_memory_bytes"] > 1 << 20
    assert any(name.startswith("postroom_build_info{") for name in page)
    assert not [name for name in page if "measured.test" in name or "Spoon" in name or "default" in name]
