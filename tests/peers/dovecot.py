"""Dovecot as an instance of its own: IMAP on loopback ports, clear and TLS, with mail in a temporary folder."""

import itertools
import os
import pwd
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from peers.imap_process import ImapProcess
from peers.process import run

_CONFIGURATION = """
protocols = imap
base_dir = {folder}/run
state_dir = {folder}/state
instance_name = postroom-{imaps}
log_path = {folder}/log
listen = 127.0.0.1
default_internal_user = {internal}
default_internal_group = {group}
default_login_user = {login}
default_process_limit = 100
default_client_limit = 20000
default_vsz_limit = 0
first_valid_uid = 0
first_valid_gid = 0
ssl = yes
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login {mechanisms}
auth_failure_delay = 0
auth_worker_max_count = 4
mail_location = {mail_location}
mail_max_userip_connections = 0
mail_fsync = never
mailbox_idle_check_interval = 1s
mailbox_list_index = no
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
{oauth2}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/home/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Sent {{
    auto = create
    special_use = \\Sent
  }}
  mailbox Trash {{
    auto = create
    special_use = \\Trash
  }}
  mailbox Drafts {{
    auto = create
    special_use = \\Drafts
  }}
  mailbox Junk {{
    auto = create
    special_use = \\Junk
  }}
}}
service imap-login {{
  chroot =
  service_count = 0
  process_min_avail = 1
  process_limit = 2
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service imap {{
  process_limit = 4000
}}
service anvil {{
  chroot =
  # Several wrong passwords would slow down the right one that follows.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
service config {{
  unix_listener config {{
    user = {internal}
  }}
}}
{extra}
"""

_OAUTH2 = """
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf
}}
"""


class Dovecot(ImapProcess):
    """Dovecot. Starts in about a third of a second."""

    def __init__(
        self,
        users: Mapping[str, str],
        *,
        mail_location: str = "maildir:~/Maildir",
        oauth2: Mapping[str, str] | None = None,
        extra: str = "",
    ) -> None:
        """`users` are names and passwords.

        `oauth2` are the settings of its oauth2 passdb: with them XOAUTH2 and OAUTHBEARER are offered.
        `extra` is written below the configuration, such as `imap_capability = …`.
        """
        super().__init__("Dovecot", users)
        self._mail_location = mail_location
        self._oauth2 = oauth2
        self._extra = extra
        self._delivered = itertools.count(1)
        self._lock = threading.Lock()

    def _prepare(self) -> None:
        self._write_users()

    def _command(self) -> Sequence[str | Path]:
        return ["/usr/sbin/dovecot", "-F", "-c", self.folder / "dovecot.conf"]

    def stop(self) -> None:
        """End in good order, in about a second: sessions hear BYE. `start` goes on."""
        if self._process is not None:
            self.thaw()
            self._process.terminate()
            self._process.wait(20)
        self.kill()

    def kick(self, user: str) -> None:
        """End all sessions of a user: BYE, then the connection is closed."""
        self.doveadm("kick", user)

    def add_user(self, name: str, password: str) -> None:
        """Add a user or change a password."""
        self.users[name] = password
        self._write_users()

    def doveadm(self, *words: str, input: bytes | None = None) -> str:
        """Run doveadm on this instance and return what it printed; raises PeerFailed."""
        return run(["/usr/bin/doveadm", "-c", self.folder / "dovecot.conf", *words], input=input)

    def deliver(self, user: str, content: bytes, mailbox: str = "INBOX", *, at: float | None = None) -> None:
        """Put a mail into a mailbox as a delivery would: its sessions hear of it. Maildir only; line ends CR LF.

        `at` is its INTERNALDATE in seconds. Any bytes are taken, none at all too, which APPEND refuses.
        """
        maildir = self.maildir(user, mailbox)
        if not maildir.joinpath("new").is_dir():
            self.doveadm("mailbox", "status", "-u", user, "messages", mailbox)
        stamp = time.time() if at is None else at
        name = f"{int(time.time())}.M{next(self._delivered):09}P{os.getpid()}.localhost"
        written = maildir / "tmp" / name
        # Dovecot gives line ends of Unix out as CR LF, and leaves every other octet as it is.
        written.write_bytes(content.replace(b"\r\n", b"\n"))
        os.utime(written, (stamp, stamp))
        uid, gid = self._mail_ids()
        if os.geteuid() == 0:
            os.chown(written, uid, gid)
        written.rename(maildir / "new" / name)

    def maildir(self, user: str, mailbox: str = "INBOX") -> Path:
        """Return the folder of a mailbox."""
        top = self.folder / "home" / user / "Maildir"
        return top if mailbox == "INBOX" else top / ("." + mailbox.replace("/", "."))

    def skip_uids(self, user: str, uid_next: int, mailbox: str = "INBOX") -> None:
        """Let the next mail have the UID `uid_next`, so that there is a gap."""
        self.doveadm("mailbox", "update", "-u", user, "--min-next-uid", str(uid_next), mailbox)

    def new_epoch(self, user: str, uid_validity: int, mailbox: str = "INBOX") -> None:
        """Give a mailbox another UIDVALIDITY: all its UIDs lose their meaning."""
        self.doveadm("mailbox", "update", "-u", user, "--uid-validity", str(uid_validity), mailbox)

    def _write_users(self) -> None:
        with self._lock:
            new = self.folder / "users.new"
            new.write_text("".join(f"{name}:{{PLAIN}}{password}\n" for name, password in self.users.items()))
            new.chmod(0o644)
            new.rename(self.folder / "users")

    def _mail_ids(self) -> tuple[int, int]:
        if os.geteuid() != 0:
            return os.geteuid(), os.getegid()
        user = pwd.getpwnam("dovecot")
        return user.pw_uid, user.pw_gid

    def _configure(self) -> None:
        uid, gid = self._mail_ids()
        is_root = os.geteuid() == 0
        me = pwd.getpwuid(os.geteuid()).pw_name
        for name in ("home", "state"):
            (self.folder / name).mkdir(exist_ok=True)
            if is_root:
                os.chown(self.folder / name, uid, gid)
        if self._oauth2 is not None:
            settings = "".join(f"{name} = {value}\n" for name, value in self._oauth2.items())
            (self.folder / "oauth2.conf").write_text(settings)
        configuration = _CONFIGURATION.format(
            folder=self.folder,
            imap=self.imap_port,
            imaps=self.imaps_port,
            internal="dovecot" if is_root else me,
            group="dovecot" if is_root else os.getegid(),
            login="dovenull" if is_root else me,
            uid=uid,
            gid=gid,
            mechanisms="" if self._oauth2 is None else "xoauth2 oauthbearer",
            mail_location=self._mail_location,
            oauth2="" if self._oauth2 is None else _OAUTH2.format(folder=self.folder),
            extra=self._extra,
        )
        (self.folder / "dovecot.conf").write_text(configuration)
