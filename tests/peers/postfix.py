"""A private Postfix: own configuration, queue and log in a temporary folder, on loopback, not in a chroot.

```python
with Postfix(relayhost=sink.address) as postfix:                        # relays everything to a next hop
with Postfix(mailboxes=["ann@local.test"]) as postfix:                   # delivers; unknown users get 550 5.1.1
with Postfix(relayhost=door, login=("user", "password"), tls="encrypt"): # SASL client over STARTTLS
with Postfix(relayhost=sink.address, users={"ann": "secret"}, certificate=(cert, key)):  # smarthost with AUTH
```
Needs root: Postfix's master starts its processes as several users.
"""

import fcntl
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from peers.process import PeerFailed, free_port, listens, run, wait_until

_SYSTEM = Path("/etc/postfix")


class Postfix:
    """One Postfix instance from the beginning to the end of its `with` block."""

    def __init__(
        self,
        *,
        relayhost: str | None = None,
        mailboxes: Iterable[str] = (),
        login: tuple[str, str] | None = None,
        tls: str = "none",
        users: Mapping[str, str] | None = None,
        certificate: tuple[Path, Path] | None = None,
        milters: Iterable[str] = (),
        settings: Mapping[str, str] | None = None,
        services: Iterable[str] = (),
    ) -> None:
        """Nothing runs before `with`.

        `relayhost`: `host:port` where everything but `mailboxes` goes.
        `mailboxes`: addresses delivered here; other addresses in their domains are unknown.
        `login`: user and password for the relayhost. `tls`: the client's level, none, may or encrypt.
        `users`: who may AUTH at our port, by password. `certificate`: chain and key files for STARTTLS there.
        `milters`: in Postfix's words, `inet:127.0.0.1:8891`.
        `settings`: further lines of main.cf, such as `{"smtp_line_length_limit": "0"}`.
        `services`: further lines of master.cf, such as a pipe(8) transport.
        """
        self.port = 0
        self.folder = Path()
        self._relayhost = relayhost
        self._mailboxes = tuple(mailboxes)
        self._login = login
        self._tls = tls
        self._users = dict(users or {})
        self._certificate = certificate
        self._milters = tuple(milters)
        self._settings = dict(settings or {})
        self._services = tuple(services)

    @property
    def address(self) -> str:
        """`host:port` of its SMTP server."""
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> "Postfix":
        self.folder = Path(tempfile.mkdtemp(prefix="postroom-postfix-"))
        self.folder.chmod(0o755)
        try:
            self._lay_out()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start it and return when it accepts connections."""
        for _ in range(5):
            if not self.port:
                self.port = free_port()
            (self._etc / "main.cf").write_text(self._main_cf())
            (self._etc / "master.cf").write_text(self._master_cf())
            try:
                run(["postfix", "-c", self._etc, "start"])
                wait_until(lambda: listens(self.port) or "fatal" in self.log(), "Postfix listens")
            except PeerFailed as failure:
                raise PeerFailed(f"{failure}\n{self.log()}") from failure
            if "fatal" not in self.log():
                return
            if "Address already in use" not in self.log():
                break
            self.port = 0
            self.stop()
            (self.folder / "mail.log").unlink(missing_ok=True)
        raise PeerFailed(self.log())

    def stop(self) -> None:
        """Stop it; queued mail stays in the queue."""
        if not self._runs():
            return
        run(["postfix", "-c", self._etc, "stop"])
        wait_until(lambda: not self._runs(), "Postfix has ended")

    def flush(self) -> None:
        """Try all deferred mail now."""
        run(["postfix", "-c", self._etc, "flush"])

    def queue_length(self) -> int:
        """Return how many mails are in its queue."""
        queues = ("maildrop", "incoming", "active", "deferred", "hold")
        return sum(1 for queue in queues for path in (self.folder / "spool" / queue).rglob("*") if path.is_file())

    def wait_until_empty(self, seconds: float = 60) -> None:
        """Return when everything has left the queue."""
        wait_until(lambda: self.queue_length() == 0, "the queue of Postfix is empty", seconds)

    def log(self) -> str:
        """Return its log so far."""
        path = self.folder / "mail.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def delivered(self, address: str) -> list[bytes]:
        """Return the mails in one of its mailboxes, oldest first, with LF line ends and Postfix's own fields."""
        found = (self.folder / "mailboxes" / address / "new").glob("*")
        return [path.read_bytes() for path in sorted(found, key=lambda path: path.stat().st_mtime_ns)]

    @property
    def _etc(self) -> Path:
        return self.folder / "etc"

    def _runs(self) -> bool:
        """Tell whether a master holds the lock on its pid file, as Postfix itself finds out."""
        try:
            with (self.folder / "spool" / "pid" / "master.pid").open("r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def _lay_out(self) -> None:
        for name in ("etc", "etc/sasl", "data", "spool", "mailboxes"):
            (self.folder / name).mkdir()
        shutil.chown(self.folder / "data", "postfix")
        shutil.chown(self.folder / "mailboxes", "nobody", "nogroup")
        for name in ("dynamicmaps.cf", "postfix-files"):
            shutil.copy(_SYSTEM / name, self._etc)
        for name in ("dynamicmaps.cf.d", "postfix-files.d"):
            if (_SYSTEM / name).is_dir():
                shutil.copytree(_SYSTEM / name, self._etc / name)
        if self._users:
            self._write_users()

    def _write_users(self) -> None:
        # Debian's Postfix looks for Cyrus SASL's settings in the folder sasl of its configuration.
        database = self._etc / "sasl" / "sasldb2"
        for user, password in self._users.items():
            command = ["saslpasswd2", "-p", "-c", "-f", str(database), "-u", "relay.test", user]
            run(command, input=password.encode())
        shutil.chown(database, "postfix")
        (self._etc / "sasl" / "smtpd.conf").write_text(
            f"pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {database}\nmech_list: PLAIN LOGIN\n"
        )

    def _main_cf(self) -> str:
        domains = sorted({address.rpartition("@")[2] for address in self._mailboxes})
        boxes = ", ".join(f"{{{address} = {address}/}}" for address in self._mailboxes)
        lines = {
            "compatibility_level": "3.6",
            "queue_directory": str(self.folder / "spool"),
            "data_directory": str(self.folder / "data"),
            "maillog_file": str(self.folder / "mail.log"),
            "maillog_file_prefixes": "/tmp, /var, " + str(self.folder.parent),
            "myhostname": "relay.test",
            "mydestination": "",
            "alias_maps": "",
            "alias_database": "",
            "local_recipient_maps": "",
            "mynetworks": "127.0.0.0/8",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "smtputf8_enable": "yes",
            "smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated, reject",
            "relayhost": self._next_hop() if self._relayhost else "",
            "default_transport": "smtp" if self._relayhost else "error:5.4.4 nothing leaves this host",
            "virtual_mailbox_domains": ", ".join(domains),
            "virtual_mailbox_maps": f"inline:{{{boxes}}}" if boxes else "",
            "virtual_mailbox_base": str(self.folder / "mailboxes"),
            "virtual_uid_maps": "static:65534",
            "virtual_gid_maps": "static:65534",
            "virtual_minimum_uid": "1",
            "mailbox_size_limit": "0",
            "virtual_mailbox_limit": "0",
            "message_size_limit": "104857600",
            "in_flow_delay": "0",
            "minimal_backoff_time": "5s",
            "queue_run_delay": "5s",
            "smtp_tls_security_level": self._tls,
            "smtpd_tls_security_level": "may" if self._certificate else "none",
            "smtpd_milters": ", ".join(self._milters),
            "milter_default_action": "tempfail",
        }
        if self._certificate:
            lines["smtpd_tls_chain_files"] = f"{self._certificate[1]}, {self._certificate[0]}"
        if self._login:
            user, password = self._login
            lines["smtp_sasl_auth_enable"] = "yes"
            lines["smtp_sasl_security_options"] = "noanonymous"
            lines["smtp_sasl_password_maps"] = f"inline:{{{{{self._next_hop()} = {user}:{password}}}}}"
        if self._users:
            lines["mynetworks"] = ""
            lines["smtpd_sasl_auth_enable"] = "yes"
            lines["smtpd_sasl_local_domain"] = "relay.test"
            lines["smtpd_sasl_security_options"] = "noanonymous"
        lines |= self._settings
        return "".join(f"{name} = {value}\n" for name, value in lines.items())

    def _next_hop(self) -> str:
        host, _, port = (self._relayhost or "").rpartition(":")
        return f"[{host}]:{port}"

    def _master_cf(self) -> str:
        more = "".join(f"{line}\n" for line in self._services)
        return f"127.0.0.1:{self.port} inet n - n - - smtpd\n{_SERVICES}{more}"


_SERVICES = """\
pickup     unix n - n 60 1 pickup
cleanup    unix n - n - 0 cleanup
qmgr       unix n - n 300 1 qmgr
tlsmgr     unix - - n 1000? 1 tlsmgr
rewrite    unix - - n - - trivial-rewrite
bounce     unix - - n - 0 bounce
defer      unix - - n - 0 bounce
trace      unix - - n - 0 bounce
verify     unix - - n - 1 verify
flush      unix n - n 1000? 0 flush
proxymap   unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp       unix - - n - - smtp
relay      unix - - n - - smtp
showq      unix n - n - - showq
error      unix - - n - - error
retry      unix - - n - - error
discard    unix - - n - - discard
virtual    unix - n n - - virtual
anvil      unix - - n - 1 anvil
scache     unix - - n - 1 scache
postlog    unix-dgram n - n - 1 postlogd
"""


def version() -> str:
    """Return the version of the Postfix on this machine."""
    done = subprocess.run(["postconf", "-d", "-h", "mail_version"], capture_output=True, check=False)
    return done.stdout.decode().strip()
