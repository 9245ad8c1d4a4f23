"""The pages that recipients see: made here, without script, cookie or anything loaded from elsewhere."""

from html import escape

from postroom.events.unsubscribing import Subscription

_STYLE = """
:root { color-scheme: light dark;
  --ground: #f4f5f7; --card: #fff; --ink: #1b1f24; --soft: #59636e; --line: #d8dde3; --go: #0b57d0; --on: #fff }
@media (prefers-color-scheme: dark) { :root {
  --ground: #14171a; --card: #1d2125; --ink: #e7eaed; --soft: #9aa4ae; --line: #333a41; --go: #8ab4f8; --on: #10233f } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem;
  background: var(--ground); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif }
main { width: 100%; max-width: 27rem; padding: clamp(1.25rem, 5vw, 2.25rem);
  background: var(--card); border: 1px solid var(--line); border-radius: .9rem }
h1 { margin: 0 0 .6rem; font-size: 1.4rem; line-height: 1.25; text-wrap: balance }
p { margin: 0 0 1rem; overflow-wrap: anywhere }
p:last-child { margin-bottom: 0 }
.soft { color: var(--soft); font-size: .9rem }
form { margin: 1.25rem 0 }
button { width: 100%; padding: .8rem 1rem; border: 1px solid var(--go); border-radius: .55rem;
  background: var(--go); color: var(--on); font: inherit; font-weight: 600; cursor: pointer }
button.quiet { background: transparent; color: var(--go) }
button:focus-visible, a:focus-visible { outline: 3px solid var(--go); outline-offset: 2px }
a { color: var(--go) }
"""


def confirm_page(shown: Subscription) -> bytes:
    """Ask whether to unsubscribe."""
    domain = escape(shown.author_domain)
    return _page(
        "Unsubscribe?",
        f"<p><strong>{domain}</strong> sends mailings to {_shortened(shown.address)}.</p>"
        f"{_form('unsubscribe', 'Unsubscribe')}"
        '<p class="soft">Mail that you cause yourself, such as receipts and passwords, still comes.</p>',
    )


def unsubscribed_page(shown: Subscription) -> bytes:
    """Say that the address gets no more mailings; offer to take that back, and the author's own way."""
    domain = escape(shown.author_domain)
    text = f"<p><strong>{domain}</strong> sends no more mailings to {_shortened(shown.address)}.</p>"
    if shown.author_unsubscribe:
        links = ", ".join(
            f'<a href="{escape(uri)}" rel="noreferrer nofollow">{escape(_brief(uri))}</a>'
            for uri in shown.author_unsubscribe
        )
        text += f'<p class="soft">The sender also names a way of its own to leave its list: {links}</p>'
    if shown.may_undo:
        text += _form("undo", "Undo, keep me subscribed", quiet=True)
    return _page("You are unsubscribed", text)


def subscribed_page(shown: Subscription) -> bytes:
    """Say that an unsubscribe was taken back."""
    domain = escape(shown.author_domain)
    return _page(
        "You are subscribed again",
        f"<p><strong>{domain}</strong> may send mailings to {_shortened(shown.address)}.</p>"
        f"{_form('unsubscribe', 'Unsubscribe', quiet=True)}",
    )


def not_understood_page() -> bytes:
    """Ask again after a post that asks for nothing we know."""
    return _page(
        "Please press the button",
        f"<p>This request did not say what to do.</p>{_form('unsubscribe', 'Unsubscribe')}",
    )


def unknown_page() -> bytes:
    """Say that an address leads nowhere."""
    return _page(
        "This link leads nowhere",
        "<p>It may be cut off or too old. Open the mail again and follow the link from there.</p>",
    )


def later_page(seconds: int, *, reload: bool) -> bytes:
    """Say that it did not work just now; with `reload` the page tries again by itself."""
    if reload:
        return _page(
            "One moment, please",
            "<p>This takes a little longer than usual. The page tries again by itself.</p>",
            f'<meta http-equiv="refresh" content="{seconds}">',
        )
    return _page(
        "That did not work just now",
        "<p>Nothing was changed. Please go back and try again in a moment.</p>",
    )


def _form(action: str, label: str, *, quiet: bool = False) -> str:
    look = ' class="quiet"' if quiet else ""
    return f'<form method="post"><button{look} name="action" value="{action}">{label}</button></form>'


def _page(title: str, body: str, head: str = "") -> bytes:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta name="robots" content="noindex">{head}<title>{title}</title><style>{_STYLE}</style></head>'
        f"<body><main><h1>{title}</h1>{body}</main></body></html>"
    ).encode()


def _shortened(address: str) -> str:
    """Return an address that its owner recognises and a stranger with a forwarded mail does not learn."""
    local_part, at, domain = address.rpartition("@")
    return escape(f"{local_part[:1]}…{at}{domain}") if at else "you"


def _brief(uri: str) -> str:
    return uri if len(uri) <= 60 else uri[:59] + "…"
