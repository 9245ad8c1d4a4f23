"""`/settings/account`: an operator's own password, authenticator and sessions."""

import io
from dataclasses import dataclass
from importlib import import_module

from litestar import Response, get, post
from markupsafe import Markup

from postroom.access.authenticators import Offer
from postroom.base.errors import WrongInput
from postroom.base.ids import parse_id, show_id
from postroom.doors.dashboard.forms import Form, read_form
from postroom.doors.dashboard.page import done, not_found, render
from postroom.doors.dashboard.services import PageRequest, services_of
from postroom.doors.dashboard.session import actor_of, operator_of, visit_of

_ACCOUNT = "/settings/account"


@dataclass(frozen=True, slots=True)
class SessionView:
    """A browser that is logged in."""

    id: str
    browser: str
    address: str
    created_ms: int
    seen_ms: int
    is_this: bool


@get(_ACCOUNT)
async def show_account(request: PageRequest) -> Response[bytes]:
    """Show the own account."""
    return await _page(request, Form())


@post(_ACCOUNT + "/password", status_code=200)
async def change_password(request: PageRequest) -> Response[bytes]:
    """Set a new password; all other sessions end."""
    services, operator, visit = services_of(request), operator_of(request), visit_of(request)
    form = await read_form(request)
    if form.get("new") != form.get("again"):
        form.errors["again"] = "The two passwords differ. Type the same one twice."
    if form.ok and await _is_own_password(request, form, "current"):
        kept = visit.session.id if visit.session else 0
        try:
            await services.operators.set_password(operator.id, form.get("new"), actor_of(request), kept_session=kept)
        except WrongInput as error:
            form.errors["new"] = str(error)[:1].upper() + str(error)[1:] + "."
        else:
            return done(request, _ACCOUNT, "Your password is changed. All your other sessions have ended.")
    return await _page(request, form)


@get(_ACCOUNT + "/authenticator")
async def show_offer(request: PageRequest) -> Response[bytes]:
    """Show a new secret as QR code and text."""
    operator = operator_of(request)
    if operator.totp_secret is not None:
        return done(request, _ACCOUNT, "You have an authenticator already. Take it away first.", problem=True)
    return _offer_page(request, services_of(request).authenticators.offer(operator), Form())


@post(_ACCOUNT + "/authenticator", status_code=200)
async def confirm_offer(request: PageRequest) -> Response[bytes]:
    """Keep the secret where the code shows that the authenticator has it; show recovery codes once."""
    services, operator = services_of(request), operator_of(request)
    form = await read_form(request)
    if operator.totp_secret is not None:
        return done(request, _ACCOUNT, "You have an authenticator already. Take it away first.", problem=True)
    try:
        offer = services.authenticators.same_offer(operator, form.get("offer"))
    except WrongInput as error:
        return done(request, _ACCOUNT + "/authenticator", str(error), problem=True)
    try:
        codes = await services.authenticators.confirm(operator, offer.sealed, form.get("code"), actor_of(request))
    except WrongInput as error:
        form.wrong(error)
        return _offer_page(request, offer, form)
    text = "From now on you log in with a code too. Keep the recovery codes where your telephone is not."
    return done(request, _ACCOUNT, text, once={"Recovery codes, each for one login": "\n".join(codes)})


@post(_ACCOUNT + "/authenticator/off", status_code=200)
async def take_away(request: PageRequest) -> Response[bytes]:
    """Take the authenticator away, with the password."""
    form = await read_form(request)
    if not await _is_own_password(request, form, "off_password"):
        return await _page(request, form)
    await services_of(request).authenticators.remove(operator_of(request), actor_of(request))
    return done(request, _ACCOUNT, "The authenticator is taken away. Your password alone logs you in.")


