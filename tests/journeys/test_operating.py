"""What an operator sees of a running server: metrics, health, the log."""

import json
import re
import subprocess
import sys
from pathlib import Path

from journeys_world import World
from peers.require import ROOT
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


def test_every_metric_is_in_the_docs_and_every_alert_knows_its_metric(sandbox: RunningServer) -> None:
    page = sandbox.fetch("GET", "/metrics").body.decode()
    served = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE postroom_")}
    docs = (ROOT / "docs" / "operating.md").read_text()

    named = set(re.findall(r"postroom_[a-z_]+", docs))

    assert len(served) > 15
    assert served <= named, f"not in docs/operating.md: {sorted(served - named)}"
    known = served | {f"{name}_bucket" for name in served}
    assert named <= known, f"nobody serves {sorted(named - known)}"


def checked(server: RunningServer, *words: str, code: int = 0) -> list[dict[str, str]]:
    """Return what `postroom check` finds, which ends with `code`."""
    done = subprocess.run(
        [sys.executable, "-m", "postroom", "check", "--json", *words],
        env=server.environment(),
        cwd=server.folder,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == code, done.stdout.decode() + done.stderr.decode()
    findings: list[dict[str, str]] = json.loads(done.stdout)
    return findings


def found(findings: list[dict[str, str]], area: str, verdict: str) -> list[str]:
    return [one["found"] for one in findings if (one["area"], one["verdict"]) == (area, verdict)]


def test_a_check_of_the_running_server_looks_at_everything(world: World) -> None:
    world.dns.put("mail.postroom.test", "A", "192.0.2.25")
    world.dns.put("25.2.0.192.in-addr.arpa", "PTR", "mail.postroom.test.")

    findings = checked(world.server)

    assert found(findings, "server", "ok") == ["it runs"]
    assert len(found(findings, "ports", "ok")) == 4
    assert "192.0.2.25 is called mail.postroom.test (PTR)" in found(findings, "dns", "ok")
    # The server is that of the other tests too, which add domains.
    [told] = found(findings, "domains", "ok")
    assert re.fullmatch(r"(\d+) of \1 domains looked up, \d+ lack records", told)
    assert found(findings, "key", "ok")[-1] == "the master key opens what this database has sealed"
    assert {one["area"] for one in findings} == {
        *("server", "settings", "folder", "key", "disk", "clock", "tls", "ports", "database", "queue", "nodes"),
        *("dns", "domains"),
    }
    assert not [one for one in findings if one["verdict"] != "ok" and not one["remedy"]]


def test_a_check_dials_outside_only_when_it_is_told_to(world: World) -> None:
    before = world.sink.connections

    hint = [one for one in checked(world.server) if "outwards" in one["found"]]
    assert world.sink.connections == before
    asked = checked(world.server, "--outside", "taker.test")

    assert hint[0]["verdict"] == "ok"
    assert [one for one in found(asked, "ports", "ok") if one.startswith("sink.test (127.0.0.1) answers on port")]
    assert world.sink.connections == before + 1


def test_a_check_without_a_server_says_what_would_stop_the_next_start(tmp_path: Path) -> None:
    server = RunningServer()
    server.folder = tmp_path
    server.prepare()
    assert "none runs on this data folder" in found(checked(server), "server", "ok")

    key = tmp_path / "data" / "secret.key"
    right = key.read_text()
    key.write_text("0" * 64)
    wrong = checked(server, code=1)
    assert "is not the key of this database" in found(wrong, "key", "fail")[0]
    key.unlink()
    assert "is missing" in found(checked(server, code=1), "key", "fail")[0]
    assert not key.exists()
    key.write_text(right)
    key.chmod(0o644)
    assert "has the mode 0644" in found(checked(server, code=1), "key", "fail")[0]
