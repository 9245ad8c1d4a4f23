"""nginx with the configuration that this project ships, on loopback ports and with certificates of its own."""

import re
import subprocess
import tempfile
from pathlib import Path

import trustme

from peers.process import PeerFailed, free_port, listens, wait_until
from peers.require import ROOT

SHIPPED = ROOT / "contrib" / "nginx" / "postroom.conf"


class Nginx:
    """Runs from the beginning to the end of its `with` block, as a proxy in front of `upstream_port`."""

    def __init__(self, upstream_port: int, names: dict[str, str]) -> None:
        """`names` are the host names of the shipped file, and what they are here."""
        self.port = free_port()
        self.authority = trustme.CA()
        self._upstream_port = upstream_port
        self._names = names
        self._folder = tempfile.TemporaryDirectory(prefix="postroom-nginx-")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Nginx":
        folder = Path(self._folder.name)
        folder.chmod(0o755)
        issued = self.authority.issue_cert(*self._names.values())
        issued.private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
        (folder / "nginx.conf").write_text(self._configuration(folder))
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["/usr/sbin/nginx", "-p", folder, "-c", folder / "nginx.conf"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        wait_until(lambda: listens(self.port) or self._ended(), "nginx listens", 20)
        if self._ended():
            raise PeerFailed((folder / "log").read_text())
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
        self._folder.cleanup()

    def _ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _configuration(self, folder: Path) -> str:
        shipped = SHIPPED.read_text().replace("127.0.0.1:8025", f"127.0.0.1:{self._upstream_port}")
        for name, ours in self._names.items():
            shipped = shipped.replace(f"server_name {name};", f"server_name {ours};")
        shipped = shipped.replace("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl")
        shipped = re.sub(r"(ssl_certificate(?:_key)?) .*;", rf"\1 {folder}/both.pem;", shipped)
        paths = "".join(
            f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        return (
            f"daemon off; master_process off; pid {folder}/pid; error_log stderr;\n"
            f"events {{ }}\nhttp {{\naccess_log off;\n{paths}{shipped}\n}}\n"
        )
