"""`/w/NAME/domains`: the domains of a workspace, and the doctor of one: records, what DNS holds, what to do."""

from urllib.parse import quote, urlsplit

from litestar import Response, get, post

from postroom.base.errors import WrongInput
from postroom.doors.dashboard.domain_views import Doctor, DomainLine, doctor, domain_line
from postroom.doors.dashboard.forms import Form, read_form, sentence
from postroom.doors.dashboard.noted import noted
from postroom.doors.dashboard.page import address_of, done, not_found, render, workspace_of
from postroom.doors.dashboard.services import PageRequest, Services, services_of
from postroom.ledger.rows import DomainRow, WorkspaceRow
from postroom.mail.address import domain_to_a_labels


@get("/w/{workspace:str}/domains")
async def list_domains(request: PageRequest) -> Response[bytes]:
    """Show the domains, and the form that adds one."""
    return await _list(request, await workspace_of(request), Form())


@post("/w/{workspace:str}/domains")
async def add_domain(request: PageRequest) -> Response[bytes]:
    """Make a domain with its keys and go to its records."""
    workspace = await workspace_of(request)
    form = await read_form(request)
    name = form.text("name", "Enter the domain that stands behind the @ of your From addresses.", most=253)
    if form.ok:
        try:
            note = noted(request, workspace, "domain.create", name)
            row = await services_of(request).domains.create(workspace, name, in_transaction=note)
        except WrongInput as error:
            form.errors["name"] = sentence(str(error))
        else:
            return done(request, _address(workspace, row), f"{row.name} is made. Publish its records, then check them.")
    return await _list(request, workspace, form, status=422)


@get("/w/{workspace:str}/domains/{domain:str}")
async def show_domain(request: PageRequest) -> Response[bytes]:
    """Show a domain's records with what the last check found."""
    workspace = await workspace_of(request)
    row = await _existing(request, workspace)
    return _doctor_page(request, "domain.html", workspace, _doctor(services_of(request), row))


@post("/w/{workspace:str}/domains/{domain:str}/check")
async def check_domain(request: PageRequest) -> Response[bytes]:
    """Look the records up now."""
    workspace = await workspace_of(request)
    services = services_of(request)
    view = await services.domains.check(await _existing(request, workspace))
    page = _doctor(services, view.row)
    if request.headers.get("hx-request"):
        return _doctor_page(request, "domain_checked.html", workspace, page)
    return done(request, _address(workspace, view.row), page.told)


@post("/w/{workspace:str}/domains/{domain:str}/delete")
async def delete_domain(request: PageRequest) -> Response[bytes]:
    """Delete a domain with its keys."""
    workspace = await workspace_of(request)
    row = await _existing(request, workspace)
    note = noted(request, workspace, "domain.delete", row.name)
    if not await services_of(request).domains.delete(workspace, row.name, in_transaction=note):
        raise not_found("domain")
    return done(request, address_of(workspace, "domains"), f"{row.name} is deleted, with its keys.")


HANDLERS = (list_domains, add_domain, show_domain, check_domain, delete_domain)


async def _list(request: PageRequest, workspace: WorkspaceRow, form: Form, status: int = 200) -> Response[bytes]:
    services = services_of(request)
    lines = [_line(services, row) for row in await services.domains.list(workspace)]
    return render(request, "domains.html", status=status, title="Domains", at="domains", lines=lines, form=form)


def _doctor_page(request: PageRequest, template: str, workspace: WorkspaceRow, page: Doctor) -> Response[bytes]:
    name = page.domain.name
    where = "" if workspace.name == "default" else f" --workspace {workspace.name}"
    return render(
        request,
        template,
        title=name,
        at="domains",
        page=page,
        domain=page.domain,
        fresh=template == "domain_checked.html",
        address=f"domains/{quote(name)}",
        vouch=f"postroom domain create {name} --vouched{where}",
        unvouch=f"postroom domain unvouch {name}{where}",
    )


def _doctor(services: Services, row: DomainRow) -> Doctor:
    domains = services.domains
    return doctor(_line(services, row), row, domains.records(row), domains.last_look(row))


def _line(services: Services, row: DomainRow) -> DomainLine:
    facts = services.facts
    return domain_line(row, f"rp.{facts.hostname.lower()}", urlsplit(facts.public_url).hostname or facts.hostname)


async def _existing(request: PageRequest, workspace: WorkspaceRow) -> DomainRow:
    try:
        name = domain_to_a_labels(request.path_params["domain"])
    except WrongInput as error:
        raise not_found("domain") from error
    row = await services_of(request).domains.get(workspace, name)
    if row is None:
        raise not_found("domain")
    return row


def _address(workspace: WorkspaceRow, row: DomainRow) -> str:
    return address_of(workspace, f"domains/{quote(row.name)}")
