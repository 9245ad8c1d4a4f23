"""`/w/NAME/suppressions`: which addresses get no mail, why, and would this one be mailed?

Changes go through `events.suppression`, as those of the API do.
"""

import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO, cast

from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.response import Stream

from postroom.base.errors import WrongInput
from postroom.base.ids import made_at_ms, parse_id, show_id
from postroom.doors.dashboard import suppression_csv as lists
from postroom.doors.dashboard.forms import Form, read_form, sentence
from postroom.doors.dashboard.noted import noted
from postroom.doors.dashboard.page import (
    PageError,
    address_of,
    address_with,
    done,
    render,
    see_other,
    workspace_of,
)
from postroom.doors.dashboard.services import PageRequest, Services, services_of
from postroom.doors.dashboard.suppression_import import SLICE, Imported, Importer
from postroom.doors.dashboard.suppression_views import (
    CAUSES,
    SCOPE_CHOICES,
    addresses_of,
    answers,
    line,
    scope_words,
    wrong_lines,
)
from postroom.doors.dashboard.walk import SECONDS
from postroom.events import suppression
from postroom.ledger.rows import SuppressionRow, WorkspaceRow
from postroom.mail.address import address_key, check_address
from postroom.store import suppressions
from postroom.store.database import Conn, Tx

_PAGE = 50
_EXPORT_PAGE = 1000
_MOST_LINES = 1_000
"""Addresses that a form takes; more are a list to import."""
_LARGEST_LIST = 500 << 20
_NEWEST = (1 << 63) - 1
_SCOPES = dict(SCOPE_CHOICES)


_TABS = (("", "All"), *((key, words) for key, (words, _) in CAUSES.items()))
_WINDOW = 5_000


@dataclass(frozen=True, slots=True)
class _Page:
    """A page of the list."""

    rows: Sequence[SuppressionRow]
    onward: int | None = None
    """The id from which the next page goes on; None: there is none."""
    is_cut: bool = False
    """The time was over before the page was full."""


@get("/w/{workspace:str}/suppressions")
async def show_list(request: PageRequest) -> Response[bytes]:
    """Show suppressions, newest first, of a `cause`; `address` asks for one and whether it would be mailed."""
    workspace = await workspace_of(request)
    services = services_of(request)
    now = services.clock.now_ms()
    asked = request.query_params.get("address", "").strip()[:1000].replace("\x00", "")
    before = parse_id("sup", request.query_params.get("before", ""))
    cause = request.query_params.get("cause", "")
    cause = cause if cause in CAUSES else ""
    form = Form({"address": asked})
    told = None
    if asked:
        key = address_key(asked)
        rows = await services.database.read(lambda conn: suppressions.of_address(conn, workspace.id, key))
        try:
            told = answers(check_address(asked), rows, now)
        except WrongInput as error:
            if not rows:
                form.wrong(error)
        page = _Page(rows)
    else:
        page = await _page(services, workspace.id, cause, _NEWEST if before is None else before)
    shown = [line(row, now) for row in page.rows]
    base = address_of(workspace, "suppressions")
    older_id = show_id("sup", page.onward) if page.onward is not None else ""
    return render(
        request,
        "suppressions.html",
        status=200 if form.ok else 422,
        title="Suppressions",
        at="suppressions",
        form=form,
        lines=shown,
        asked=asked,
        answers=told,
        cause=cause,
        tabs=[(address_with(base, cause=key), words, key == cause) for key, words in _TABS],
        older=address_with(base, cause=cause, before=older_id) if older_id else None,
        first=address_with(base, cause=cause) if before is not None and not asked else None,
        searched_back_ms=made_at_ms(page.onward) if page.is_cut and page.onward is not None else None,
        curl=_curl(services),
    )


@get("/w/{workspace:str}/suppressions/add")
async def show_add(request: PageRequest) -> Response[bytes]:
    """Show the form that suppresses addresses."""
    await workspace_of(request)
    address = request.query_params.get("address", "")[:1000]
    return _add_page(request, Form({"addresses": address, "scope": "all"}))


