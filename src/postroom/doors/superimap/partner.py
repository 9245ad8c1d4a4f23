"""`/api/v1/partner`: what a workspace sets for its accounts, webhooks among them. SuperIMAP has pages for this."""

from dataclasses import replace

from postroom.accounts.partners import Partner
from postroom.doors.superimap.answers import Answer, json
from postroom.doors.superimap.ask import Ask


async def get_partner(ask: Ask) -> Answer:
    """Return what the workspace set for its accounts: webhooks, where people come back to, tries."""
    return json(await _shown(ask, await ask.services.partners.get(ask.workspace.id)))


async def change_partner(ask: Ask) -> Answer:
    """Set webhooks, where people come back to, and tries; what is not named stays."""
    services, said, workspace_id = ask.services, ask.parameters, ask.workspace.id
    before = await services.partners.get(workspace_id)
    success, failure = said.text("success_url"), said.text("failure_url")
    retries, redirects = said.number("retries"), said.texts("redirects")
    partner = replace(
        before,
        success_url=before.success_url if success is None else success.strip(),
        failure_url=before.failure_url if failure is None else failure.strip(),
        retries=before.retries if retries is None else retries,
        redirects=before.redirects if redirects is None else redirects,
    )
    urls = {name: (said.text(name) or "").strip() for name in services.hooks.names if name in said}
    hooks = services.hooks.prepare(workspace_id, urls)
    after = await services.partners.put(workspace_id, partner, in_transaction=hooks.write)
    shown = await _shown(ask, after)
    return json({**shown, "secrets": hooks.secrets} if hooks.secrets else shown)


async def _shown(ask: Ask, partner: Partner) -> dict[str, object]:
    urls = await ask.services.hooks.urls(ask.workspace.id)
    return {
        "name": ask.workspace.name,
        "success_url": partner.success_url or None,
        "failure_url": partner.failure_url or None,
        "redirects": partner.redirects,
        "retries": partner.retries,
        **{name: urls.get(name) for name in ask.services.hooks.names},
    }