@post(_ACCOUNT + "/codes", status_code=200)
async def new_codes(request: PageRequest) -> Response[bytes]:
    """Make new recovery codes, with the password."""
    form = await read_form(request)
    if not await _is_own_password(request, form, "codes_password"):
        return await _page(request, form)
    try:
        codes = await services_of(request).authenticators.new_codes(operator_of(request), actor_of(request))
    except WrongInput as error:
        return done(request, _ACCOUNT, str(error), problem=True)
    text = "The old recovery codes no longer work. Keep the new ones where your telephone is not."
    return done(request, _ACCOUNT, text, once={"Recovery codes, each for one login": "\n".join(codes)})


@post(_ACCOUNT + "/sessions/end")
async def end_session(request: PageRequest) -> Response[bytes]:
    """End one session."""
    session_id = parse_id("ses", (await read_form(request)).get("id"))
    by = actor_of(request)
    ended = session_id is not None and await services_of(request).sessions.end(operator_of(request).id, session_id, by)
    if not ended:
        raise not_found("session")
    return done(request, _ACCOUNT, "The session has ended.")


@post(_ACCOUNT + "/sessions/end-others")
async def end_others(request: PageRequest) -> Response[bytes]:
    """End all sessions but this one."""
    session = visit_of(request).session
    count = await services_of(request).sessions.end_others(
        operator_of(request).id, session.id if session else 0, actor_of(request)
    )
    words = "Another session has ended." if count == 1 else f"{count} other sessions have ended."
    return done(request, _ACCOUNT, words)


async def _is_own_password(request: PageRequest, form: Form, name: str) -> bool:
    """Check the operator's own password in a field of a form; what is wrong stands beside it."""
    if not form.get(name):
        form.errors[name] = "Type your password."
        return False
    refused = await services_of(request).logins.password_again(
        operator_of(request), form.get(name), visit_of(request).address
    )
    if refused is not None:
        form.errors[name] = refused.text
    return refused is None


async def _page(request: PageRequest, form: Form) -> Response[bytes]:
    services, operator, visit = services_of(request), operator_of(request), visit_of(request)
    own = visit.session.id if visit.session else 0
    sessions = [
        SessionView(
            show_id("ses", row.id), browser_of(row.user_agent), row.address, row.created_ms, row.seen_ms, row.id == own
        )
        for row in await services.sessions.list(operator.id)
    ]
    return render(
        request,
        "account.html",
        status=200 if form.ok else 422,
        title="My account",
        at="/settings",
        form=form,
        sessions=sessions,
        codes_left=await services.authenticators.codes_left(operator) if operator.totp_secret is not None else 0,
    )


def _offer_page(request: PageRequest, offer: Offer, form: Form) -> Response[bytes]:
    secret = " ".join(offer.secret[at : at + 4] for at in range(0, len(offer.secret), 4))
    return render(
        request,
        "authenticator.html",
        status=200 if form.ok else 422,
        title="Set an authenticator up",
        at="/settings",
        form=form,
        offer=offer,
        secret=secret,
        qr=qr_code(offer.address),
    )


def qr_code(text: str) -> Markup:
    """Return a QR code as inline SVG, dark on white in both colour schemes: cameras want it so."""
    drawn = io.BytesIO()
    # Loaded by those who draw: its tables take 1.5 MB.
    import_module("segno").make(text, error="m", micro=False).save(
        drawn,
        kind="svg",
        xmldecl=False,
        svgns=False,
        omitsize=True,
        border=3,
        dark="#000",
        light="#fff",
        svgclass="qr",
        title="QR code of the secret",
    )
    return Markup(drawn.getvalue().decode())  # noqa: S704 - made by segno of our own text


def browser_of(user_agent: str) -> str:
    """Return a browser and its system in words, as far as they are known."""
    browsers = (
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    )
    systems = (
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    )
    browser = next((words for mark, words in browsers if mark in user_agent), "")
    system = next((words for mark, words in systems if mark in user_agent), "")
    if browser:
        return f"{browser} on {system}" if system else browser
    return user_agent[:40] or "unknown browser"


HANDLERS = (
    show_account,
    change_password,
    show_offer,
    confirm_offer,
    take_away,
    new_codes,
    end_session,
    end_others,
)