@post("/w/{workspace:str}/suppressions/add")
async def add(request: PageRequest) -> Response[bytes]:
    """Suppress the addresses of a form: all of them, or none where one is wrong."""
    workspace = await workspace_of(request)
    services = services_of(request)
    form = await read_form(request)
    keys = _addresses(form)
    scope = form.get("scope")
    if scope not in _SCOPES:
        form.errors.setdefault("scope", "Choose which mail is stopped.")
    reason = form.text("reason", most=lists.MOST_REASON)
    expires_ms = _expiry(form, services.clock.now_ms())
    if not form.ok:
        return _add_page(request, form)
    new = 0
    for start in range(0, len(keys), SLICE):
        new += await _add_slice(request, workspace, keys[start : start + SLICE], scope, reason, expires_ms)
    words = f"{len(keys):,} address{'' if len(keys) == 1 else 'es'}"
    renewed = "" if new == len(keys) else f" {len(keys) - new:,} stood there already and got the new reason."
    return done(
        request,
        address_of(workspace, "suppressions"),
        f"{scope_words(scope).capitalize()} to {words} is stopped, also what waits in the queue.{renewed}",
    )


@post("/w/{workspace:str}/suppressions/remove")
async def remove(request: PageRequest) -> Response[bytes]:
    """Take an address off the list, by one scope."""
    workspace = await workspace_of(request)
    services = services_of(request)
    form = await read_form(request)
    key, scope = address_key(form.get("address")), form.get("scope")
    event_id, now = services.ids.next(), services.clock.now_ms()
    note = noted(request, workspace, "suppression.remove", detail=scope)
    back = address_of(workspace, "suppressions")

    def write(tx: Tx) -> bool:
        gone = suppression.remove(tx, workspace.id, key, scope, event_id, now, "operator")
        if gone:
            note(tx)
        return bool(gone)

    if not await services.database.write(write):
        return done(request, back, f"{key} was not on the list any more.", problem=True)
    return done(request, back, f"{key} is off the list: {scope_words(scope)} to it is sent again.")


@get("/w/{workspace:str}/suppressions/import")
async def show_import(request: PageRequest) -> Response[bytes]:
    """Show the form that takes a list."""
    workspace = await workspace_of(request)
    return _import_page(request, workspace, Form({"scope": "all"}))


@post("/w/{workspace:str}/suppressions/import", request_max_body_size=_LARGEST_LIST)
async def import_list(request: PageRequest) -> Response[bytes]:
    """Take a list of any length."""
    workspace = await workspace_of(request)
    services = services_of(request)
    form = await read_form(request)
    file = (await request.form()).get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        form.errors["file"] = "Choose a file."
    if form.get("scope") not in _SCOPES:
        form.errors["scope"] = "Choose which mail is stopped."
    reason = form.text("reason", most=lists.MOST_REASON)
    if not form.ok or not isinstance(file, UploadFile):
        return _import_page(request, workspace, form)
    result, key = Imported(workspace.id, file.filename[:200]), secrets.token_urlsafe(12)
    services.imports.put(key, result)
    importer = Importer(services.database, services.ids, services.clock, services.slow)
    try:
        await importer.run(result, cast(IO[bytes], file.file), form.get("scope"), reason)
    finally:
        await file.close()
    detail = f"{result.added} added, {result.renewed} renewed, {result.wrong_count} wrong lines"
    await services.database.write(noted(request, workspace, "suppression.import", detail=detail))
    return see_other(address_of(workspace, f"suppressions/imports/{key}"))


@get("/w/{workspace:str}/suppressions/imports/{key:str}")
async def show_result(request: PageRequest) -> Response[bytes]:
    """Show what came of an import."""
    workspace = await workspace_of(request)
    result = services_of(request).imports.get(workspace.id, request.path_params["key"])
    if result is None:
        raise PageError(
            404,
            "This result is not here any more",
            "What came of an import is kept until the server stops. The import itself is done: the list shows it.",
        )
    return render(request, "suppression_result.html", title="Import", at="suppressions", result=result)


@get("/w/{workspace:str}/suppressions/export")
async def export(request: PageRequest) -> Stream:
    """Hand the list out as CSV, whatever its length."""
    workspace = await workspace_of(request)
    services = services_of(request)
    return Stream(
        _exported(services, workspace.id),
        media_type="text/csv",
        headers={
            "Content-Disposition": f'attachment; filename="suppressions-{workspace.id}.csv"',
            "Cache-Control": "no-store",
        },
    )


HANDLERS = (show_list, show_add, add, remove, show_import, import_list, show_result, export)


