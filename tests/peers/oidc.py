"""A real OAuth 2.0 and OpenID Connect server with pages for login and consent: npm's oidc-provider.

```python
with OidcServer(redirect_uri) as oidc:
    oidc.connection                       # what a connection of ours needs to know
    Dovecot({…}, oauth2=oidc.for_dovecot)
    oidc.token_endpoint_down(503); oidc.revoke_all()
```
Any login is taken; the person's address is what was typed there. PKCE is required, each refresh token is good once.
"""

import json
import shutil
import subprocess
import tempfile
import urllib.request
from pathlib import Path

from peers.process import PeerFailed, free_port, listens, wait_until
from peers.require import ROOT

CLIENT_ID, CLIENT_SECRET = "postroom", "a-secret-between-the-two"
MODULES = ROOT / ".peers" / "oidc" / "node_modules"
_SCRIPT = Path(__file__).with_name("oidc_provider.mjs")


class OidcServer:
    """Runs from the beginning to the end of its `with` block. Starts in about a second."""

    def __init__(
        self,
        redirect_uri: str,
        *,
        access_seconds: int = 3600,
        authentication: str = "client_secret_post",
        address_in_userinfo: bool = False,
    ) -> None:
        """`authentication` is how our client says its secret.

        With `address_in_userinfo` the ID token has no address.
        """
        self._redirect_uri = redirect_uri
        self._access_seconds = access_seconds
        self._authentication = authentication
        self._address_in_userinfo = address_in_userinfo
        self._process: subprocess.Popen[bytes] | None = None
        self._temporary = tempfile.TemporaryDirectory(prefix="postroom-oidc-")
        self._log = Path(self._temporary.name) / "log"
        self.port = 0

    def __enter__(self) -> "OidcServer":
        for _ in range(3):
            self.port = free_port()
            self._start()
            if self._process is not None:
                return self
        raise PeerFailed(self.log())

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._temporary.cleanup()

    @property
    def issuer(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def connection(self) -> dict[str, str]:
        """What a connection of an account has to know, by the names of SuperIMAP's API."""
        return {
            "oauth2_client_id": CLIENT_ID,
            "oauth2_client_secret": CLIENT_SECRET,
            "oauth2_authorize_url": f"{self.issuer}/auth",
            "oauth2_token_url": f"{self.issuer}/token",
            "oauth2_revoke_url": f"{self.issuer}/token/revocation",
            "oauth2_userinfo_url": f"{self.issuer}/me",
            "oauth2_scope": "openid email offline_access imap",
        }

    @property
    def for_dovecot(self) -> dict[str, str]:
        """The settings of Dovecot's oauth2 passdb: it asks here about each token (RFC 7662)."""
        return {
            "introspection_mode": "post",
            "introspection_url": f"http://mail-server:introspects@127.0.0.1:{self.port}/token/introspection",
            "username_attribute": "sub",
            "active_attribute": "active",
            "active_value": "true",
            "timeout_msecs": "5000",
        }

    def token_endpoint_down(self, status: int) -> None:
        """Answer every request for a token with this status; 0: properly again."""
        self._control(f"do=down&status={status}")

    def revoke_all(self) -> None:
        """End every authorization, as a person does in the settings of their account."""
        self._control("do=revoke")

    def token_requests(self) -> int:
        """Return how often a token was asked for."""
        asked = self._control("do=tell")["tokenRequests"]
        assert isinstance(asked, int)
        return asked

    def tokens(self) -> list[str]:
        """Return every code, access token and refresh token that it gave."""
        found = self._control("do=tell")["given"]
        assert isinstance(found, list)
        return [str(one) for one in found]

    def stop(self) -> None:
        """End it: nobody listens at its port any more."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(20)

    def log(self) -> str:
        """Return what it printed."""
        return self._log.read_text(errors="replace")

    def _start(self) -> None:
        asked = {
            "modules": str(MODULES.parent),
            "issuer": self.issuer,
            "port": self.port,
            "clientId": CLIENT_ID,
            "clientSecret": CLIENT_SECRET,
            "redirectUris": [self._redirect_uri],
            "authentication": self._authentication,
            "accessSeconds": self._access_seconds,
            "addressInUserinfo": self._address_in_userinfo,
        }
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [shutil.which("node") or "node", "--no-warnings", str(_SCRIPT)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        assert process.stdin is not None
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        process.stdin.close()
        wait_until(lambda: process.poll() is not None or listens(self.port), "oidc-provider listens", 30)
        self._process = process if process.poll() is None else None

    def _control(self, query: str) -> dict[str, object]:
        with urllib.request.urlopen(f"{self.issuer}/control?{query}", timeout=20) as answer:
            found: dict[str, object] = json.loads(answer.read())
            return found
