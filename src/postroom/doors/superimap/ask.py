"""A request that was read and whose key was checked, and what it names."""

from dataclasses import dataclass

from postroom.accounts.providers import Provider
from postroom.base.errors import WrongInput
from postroom.doors.superimap.answers import Refused
from postroom.doors.superimap.parameters import Parameters
from postroom.doors.superimap.services import Services
from postroom.ledger.account_rows import AccountRow, ConnectionRow
from postroom.ledger.rows import WorkspaceRow
from postroom.store.accounts import ConnectionView


@dataclass(frozen=True, slots=True)
class Ask:
    """A request."""

    services: Services
    workspace: WorkspaceRow
    path: tuple[str, ...]
    """The parts of the path that vary, decoded: provider's code, tag, number."""
    parameters: Parameters

    def provider(self, code: str) -> Provider:
        """Return a provider. Raises Refused 404 with SuperIMAP's text."""
        found = self.services.accounts.providers.get(code)
        if found is None:
            raise Refused(404, f"Imap Provider not found for '{code}'.")
        return found

    async def connection(self) -> ConnectionView:
        """Return the connection that the path names. Raises Refused 404 with SuperIMAP's texts."""
        provider = self.provider(self.path[0])
        found = await self.services.accounts.connection(self.workspace.id, provider)
        if found is None:
            raise Refused(404, "Connection not found.")
        return found

    async def account(self) -> tuple[AccountRow, ConnectionRow]:
        """Return the account that the path names and its connection. Raises Refused 404 with SuperIMAP's texts."""
        connection, tag = (await self.connection()).connection, self.path[1]
        # A text that cannot be stored is nobody's.
        found = await self.services.accounts.tagged(connection, tag) if _is_storable(tag) else None
        if found is None:
            raise Refused(404, f"User not found for '{tag}'.")
        return found, connection

    def number(self) -> int:
        """Return the number of an event that the path names. Raises Refused 404."""
        text = self.path[2]
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise Refused(404, f"Event not found for '{text}'.")
        return int(text)


def refusal_of(error: WrongInput) -> Refused:
    """Return the answer to what has to be corrected, or is gone."""
    if error.code == "gone":
        return Refused(404, f"User not found: {error}.")
    return Refused(400, f"Validation failed: {error}")


def _is_storable(text: str) -> bool:
    return "\x00" not in text and not any(0xD800 <= ord(letter) < 0xE000 for letter in text)
