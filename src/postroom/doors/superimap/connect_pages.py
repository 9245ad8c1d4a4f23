"""The pages on which people connect and disconnect their mailboxes: no script, nothing loaded from elsewhere.

What was typed into a form comes back with it, but for the password.
"""

from dataclasses import dataclass, field
from html import escape

from postroom.accounts.connecting import Failure
from postroom.accounts.providers import Provider, Server, Service
from postroom.doors.superimap.connect_style import STYLE
from postroom.ledger.account_rows import Security

_SECURITY_WORDS = {
    Security.TLS: "TLS (usual)",
    Security.STARTTLS: "STARTTLS",
    Security.PLAIN: "None, inside this network",
}
_APP_PASSWORD = {
    "GMAIL": "Google wants an app password here: make one in your Google account under Security.",
    "YAHOO": "Yahoo wants an app password here: make one in your account under Security.",
    "ICLOUD": "Apple wants an app-specific password here: make one at account.apple.com.",
    "FASTMAIL": "Fastmail wants an app password here: make one in Settings under Privacy and Security.",
}
_FAILURES = {
    Failure.ACCESS_DENIED: "Access was not given.",
    Failure.PROVIDER_ERROR: "The mail provider did not allow it.",
    Failure.TEMPORARILY_UNAVAILABLE: "The mail provider cannot be reached just now. Please try again in a few minutes.",
    Failure.NO_LASTING_ACCESS: "The mail provider gave access for a moment only. Take this application's access away "
    "in your account there, then connect again.",
    Failure.NO_ADDRESS: "The mail provider does not say which address this mailbox has.",
    Failure.NOT_SET_UP: "The application that sent you here is not set up for this mail provider yet. "
    "Please tell its makers.",
    Failure.GONE: "The application that sent you here does not want this mailbox any more.",
}


@dataclass(frozen=True, slots=True)
class Form:
    """What stands in the form of a password account."""

    asking: str
    """Who wants to be connected, for people."""
    provider: Provider
    address: str = ""
    username: str = ""
    server: Server = field(default_factory=Server)
    shows_server: bool = True
    """The provider leaves the server open."""
    opens_server: bool = False
    may_be_plain: bool = False
    problem: str = ""
    wrong: str = ""
    """Name of the field that the problem is about."""
    place: str = ""
    """Where the mailbox is, as people call it; empty: anywhere."""


def password_page(form: Form) -> bytes:
    """Ask for address and password."""
    problem = f'<p class="bad" role="alert" id="problem">{escape(form.problem)}</p>' if form.problem else ""
    about = _APP_PASSWORD.get(form.provider.code, "")
    which = f" at {escape(form.place)}" if form.place else ""
    hint = f'<p class="soft" id="about">{escape(about)}</p>' if about else ""
    return _page(
        "Connect your mailbox",
        f"<p><strong>{escape(form.asking)}</strong> wants to see new mail in your mailbox{which}. Your mail stays "
        "where it is, unread mail stays unread, and you can end this at any time.</p>"
        f'{problem}<form method="post">'
        + _input(form, "address", "Email address", form.address, 'type="email" autocomplete="username" required')
        + _input(form, "password", "Password", "", 'type="password" autocomplete="current-password" required')
        + hint
        + (_server_part(form) if form.shows_server else "")
        + "<button>Connect</button></form>"
        '<p class="soft">The password is kept encrypted and is shown to nobody.</p>',
    )


def address_page(asking: str, provider: Provider, address: str, problem: str) -> bytes:
    """Ask for the address of a mailbox before its person goes to a provider that will not tell it."""
    form = Form(asking, provider, address, problem=problem, wrong="address" if problem else "")
    shown = f'<p class="bad" role="alert" id="problem">{escape(problem)}</p>' if problem else ""
    return _page(
        "Connect your mailbox",
        f"<p><strong>{escape(asking)}</strong> wants to see new mail in your mailbox. Next, your mail provider asks "
        f'you whether it may.</p>{shown}<form method="post">'
        + _input(form, "address", "Email address", address, 'type="email" autocomplete="email" required')
        + "<button>Continue</button></form>",
    )


def disconnect_page(asking: str, email: str) -> bytes:
    """Ask whether to disconnect."""
    which = f"<strong>{escape(email)}</strong>" if email else "this mailbox"
    return _page(
        "Disconnect your mailbox?",
        f"<p><strong>{escape(asking)}</strong> will hear no more of new mail in {which}.</p>"
        '<form method="post"><button>Disconnect</button></form>'
        '<p class="soft">What is kept to open the mailbox is deleted, and the mail provider is told.</p>',
    )


def connected_page(email: str) -> bytes:
    """Say that it worked, where nobody said where to go then."""
    return _page(
        "Your mailbox is connected",
        f"<p>New mail to <strong>{escape(email)}</strong> is passed on from now on. You can close this page.</p>",
    )


