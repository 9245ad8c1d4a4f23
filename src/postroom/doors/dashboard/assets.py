"""Files that pages load: style, scripts, icons; each under an address that changes with its content."""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from litestar.types import HTTPScope, Send

PREFIX = "/static/"
_FOLDER = Path(__file__).parent / "static"
_SERVED = {".css", ".js", ".svg"}
_FOR_EVER = b"public, max-age=31536000, immutable"
_ASK_AGAIN = b"no-cache"


@dataclass(frozen=True, slots=True)
class _Asset:
    digest: str
    media_type: bytes
    body: bytes
    packed: bytes


class Assets:
    """The files of `static/`, read once."""

    def __init__(self, folder: Path = _FOLDER) -> None:
        self._assets = {path.name: _read(path) for path in sorted(folder.iterdir()) if path.suffix in _SERVED}

    def address(self, name: str) -> str:
        """Return the address of a file, which may be kept for ever. Raises KeyError for a file that is not there."""
        return f"{PREFIX}{self._assets[name].digest}/{name}"

    async def answer(self, scope: HTTPScope, send: Send) -> None:
        """Answer a request for `/static/DIGEST/NAME`."""
        digest, _, name = scope["path"].removeprefix(PREFIX).partition("/")
        asset = self._assets.get(name)
        if asset is None or scope["method"] not in ("GET", "HEAD"):
            await _send(send, 404, [(b"content-type", b"text/plain; charset=utf-8")], b"There is no such file.\n")
            return
        packed = any(name == b"accept-encoding" and b"gzip" in value for name, value in scope["headers"])
        body = asset.packed if packed else asset.body
        fields = [
            (b"content-type", asset.media_type),
            # A page of another version may ask for its own file: it gets ours, and does not keep it.
            (b"cache-control", _FOR_EVER if digest == asset.digest else _ASK_AGAIN),
            (b"vary", b"accept-encoding"),
            (b"content-length", str(len(body)).encode()),
        ]
        if packed:
            fields.append((b"content-encoding", b"gzip"))
        await _send(send, 200, fields, b"" if scope["method"] == "HEAD" else body)


def _read(path: Path) -> _Asset:
    body = path.read_bytes()
    media_type = mimetypes.types_map[path.suffix]
    text = f"{media_type}; charset=utf-8".encode()
    return _Asset(hashlib.sha256(body).hexdigest()[:12], text, body, gzip.compress(body, 9, mtime=0))


async def _send(send: Send, status: int, fields: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body, "more_body": False})
