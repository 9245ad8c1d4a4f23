"""The operation behind `postroom demo`."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from postroom.accounts.partners import Partner
from postroom.app.delivery import local_tools
from postroom.app.demo.door import DemoDoor
from postroom.app.demo.mailboxes import Mailboxes
from postroom.app.demo.mails import DOMAIN
from postroom.app.demo.plan import NAME
from postroom.app.demo.simulate import DemoClock, Parts, Simulation, free_node
from postroom.app.services import Services
from postroom.app.superimap import make_hooks
from postroom.base.clock import Clock
from postroom.base.errors import WrongInput
from postroom.base.ids import IdSource
from postroom.inbound.routes import Asked
from postroom.ledger.route_rows import RouteAction
from postroom.ledger.rows import WorkspaceRow
from postroom.mail.smtp_reply import SmtpReply
from postroom.mail.verdict import MailKind
from postroom.outbound.accept import Acceptance
from postroom.outbound.attempt import Attempted, Work, attempt
from postroom.outbound.messages import Messages
from postroom.outbound.providers import Providers
from postroom.outbound.sandbox import SandboxTransport
from postroom.outbound.transport import TransportKind
from postroom.store import webhooks
from postroom.store.database import Tx
from postroom.store.workspaces import workspace_named


async def fill(services: Services, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Make the workspace and fill it. Raises WrongInput where it exists, and TryLater."""
    if await services.database.read(lambda conn: workspace_named(conn, NAME)) is not None:
        raise WrongInput(
            "workspace", f"there is a workspace {NAME!r} already: the demo is made once and never mixed with other mail"
        )
    workspace = await services.workspaces.create(NAME, "sandbox")
    await services.domains.create(workspace, DOMAIN, vouched=True)
    node = await services.database.read(free_node)
    tools = local_tools(services, {TransportKind.SANDBOX: SandboxTransport(services.slow.run)})

    async def render(work: Work) -> Attempted:
        return await attempt(work, tools, _NoJournal())

    def acceptance(clock: Clock, ids: IdSource) -> Acceptance:
        return Acceptance(
            database=services.database,
            ids=ids,
            clock=clock,
            token_keys=services.token_keys,
            senders=services.domains,
            needs_proof=services.needs_proof,
            names=services.names,
            contents=services.contents,
            messages=Messages(services.database),
            slow=services.slow,
            wake=lambda lanes: None,
            provider_of=Providers().of_domain,
        )

    await _make_routes(services, workspace.id)
    parts = Parts(
        services.database,
        services.contents,
        acceptance,
        render,
        lambda clock, ids: DemoDoor(services, clock, ids),
        services.clock,
    )
    filled = await Simulation(parts, workspace, node).run()
    return {"workspace": NAME, **asdict(filled), "accounts": await _make_accounts(services, workspace, node)}


async def _make_accounts(services: Services, workspace: WorkspaceRow, node: int) -> int:
    clock = DemoClock(services.clock)

    def set_clock(at_ms: int) -> None:
        clock.at_ms = at_ms

    # On SQLite there is no other node that this one could hand them over to.
    shown = services.ids.node if services.database.engine == "sqlite" else node
    ids = IdSource(node, clock)
    filling = Mailboxes(services.database, ids, set_clock, services.clock.now_ms(), shown, services.sealer)
    made = await filling.fill(workspace)
    app = f"https://app.{DOMAIN}"
    partner = Partner(f"{app}/connected", f"{app}/sorry", (app,))
    hooks = make_hooks(services).prepare(
        workspace.id, {"new_mail_webhook": f"{app}/mail", "user_auth_failed_webhook": f"{app}/gone"}
    )

    def write(tx: Tx) -> None:
        hooks.write(tx)
        # Made up as they are, nobody is told: what comes waits.
        for row in webhooks.endpoints_of(tx, workspace.id):
            now_ms = services.clock.now_ms()
            webhooks.set_state(tx, row.id, "active", "paused", "The demo tells nobody.", now_ms)

    await services.partners.put(workspace.id, partner, in_transaction=write)
    await services.partner_keys.create(workspace)
    return made


async def _make_routes(services: Services, workspace_id: int) -> None:
    readers = (MailKind.REPLY, MailKind.OTHER, MailKind.AUTO_REPLY, MailKind.UNSUBSCRIBE, MailKind.COMPLAINT)
    for asked in (
        Asked(f"press@{DOMAIN}", RouteAction.FORWARD, "desk@example.org", description="Journalists"),
        Asked(f"hooks-*@{DOMAIN}", RouteAction.WEBHOOK, "https://app.example.org/mail", is_enabled=False),
        Asked(f"*@{DOMAIN}", RouteAction.STORE, kinds=readers, description="What readers write"),
    ):
        await services.routes.create(workspace_id, asked)


class _NoJournal:
    """For copies that go into the sandbox: nothing is in flight."""

    def before_final_dot(self) -> bool:
        return True

    def after_reply(self, reply: SmtpReply) -> None:
        """Nothing to note."""
