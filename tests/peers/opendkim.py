"""OpenDKIM as a second opinion on our signatures, and as a signing milter for Postfix.

Verification uses the filter's own test mode (`opendkim -t`) with public keys
from a file, so it needs no DNS and no network. That mode reads text lines: a
mail with a NUL octet is out of its reach.
"""

import os
import pwd
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from peers.process import PeerFailed, free_port, listens, wait_until

OPENDKIM = "/usr/sbin/opendkim"


@dataclass(frozen=True, slots=True)
class Signature:
    """One DKIM-Signature field as OpenDKIM judged it."""

    domain: str
    selector: str
    algorithm: str
    """As in the a= tag: `rsa-sha256` or `ed25519-sha256`."""
    result: str
    """The word of RFC 8601: `pass`, `fail`, `permerror`, `neutral`…"""


def verify(raw: bytes, keys: Mapping[str, str]) -> tuple[Signature, ...]:
    """Return OpenDKIM's verdict on each signature of one mail; empty when it has none. See verify_all."""
    return verify_all([raw], keys)[0]


def verify_all(mails: Sequence[bytes], keys: Mapping[str, str]) -> list[tuple[Signature, ...]]:
    """Verify many mails in one run of OpenDKIM (about 1 ms each).

    The mails have CRLF line ends, also after the last line. `keys` holds TXT
    records by name: `{"sel._domainkey.example.test": "v=DKIM1; k=rsa; p=…"}`.
    """
    with tempfile.TemporaryDirectory(prefix="postroom-opendkim-") as name:
        folder = Path(name)
        (folder / "keys").write_text("".join(f"{record.rstrip('.')} {text}\n" for record, text in keys.items()))
        (folder / "conf").write_text(
            f"Mode v\nTestPublicKeys {folder}/keys\nSyslog no\nUserID {_user()}\n"
            "Socket inet:0@127.0.0.1\nOn-Default accept\nOn-BadSignature accept\nMaximumHeaders 0\n"
        )
        verdicts: list[tuple[Signature, ...]] = []
        for start in range(0, len(mails), 200):
            batch = mails[start : start + 200]
            for number, raw in enumerate(batch):
                (folder / str(number)).write_bytes(raw)
            verdicts += _judge(folder, len(batch))
        return verdicts


def sign(raw: bytes, *, domain: str, selector: str, private_key_pem: bytes, canonicalization: str) -> bytes:
    """Return one mail with OpenDKIM's signature in front; `canonicalization` is as in `c=`."""
    with tempfile.TemporaryDirectory(prefix="postroom-opendkim-") as name:
        folder = Path(name)
        (folder / "key").write_bytes(private_key_pem)
        (folder / "key").chmod(0o600)
        (folder / "mail").write_bytes(raw)
        (folder / "conf").write_text(
            f"Mode s\nDomain {domain}\nSelector {selector}\nKeyFile {folder}/key\nSyslog no\nUserID {_user()}\n"
            f"Canonicalization {canonicalization}\nSocket inet:0@127.0.0.1\nRequireSafeKeys no\nSubDomains yes\n"
        )
        command = [OPENDKIM, "-vv", "-x", "conf", "-t", "mail"]
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=60, check=False)
    found = re.search(rb"### INSHEADER: idx=\d+ hname='(DKIM-Signature)' hvalue='([^']*)'", done.stdout)
    if found is None:
        raise PeerFailed(f"opendkim did not sign: {(done.stdout + done.stderr).decode(errors='replace')[-3000:]}")
    return found[1] + b": " + found[2].replace(b"\n", b"\r\n") + b"\r\n" + raw


def _judge(folder: Path, count: int) -> list[tuple[Signature, ...]]:
    command = [OPENDKIM, "-vv", "-x", "conf", "-t", ",".join(map(str, range(count)))]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=300, check=False)
    printed = (done.stdout + done.stderr).decode(errors="replace")
    verdicts: list[tuple[Signature, ...]] = [()] * count
    inserted = ""
    seen = 0
    for block in re.split(r"^(?=### INSHEADER|opendkim: )", done.stdout.decode() + done.stderr.decode(), flags=re.M):
        if block.startswith("### INSHEADER"):
            inserted = block
        elif said := re.match(r"opendkim: (\d+): (?!line |mlfi_)(.*)", block):
            seen += 1
            if "not signed" not in said[2]:
                verdicts[int(said[1])] = _signatures(inserted)
            inserted = ""
    if seen != count:
        raise PeerFailed(f"opendkim judged {seen} of {count} mails:\n{printed[-3000:]}")
    return verdicts


def _signatures(field: str) -> tuple[Signature, ...]:
    found = []
    for part in re.findall(r"\bdkim=[^;]*", field):
        facts = dict(re.findall(r"header\.([das])=(\S+)", part))
        result = re.match(r"dkim=(\w+)", part)
        found.append(Signature(facts.get("d", ""), facts.get("s", ""), facts.get("a", ""), result[1] if result else ""))
    return tuple(found)


class OpenDkimMilter:
    """OpenDKIM signing what a Postfix relays; `address` is what `smtpd_milters` wants."""

    def __init__(self, *, domain: str, selector: str, private_key_pem: bytes) -> None:
        self.domain = domain
        self.selector = selector
        self._key = private_key_pem
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def address(self) -> str:
        """The milter's socket in Postfix's words."""
        return f"inet:127.0.0.1:{self.port}"

    def __enter__(self) -> "OpenDkimMilter":
        self._folder = tempfile.TemporaryDirectory(prefix="postroom-opendkim-")
        try:
            self._start(Path(self._folder.name))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)
        if self._folder is not None:
            self._folder.cleanup()

    def _start(self, folder: Path) -> None:
        (folder / "key").write_bytes(self._key)
        (folder / "key").chmod(0o600)
        self.port = free_port()
        (folder / "conf").write_text(
            f"Mode s\nDomain {self.domain}\nSelector {self.selector}\nKeyFile {folder}/key\n"
            f"Canonicalization relaxed/relaxed\nSocket inet:{self.port}@127.0.0.1\nUserID {_user()}\n"
            "Background no\nSyslog no\nInternalHosts 127.0.0.1\nOversignHeaders From\nRequireSafeKeys no\n"
        )
        process = subprocess.Popen([OPENDKIM, "-f", "-x", str(folder / "conf")], stdin=subprocess.DEVNULL)
        self._process = process
        wait_until(lambda: listens(self.port) or process.poll() is not None, "OpenDKIM listens")
        if process.poll() is not None:
            raise PeerFailed(f"opendkim ended with {process.returncode}")


def _user() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name
