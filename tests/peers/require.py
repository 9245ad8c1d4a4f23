"""What this machine has. A missing peer skips a test by name, and CI turns every skip into a failure."""

import os
import shutil
from pathlib import Path

import pytest

POSTGRESQL_PROGRAMS = Path("/usr/lib/postgresql/15/bin")

_PROGRAMS = {
    "postgresql": (str(POSTGRESQL_PROGRAMS / "postgres"), str(POSTGRESQL_PROGRAMS / "initdb")),
    "postfix": ("/usr/sbin/postfix", "/usr/sbin/postconf"),
    "opendkim": ("/usr/sbin/opendkim",),
    "swaks": ("swaks",),
    "strace": ("strace",),
    "ip": ("ip",),
    "ss": ("ss",),
    "curl": ("curl",),
    "wrk": ("wrk",),
    "nginx": ("/usr/sbin/nginx",),
    "saslpasswd2": ("/usr/sbin/saslpasswd2",),
    "chromium": ("chromium",),
    "node": ("node",),
    "systemd-analyze": ("systemd-analyze",),
    "dovecot": ("/usr/sbin/dovecot", "/usr/bin/doveadm", "/usr/lib/dovecot/imap"),
}
_NEEDS_ROOT = {"postfix"}

ROOT = Path(__file__).resolve().parents[2]
"""The project's root."""
FUZZER = ROOT / ".peers" / "fuzz"
"""Where atheris is importable from (requirements/fuzz.in)."""
CYRUS = ROOT / ".peers" / "cyrus"
"""Cyrus IMAP unpacked: its package excludes Dovecot's (tools/peers.sh)."""
SUITES = ROOT / ".peers" / "suites"
"""Unpacked sources whose test suites we run (requirements/suites.in)."""


def require_peer(name: str) -> None:
    """Skip the calling test, with the reason, when this machine cannot run the peer `name`.

    Names: postgresql, postfix, opendkim, swaks, swaks-tls, strace, ip, ss, curl, wrk, nginx,
    saslpasswd2, chromium, node, nodemailer, oidc-provider, systemd-analyze, dovecot, cyrus, suites, fuzzer.
    Under POSTROOM_REQUIRE_PEERS=1 every skip is a failure (tests/conftest.py).
    """
    if reason := missing(name):
        pytest.skip(reason)


def missing(name: str) -> str | None:
    """Return why the peer `name` cannot run here, or None when it can."""
    if name == "nodemailer":
        installed = (ROOT / ".peers" / "node_modules" / "nodemailer").is_dir()
        return missing("node") or (None if installed else "nodemailer is not in .peers (make peers)")
    if name == "oidc-provider":
        installed = (ROOT / ".peers" / "oidc" / "node_modules" / "oidc-provider").is_dir()
        return missing("node") or (None if installed else "oidc-provider is not in .peers (make peers)")
    if name == "cyrus":
        unpacked = (CYRUS / "usr/lib/cyrus/bin/imapd").is_file()
        return missing("saslpasswd2") or (None if unpacked else "Cyrus is not in .peers (make peers)")
    if name == "suites":
        return None if (SUITES / ".stamp").is_file() else "the test suites of others are not in .peers (make peers)"
    if name == "fuzzer":
        return None if (FUZZER / ".stamp").is_file() else "the fuzzer is not in .peers (make peers)"
    if name == "swaks-tls":
        module = any(Path("/usr").glob("lib/*/perl5/*/Net/SSLeay.pm"))
        return missing("swaks") or (None if module else "swaks speaks TLS only with libnet-ssleay-perl (make peers)")
    absent = [program for program in _PROGRAMS[name] if shutil.which(program) is None]
    if absent:
        return f"{name} is not installed: no {absent[0]} (make peers)"
    if name in _NEEDS_ROOT and os.geteuid() != 0:
        return f"{name} can be started by root only"
    return None