def disconnected_page() -> bytes:
    """Say that nothing is connected any more."""
    return _page(
        "Your mailbox is not connected",
        "<p>Nothing is kept that could open it. You can close this page.</p>",
    )


def failed_page(failure: Failure, again: str = "") -> bytes:
    """Say why it did not work, where nobody said where to go then; `again` is a link to try once more."""
    link = f'<p><a class="button" href="{escape(again)}">Try again</a></p>' if again else ""
    return _page("Your mailbox was not connected", f"<p>{escape(_FAILURES[failure])}</p>{link}")


def unknown_page() -> bytes:
    """Say that a link is not ours, or not any more."""
    return _page(
        "This link does not work any more",
        "<p>Links to connect a mailbox work for half an hour. Go back to the application that gave you this one, "
        "and ask for another.</p>",
    )


def nowhere_page() -> bytes:
    """Say that nothing is at an address."""
    return _page("There is nothing here", "<p>The address may be mistyped or cut off.</p>")


def unknown_dance_page() -> bytes:
    """Say that an authorization was begun elsewhere."""
    return _page(
        "Please begin again",
        "<p>This authorization was begun in another browser, was used already, or has taken too long. Nothing was "
        "connected. Go back to the application and connect your mailbox from there.</p>",
    )


def not_listed_page(origin: str) -> bytes:
    """Say to whoever made the link that it must not lead there."""
    return _page(
        "This link cannot be followed",
        f"<p>It wants to send you on to <strong>{escape(origin)}</strong>, which is not among the addresses that the "
        "application's workspace allows. Nothing was changed.</p>"
        '<p class="soft">For its makers: add the origin to <code>redirects</code> of the workspace.</p>',
    )


def archived_page() -> bytes:
    """Say that nobody wants this mailbox."""
    return _page("This mailbox is not wanted any more", f"<p>{escape(_FAILURES[Failure.GONE])}</p>")


def wait_page(seconds: int) -> bytes:
    """Say that there were too many tries."""
    minutes = f"{seconds} seconds" if seconds < 90 else f"{round(seconds / 60)} minutes"
    return _page(
        "Please wait a moment",
        f"<p>There were too many tries. Go back in {minutes} and try again.</p>",
    )


def later_page() -> bytes:
    """Say that it did not work just now."""
    return _page("That did not work just now", "<p>Nothing was changed. Please go back and try again in a moment.</p>")


def not_understood_page() -> bytes:
    """Say that a request was none of a form of ours."""
    return _page("This request cannot be read", "<p>Please go back, load the page again, and use its button.</p>")


def _server_part(form: Form) -> str:
    is_open = " open" if form.opens_server else ""
    return (
        f"<details{is_open}><summary>Server settings</summary>"
        '<p class="soft">For most addresses you can leave these empty. Where not, your mail provider names them.</p>'
        + _input(form, "username", "User name, if it is not the address", form.username, 'autocomplete="off"')
        + _service_part(form, "imap", "Incoming mail (IMAP)", form.server.imap, Security.TLS)
        + _service_part(form, "smtp", "Outgoing mail (SMTP), if you know it", form.server.smtp, Security.TLS)
        + "</details>"
    )


def _service_part(form: Form, prefix: str, title: str, service: Service | None, usual: Security) -> str:
    host, port = (service.host, str(service.port or "")) if service else ("", "")
    chosen = service.security if service else usual
    offered = [one for one in Security if one is not Security.PLAIN or form.may_be_plain]
    options = "".join(
        f'<option value="{one.value}"{" selected" if one is chosen else ""}>{_SECURITY_WORDS[one]}</option>'
        for one in offered
    )
    return (
        f'<fieldset><legend>{title}</legend><div class="two">'
        + _input(form, f"{prefix}_host", "Server", host, 'autocomplete="off" autocapitalize="none" spellcheck="false"')
        + _input(form, f"{prefix}_port", "Port", port, 'inputmode="numeric" autocomplete="off" placeholder="usual"')
        + f'</div><div class="field"><label for="{prefix}_security">Protection</label>'
        f'<select id="{prefix}_security" name="{prefix}_security">{options}</select></div></fieldset>'
    )


def _input(form: Form, name: str, label: str, value: str, more: str) -> str:
    wrong = ' aria-invalid="true" aria-describedby="problem" autofocus' if form.wrong == name else ""
    shown = f' value="{escape(value)}"' if value else ""
    return (
        f'<div class="field"><label for="{name}">{label}</label>'
        f'<input id="{name}" name="{name}"{shown} maxlength="500" {more}{wrong}></div>'
    )


def _page(title: str, body: str) -> bytes:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta name="robots" content="noindex"><title>{title}</title><style>{STYLE}</style></head>'
        f"<body><main><h1>{title}</h1>{body}</main></body></html>"
    ).encode()
