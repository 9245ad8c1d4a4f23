"""Operators' commands about watched mailboxes: partners, their SuperIMAP keys, and accounts."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from postroom.access import audit
from postroom.access.audit import COMMAND
from postroom.accounts.changes import mailboxes_of
from postroom.accounts.partners import Partner
from postroom.app.control import Operation
from postroom.app.services import Services
from postroom.app.superimap import make_hooks
from postroom.base.errors import WrongInput
from postroom.base.ids import parse_id, show_id
from postroom.doors.http.words import show_time
from postroom.ledger.account_rows import AccountState
from postroom.ledger.rows import WorkspaceRow
from postroom.net.imap.names import shown_name
from postroom.store import account_list, accounts
from postroom.store.account_list import AccountFilter
from postroom.store.accounts import AccountView
from postroom.store.database import Tx

Arguments = Mapping[str, Any]

_MOST_LISTED = 1_000
_LAST_ID = (1 << 63) - 1


class AccountOperations:
    """Operations on what a workspace watches."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._hooks = make_hooks(services)

    def by_name(self) -> dict[str, Operation]:
        """Return the operations by the names that commands use."""
        return {
            "partner.show": self.show_partner,
            "partner.set": self.set_partner,
            "partner-key.create": self.create_key,
            "partner-key.list": self.list_keys,
            "partner-key.delete": self.delete_key,
            "account.list": self.list_accounts,
            "account.show": self.show_account,
            "account.sweep": self.sweep_account,
            "account.archive": self.archive_account,
            "account.restore": self.restore_account,
        }

    async def show_partner(self, arguments: Arguments) -> dict[str, Any]:
        """Return what a workspace set for its accounts."""
        workspace = await self._workspace(arguments)
        return await self._shown_partner(workspace, await self._services.partners.get(workspace.id))

    async def set_partner(self, arguments: Arguments) -> dict[str, Any]:
        """Set what is named; the rest stays."""
        workspace, said = await self._workspace(arguments), arguments["set"]
        before = await self._services.partners.get(workspace.id)
        known = ("success_url", "failure_url", "redirects", "retries")
        partner = replace(before, **{name: said[name] for name in known if name in said})
        hooks = self._hooks.prepare(workspace.id, {name: said[name] for name in self._hooks.names if name in said})
        note = self._note(workspace, "partner.set", ", ".join(sorted(said)))

        def write(tx: Tx) -> None:
            hooks.write(tx)
            note(tx)

        after = await self._services.partners.put(workspace.id, partner, in_transaction=write)
        return {**await self._shown_partner(workspace, after), "secrets": hooks.secrets}

    async def create_key(self, arguments: Arguments) -> dict[str, Any]:
        """Make a SuperIMAP key."""
        made = await self._services.partner_keys.create(await self._workspace(arguments))
        return {"id": show_id("pky", made.id), "name": "superimap", "api_key": made.secret}

    async def list_keys(self, arguments: Arguments) -> list[dict[str, Any]]:
        """Return a workspace's SuperIMAP keys without their secrets; the first signs."""
        rows = await self._services.partner_keys.list(await self._workspace(arguments))
        return [
            {"id": show_id("pky", row.id), "hint": row.hint, "created": show_time(row.created_ms), "signs": not at}
            for at, row in enumerate(rows)
        ]

    async def delete_key(self, arguments: Arguments) -> dict[str, Any]:
        """Delete a SuperIMAP key."""
        workspace, key_id = await self._workspace(arguments), parse_id("pky", arguments["id"])
        if key_id is None or not await self._services.partner_keys.delete(workspace, key_id):
            raise WrongInput("id", f"there is no SuperIMAP key {arguments['id']!r}; `postroom key list` shows them")
        return {"deleted": arguments["id"]}

    async def list_accounts(self, arguments: Arguments) -> list[dict[str, Any]]:
        """Return a workspace's accounts, those made last first."""
        workspace = await self._workspace(arguments)
        state = arguments["state"]
        if state and state not in {one.value for one in AccountState}:
            raise WrongInput("state", f"a state is one of {', '.join(one.value for one in AccountState)}")
        asked = AccountFilter(state, arguments["provider"].upper(), arguments["text"])
        lines = await self._services.database.read(
            lambda conn: account_list.account_lines(conn, workspace.id, asked, _LAST_ID, _MOST_LISTED)
        )
        return [
            {
                "id": show_id("acc", line.id),
                "provider": line.provider,
                "tag": line.tag,
                "email": line.email or None,
                "state": line.state,
                "why": line.why or None,
                "node": line.node,
                "last_number": line.last_number,
            }
            for line in lines
        ]

    async def show_account(self, arguments: Arguments) -> dict[str, Any]:
        """Return an account with how it is watched and what became of its mail."""
        workspace, view = await self._account(arguments)
        account, status = view.account, view.status

        return {
            "id": show_id("acc", account.id),
            "provider": view.connection.provider,
            "tag": account.tag,
            "email": account.email or None,
            "login_username": account.username or None,
            "watched_mailboxes": mailboxes_of(account),
            "state": status.state,
            "why": status.why or None,
            "since": _time(status.since_ms),
            "retry": _time(status.retry_ms),
            "node": view.owner.node,
            "connected": _time(account.connected_ms),
            "archived": bool(account.is_archived),
            "last_number": view.owner.last_number,
            "last_mail": _time(status.last_mail_ms),
            "mailboxes": [
                {
                    "mailbox": one.mailbox.name,
                    "mailbox_name": shown_name(one.mailbox.name),
                    "uid_validity": one.mailbox.uid_validity,
                    "first_uid": one.mailbox.first_uid,
                    "uid_next": one.mailbox.uid_next,
                    "sweep_next": one.mailbox.sweep_next,
                    "outcomes": {outcome.outcome: outcome.mails for outcome in one.outcomes},
                    "audited": _time(one.mailbox.audited_ms),
                }
                for one in await self._services.accounts.audit(workspace.id, account.id, 1)
            ],
        }

    async def sweep_account(self, arguments: Arguments) -> dict[str, Any]:
        """Have the mail told that was there before watching began."""
        workspace, view = await self._account(arguments)
        now_ms, note = self._services.clock.now_ms(), self._note(workspace, "account.sweep", arguments["id"])

        def write(tx: Tx) -> list[tuple[str, int]] | None:
            note(tx)
            return accounts.begin_sweep(tx, workspace.id, view.account.id, now_ms)

        swept = await self._services.database.write(write)
        if swept is None:
            raise WrongInput("id", "no mailbox of this account was opened yet; sweep once it is watched")
        return {
            "mailboxes": [
                {"mailbox": name, "mailbox_name": shown_name(name), "before_uid": first_uid}
                for name, first_uid in swept
            ]
        }

    async def archive_account(self, arguments: Arguments) -> dict[str, Any]:
        """Watch an account no more."""
        workspace, view = await self._account(arguments)
        note = self._note(workspace, "account.archive", arguments["id"])
        await self._services.accounts.archive(view.account, in_transaction=note)
        return {"archived": arguments["id"]}

    async def restore_account(self, arguments: Arguments) -> dict[str, Any]:
        """Watch an archived account again."""
        workspace, view = await self._account(arguments)
        note = self._note(workspace, "account.restore", arguments["id"])
        await self._services.accounts.restore(view.account, view.connection, in_transaction=note)
        return {"restored": arguments["id"]}

    async def _shown_partner(self, workspace: WorkspaceRow, partner: Partner) -> dict[str, Any]:
        urls = await self._hooks.urls(workspace.id)
        return {
            "workspace": workspace.name,
            "success_url": partner.success_url or None,
            "failure_url": partner.failure_url or None,
            "redirects": list(partner.redirects),
            "retries": partner.retries,
            **{name: urls.get(name) for name in self._hooks.names},
        }

    async def _workspace(self, arguments: Arguments) -> WorkspaceRow:
        return await self._services.workspaces.named(arguments["workspace"])

    async def _account(self, arguments: Arguments) -> tuple[WorkspaceRow, AccountView]:
        workspace, account_id = await self._workspace(arguments), parse_id("acc", arguments["id"])
        view = None if account_id is None else await self._services.accounts.get(workspace.id, account_id)
        if view is None:
            raise WrongInput("id", f"there is no account {arguments['id']!r}; `postroom account list` shows them")
        return workspace, view

    def _note(self, workspace: WorkspaceRow, action: str, subject: str) -> Callable[[Tx], None]:
        note_id, now_ms = self._services.ids.next(), self._services.clock.now_ms()

        def write(tx: Tx) -> None:
            audit.note(tx, note_id, now_ms, COMMAND, action, subject=subject, workspace_id=workspace.id)

        return write


def _time(epoch_ms: int | None) -> str | None:
    return show_time(epoch_ms) if epoch_ms else None
