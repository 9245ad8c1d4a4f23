"""`…/users`: the accounts of a connection, which SuperIMAP calls users."""

from postroom.accounts.changes import AccountChange
from postroom.doors.superimap.answers import Answer, done, json, show_time
from postroom.doors.superimap.ask import Ask
from postroom.doors.superimap.connections import servers_of
from postroom.doors.superimap.parameters import Parameters
from postroom.ledger.account_rows import AccountRow


async def list_users(ask: Ask) -> Answer:
    """List the users of a connection by their email address."""
    view = await ask.connection()
    rows = await ask.services.accounts.of_connection(view.connection)
    return json([{"tag": row.tag, "email": row.email or None} for row in rows])


async def create_user(ask: Ask) -> Answer:
    """Make the user `tag`; with credentials its mailbox is watched at once."""
    view = await ask.connection()
    row = await ask.services.accounts.create(view.connection, _change(ask.parameters))
    return json(_shown(ask, row))


async def get_user(ask: Ask) -> Answer:
    """Return a user with the links by which a person connects and disconnects the mailbox."""
    row, _ = await ask.account()
    return json(_shown(ask, row))


async def change_user(ask: Ask) -> Answer:
    """Change a user; `archived` false restores it, new credentials are tried at once."""
    row, connection = await ask.account()
    return json(_shown(ask, await ask.services.accounts.update(row, connection, _change(ask.parameters))))


async def archive_user(ask: Ask) -> Answer:
    """Archive a user: its mailbox is watched no more, and all that was found stays."""
    row, _ = await ask.account()
    await ask.services.accounts.archive(row)
    return done()


def _change(parameters: Parameters) -> AccountChange:
    return AccountChange(
        tag=parameters.text("tag"),
        email=parameters.text("email"),
        username=parameters.text("login_username"),
        password=parameters.text("login_password"),
        refresh_token=parameters.text("oauth2_refresh_token"),
        server=servers_of(parameters),
        mailboxes=parameters.texts("mailboxes"),
        is_tracer=parameters.truth("enable_tracer"),
        is_archived=parameters.truth("archived"),
    )


def _shown(ask: Ask, row: AccountRow) -> dict[str, object]:
    links = ask.services.links
    return {
        "tag": row.tag,
        "email": row.email or None,
        "connect_url": links.connect_url(row.id),
        "disconnect_url": links.disconnect_url(row.id),
        "connected_at": show_time(row.connected_ms),
    }
