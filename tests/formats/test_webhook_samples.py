"""The samples that the webhook page shows do verify what is signed, and nothing else."""

import datetime
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from peers.require import ROOT, require_peer
from standardwebhooks.webhooks import Webhook

SAMPLES = ROOT / "src" / "postroom" / "doors" / "dashboard" / "templates" / "verify"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"name": "Zoë"}'


def signed(age_seconds: int = 0) -> dict[str, str]:
    """Return the header fields of a request; the first of two signatures is by another secret."""
    at = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=age_seconds)
    signature = Webhook(SECRET).sign("msg_1", at, BODY)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": f"v1,AAAA {signature}",
    }


def verify_in_python(headers: dict[str, str], body: str) -> object:
    names: dict[str, Any] = {}
    exec((SAMPLES / "python.txt").read_text(), names)
    return names["verify"](SECRET, headers, body.encode())


def test_the_python_sample_verifies() -> None:
    assert verify_in_python(signed(), BODY) == {"name": "Zoë"}
    for headers, body in ((signed(), BODY + " "), (signed(600), BODY)):
        with pytest.raises(ValueError, match=r"wrong signature|too old"):
            verify_in_python(headers, body)


def test_the_node_sample_verifies(tmp_path: Path) -> None:
    require_peer("node")
    cases = [(signed(), BODY), (signed(), BODY + " "), (signed(600), BODY)]
    calls = "\n".join(
        f"try {{ console.log(JSON.stringify(verify('{SECRET}', {json.dumps(headers)}, Buffer.from('{body}')))) }}"
        " catch (error) { console.log(error.message) }"
        for headers, body in cases
    )
    program = tmp_path / "sample.cjs"
    program.write_text((SAMPLES / "node.txt").read_text() + calls)

    done = subprocess.run(["node", program], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.splitlines() == ['{"name":"Zoë"}', "wrong signature", "too old"]
