"""Logging in and out, and the page that makes the first operator."""

from urllib.parse import quote

from litestar import Response, get, post

from postroom.access.login import NeedsCode, Opened, Refusal
from postroom.base.errors import WrongInput
from postroom.doors.dashboard.forms import Form, read_form
from postroom.doors.dashboard.page import PageError, done, pages_of, render, see_other
from postroom.doors.dashboard.services import PageRequest, services_of
from postroom.doors.dashboard.session import PUBLIC, actor_of, cookies_of, safe_next, visit_of

_SESSION_SECONDS = 30 * 86400
_TICKET_SECONDS = 300


@get("/login", opt=PUBLIC)
async def show_login(request: PageRequest) -> Response[bytes]:
    """Ask for name and password."""
    wanted = safe_next(request.query_params.get("next", "/"))
    if visit_of(request).operator is not None:
        return see_other(wanted)
    return _login_page(request, Form({"next": wanted}))


@post("/login", opt=PUBLIC, status_code=200)
async def log_in(request: PageRequest) -> Response[bytes]:
    """Check name and password; go on to the code, or in."""
    form = await read_form(request)
    name = form.text("name", "Type your name or e-mail address.")
    password = form.get("password")
    if not password:
        form.errors["password"] = "Type your password."  # noqa: S105 - what to do
    if not form.ok:
        return _login_page(request, form, 422)
    answer = await services_of(request).logins.password(name, password, visit_of(request).address, _agent(request))
    if isinstance(answer, Opened):
        return _let_in(request, answer, form)
    if isinstance(answer, NeedsCode):
        response = see_other(f"/login/code?next={quote(safe_next(form.get('next')), safe='/')}")
        names = pages_of(request).names
        response.cookies.append(names.cookie(names.ticket, answer.ticket, _TICKET_SECONDS))
        return response
    form.errors[""] = answer.text
    return _refused(_login_page(request, form, _status(answer)), answer)


@get("/login/code", opt=PUBLIC)
async def show_code(request: PageRequest) -> Response[bytes]:
    """Ask for the code of an authenticator."""
    if not _ticket(request):
        return see_other("/login")
    return _code_page(request, Form({"next": safe_next(request.query_params.get("next", "/"))}))


@post("/login/code", opt=PUBLIC, status_code=200)
async def check_code(request: PageRequest) -> Response[bytes]:
    """Check the code and let in."""
    form = await read_form(request)
    code = form.text("code", "Type the six digits that your authenticator shows.")
    if not form.ok:
        return _code_page(request, form, 422)
    answer = await services_of(request).logins.code(_ticket(request), code, visit_of(request).address, _agent(request))
    if isinstance(answer, Opened):
        return _let_in(request, answer, form)
    form.errors["" if answer.over or answer.wait_seconds else "code"] = answer.text
    page = _login_page if answer.over else _code_page
    return _refused(page(request, form, _status(answer)), answer)


@post("/logout", status_code=303)
async def log_out(request: PageRequest) -> Response[bytes]:
    """End this session."""
    session = visit_of(request).session
    if session is not None:
        await services_of(request).sessions.end(session.operator_id, session.id, actor_of(request), action="logout")
    response = see_other("/login")
    names = pages_of(request).names
    response.cookies.append(names.cookie(names.session, "", 0))
    return response


@get("/first/{secret:str}", opt=PUBLIC)
async def show_first(request: PageRequest) -> Response[bytes]:
    """Ask for name and password of the first operator."""
    secret = request.path_params["secret"]
    if not await services_of(request).operators.first_link_is_good(secret):
        raise _link_is_over()
    return _first_page(request, Form())


@post("/first/{secret:str}", opt=PUBLIC, status_code=200)
async def create_first(request: PageRequest) -> Response[bytes]:
    """Make the first operator and let them in."""
    secret = request.path_params["secret"]
    services, visit = services_of(request), visit_of(request)
    form = await read_form(request)
    name = form.text("name", "Type your name or e-mail address.")
    password = form.get("password")
    if password != form.get("again"):
        form.errors["again"] = "The two passwords differ. Type the same one twice."
    if form.ok:
        try:
            row = await services.operators.create_first(secret, name, password, visit.address)
        except WrongInput as error:
            form.wrong(error, known=("name", "password"))
        else:
            if row is None:
                raise _link_is_over()
            return _let_in(request, await services.logins.open(row, visit.address, _agent(request)), form)
    return _first_page(request, form, 422)


def _let_in(request: PageRequest, opened: Opened, form: Form) -> Response[bytes]:
    """Give the browser its session: a new cookie, so that nobody knows it from before."""
    names = pages_of(request).names
    response = done(
        request, safe_next(form.get("next")), f"You are logged in as {opened.operator.name}.", cookie=opened.cookie
    )
    response.cookies.append(names.cookie(names.session, opened.cookie, _SESSION_SECONDS))
    response.cookies.append(names.cookie(names.visitor, "", 0))
    response.cookies.append(names.cookie(names.ticket, "", 0))
    return response


def _login_page(request: PageRequest, form: Form, status: int = 200) -> Response[bytes]:
    return render(request, "login.html", status=status, title="Log in", form=form)


def _code_page(request: PageRequest, form: Form, status: int = 200) -> Response[bytes]:
    return render(request, "login_code.html", status=status, title="Your code", form=form)


def _first_page(request: PageRequest, form: Form, status: int = 200) -> Response[bytes]:
    return render(request, "first.html", status=status, title="Welcome to Postroom", form=form)


def _status(refusal: Refusal) -> int:
    return 429 if refusal.wait_seconds else 403


def _refused(response: Response[bytes], refusal: Refusal) -> Response[bytes]:
    if refusal.wait_seconds:
        response.headers["Retry-After"] = str(refusal.wait_seconds)
    return response


def _link_is_over() -> PageError:
    return PageError(
        404,
        "This link no longer opens",
        "It makes the first operator, once, within a day. Is there an operator already? Then log in. Else start "
        "Postroom again, or run `postroom init`: a new link is printed.",
    )


def _ticket(request: PageRequest) -> str:
    return cookies_of(request.scope).get(pages_of(request).names.ticket, "")


def _agent(request: PageRequest) -> str:
    return request.headers.get("user-agent", "")


HANDLERS = (show_login, log_in, show_code, check_code, log_out, show_first, create_first)
