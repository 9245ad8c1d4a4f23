"""Operators' commands as operations on the opened parts: by the local socket, or alone where no server runs.

Arguments and results are JSON values. Each raises WrongInput with the remedy
for what the operator can correct.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from postroom.app.account_operations import AccountOperations
from postroom.app.check.run import check_running
from postroom.app.control import Operation
from postroom.app.demo.operation import fill
from postroom.app.inbound import make_rcpt_copy
from postroom.app.keeping_operations import KeepingOperations
from postroom.app.key_rotation import KeyRotation
from postroom.app.names import dashboard_url
from postroom.app.operator_operations import OperatorOperations
from postroom.app.outbound import Outbound
from postroom.app.pipe_operations import PipeOperations
from postroom.app.route_operations import RouteOperations
from postroom.app.services import Services, open_services
from postroom.base.clock import HOUR_MS, SystemClock
from postroom.base.errors import WrongInput
from postroom.base.ids import first_id_at, parse_id, show_id
from postroom.config import Settings
from postroom.domains.records import DnsRecord
from postroom.domains.registry import may_send
from postroom.doors.http.words import show_time, why
from postroom.events.moves import Move, move_selected
from postroom.events.record import counted_under
from postroom.ledger.rows import DomainRow, WorkspaceRow
from postroom.ledger.states import RecipientState, Stream
from postroom.mail.address import check_address, domain_key
from postroom.mail.address_list import Mailbox
from postroom.mail.compose import Draft, compose
from postroom.mail.envelope import Envelope, EnvelopeRecipient, Notify
from postroom.outbound.submission import Submission
from postroom.outbound.transport import parse_transport
from postroom.store import recipients
from postroom.store.recipients import RecipientFilter
from postroom.tracking.relabel import relabel
from postroom.upkeep.periods import read_age
from postroom.upkeep.recount import Recount

DEFAULT_WORKSPACE = "default"
DEFAULT_LOGIN = "postroom"
_QUEUE_STATES = (RecipientState.QUEUED, RecipientState.HELD, RecipientState.SENDING, RecipientState.DEFERRED)
_SOURCE = "http"
_RELABEL_PAGES = 20
"""Of one request, so that a command can show how far it is."""

Arguments = Mapping[str, Any]


async def perform_alone(settings: Settings, operation: str, arguments: Arguments) -> Any:
    """Perform an operation where no server runs. Raises PostroomError."""
    async with open_services(settings, SystemClock()) as services:
        try:
            return await Operations(services, Outbound(services)).by_name()[operation](arguments)
        finally:
            if (copy := make_rcpt_copy(services)) is not None and copy.is_there():
                # Never the first one: on a host without a server mail would wait for nobody.
                await copy.refresh()


class Operations:
    """What operators can ask for."""

    def __init__(self, services: Services, outbound: Outbound) -> None:
        self._services = services
        self._outbound = outbound

    def by_name(self) -> dict[str, Operation]:
        """Return the operations by the names that commands use."""
        moves = {f"queue.{move.value}": self._mover(move) for move in Move}
        return {
            "init": self.init,
            "send": self.send,
            "workspace.create": self.create_workspace,
            "workspace.list": self.list_workspaces,
            "key.create": self.create_key,
            "key.list": self.list_keys,
            "key.delete": self.delete_key,
            "smtp-login.create": self.create_login,
            "smtp-login.list": self.list_logins,
            "smtp-login.delete": self.delete_login,
            "domain.create": self.create_domain,
            "domain.unvouch": self.unvouch_domain,
            "domain.check": self.check_domain,
            "domain.list": self.list_domains,
            "domain.delete": self.delete_domain,
            "queue.list": self.list_queue,
            "recount": self.recount,
            "relabel": self.relabel,
            "demo": self.demo,
            "check": self.check,
            **moves,
            **OperatorOperations(self._services).by_name(),
            **KeepingOperations(self._services).by_name(),
            **KeyRotation(self._services).by_name(),
            **PipeOperations(self._services).by_name(),
            **RouteOperations(self._services).by_name(),
            **AccountOperations(self._services).by_name(),
        }

    async def init(self, arguments: Arguments) -> dict[str, Any]:
        """Make the first workspace, key and login where they are missing."""
        services, settings = self._services, self._services.settings
        rows = services.workspaces.rows
        workspace = next(iter(rows.values()), None) or await services.workspaces.create(DEFAULT_WORKSPACE)
        key = login = ""
        if not await services.api_keys.list(workspace):
            key = (await services.api_keys.create(workspace, "first")).secret
        logins = await services.logins.list(workspace)
        username = logins[0].username if logins else DEFAULT_LOGIN
        if not logins:
            login = (await services.logins.create(workspace, DEFAULT_LOGIN, None)).secret
        submission = settings.submission or settings.submissions
        address = dashboard_url(settings)
        first = await services.operators.new_first_link() if address else None
        return {
            "workspace": workspace.name,
            "api_key": key or None,
            "smtp": {
                "host": submission.host if submission else None,
                "port": submission.port if submission else None,
                "username": username,
                "password": login or None,
            },
            # With the link that makes the first operator, as long as there is none.
            "dashboard": f"{address}/first/{first}" if first else address,
        }

    async def send(self, arguments: Arguments) -> dict[str, Any]:
        """Hand one mail in."""
        workspace = await self._workspace(arguments)
        author = check_address(arguments["from"], field="from")
        to = [check_address(one, field="to") for one in arguments["to"]]
        if arguments.get("raw") is not None:
            content = arguments["raw"].encode("latin-1")
        else:
            draft = Draft(
                Mailbox(author),
                to=tuple(Mailbox(one) for one in to),
                subject=arguments["subject"],
                text=arguments["text"],
                html=arguments["html"],
            )
            content = compose(draft).content
        envelope = Envelope(author, tuple(EnvelopeRecipient(one, Notify.NEVER) for one in to))
        submission = Submission(workspace, envelope, content, _SOURCE, Stream(arguments["stream"]))
        accepted = await self._outbound.acceptance.accept(submission)
        return {
            "id": show_id("msg", accepted.message_id),
            "recipients": [
                {"id": show_id("rcp", one.id), "address": one.address, "state": one.state.value}
                for one in accepted.recipients
            ],
        }

    async def create_workspace(self, arguments: Arguments) -> dict[str, Any]:
        """Make a workspace."""
        transport = arguments.get("transport", "")
        if transport:
            parse_transport(transport)
        return _shown_workspace(await self._services.workspaces.create(arguments["name"], transport))

    async def list_workspaces(self, arguments: Arguments) -> list[dict[str, Any]]:
        """Return all workspaces."""
        await self._services.workspaces.refresh()
        return [_shown_workspace(row) for row in self._services.workspaces.rows.values()]

    async def create_key(self, arguments: Arguments) -> dict[str, Any]:
        """Make an API key."""
        workspace = await self._workspace(arguments)
        made = await self._services.api_keys.create(workspace, arguments["name"])
        return {"id": show_id("key", made.id), "name": made.name, "api_key": made.secret}

    async def list_keys(self, arguments: Arguments) -> list[dict[str, Any]]:
        """Return a workspace's keys without their secrets."""
        rows = await self._services.api_keys.list(await self._workspace(arguments))
        return [
            {"id": show_id("key", row.id), "name": row.name, "hint": row.hint, "created": show_time(row.created_ms)}
            for row in rows
        ]

    async def delete_key(self, arguments: Arguments) -> dict[str, Any]:
        """Delete an API key."""
        workspace = await self._workspace(arguments)
        key_id = _read_id("key", arguments["id"])
        return _deleted(await self._services.api_keys.delete(workspace, key_id), arguments["id"])

    async def create_login(self, arguments: Arguments) -> dict[str, Any]:
        """Make an SMTP login."""
        workspace = await self._workspace(arguments)
        stream = Stream(arguments["stream"]) if arguments.get("stream") else None
        made = await self._services.logins.create(workspace, arguments["username"], stream)
        return {"id": show_id("log", made.id), "username": made.name, "password": made.secret}

    async def list_logins(self, arguments: Arguments) -> list[dict[str, Any]]:
        """Return a workspace's logins without their passwords."""
        rows = await self._services.logins.list(await self._workspace(arguments))
        return [
            {
                "id": show_id("log", row.id),
                "username": row.username,
                "stream": row.stream or None,
                "created": show_time(row.created_ms),
            }
            for row in rows
        ]

    async def delete_login(self, arguments: Arguments) -> dict[str, Any]:
        """Delete an SMTP login."""
        workspace = await self._workspace(arguments)
        login_id = _read_id("log", arguments["id"])
        return _deleted(await self._services.logins.delete(workspace, login_id), arguments["id"])

    async def create_domain(self, arguments: Arguments) -> dict[str, Any]:
        """Make a domain, or vouch for one."""
        workspace = await self._workspace(arguments)
        row = await self._services.domains.create(workspace, arguments["name"], vouched=bool(arguments.get("vouched")))
        return {**_shown_domain(row), "records": [asdict(one) for one in self._records(row)]}

    async def unvouch_domain(self, arguments: Arguments) -> dict[str, Any]:
        """Take the operator's word for a domain back."""
        row = await self._domain(arguments)
        await self._services.domains.unvouch(await self._workspace(arguments), row)
        return _shown_domain(row._replace(vouched=0))

    async def check_domain(self, arguments: Arguments) -> dict[str, Any]:
        """Look a domain's records up."""
        row = await self._domain(arguments)
        view = await self._services.domains.check(row)
        records = [{**asdict(one.record), "seen": one.seen, "problem": one.problem} for one in view.records]
        return {**_shown_domain(view.row), "records": records}

    async def list_domains(self, arguments: Arguments) -> list[dict[str, Any]]:
        """Return a workspace's domains."""
        return [_shown_domain(row) for row in await self._services.domains.list(await self._workspace(arguments))]

    async def delete_domain(self, arguments: Arguments) -> dict[str, Any]:
        """Delete a domain with its keys."""
        deleted = await self._services.domains.delete(await self._workspace(arguments), arguments["name"])
        return _deleted(deleted, arguments["name"])

    async def list_queue(self, arguments: Arguments) -> dict[str, Any]:
        """Return waiting recipients, newest first, with reason and next try in words."""
        workspace = await self._workspace(arguments)
        state = arguments.get("state")
        states = (RecipientState(state).value,) if state else tuple(one.value for one in _QUEUE_STATES)
        domain = domain_key(arguments["domain"]) if arguments.get("domain") else None
        if arguments.get("restored") and not state:
            states = (RecipientState.HELD.value, RecipientState.IN_DOUBT.value)
        asked = RecipientFilter(states=states, domain=domain, restored=bool(arguments.get("restored")))
        limit = int(arguments.get("limit", 50))
        rows = await self._services.database.read(lambda conn: recipients.page(conn, workspace.id, asked, limit))
        now = self._services.clock.now_ms()
        items = [
            {"id": show_id("rcp", row.id), "address": row.address, "state": row.state, "why": why(row, now)}
            for row in rows
        ]
        return {"items": items}

    async def check(self, arguments: Arguments) -> list[dict[str, Any]]:
        """Look at everything that this server needs."""
        return [one.to_json() for one in await check_running(self._services, arguments["outside"])]

    async def recount(self, arguments: Arguments) -> dict[str, Any]:
        """Count the counters again, and correct them where asked."""
        workspace = await self._workspace(arguments)
        end = self._services.clock.now_ms() // HOUR_MS + 1
        first = end - int(arguments["hours"])
        counting = Recount(self._services.database, self._services.clock, counted_under)
        done = await counting.run(workspace.id, first, repair=bool(arguments.get("repair")))
        return {
            "rows": done.compared,
            "differences": [one._asdict() for one in done.differences],
            "unsettled": done.unsettled,
        }

    async def relabel(self, arguments: Arguments) -> dict[str, Any]:
        """Judge some thousand hits again, from behind hit `after` on; `after` of the answer goes on, None ends."""
        workspace = await self._workspace(arguments)
        since_ms = int(arguments["since_ms"])
        after = max(int(arguments["after"]), first_id_at(since_ms) - 1)
        done = await relabel(
            self._services.database, workspace.id, after=after, since_ms=since_ms, pages=_RELABEL_PAGES
        )
        return done._asdict()

    async def demo(self, arguments: Arguments) -> dict[str, Any]:
        """Make the workspace `demo` and fill it with made-up mail."""
        return await fill(self._services, arguments)

    def _mover(self, move: Move) -> Operation:
        async def perform(arguments: Arguments) -> dict[str, Any]:
            workspace = await self._workspace(arguments)
            services = self._services
            asked = _selection(arguments, services.clock.now_ms())
            moved = await move_selected(
                services.database, services.ids, services.clock, workspace.id, move, asked, "operator"
            )
            return {"moved": moved.recipients, "more": moved.more}

        return perform

    def _records(self, row: DomainRow) -> tuple[DnsRecord, ...]:
        return self._services.domains.records(row)

    async def _workspace(self, arguments: Arguments) -> WorkspaceRow:
        return await self._services.workspaces.named(arguments.get("workspace") or DEFAULT_WORKSPACE)

    async def _domain(self, arguments: Arguments) -> DomainRow:
        workspace = await self._workspace(arguments)
        row = await self._services.domains.get(workspace, arguments["name"])
        if row is None:
            name = arguments["name"]
            raise WrongInput("name", f"{name} is not there; `postroom domain create {name}` makes it")
        return row


