"""nodemailer, the SMTP client of most Node programs, installed by `make peers` into .peers/."""

import json
import shutil
import subprocess
from collections.abc import Mapping

from peers.process import PeerFailed
from peers.require import ROOT

_SCRIPT = """
const [transport, mail] = JSON.parse(require('fs').readFileSync(0, 'utf8'))
require('nodemailer').createTransport(transport).sendMail(mail).then(
  info => console.log(JSON.stringify(info)),
  error => { console.error(error.message); process.exit(1) })
"""


def send(transport: Mapping[str, object], mail: Mapping[str, object]) -> dict[str, object]:
    """Send one mail and return nodemailer's report: `accepted`, `rejected`, `response`, `envelope`.

    Both arguments are as in its documentation: `{"host": "127.0.0.1", "port": 2525,
    "auth": {"user": …, "pass": …}, "tls": {"rejectUnauthorized": False}}`.
    Raises PeerFailed with its message when it could not send.
    """
    done = subprocess.run(
        [shutil.which("node") or "node", "-e", _SCRIPT],
        input=json.dumps([transport, mail]).encode(),
        env={"NODE_PATH": str(ROOT / ".peers" / "node_modules")},
        capture_output=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise PeerFailed(done.stderr.decode(errors="replace").strip())
    report: dict[str, object] = json.loads(done.stdout)
    return report
