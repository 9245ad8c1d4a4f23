"""`/api/v1/connections`: a workspace's credentials for IMAP providers."""

from postroom.accounts.changes import ConnectionChange
from postroom.doors.superimap.answers import Answer, done, json
from postroom.doors.superimap.ask import Ask
from postroom.doors.superimap.parameters import Parameters, wrong

_TEXTS = ("imap_host", "imap_security", "smtp_host", "smtp_security")
_PORTS = ("imap_port", "smtp_port")
_URLS = ("authorize_url", "token_url", "revoke_url", "userinfo_url", "scope")


async def list_connections(ask: Ask) -> Answer:
    """List the workspace's connections to IMAP providers."""
    views = await ask.services.accounts.connections(ask.workspace.id)
    return json([_shown(view.connection.provider, view.accounts) for view in views])


async def create_connection(ask: Ask) -> Answer:
    """Make a connection to the provider `imap_provider_code`, one a provider."""
    code = ask.parameters.text("imap_provider_code")
    if not code:
        raise wrong("imap_provider_code can't be blank: name a provider, such as GMAIL_OAUTH2")
    provider = ask.provider(code)
    row = await ask.services.accounts.create_connection(ask.workspace.id, provider, _change(ask.parameters))
    return json(_shown(row.provider, 0))


async def get_connection(ask: Ask) -> Answer:
    """Return a connection with the number of its users."""
    view = await ask.connection()
    return json(_shown(view.connection.provider, view.accounts))


async def change_connection(ask: Ask) -> Answer:
    """Change the OAuth client or the servers of a connection."""
    view = await ask.connection()
    await ask.services.accounts.update_connection(view.connection, _change(ask.parameters))
    return json(_shown(view.connection.provider, view.accounts))


async def delete_connection(ask: Ask) -> Answer:
    """Delete a connection with its users and all that was found for them."""
    view = await ask.connection()
    await ask.services.accounts.delete_connection(view.connection)
    return done()


def servers_of(parameters: Parameters, *, oauth: bool = False) -> dict[str, object]:
    """Return what a request says of servers, by the names of `Overrides`. Raises Refused."""
    said: dict[str, object] = {name: parameters.text(name) for name in _TEXTS if name in parameters}
    said |= {name: parameters.number(name) or 0 for name in _PORTS if name in parameters}
    if oauth:
        said |= {name: parameters.text(f"oauth2_{name}") for name in _URLS if f"oauth2_{name}" in parameters}
    # Cleared, it is the provider's own again.
    return {name: None if name.endswith("security") and not value else value for name, value in said.items()}


def _change(parameters: Parameters) -> ConnectionChange:
    return ConnectionChange(
        parameters.text("oauth2_client_id"),
        parameters.text("oauth2_client_secret"),
        servers_of(parameters, oauth=True),
    )


def _shown(provider: str, users: int) -> dict[str, object]:
    return {"imap_provider_code": provider, "users_count": users}