def _selection(arguments: Arguments, now_ms: int) -> RecipientFilter:
    ids = tuple(_read_id("rcp", one) for one in arguments.get("recipients", ()))
    message, domain = arguments.get("message"), arguments.get("domain")
    restored, age = bool(arguments.get("restored")), arguments.get("older_than")
    if not ids and not message and not domain and not restored and not arguments.get("all"):
        raise WrongInput("recipients", "name recipients (rcp_…), --message, --domain, --restored or --all")
    return RecipientFilter(
        ids=ids or None,
        message_id=_read_id("msg", message) if message else None,
        domain=domain_key(domain) if domain else None,
        stream=Stream(arguments["stream"]).value if arguments.get("stream") else None,
        states=(RecipientState(arguments["state"]).value,) if arguments.get("state") else None,
        restored=restored,
        before_id=first_id_at(now_ms - read_age(age, "older_than")) if age else None,
    )


def _read_id(kind: str, text: str) -> int:
    row_id = parse_id(kind, text)
    if row_id is None:
        raise WrongInput("id", f"{text!r} is no id of the form {kind}_…")
    return row_id


def _deleted(deleted: bool, name: str) -> dict[str, Any]:
    if not deleted:
        raise WrongInput("id", f"{name} is not there")
    return {"deleted": name}


def _shown_workspace(row: WorkspaceRow) -> dict[str, Any]:
    return {
        "id": show_id("ws", row.id),
        "name": row.name,
        "transport": row.transport.partition("@")[2] or row.transport,
    }


def _shown_domain(row: DomainRow) -> dict[str, Any]:
    return {"name": row.name, "vouched": bool(row.vouched), "may_send": may_send(row)}