async def _exported(services: Services, workspace_id: int) -> AsyncIterator[bytes]:
    yield lists.head()
    before = _NEWEST
    while True:
        last = before
        rows = await services.database.read(
            lambda conn, at=last: suppressions.page(conn, workspace_id, at, _EXPORT_PAGE)  # type: ignore[misc]
        )
        if rows:
            yield await services.slow.run(lambda found=rows: lists.written(found))  # type: ignore[misc]
        if len(rows) < _EXPORT_PAGE:
            return
        before = rows[-1].id


async def _add_slice(
    request: PageRequest, workspace: WorkspaceRow, keys: list[str], scope: str, reason: str, expires_ms: int | None
) -> int:
    services = services_of(request)
    now = services.clock.now_ms()
    rows = [
        SuppressionRow(services.ids.next(), workspace.id, key, scope, reason, "operator", "", expires_ms, now)
        for key in keys
    ]
    event_ids = [services.ids.next() for _ in rows]
    # The log names no addresses: who is erased must not stand in it.
    note = noted(request, workspace, "suppression.add", detail=f"{len(rows)} addresses, {scope}")

    def write(tx: Tx) -> int:
        note(tx)
        return suppression.add_all(tx, rows, event_ids)

    return await services.database.write(write)


def _addresses(form: Form) -> list[str]:
    lines = addresses_of(form.get("addresses"))
    if not lines:
        form.errors["addresses"] = "Write at least one address."
    elif len(lines) > _MOST_LINES:
        form.errors["addresses"] = f"At most {_MOST_LINES:,} addresses; import a longer list as a file."
    else:
        keys: dict[str, None] = {}
        wrong = []
        for number, text in lines:
            try:
                keys[address_key(check_address(text))] = None
            except WrongInput as error:
                wrong.append((number, str(error)))
        if not wrong:
            return list(keys)
        form.errors["addresses"] = f"Nothing was added. {wrong_lines(wrong)}"
    return []


async def _page(services: Services, workspace_id: int, cause: str, before_id: int) -> _Page:
    """Return a page of the list; of one cause it is looked for as long as a page may take (decision 0025)."""
    database, clock = services.database, services.clock
    rows: list[SuppressionRow] = []
    if not cause:
        rows = await database.read(lambda conn: suppressions.page(conn, workspace_id, before_id, _PAGE + 1))
        return _Page(rows[:_PAGE], rows[_PAGE - 1].id if len(rows) > _PAGE else None)
    sources, at, began = CAUSES[cause][1], before_id, clock.monotonic()
    while True:
        room = _PAGE + 1 - len(rows)
        found = await database.read(partial(_window, workspace_id, at, sources, room))
        rows += found.rows
        if len(rows) > _PAGE:
            return _Page(rows[:_PAGE], rows[_PAGE - 1].id)
        if found.reached is None:
            return _Page(rows)
        if clock.monotonic() - began >= SECONDS:
            return _Page(rows, found.reached, is_cut=True)
        at = found.reached


def _window(workspace_id: int, before_id: int, sources: Sequence[str], limit: int, conn: Conn) -> suppressions.Window:
    return suppressions.window(conn, workspace_id, before_id, sources, _WINDOW, limit)


def _expiry(form: Form, now_ms: int) -> int | None:
    text = form.text("expires", most=40)
    if not text:
        return None
    expires_ms = lists.read_time_ms(text)
    if expires_ms is None:
        form.errors.setdefault("expires", sentence("write a date such as 2026-01-31"))
    elif expires_ms <= now_ms:
        form.errors.setdefault("expires", "This day has begun already.")
    return expires_ms


def _add_page(request: PageRequest, form: Form) -> Response[bytes]:
    return render(
        request,
        "suppressions_add.html",
        status=200 if form.ok else 422,
        title="Suppress addresses",
        at="suppressions",
        form=form,
        scopes=SCOPE_CHOICES,
    )


def _import_page(request: PageRequest, workspace: WorkspaceRow, form: Form) -> Response[bytes]:
    return render(
        request,
        "suppressions_import.html",
        status=200 if form.ok else 422,
        title="Import a list",
        at="suppressions",
        form=form,
        scopes=SCOPE_CHOICES,
        imports=services_of(request).imports.of(workspace.id),
    )


def _curl(services: Services) -> str:
    return (
        f"curl {services.facts.http_url}/api/v1/suppressions \\\n"
        "  -H \"Authorization: Bearer $POSTROOM_KEY\" -H 'Content-Type: application/json' \\\n"
        '  -d \'{"address": "ada@example.net", "scope": "bulk", "reason": "asked by phone"}\''
    )
