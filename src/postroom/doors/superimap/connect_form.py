"""The form of a password account: what was typed, checked, and what stands in it when it comes back."""

from collections.abc import Mapping

from postroom.accounts.autodetect import Detected, Verdict
from postroom.accounts.connecting import Connectable, Typed
from postroom.accounts.providers import Server, Service
from postroom.base.errors import WrongInput
from postroom.doors.superimap.connect_pages import Form
from postroom.ledger.account_rows import Security
from postroom.mail.address import parse_address

_MOST_PASSWORD = 500
_USUAL = {
    ("imap", Security.TLS): 993,
    ("imap", Security.STARTTLS): 143,
    ("imap", Security.PLAIN): 143,
    ("smtp", Security.TLS): 465,
    ("smtp", Security.STARTTLS): 587,
    ("smtp", Security.PLAIN): 25,
}


def is_address(text: str) -> bool:
    """Tell whether a text is a mail address of a domain."""
    try:
        return not parse_address(text).is_literal
    except WrongInput:
        return False


class PasswordForm:
    """One form as it was posted; empty when it is shown first."""

    def __init__(self, asked: Connectable, fields: Mapping[str, str], *, may_be_plain: bool) -> None:
        self._asked = asked
        self._fields = fields
        self._may_be_plain = may_be_plain
        self.address = fields.get("address", "").strip() if fields else asked.account.email

    def typed(self) -> Typed:
        """Return what was typed. Raises WrongInput that names the field, in words for people."""
        if not is_address(self.address):
            raise WrongInput("address", "Please write your whole email address, such as ada@example.com.")
        password = self._fields.get("password", "")
        if not password:
            raise WrongInput("password", "Please type the password.")
        if len(password) > _MOST_PASSWORD or any(ord(letter) < 32 or ord(letter) == 127 for letter in password):
            raise WrongInput("password", "This password has letters that cannot be in one, or is too long.")
        return Typed(
            self.address, password, self._text("username"), Server(self._service("imap"), self._service("smtp"))
        )

    def shown(self, asking: str, error: WrongInput | None = None) -> Form:
        """Return the form to show; with an error the part that it is about is open."""
        return self._form(
            asking,
            Server(self._lenient("imap"), self._lenient("smtp")),
            problem=str(error) if error else "",
            wrong=error.field if error else "",
            is_open=bool(self._text("imap_host")) or (error is not None and error.field not in ("address", "password")),
        )

    def after(self, asking: str, found: Detected) -> Form | None:
        """Return the form to show after a login was tried, or None where it worked."""
        verdict, words = found.tried.verdict, found.tried.words
        server = found.candidate.server if found.candidate else Server(self._lenient("imap"), self._lenient("smtp"))
        said = f" It says: “{words}”" if words else ""
        named = bool(self._text("imap_host"))
        host = server.imap.host if server.imap else "the server"
        domain = self.address.rpartition("@")[2]
        if found.to_confirm:
            return self._form(
                asking,
                server,
                problem=f"The records of {domain} name {host} as its mail server. If that is your mail provider, "
                "type the password again; it was not sent there yet.",
                wrong="password",
                is_open=True,
            )
        if verdict is Verdict.TAKEN:
            return None
        if verdict is Verdict.REFUSED:
            problem = f"{host} does not take this address and password.{said}"
            return self._form(asking, server, problem=problem, wrong="password", is_open=named)
        if verdict is Verdict.LATER:
            problem = f"{host} asks to wait a while. Please try again in a few minutes.{said}"
            return self._form(asking, server, problem=problem, wrong="", is_open=named)
        if verdict is Verdict.PRIVATE:
            problem = "This server is inside a network that may not be reached from here. Nothing was sent to it."
        elif named or self._asked.server.imap is not None:
            problem = f"{host} could not be reached: {words}" if words else f"{host} could not be reached."
        else:
            problem = f"No mail server was found for {domain}. Please fill in the server settings below."
        return self._form(asking, server, problem=problem, wrong="imap_host", is_open=True)

    def _form(self, asking: str, server: Server, *, problem: str, wrong: str, is_open: bool) -> Form:
        return Form(
            asking,
            self._asked.provider,
            self.address,
            self._text("username"),
            server,
            shows_server=self._asked.server.imap is None,
            opens_server=is_open,
            may_be_plain=self._may_be_plain,
            problem=problem,
            wrong=wrong,
            place=self._place(),
        )

    def _place(self) -> str:
        known, provider = self._asked.server.imap, self._asked.provider
        if known is None or provider.server.imap is None:
            # "Any IMAP server" is nobody's provider: the workspace has named one.
            return known.host if known is not None else ""
        return provider.title.partition(" with ")[0]

    def _service(self, prefix: str) -> Service | None:
        host, port = self._text(f"{prefix}_host").rstrip(".").lower(), self._text(f"{prefix}_port")
        if not host or self._asked.server.imap is not None:
            return None
        if port and (not port.isdecimal() or len(port) > 5 or not 0 < int(port) < 65536):
            raise WrongInput(f"{prefix}_port", "A port is a number from 1 to 65535; leave it empty for the usual one.")
        if any(letter.isspace() or not letter.isprintable() or letter in "/@?#\\%" for letter in host):
            raise WrongInput(f"{prefix}_host", "A server is a name such as imap.example.com.")
        security = self._security(prefix)
        return Service(host, int(port) if port else _USUAL[prefix, security], security)

    def _lenient(self, prefix: str) -> Service | None:
        """Return a service as it was typed, for the form that comes back."""
        host, port = self._text(f"{prefix}_host"), self._text(f"{prefix}_port")
        if not host and not port:
            return None
        return Service(host, int(port) if port.isdecimal() and len(port) < 6 else 0, self._security(prefix))

    def _security(self, prefix: str) -> Security:
        text = self._text(f"{prefix}_security")
        if text == Security.STARTTLS or (text == Security.PLAIN and self._may_be_plain):
            return Security(text)
        return Security.TLS

    def _text(self, name: str) -> str:
        return self._fields.get(name, "").strip()[:500]
