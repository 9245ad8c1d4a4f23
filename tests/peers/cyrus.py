"""Cyrus IMAP as an instance of its own: on loopback ports, clear and TLS, with mail in a temporary folder.

Its programs and libraries are unpacked in `.peers/cyrus` (tools/peers.sh): Debian's package excludes Dovecot's.
"""

import grp
import imaplib
import os
import pwd
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from peers.imap_process import ImapProcess
from peers.process import PeerFailed, run
from peers.require import CYRUS

_PROGRAMS = Path("usr/lib/cyrus/bin")
_ADMIN = "cyrusadmin"

_IMAPD = """
configdirectory: {folder}/config
partition-default: {folder}/spool
defaultpartition: default
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {folder}/sasldb
sasl_mech_list: PLAIN LOGIN
admins: {admin}
cyrus_user: {user}
cyrus_group: {group}
allowplaintext: yes
servername: localhost
unixhierarchysep: yes
altnamespace: yes
virtdomains: off
autocreate_quota: 0
autocreate_inbox_folders: Sent|Trash|Drafts|Junk
xlist-sent: Sent
xlist-trash: Trash
xlist-drafts: Drafts
xlist-junk: Junk
specialusealways: yes
imapidlepoll: 60
idlesocket: {folder}/config/socket/idle
lmtpsocket: {folder}/config/socket/lmtp
notifysocket: {folder}/config/socket/notify
proc_path: {folder}/config/proc
mboxname_lockpath: {folder}/config/lock
syslog_prefix: postroom
tls_server_cert: {folder}/cert.pem
tls_server_key: {folder}/key.pem
tls_session_timeout: 0
duplicatesuppression: no
munge8bit: no
failedloginpause: 0
hashimapspool: no
conversations: no
"""

_MASTER = """
START {{
  recover cmd="{programs}/ctl_cyrusdb -C {folder}/imapd.conf -r"
  idled cmd="{programs}/idled -C {folder}/imapd.conf"
}}
SERVICES {{
  imap cmd="{programs}/imapd -C {folder}/imapd.conf" listen="127.0.0.1:{imap}" proto=tcp4 prefork=1 maxchild=2000
  imaps cmd="{programs}/imapd -C {folder}/imapd.conf -s" listen="127.0.0.1:{imaps}" proto=tcp4 prefork=1 maxchild=2000
}}
EVENTS {{
}}
"""


class Cyrus(ImapProcess):
    """Cyrus IMAP. It tells most to syslog, not to its log."""

    def __init__(self, users: Mapping[str, str]) -> None:
        """`users` are names and passwords; their mailboxes are made at the first login."""
        super().__init__("Cyrus", users)
        # Cyrus' own configuration takes no path with a space, and the project may lie in one.
        self._cyrus = self.folder / "cyrus"
        self._cyrus.symlink_to(CYRUS)

    def _prepare(self) -> None:
        for name, password in {**self.users, _ADMIN: _ADMIN}.items():
            self.add_user(name, password)

    def _command(self) -> Sequence[str | Path]:
        files = ["-C", self.folder / "imapd.conf", "-M", self.folder / "cyrus.conf", "-p", self.folder / "master.pid"]
        return [self._cyrus / _PROGRAMS / "master", *files]

    def _environment(self) -> Mapping[str, str]:
        return {
            **os.environ,
            "LD_LIBRARY_PATH": f"{self._cyrus}/usr/lib/x86_64-linux-gnu:{self._cyrus}/lib/x86_64-linux-gnu",
            "CYRUS_USER": self._user(),
        }

    def add_user(self, name: str, password: str) -> None:
        """Add a user or change a password."""
        self.users[name] = password
        command: list[str | Path] = [
            "/usr/sbin/saslpasswd2",
            "-p",
            "-c",
            "-f",
            self.folder / "sasldb",
            "-u",
            "localhost",
            name,
        ]
        run(command, input=password.encode())
        (self.folder / "sasldb").chmod(0o644)

    def deliver(self, user: str, content: bytes, mailbox: str = "INBOX", *, at: float | None = None) -> None:
        """Put a mail into a mailbox. Cyrus refuses some contents, such as NUL and bare LF."""
        with imaplib.IMAP4("127.0.0.1", self.imap_port) as session:
            session.login(user, self.users[user])
            stamp = imaplib.Time2Internaldate(time.time() if at is None else at)
            kind, answer = session.append(mailbox, "", stamp, content)
            if kind != "OK":
                raise PeerFailed(f"Cyrus refused a mail: {answer!r}")

    def new_epoch(self, user: str, mailbox: str) -> None:
        """Delete a mailbox, not INBOX, and make it anew: all its UIDs lose their meaning."""
        with imaplib.IMAP4("127.0.0.1", self.imap_port) as session:
            session.login(user, self.users[user])
            session.delete(mailbox)
            session.create(mailbox)

    @staticmethod
    def _user() -> str:
        # As root it becomes another user and leaves root's rights behind.
        return "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name

    def _configure(self) -> None:
        user = pwd.getpwnam(self._user())
        names = {
            "folder": self.folder,
            "programs": self._cyrus / _PROGRAMS,
            "imap": self.imap_port,
            "imaps": self.imaps_port,
            "admin": _ADMIN,
            "user": user.pw_name,
            "group": grp.getgrgid(user.pw_gid).gr_name,
        }
        (self.folder / "imapd.conf").write_text(_IMAPD.format(**names))
        (self.folder / "cyrus.conf").write_text(_MASTER.format(**names))
        for name in ("config", "config/socket", "config/proc", "config/db", "config/lock", "config/msg", "spool"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            for path in (self.folder, *self.folder.rglob("*")):
                shutil.chown(path, user.pw_uid, user.pw_gid)
