"""A real IMAP server as an instance of its own: what Dovecot and Cyrus have in common."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import trustme

from peers.process import PeerFailed, free_port, listens, wait_until


class ImapProcess:
    """Runs from the beginning to the end of its `with` block.

    Its certificate is for `localhost` and 127.0.0.1; `authorities` is the file to trust.
    """

    def __init__(self, name: str, users: Mapping[str, str]) -> None:
        """`users` are names and passwords."""
        self.imap_port = 0
        self.imaps_port = 0
        self.users = dict(users)
        self._name = name
        self._temporary = tempfile.TemporaryDirectory(prefix=f"postroom-{name.lower()}-")
        self.folder = Path(self._temporary.name)
        self.authorities = self.folder / "authority.pem"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.folder.chmod(0o755)
        self._certify()
        self._prepare()
        for _ in range(3):
            self.imap_port, self.imaps_port = free_port(), free_port()
            self._configure()
            self.start()
            if self._process is not None:
                return self
        raise PeerFailed(self.log())

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._temporary.cleanup()

    def start(self) -> None:
        """Start with the same ports and mails as before."""
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=self._environment(),
                start_new_session=True,
            )
        wait_until(lambda: process.poll() is not None or listens(self.imaps_port), f"{self._name} listens", 20)
        self._process = process if process.poll() is None else None

    def kill(self) -> None:
        """End all its processes at once: connections break. `start` goes on."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)

    def freeze(self) -> None:
        """Let every process of it stand still: connections stay open and nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self._signal(signal.SIGCONT)

    def log(self) -> str:
        """Return what it wrote to its log, and to its standard error."""
        return (self.folder / "log").read_text(errors="replace")

    def _prepare(self) -> None:
        """Make what it needs before its first start."""
        raise NotImplementedError

    def _configure(self) -> None:
        """Write its configuration with the ports."""
        raise NotImplementedError

    def _command(self) -> Sequence[str | Path]:
        raise NotImplementedError

    def _environment(self) -> Mapping[str, str] | None:
        return None

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, number)

    def _certify(self) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert("localhost", "127.0.0.1")
        authority.cert_pem.write_to_path(self.authorities)
        issued.private_key_pem.write_to_path(self.folder / "key.pem")
        for blob in issued.cert_chain_pems:
            blob.write_to_path(self.folder / "cert.pem", append=True)
